/** One recipient's delivery: attempts, outcomes, and what they say of the chat. */
import type { Standing } from "../chats/consent_check.ts";
import type { DeliveryEvent, MemberEvent } from "../chats/events.ts";
import { type Outcome, outcomeOf, wordsOf } from "../telegram/outcome.ts";
import { floodsAtMost } from "../telegram/rate_limit/rate_limiter.ts";
import type { SendPermit, SendPriority } from "../telegram/rate_limit/send_request.ts";
import { deadline } from "../util/async.ts";
import { messageOf } from "../util/errors.ts";
import type { PauseControl } from "./handle.ts";
import {
  type Destination,
  MessageSender,
  type MessageSenderOptions,
  type Part,
  type StarBudget,
} from "./outgoing.ts";
import { type BroadcastCounters, type BroadcastTopic, type DeliveryResult, torn } from "./report.ts";
import type { DeliveryDeps } from "./request.ts";
import type { CheckPermission, MassDeactivationGuard } from "./safeguards.ts";

export interface DelivererOptions extends DeliveryDeps, MessageSenderOptions {
  readonly priority: SendPriority;
  readonly onUnknown: "skip" | "resend";
  readonly budget: StarBudget;
  readonly counters: BroadcastCounters;
  /** Holds back whatever has not left yet. */
  readonly control: Pick<PauseControl, "isPaused" | "resumed">;
  /** Whether the chat is subscribed, as the table says now. */
  readonly standingOf: (chatId: number) => Standing | Promise<Standing>;
  readonly guard: MassDeactivationGuard;
  /** Whether the broadcast is meant for the chat; rejects where that cannot be told. */
  readonly isMeant: (chatId: number, standing: Standing) => boolean | Promise<boolean>;
  /** Whether the chat may still use the bot. */
  readonly checkPermission: CheckPermission;
  /** Called where a message waits as it is not known whom a flood concerns. */
  readonly onUnclearFlood: () => void;
  /** Called with each refusal in unknown words. */
  readonly onUnclear: (words: string, message: string) => void;
  /** Whether the chat is one of the recipients itself. */
  readonly isRecipient: (chatId: number) => boolean;
  /** Ends what waits for its turn. */
  readonly signal: AbortSignal;
  /** Looks at the clock, which may have jumped, and ends the broadcast where its time is over. */
  readonly checkTime: () => void;
  /** Sees to it, right before each message, that no other process sends the broadcast; `undefined` where that is sure. */
  readonly hold: () => Promise<unknown> | undefined;
  /** Why it was ended. */
  readonly whyEnded: () => "expired" | "stopped";
}

/** A send that is under way. */
interface DeliveryState {
  /** The recipient, or the supergroup that it has become. */
  chatId: number;
  /** The topic to which the last send went. */
  threadId: number | undefined;
  /** Whether a topic has refused it, so that all of it goes to the chat's General topic. */
  isInGeneral: boolean;
  /** When a send began, by the clock and by what had been heard. */
  start: { readonly at: number; readonly moment: number };
  attempts: number;
  floods: number;
  /** The gate's count of rests when it was last looked at. */
  rests: number;
  readonly onTurn: (isHeld: boolean) => void;
  /** Whether the recipient was drawn, to find out whom a flood concerns. */
  readonly isDrawn: boolean;
}

/** How a chat is counted that cannot be reached. */
interface Verdict {
  readonly outcome: "deactivated" | "failed";
  readonly message: string;
}

const attemptsAtMost = 4;
const backoffMs = 250;
const textWithinMs = 10_000;
/** A chat whose own flood lasts longer is not waited for; a flood of the bot is, however long. */
export const ownFloodAtMostMs = 600_000;
const withdrawn: DeliveryResult = { outcome: "withdrawn" };

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #caller: MessageSender;
  #hasToldFlood = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#caller = new MessageSender(options);
  }

  /** Waits for no answer any more: what is under way may have arrived. */
  abandon(): void {
    this.#caller.abandon();
  }

  /**
   * Sends what the recipient is to have, until it is clear how to count it. Calls `onTurn` whenever the message no longer
   * waits for the bot's pace: it goes out now, or is held back for its chat's sake. Never rejects.
   */
  async deliver(
    recipient: number,
    onTurn: (isHeld: boolean) => void,
    isDrawn: boolean = false,
  ): Promise<DeliveryResult> {
    const start = { at: 0, moment: 0 };
    const { rests } = this.#options.rateLimiter;
    const letter: DeliveryState = {
      ...{ chatId: recipient, threadId: undefined, isInGeneral: false, start, attempts: 1, floods: 0 },
      ...{ rests, onTurn, isDrawn },
    };
    const result = await this.#deliver(letter, recipient);
    if (result.outcome === "sent" || result.outcome === "unknown") {
      this.#options.guard.note(letter.chatId);
    }
    return result;
  }

  async #deliver(letter: DeliveryState, recipient: number): Promise<DeliveryResult> {
    const refusal = await this.#mayBegin(letter);
    if (refusal !== undefined) return refusal;
    const parts = await this.#partsFor(recipient);
    if ("outcome" in parts) return parts;
    for (const [index, part] of parts.entries()) {
      const result = await this.#send(letter, part);
      if (result.outcome === "sent") continue;
      return index === 0 ? result : torn(result, index, parts.length);
    }
    return { outcome: "sent" };
  }

  /** Whether the recipient is one: subscribed, as the table says now, meant, and allowed. */
  async #mayBegin(letter: DeliveryState): Promise<DeliveryResult | undefined> {
    const { registry, standingOf, isMeant, checkPermission, signal, whyEnded } = this.#options;
    this.#follow(letter);
    if (!registry.isSubscribed(letter.chatId)) return { outcome: "skipped", why: "unsubscribed" };
    const known = standingOf(letter.chatId);
    const standing = known instanceof Promise ? await known : known;
    if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
    if (!standing.isActive) return withdrawn;
    const meant = isMeant(letter.chatId, standing);
    try {
      if (meant !== true && !await meant) return withdrawn;
    } catch (error) {
      return { outcome: "failed", message: messageOf(error), stops: "stopped" };
    }
    // A late answer holds nobody else up.
    const checking = checkPermission(letter.chatId, standing, () => letter.onTurn(true));
    const refusal = checking && await checking;
    return checking && signal.aborted ? { outcome: "skipped", why: whyEnded() } : refusal;
  }

  /** A text of the chat's own may take its time, and fail. */
  async #partsFor(recipient: number): Promise<readonly Part[] | DeliveryResult> {
    const { outgoing, clock, signal, whyEnded } = this.#options;
    const parts = outgoing.partsFor(recipient);
    try {
      return await (outgoing.isPerChat ? deadline(parts, { ms: textWithinMs, clock, signal }) : parts);
    } catch (error) {
      if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
      const refusal = messageOf(error);
      return { outcome: "failed", message: `there is no text for it: ${refusal}`, refusal };
    }
  }

  async #send(letter: DeliveryState, part: Part): Promise<DeliveryResult> {
    const { registry, budget, outgoing } = this.#options;
    for (;;) {
      // A chat that says /stop while the message waits for its turn is not written to.
      this.#follow(letter);
      if (!registry.isSubscribed(letter.chatId)) return { outcome: "skipped", why: "unsubscribed" };
      const isPaid = budget.reserve();
      const permit = await this.#permit(letter, isPaid);
      this.#follow(letter);
      const refusal = permit !== undefined && "outcome" in permit ? permit : await this.#refusal(letter);
      if (permit === undefined || "outcome" in permit || refusal !== undefined) {
        if (permit !== undefined && "released" in permit) permit.released();
        budget.refund(isPaid);
        return refusal ?? { outcome: "skipped", why: this.#options.whyEnded() };
      }
      letter.start = { at: this.#options.clock.now(), moment: registry.moment };
      try {
        outgoing.cacheFileId(await this.#caller.send(this.#destinationOf(letter), part, isPaid));
        permit.succeeded();
        return await this.#reached(letter);
      } catch (error) {
        const result = await this.#settle(letter, permit, isPaid, error);
        if (result !== "again") return result;
      }
    }
  }

  /** The topic that the chat has subscribed, as is known now. */
  #destinationOf(letter: DeliveryState): Destination {
    const { chatId: chat_id, isInGeneral } = letter;
    const message_thread_id = isInGeneral ? undefined : this.#options.registry.threadOf(chat_id);
    letter.threadId = message_thread_id;
    return message_thread_id === undefined ? { chat_id } : { chat_id, message_thread_id };
  }

  /** Checks once more right before the send; gives why the message is not sent after all. */
  async #refusal({ chatId }: DeliveryState): Promise<DeliveryResult | undefined> {
    const { signal, whyEnded, registry, checkTime, hold, standingOf } = this.#options;
    const holding = hold();
    if (holding !== undefined) await holding;
    checkTime();
    if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
    if (!registry.isSubscribed(chatId)) return { outcome: "skipped", why: "unsubscribed" };
    const known = standingOf(chatId);
    const { isActive } = known instanceof Promise ? await known : known;
    checkTime();
    if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
    return isActive && registry.isSubscribed(chatId)
      ? undefined
      : { outcome: "skipped", why: "unsubscribed" };
  }

  /** A group that has become a supergroup meanwhile, as the commands have heard, is written to there, once. */
  #follow(letter: DeliveryState): void {
    const { registry, isRecipient, counters } = this.#options;
    const to = registry.movedTo(letter.chatId);
    if (to === undefined || isRecipient(to)) return;
    counters.migrations.push({ from: letter.chatId, to });
    letter.chatId = to;
  }

  /** `undefined` where the broadcast, or the bot, was stopped meanwhile. */
  async #permit(
    { chatId, onTurn, ...letter }: DeliveryState,
    isPaid: boolean,
  ): Promise<SendPermit | DeliveryResult | undefined> {
    const { rateLimiter, priority, signal, control, counters, onUnclearFlood } = this.#options;
    const onHeld = (): void => onTurn(true);
    // Once the chat was refused it is no longer drawn, but one that had to wait.
    const isDrawn = letter.isDrawn && letter.floods === 0;
    const hasReachedNobody = (): boolean => counters.counts.sent === 0;
    const departure = {
      ...{ priority, chatId, isPaid, isDrawn, signal, ownFloodAtMostMs },
      ...{ hasReachedNobody, onHeld, onUnclearFlood },
    };
    for (;;) {
      await control.resumed(signal);
      try {
        const permit = await rateLimiter.acquire(departure);
        if (!control.isPaused) return permit;
        permit.released();
      } catch (error) {
        const { name, message } = error as Error;
        return name === "ChatFloodError" && !signal.aborted ? { outcome: "failed", message } : undefined;
      } finally {
        onTurn(false);
      }
    }
  }

  /** What an error means; `"again"` where it is to be tried once more. */
  async #settle(
    letter: DeliveryState,
    permit: SendPermit,
    isPaid: boolean,
    error: unknown,
  ): Promise<DeliveryResult | "again"> {
    const { budget, counters, onUnknown, rateLimiter } = this.#options;
    const outcome = outcomeOf(error);
    // What may have arrived may be charged for.
    if (outcome.kind !== "unknown") budget.refund(isPaid);
    if (outcome.kind === "rateLimited") {
      counters.floods++;
      permit.rateLimited(outcome.retryAfterSeconds);
      this.#noteFlood(letter.chatId, outcome.retryAfterSeconds);
      letter.onTurn(true);
      // A flood of the bot is none of the chat's, however many there are.
      if (rateLimiter.rests !== letter.rests) letter.floods = 0;
      letter.rests = rateLimiter.rests;
      return ++letter.floods <= floodsAtMost ? "again" : await this.#verdict(letter, outcome, error);
    }
    permit.released();
    if (outcome.kind === "topic" && this.#leaveTopic(letter, outcome.reason, error)) return "again";
    if (letter.attempts < attemptsAtMost) {
      const isMove = outcome.kind === "moved" && await this.#move(letter, outcome.to);
      const mayTryAgain = outcome.kind === "notSent" ||
        (outcome.kind === "unknown" && onUnknown === "resend");
      if (isMove || mayTryAgain) letter.attempts++;
      if (isMove) return "again";
      if (mayTryAgain && await this.#rest(letter.attempts)) return "again";
    }
    return await this.#verdict(letter, outcome, error);
  }

  /** Has the message go to the chat's General topic, once; false where it was there already. */
  #leaveTopic(letter: DeliveryState, reason: BroadcastTopic["reason"], error: unknown): boolean {
    const { chatId: chat_id, threadId: thread_id } = letter;
    if (thread_id === undefined) return false;
    this.#options.counters.noteTopic({ chat_id, thread_id, reason, message: messageOf(error) });
    letter.isInGeneral = true;
    return true;
  }

  /** Tells of the first chat that is held back for longer than its own flood would be waited for. */
  #noteFlood(chatId: number, seconds: number): void {
    if (seconds * 1000 <= ownFloodAtMostMs || this.#hasToldFlood) return;
    this.#hasToldFlood = true;
    this.#options.logger.warn(
      `Telegram asks to wait for ${seconds} s before chat ${chatId} is written to.`,
    );
  }

  /** False where the broadcast was ended meanwhile. */
  async #rest(attempts: number): Promise<boolean> {
    const { clock, signal } = this.#options;
    return await clock.sleep(backoffMs * 2 ** attempts, signal).then(() => true, () => false);
  }

  /** Hands the group's standing to its supergroup; false where that could not be kept. */
  async #move({ chatId }: DeliveryState, to: number): Promise<boolean> {
    const { migrate, clock } = this.#options;
    return await migrate(chatId, to, clock.now()).then(() => true, () => false);
  }

  async #verdict(letter: DeliveryState, outcome: Outcome, error: unknown): Promise<DeliveryResult> {
    const { outgoing, onUnclear } = this.#options;
    const { at } = letter.start;
    const message = messageOf(error);
    switch (outcome.kind) {
      case "gone": {
        const { reason, isUnopened = false } = outcome;
        return await this.#gone(letter, { kind: "removed", reason, at }, { isUnopened, message });
      }
      case "unreachable":
        return await this.#gone(letter, { kind: "unreached", at }, { isUnopened: false, message });
      case "unknown":
        return { outcome: "unknown", message };
      case "badMessage":
        // The text is this chat's own: the others may take theirs.
        if (outgoing.isPerChat) return { outcome: "failed", message, refusal: wordsOf(error) };
        return { outcome: "failed", message, stops: "refused" };
      case "botBlocked":
        return { outcome: "failed", message, stops: "stopped" };
      case "unclear":
        onUnclear(wordsOf(error), message);
        return { outcome: "failed", message, refusal: wordsOf(error) };
      default:
        return { outcome: "failed", message };
    }
  }

  /** Hands a chat that is gone, or not found, to the guard, which believes that only where most other chats are there. */
  async #gone(
    { chatId, start: { moment } }: DeliveryState,
    event: MemberEvent | DeliveryEvent,
    { isUnopened, message }: { readonly isUnopened: boolean; readonly message: string },
  ): Promise<DeliveryResult> {
    const { guard, counters } = this.#options;
    const isGone = event.kind === "removed";
    const counted = isGone ? "deactivated" : "failed";
    const write = (): Promise<Verdict> => this.#keep(chatId, event, { moment, message });
    const verdict = guard.gone({
      chatId,
      isUnopened,
      revoke: () => counters.recount(chatId, counted, { outcome: "failed", message }),
      write: async () => counters.recount(chatId, counted, await write()),
    });
    if (verdict === "believed") return await write();
    return { outcome: verdict === "later" ? counted : "failed", message };
  }

  /** Keeps what a refusal says of the chat. */
  async #keep(
    chatId: number,
    event: MemberEvent | DeliveryEvent,
    { moment, message }: { readonly moment: number; readonly message: string },
  ): Promise<Verdict> {
    const { registry, keep } = this.#options;
    // A chat that has written again while the refusal was on its way stays active.
    if (registry.hasSpokenSince(chatId, moment)) return { outcome: "failed", message };
    try {
      // A strike that cannot be written is no loss, and must not be written twice: it does not wait in the queue.
      const isInactive = event.kind === "unreached"
        ? (await registry.apply(chatId, [event])).after?.is_active !== true
        : await keep(chatId, event);
      return { outcome: isInactive ? "deactivated" : "failed", message };
    } catch (error) {
      return { outcome: "failed", message: `${message}; not kept: ${messageOf(error)}` };
    }
  }

  /** Counts the message as sent, and clears the chat's strikes. */
  async #reached({ chatId, start: { at } }: DeliveryState): Promise<DeliveryResult> {
    const { registry } = this.#options;
    if (registry.hasStrikes(chatId)) await registry.apply(chatId, [{ kind: "reached", at }]).catch(() => {});
    return { outcome: "sent" };
  }
}

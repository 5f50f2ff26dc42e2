/** One recipient's delivery: attempts, outcomes, and what they say of the chat. */
import type { Standing } from "../chats/consent_check.ts";
import type { MemberEvent, ReachEvent } from "../chats/events.ts";
import { type Outcome, outcomeOf, wordsOf } from "../telegram/outcome.ts";
import { floodsAtMost } from "../telegram/rate_limit/rate_limiter.ts";
import type { Lane, Turn } from "../telegram/rate_limit/send_request.ts";
import { inTime } from "../util/async.ts";
import { reasonOf } from "../util/errors.ts";
import type { Control } from "./handle.ts";
import { Caller, type CallerOptions, type Destination, type Part, type Purse } from "./outgoing.ts";
import { type BroadcastTopic, type Settlement, type Tally, torn } from "./report.ts";
import type { Surroundings } from "./request.ts";
import type { CheckPermission, GoneGuard } from "./safeguards.ts";

export interface CourierOptions extends Surroundings, CallerOptions {
  readonly lane: Lane;
  readonly onUnknown: "skip" | "resend";
  readonly purse: Purse;
  readonly tally: Tally;
  /** Holds back whatever has not left yet. */
  readonly control: Pick<Control, "isPaused" | "resumed">;
  /** Whether the chat is subscribed, as the table says now. */
  readonly standingOf: (chatId: number) => Standing | Promise<Standing>;
  readonly guard: GoneGuard;
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
interface Letter {
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
const withdrawn: Settlement = { outcome: "withdrawn" };

export class Courier {
  readonly #options: CourierOptions;
  readonly #caller: Caller;
  #hasToldFlood = false;

  constructor(options: CourierOptions) {
    this.#options = options;
    this.#caller = new Caller(options);
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
  ): Promise<Settlement> {
    const start = { at: 0, moment: 0 };
    const { rests } = this.#options.gate;
    const letter: Letter = {
      ...{ chatId: recipient, threadId: undefined, isInGeneral: false, start, attempts: 1, floods: 0 },
      ...{ rests, onTurn, isDrawn },
    };
    const settlement = await this.#deliver(letter, recipient);
    if (settlement.outcome === "sent" || settlement.outcome === "unknown") {
      this.#options.guard.note(letter.chatId);
    }
    return settlement;
  }

  async #deliver(letter: Letter, recipient: number): Promise<Settlement> {
    const refusal = await this.#mayBegin(letter);
    if (refusal !== undefined) return refusal;
    const parts = await this.#partsFor(recipient);
    if ("outcome" in parts) return parts;
    for (const [index, part] of parts.entries()) {
      const settlement = await this.#send(letter, part);
      if (settlement.outcome === "sent") continue;
      return index === 0 ? settlement : torn(settlement, index, parts.length);
    }
    return { outcome: "sent" };
  }

  /** Whether the recipient is one: subscribed, as the table says now, meant, and allowed. */
  async #mayBegin(letter: Letter): Promise<Settlement | undefined> {
    const { roster, standingOf, isMeant, checkPermission, signal, whyEnded } = this.#options;
    this.#follow(letter);
    if (!roster.mayWriteTo(letter.chatId)) return { outcome: "skipped", why: "unsubscribed" };
    const known = standingOf(letter.chatId);
    const standing = known instanceof Promise ? await known : known;
    if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
    if (!standing.isActive) return withdrawn;
    const meant = isMeant(letter.chatId, standing);
    try {
      if (meant !== true && !await meant) return withdrawn;
    } catch (error) {
      return { outcome: "failed", message: reasonOf(error), stops: "stopped" };
    }
    // A late answer holds nobody else up.
    const checking = checkPermission(letter.chatId, standing, () => letter.onTurn(true));
    const refusal = checking && await checking;
    return checking && signal.aborted ? { outcome: "skipped", why: whyEnded() } : refusal;
  }

  /** A text of the chat's own may take its time, and fail. */
  async #partsFor(recipient: number): Promise<readonly Part[] | Settlement> {
    const { content, clock, signal, whyEnded } = this.#options;
    const parts = content.partsFor(recipient);
    try {
      return await (content.isPerChat ? inTime(parts, { ms: textWithinMs, clock, signal }) : parts);
    } catch (error) {
      if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
      const refusal = reasonOf(error);
      return { outcome: "failed", message: `there is no text for it: ${refusal}`, refusal };
    }
  }

  async #send(letter: Letter, part: Part): Promise<Settlement> {
    const { roster, purse, content } = this.#options;
    for (;;) {
      // A chat that says /stop while the message waits for its turn is not written to.
      this.#follow(letter);
      if (!roster.mayWriteTo(letter.chatId)) return { outcome: "skipped", why: "unsubscribed" };
      const isPaid = purse.take();
      const turn = await this.#turn(letter, isPaid);
      this.#follow(letter);
      const refusal = turn !== undefined && "outcome" in turn ? turn : await this.#refusal(letter);
      if (turn === undefined || "outcome" in turn || refusal !== undefined) {
        if (turn !== undefined && "over" in turn) turn.over();
        purse.give(isPaid);
        return refusal ?? { outcome: "skipped", why: this.#options.whyEnded() };
      }
      letter.start = { at: this.#options.clock.now(), moment: roster.moment };
      try {
        content.remember(await this.#caller.send(this.#destinationOf(letter), part, isPaid));
        turn.taken();
        return await this.#reached(letter);
      } catch (error) {
        const settlement = await this.#settle(letter, turn, isPaid, error);
        if (settlement !== "again") return settlement;
      }
    }
  }

  /** The topic that the chat has subscribed, as is known now. */
  #destinationOf(letter: Letter): Destination {
    const { chatId: chat_id, isInGeneral } = letter;
    const message_thread_id = isInGeneral ? undefined : this.#options.roster.threadOf(chat_id);
    letter.threadId = message_thread_id;
    return message_thread_id === undefined ? { chat_id } : { chat_id, message_thread_id };
  }

  /** Checks once more right before the send; gives why the message is not sent after all. */
  async #refusal({ chatId }: Letter): Promise<Settlement | undefined> {
    const { signal, whyEnded, roster, checkTime, hold, standingOf } = this.#options;
    const holding = hold();
    if (holding !== undefined) await holding;
    checkTime();
    if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
    if (!roster.mayWriteTo(chatId)) return { outcome: "skipped", why: "unsubscribed" };
    const known = standingOf(chatId);
    const { isActive } = known instanceof Promise ? await known : known;
    checkTime();
    if (signal.aborted) return { outcome: "skipped", why: whyEnded() };
    return isActive && roster.mayWriteTo(chatId) ? undefined : { outcome: "skipped", why: "unsubscribed" };
  }

  /** A group that has become a supergroup meanwhile, as the commands have heard, is written to there, once. */
  #follow(letter: Letter): void {
    const { roster, isRecipient, tally } = this.#options;
    const to = roster.movedTo(letter.chatId);
    if (to === undefined || isRecipient(to)) return;
    tally.migrations.push({ from: letter.chatId, to });
    letter.chatId = to;
  }

  /** `undefined` where the broadcast, or the bot, was stopped meanwhile. */
  async #turn(
    { chatId, onTurn, ...letter }: Letter,
    isPaid: boolean,
  ): Promise<Turn | Settlement | undefined> {
    const { gate, lane, signal, control, tally, onUnclearFlood } = this.#options;
    const onHeld = (): void => onTurn(true);
    // Once the chat was refused it is no longer drawn, but one that had to wait.
    const isDrawn = letter.isDrawn && letter.floods === 0;
    const hasReachedNobody = (): boolean => tally.counts.sent === 0;
    const departure = {
      ...{ lane, chatId, isPaid, isDrawn, signal, ownFloodAtMostMs },
      ...{ hasReachedNobody, onHeld, onUnclearFlood },
    };
    for (;;) {
      await control.resumed(signal);
      try {
        const turn = await gate.enter(departure);
        if (!control.isPaused) return turn;
        turn.over();
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
    letter: Letter,
    turn: Turn,
    isPaid: boolean,
    error: unknown,
  ): Promise<Settlement | "again"> {
    const { purse, tally, onUnknown, gate } = this.#options;
    const outcome = outcomeOf(error);
    // What may have arrived may be charged for.
    if (outcome.kind !== "unknown") purse.give(isPaid);
    if (outcome.kind === "wait") {
      tally.floods++;
      turn.flooded(outcome.retryAfterSeconds);
      this.#noteFlood(letter.chatId, outcome.retryAfterSeconds);
      letter.onTurn(true);
      // A flood of the bot is none of the chat's, however many there are.
      if (gate.rests !== letter.rests) letter.floods = 0;
      letter.rests = gate.rests;
      return ++letter.floods <= floodsAtMost ? "again" : await this.#verdict(letter, outcome, error);
    }
    turn.over();
    if (outcome.kind === "topic" && this.#leaveTopic(letter, outcome.reason, error)) return "again";
    if (letter.attempts < attemptsAtMost) {
      const isMove = outcome.kind === "moved" && await this.#move(letter, outcome.to);
      const mayTryAgain = outcome.kind === "unsent" || (outcome.kind === "unknown" && onUnknown === "resend");
      if (isMove || mayTryAgain) letter.attempts++;
      if (isMove) return "again";
      if (mayTryAgain && await this.#rest(letter.attempts)) return "again";
    }
    return await this.#verdict(letter, outcome, error);
  }

  /** Has the message go to the chat's General topic, once; false where it was there already. */
  #leaveTopic(letter: Letter, reason: BroadcastTopic["reason"], error: unknown): boolean {
    const { chatId: chat_id, threadId: thread_id } = letter;
    if (thread_id === undefined) return false;
    this.#options.tally.noteTopic({ chat_id, thread_id, reason, message: reasonOf(error) });
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
  async #move({ chatId }: Letter, to: number): Promise<boolean> {
    const { migrate, clock } = this.#options;
    return await migrate(chatId, to, clock.now()).then(() => true, () => false);
  }

  async #verdict(letter: Letter, outcome: Outcome, error: unknown): Promise<Settlement> {
    const { content, onUnclear } = this.#options;
    const { at } = letter.start;
    const message = reasonOf(error);
    switch (outcome.kind) {
      case "gone": {
        const { reason, isUnopened = false } = outcome;
        return await this.#gone(letter, { kind: "removed", reason, at }, { isUnopened, message });
      }
      case "unreachable":
        return await this.#gone(letter, { kind: "unreached", at }, { isUnopened: false, message });
      case "unknown":
        return { outcome: "unknown", message };
      case "message":
        // The text is this chat's own: the others may take theirs.
        if (content.isPerChat) return { outcome: "failed", message, refusal: wordsOf(error) };
        return { outcome: "failed", message, stops: "refused" };
      case "bot":
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
    { chatId, start: { moment } }: Letter,
    event: MemberEvent | ReachEvent,
    { isUnopened, message }: { readonly isUnopened: boolean; readonly message: string },
  ): Promise<Settlement> {
    const { guard, tally } = this.#options;
    const isGone = event.kind === "removed";
    const counted = isGone ? "deactivated" : "failed";
    const write = (): Promise<Verdict> => this.#keep(chatId, event, { moment, message });
    const verdict = guard.gone({
      chatId,
      isUnopened,
      revoke: () => tally.recount(chatId, counted, { outcome: "failed", message }),
      write: async () => tally.recount(chatId, counted, await write()),
    });
    if (verdict === "believed") return await write();
    return { outcome: verdict === "later" ? counted : "failed", message };
  }

  /** Keeps what a refusal says of the chat. */
  async #keep(
    chatId: number,
    event: MemberEvent | ReachEvent,
    { moment, message }: { readonly moment: number; readonly message: string },
  ): Promise<Verdict> {
    const { roster, keep } = this.#options;
    // A chat that has written again while the refusal was on its way stays active.
    if (roster.hasSpokenSince(chatId, moment)) return { outcome: "failed", message };
    try {
      // A strike that cannot be written is no loss, and must not be written twice: it does not wait in the queue.
      const isInactive = event.kind === "unreached"
        ? (await roster.apply(chatId, [event])).after?.is_active !== true
        : await keep(chatId, event);
      return { outcome: isInactive ? "deactivated" : "failed", message };
    } catch (error) {
      return { outcome: "failed", message: `${message}; not kept: ${reasonOf(error)}` };
    }
  }

  /** Counts the message as sent, and clears the chat's strikes. */
  async #reached({ chatId, start: { at } }: Letter): Promise<Settlement> {
    const { roster } = this.#options;
    if (roster.isStruck(chatId)) await roster.apply(chatId, [{ kind: "reached", at }]).catch(() => {});
    return { outcome: "sent" };
  }
}

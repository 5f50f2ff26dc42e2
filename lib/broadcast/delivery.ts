/** Delivers a broadcast's message to one recipient: permits, attempts, outcomes, and what they say of the chat. */
import type { DeliveryEvent, MemberEvent } from "../chats/events.ts";
import { type Outcome, outcomeOf, wordsOf } from "../telegram/outcome.ts";
import { floodsAtMost } from "../telegram/rate_limit/rate_limiter.ts";
import type { SendPermit } from "../telegram/rate_limit/send_request.ts";
import { backoffMs, deadline } from "../util/async.ts";
import { messageOf } from "../util/errors.ts";
import type { RunCheckpoint } from "./checkpoint.ts";
import { longestChatFloodMs } from "./broadcast_run.ts";
import type { DeliveryHooks } from "./held_chats.ts";
import { MassDeactivationGuard } from "./mass_deactivation_guard.ts";
import { createStarBudget, type Destination, type MessagePart, type StarBudget } from "./outgoing_message.ts";
import { type CheckPermission, createPermissionCheck } from "./permission_check.ts";
import { isOtherRecipient } from "./recipients.ts";
import { type BroadcastTopic, type DeliveryResult, partlySent, type Verdict } from "./report.ts";
import type { RunContext } from "./request.ts";

/** What the deliveries of one run share. */
export class Deliverer {
  readonly run: RunContext;
  readonly checkpoint: RunCheckpoint | undefined;
  readonly budget: StarBudget;
  /** `undefined` where nothing restricts who may use the bot. */
  readonly checkPermission: CheckPermission | undefined;
  /** Called where a message waits as it is not known whom a flood concerns. */
  readonly onUnclearFlood: () => void;
  #guard: MassDeactivationGuard | undefined;
  /** People who were there before the guard was needed. */
  #present = 0;
  #hasLoggedFlood = false;

  constructor(run: RunContext, checkpoint: RunCheckpoint | undefined, onUnclearFlood: () => void) {
    const { request: { options }, deps, deps: { broadcastAccess }, counters, end } = run;
    const { allowPaidBroadcast = false, starBudget = Infinity } = options;
    this.run = run;
    this.checkpoint = checkpoint;
    this.onUnclearFlood = onUnclearFlood;
    const paidAtMost = (): number => checkpoint?.paidAtMost ?? Infinity;
    this.budget = createStarBudget(allowPaidBroadcast, starBudget, counters, paidAtMost);
    this.checkPermission = broadcastAccess &&
      createPermissionCheck({ ...deps, broadcastAccess, signal: end.signal });
  }

  /**
   * Sends what the recipient is to have, until it is clear how to count it. Never rejects.
   * @param drawnFrom The part of all people from whom it was drawn at random, to find out whom a flood concerns.
   */
  async deliver(recipient: number, hooks: DeliveryHooks, drawnFrom?: number): Promise<DeliveryResult> {
    return await new Delivery(this, recipient, hooks, drawnFrom).deliver();
  }

  /** Begins with the first chat that is gone. */
  get guard(): MassDeactivationGuard {
    const { queue, end, request: { options } } = this.run;
    return this.#guard ??= new MassDeactivationGuard({
      people: () => queue.people,
      present: this.#present,
      halt: (reason) => end.end("refused", reason),
      isOff: options.massDeactivation === "proceed",
    });
  }

  /** Notes a chat whose answer does not say that it is gone. */
  notePresent(chatId: number): void {
    if (this.#guard !== undefined) this.#guard.notePresent(chatId);
    else if (chatId > 0) this.#present++;
  }

  /** Logs the first chat that is held back for longer than its own flood would be waited for. */
  logLongFlood(chatId: number, seconds: number): void {
    if (seconds * 1000 <= longestChatFloodMs || this.#hasLoggedFlood) return;
    this.#hasLoggedFlood = true;
    this.run.deps.logger.warn(`Telegram asks to wait for ${seconds} s before chat ${chatId} is written to.`);
  }

  /** To be called when all recipients are accounted for; resolves when the chats that are gone are written. */
  async close(): Promise<void> {
    await this.#guard?.close();
  }
}

const attemptsAtMost = 4;
/** So often a message whose check took too long waits for its turn anew; then it leaves when the check is done. */
const timesLateAtMost = 3;
const backoff = { firstMs: 1000, longestMs: 4000 };
const textWithinMs = 10_000;
const withdrawn: DeliveryResult = { outcome: "withdrawn" };
const unsubscribed: DeliveryResult = { outcome: "skipped", why: "unsubscribed" };

class Delivery {
  readonly #deliverer: Deliverer;
  readonly #run: RunContext;
  readonly #hooks: DeliveryHooks;
  readonly #drawnFrom: number | undefined;
  readonly #recipient: number;
  /** The recipient, or the supergroup that it has become. */
  #chatId: number;
  /** The topic to which the last send went. */
  #threadId: number | undefined;
  /** Whether a topic has refused it, so that all of it goes to the chat's General topic. */
  #isInGeneral = false;
  /** When the last send began, by the clock, and by what the registry had heard. */
  #sentAt = { time: 0, moment: 0 };
  #attempts = 1;
  #floods = 0;
  /** Whether the chat may have the message, or a part of it. */
  #mayHaveIt = false;
  /** The rate limiter's count of the bot's own rests when it was last looked at. */
  #rests: number;

  constructor(deliverer: Deliverer, recipient: number, hooks: DeliveryHooks, drawnFrom: number | undefined) {
    this.#deliverer = deliverer;
    this.#run = deliverer.run;
    this.#recipient = this.#chatId = recipient;
    this.#hooks = hooks;
    this.#drawnFrom = drawnFrom;
    this.#rests = this.#run.deps.rateLimiter.rests;
  }

  async deliver(): Promise<DeliveryResult> {
    const result = await this.#checkRecipient() ?? await this.#sendParts();
    if (result.outcome === "sent" || result.outcome === "unknown") this.#deliverer.notePresent(this.#chatId);
    return this.#chatId === this.#recipient ? result : { ...result, movedTo: this.#chatId };
  }

  /** Gives how the recipient is counted if it is none: not subscribed, as the table says now, not included, or not allowed. */
  async #checkRecipient(): Promise<DeliveryResult | undefined> {
    const { recipients: { filter, check }, end: { signal } } = this.#run;
    const { checkPermission } = this.#deliverer;
    this.#followMigration();
    if (!await check.isSubscribed(this.#chatId)) return unsubscribed;
    const standing = await check.standingOf(this.#chatId);
    if (signal.aborted) return this.#ended;
    if (!standing.isActive || await isOtherRecipient(this.#chatId, this.#run)) return withdrawn;
    const included = filter?.includes(this.#chatId, standing) ?? true;
    try {
      if (included !== true && !await included) return withdrawn;
    } catch (error) {
      return { outcome: "failed", message: messageOf(error), stops: "stopped" };
    }
    // A late answer holds nobody else up.
    const checking = checkPermission?.(this.#chatId, standing, () => this.#hooks.onHeld(false));
    const refusal = checking && await checking;
    return checking && signal.aborted ? this.#ended : refusal;
  }

  async #sendParts(): Promise<DeliveryResult> {
    const parts = await this.#parts();
    if ("outcome" in parts) return parts;
    for (const [index, part] of parts.entries()) {
      const result = await this.#send(part);
      this.#mayHaveIt = true;
      if (result.outcome === "sent") continue;
      return index === 0 ? result : partlySent(result, index, parts.length);
    }
    return { outcome: "sent" };
  }

  /** A text of the chat's own may take its time, and fail. */
  async #parts(): Promise<readonly MessagePart[] | DeliveryResult> {
    const { message, deps: { clock }, end: { signal } } = this.#run;
    const parts = message.partsFor(this.#recipient);
    try {
      return await (message.isPerChat ? deadline(parts, { ms: textWithinMs, clock, signal }) : parts);
    } catch (error) {
      if (signal.aborted) return this.#ended;
      const refusal = messageOf(error);
      return { outcome: "failed", message: `there is no text for it: ${refusal}`, refusal };
    }
  }

  async #send(part: MessagePart): Promise<DeliveryResult> {
    const { message, deps: { registry, clock }, recipients: { check } } = this.#run;
    const { budget } = this.#deliverer;
    let timesLate = 0;
    for (;;) {
      // A chat that says /stop while the message waits for its permit is not written to.
      this.#followMigration();
      if (!await check.isSubscribed(this.#chatId)) return unsubscribed;
      const isPaid = budget.reserve();
      const permit = await this.#acquirePermit(isPaid, timesLate > 0);
      if ("outcome" in permit) {
        budget.refund(isPaid);
        return permit;
      }
      this.#followMigration();
      const refusal = await this.#checkOnceMore();
      // Messages whose checks were slow do not leave all at once, where the next check needs no reading.
      const isLate = permit.isStale && check.knows(this.#chatId) && timesLate++ < timesLateAtMost;
      if (refusal !== undefined || isLate) {
        permit.returned();
        budget.refund(isPaid);
        if (refusal !== undefined) return refusal;
        continue;
      }
      this.#sentAt = { time: clock.now(), moment: registry.moment };
      try {
        await message.send(this.#destination(), part, isPaid);
        permit.succeeded();
        return await this.#reached();
      } catch (error) {
        const result = await this.#handleError(error, permit, isPaid);
        if (result !== "again") return result;
      }
    }
  }

  /** The permit, or how the recipient is counted that gets none. */
  async #acquirePermit(isPaid: boolean, isAgain: boolean): Promise<SendPermit | DeliveryResult> {
    const { request: { control, options }, deps, counters, turn, end: { signal } } = this.#run;
    const sendRequest = {
      ...{ priority: options.priority ?? "bulk", turn, chatId: this.#chatId, isPaid, isAgain, signal },
      ownFloodAtMostMs: longestChatFloodMs,
      // A chat that had to wait is no longer treated as drawn.
      drawnFrom: this.#floods === 0 ? this.#drawnFrom : undefined,
      hasReachedNobody: () => counters.counts.sent === 0,
      onHeld: () => this.#hooks.onHeld(this.#mayHaveIt),
      onUnclearFlood: this.#deliverer.onUnclearFlood,
    };
    for (;;) {
      await control.resumed(signal);
      try {
        const permit = await deps.rateLimiter.acquire(sendRequest).finally(() => this.#hooks.onPassed());
        const writing = signal.aborted ? undefined : this.#hooks.writtenAhead();
        if (!control.isPaused && writing === undefined) return permit;
        permit.returned();
        await writing;
      } catch (error) {
        const { name, message } = error as Error;
        if (name === "ChatFloodError" && !signal.aborted) return { outcome: "failed", message };
        this.#checkTime();
        return this.#ended;
      }
    }
  }

  /** Checks once more right before the send; gives why the message is not sent after all. */
  async #checkOnceMore(): Promise<DeliveryResult | undefined> {
    const { end: { signal }, deps: { registry }, recipients: { check }, queue } = this.#run;
    // Where the lease has lapsed, another process may send the broadcast.
    const holding = this.#deliverer.checkpoint?.ensureLease();
    if (holding !== undefined) await holding;
    this.#checkTime();
    if (signal.aborted) return this.#ended;
    if (!await check.isSubscribed(this.#chatId)) return unsubscribed;
    const { isActive } = await check.standingOf(this.#chatId);
    this.#checkTime();
    if (signal.aborted) return this.#ended;
    if (!isActive || !registry.isSubscribed(this.#chatId)) return unsubscribed;
    return queue.begin(this.#chatId, this.#recipient) ? undefined : withdrawn;
  }

  /** The clock may have jumped: ends the broadcast if its time is over. */
  #checkTime(): void {
    const { request: { now, expiresAt }, end } = this.#run;
    if (now() >= expiresAt) end.end("expired");
  }

  get #ended(): DeliveryResult {
    return { outcome: "skipped", why: this.#run.end.kind === "expired" ? "expired" : "stopped" };
  }

  /** Writes to the supergroup that a group has become meanwhile, unless that has had its turn. */
  #followMigration(): void {
    const { deps: { registry }, queue, counters } = this.#run;
    const to = registry.movedTo(this.#chatId);
    if (to === undefined || !queue.takeAs(to)) return;
    counters.migrations.push({ from: this.#chatId, to });
    this.#chatId = to;
  }

  /** The topic that the chat has subscribed, as is known now. */
  #destination(): Destination {
    const chat_id = this.#chatId;
    const message_thread_id = this.#isInGeneral ? undefined : this.#run.deps.registry.threadOf(chat_id);
    this.#threadId = message_thread_id;
    return message_thread_id === undefined ? { chat_id } : { chat_id, message_thread_id };
  }

  /** Counts the message as sent, and clears the chat's strikes. */
  async #reached(): Promise<DeliveryResult> {
    const { registry } = this.#run.deps;
    const reached = { kind: "reached", at: this.#sentAt.time } as const;
    if (registry.hasStrikes(this.#chatId)) await registry.apply(this.#chatId, [reached]).catch(() => {});
    return { outcome: "sent" };
  }

  /** What an error means; `"again"` where the message is to be tried once more. */
  async #handleError(error: unknown, permit: SendPermit, isPaid: boolean): Promise<DeliveryResult | "again"> {
    const { request: { options: { onUnknown = "skip" } }, deps: { rateLimiter }, counters } = this.#run;
    const outcome = outcomeOf(error);
    // A message that may have arrived may be charged for.
    if (outcome.kind === "unknown") this.#mayHaveIt = true;
    else this.#deliverer.budget.refund(isPaid);
    if (outcome.kind === "rateLimited") {
      counters.floods++;
      permit.rateLimited(outcome.retryAfterSeconds);
      this.#deliverer.logLongFlood(this.#chatId, outcome.retryAfterSeconds);
      this.#hooks.onHeld(this.#mayHaveIt);
      // Only floods of the chat's own are counted, and not the bot's.
      if (rateLimiter.rests !== this.#rests) this.#floods = 0;
      this.#rests = rateLimiter.rests;
      return ++this.#floods <= floodsAtMost ? "again" : await this.#resultOf(outcome, error);
    }
    permit.released();
    if (outcome.kind === "topic" && this.#leaveTopic(outcome.reason, error)) return "again";
    if (this.#attempts < attemptsAtMost) {
      const isMove = outcome.kind === "moved" && await this.#migrate(outcome.to);
      const mayTryAgain = outcome.kind === "notSent" ||
        (outcome.kind === "unknown" && onUnknown === "resend");
      if (isMove || mayTryAgain) this.#attempts++;
      if (isMove || (mayTryAgain && await this.#backOff())) return "again";
    }
    return await this.#resultOf(outcome, error);
  }

  /** Has the message go to the chat's General topic, once; false where it was there already. */
  #leaveTopic(reason: BroadcastTopic["reason"], error: unknown): boolean {
    const thread_id = this.#threadId;
    if (thread_id === undefined) return false;
    this.#run.counters.noteTopic({ chat_id: this.#chatId, thread_id, reason, message: messageOf(error) });
    this.#isInGeneral = true;
    return true;
  }

  /** False where the broadcast was ended meanwhile. */
  async #backOff(): Promise<boolean> {
    const { deps: { clock }, end: { signal } } = this.#run;
    return await clock.sleep(backoffMs(this.#attempts - 2, backoff), signal).then(() => true, () => false);
  }

  /** Hands the group's standing to its supergroup; false where that could not be written. */
  async #migrate(to: number): Promise<boolean> {
    const { migrate, clock } = this.#run.deps;
    return await migrate(this.#chatId, to, clock.now()).then(() => true, () => false);
  }

  async #resultOf(outcome: Outcome, error: unknown): Promise<DeliveryResult> {
    const { message: { isPerChat }, deps: { onUnclear } } = this.#run;
    const at = this.#sentAt.time;
    const message = messageOf(error);
    switch (outcome.kind) {
      case "gone": {
        const { reason, isUnopened = false } = outcome;
        return await this.#gone({ kind: "removed", reason, at }, isUnopened, message);
      }
      case "unreachable":
        return await this.#gone({ kind: "unreached", at }, false, message);
      case "unknown":
        return { outcome: "unknown", message };
      case "badMessage":
        // A text of the chat's own says nothing of the others' texts.
        if (isPerChat) return { outcome: "failed", message, refusal: wordsOf(error) };
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
    event: MemberEvent | DeliveryEvent,
    isUnopened: boolean,
    message: string,
  ): Promise<DeliveryResult> {
    const { counters } = this.#run;
    const chatId = this.#chatId;
    const counted = event.kind === "removed" ? "deactivated" : "failed";
    const verdict = this.#deliverer.guard.noteGone({
      chatId,
      isUnopened,
      revoke: () => counters.recount(chatId, counted, { outcome: "failed", message }),
      write: async () => counters.recount(chatId, counted, await this.#write(event, message)),
    });
    if (verdict === "believed") return await this.#write(event, message);
    return { outcome: verdict === "later" ? counted : "failed", message };
  }

  /** Writes what a refusal says of the chat. */
  async #write(event: MemberEvent | DeliveryEvent, message: string): Promise<Verdict> {
    const { registry, keep } = this.#run.deps;
    const chatId = this.#chatId;
    // A chat that has written again while the refusal was on its way stays active.
    if (registry.hasSpokenSince(chatId, this.#sentAt.moment)) return { outcome: "failed", message };
    try {
      // A strike must not be written twice, and is no loss if it cannot be written: it does not wait in the queue.
      const isInactive = event.kind === "unreached"
        ? (await registry.apply(chatId, [event])).after?.is_active !== true
        : await keep(chatId, event);
      return { outcome: isInactive ? "deactivated" : "failed", message };
    } catch (error) {
      return { outcome: "failed", message: `${message}; not kept: ${messageOf(error)}` };
    }
  }
}

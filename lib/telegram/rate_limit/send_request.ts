/** A request to send: what it asks for, when its own limits let it leave, and what its answer teaches those limits. */
import type { ChatId, ChosenBy, FloodWait, Refusal } from "./flood_wait.ts";
import { type AdaptiveRate, catchUpMs, type ChatRateLimits, isGroup, type RateSlot } from "./rates.ts";

/**
 * What kind of call it is. A `read` asks Telegram for something, at a slow rate of its own; any other `call` that is no
 * message waits only until the bot's flood is over. The others are messages.
 */
export type SendPriority = "read" | "call" | "reply" | "urgent" | "bulk";

/** A broadcast's turn among those of its priority. */
export interface SendTurn {
  /** The order of magnitude of its recipients, as far as is known: one to a few chats does not wait for one to thousands. */
  readonly magnitude: number;
  /** Of the same order of magnitude the one that was called for first goes first. */
  readonly number: number;
}

/** Negative where the first one goes before the other. */
export function compareTurns(one: SendTurn, other: SendTurn): number {
  return one.magnitude - other.magnitude || one.number - other.number;
}

export interface SendRequest {
  readonly priority: SendPriority;
  /** The turn of its broadcast. Default: before all that have one. */
  readonly turn?: SendTurn;
  /** The chat that a message is for. */
  readonly chatId?: ChatId | undefined;
  /**
   * Where a broadcast has drawn its chat at random, to find out whom a flood concerns: the part of all people from whom it
   * was drawn; 0 for the last one. It goes before others in its queue.
   */
  readonly drawnFrom?: number | undefined;
  /** Whether it had a permit that it has returned: it goes before others in its queue, too. */
  readonly isAgain?: boolean;
  /** What a flood answer to it blocks where it is for no chat, or no message. */
  readonly kind?: string | undefined;
  /** A reply that confirms a /start or /stop goes before all others, and waits for as long as a flood may be the bot's. */
  readonly isConfirmation?: boolean;
  /** A message that Telegram is paid for, beyond those that are free. */
  readonly isPaid?: boolean;
  /**
   * Rejects with a `ChatFloodError` where the chat's own flood blocks it for longer than this, in milliseconds. A flood
   * that may be the bot's is waited for. Default: it waits, however long.
   */
  readonly ownFloodAtMostMs?: number | undefined;
  /** Whether its broadcast has reached nobody so far: then any chat's flood may be the bot's, as nothing speaks against it. */
  readonly hasReachedNobody?: () => boolean;
  /** Rejects with a `PermitTimeoutError` once it has waited for so long. Default: it waits, however long. */
  readonly waitAtMostMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called where the chat's own limit defers it while others may pass. */
  readonly onHeld?: () => void;
  /** Called where it waits as it is not known whom a flood concerns: a message to a drawn chat would go before it. */
  readonly onUnclearFlood?: () => void;
}

/**
 * A call that may leave now. One of `succeeded`, `rateLimited` and `released` is to be called once its answer is there, or
 * `returned` where it does not leave.
 */
export interface SendPermit {
  /** Whether its time has passed: it would leave beside those whose time it is now. */
  readonly isStale: boolean;
  /** The call has not left: its time is another's. */
  returned(): void;
  /** Telegram has taken the message. */
  succeeded(): void;
  /** Telegram has answered 429: the chat is blocked for so long; the whole bot, where it turns out to concern the bot. */
  rateLimited(retryAfterSeconds: number): void;
  /** The call has ended in any other way. */
  released(): void;
}

/** A chat's own flood is longer than the call waits for. */
export class ChatFloodError extends Error {
  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "ChatFloodError";
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super(`Too Many Requests: retry after ${retryAfterSeconds}`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** A call was given up before it left, as its turn did not come in time. */
export class PermitTimeoutError extends Error {
  override readonly name = "PermitTimeoutError";

  constructor() {
    super("its turn has not come in time");
  }
}

/** Whether it is a message, which is counted; other calls are not. */
export function isMessage({ priority }: SendRequest): boolean {
  return priority !== "call" && priority !== "read";
}

/** How the chat of a message was chosen. */
export function chosenBy({ priority, drawnFrom }: SendRequest): ChosenBy {
  if (priority === "urgent" || priority === "bulk") return drawnFrom === undefined ? "order" : "draw";
  return "itself";
}

/** What a flood answer to it blocks: the chat, or all calls of its kind. */
function blockKeyOf({ chatId, kind }: SendRequest): ChatId | undefined {
  return chatId ?? kind;
}

/** What may hold a request back beside the bot's rate. */
export interface RateLimits {
  readonly chats: ChatRateLimits;
  readonly flood: FloodWait;
}

/** How often to check again whether a long flood is its chat's own. */
const reconsiderMs = 1000;

/**
 * When its chat, or its kind, lets a request leave; `now` or earlier is now. An error where the chat's own flood is longer
 * than the request waits for.
 */
export function readyAt(
  request: SendRequest,
  { chats, flood }: RateLimits,
  now: number,
): number | ChatFloodError {
  const { chatId, ownFloodAtMostMs = Infinity } = request;
  const key = blockKeyOf(request);
  if (key === undefined) return now;
  const until = chatId === undefined ? chats.blockedUntil(key, now) : chats.readyAt(chatId, now);
  if (until - now <= ownFloodAtMostMs) return until;
  const isUnproved = flood.isOpen(now) && request.hasReachedNobody?.() === true;
  if (isUnproved || flood.mayBeBots(now)) {
    return Math.min(until, Math.max(flood.restsUntil, now + reconsiderMs));
  }
  const floodMs = chats.blockedUntil(key, now) - now;
  return floodMs > ownFloodAtMostMs ? new ChatFloodError(Math.ceil(floodMs / 1000)) : until;
}

export interface RateFeedbackOptions extends RateLimits {
  readonly now: () => number;
  /** Called when it is found out that the bot, or its replies, have to rest: for how long, and the rate that was lowered. */
  readonly onFlood: (who: "bot" | "replies", seconds: number, messagesPerSecond?: number) => void;
  /** Called when the rate is lowered for good, until time has shown that more is possible; in messages a second. */
  readonly onLowered: (messagesPerSecond: number) => void;
  /** Called when another call may leave now, or the time of the next has changed. */
  readonly onChange: () => void;
}

/** The slot that a message had in the rate of its queue. */
interface TakenSlot {
  readonly rate: AdaptiveRate;
  readonly slot: RateSlot;
}

/** Gives permits, and learns each chat's limits and the bot's from the answers that they report. */
export class RateFeedback {
  readonly #options: RateFeedbackOptions;
  /**
   * The back-offs since it is not clear whom a flood concerns, one for each rate: probes leave slowly, and teach nothing of
   * the limit. They are undone where the flood was the chats' own.
   */
  #backOffs: TakenSlot[] = [];
  /** Whether the flood is proved to be the bot's. */
  #isConfirmed = false;
  /** The rate that stays lowered, whomever the flood concerns. */
  #lowered: AdaptiveRate | undefined;

  constructor(options: RateFeedbackOptions) {
    this.#options = options;
  }

  /** The permit of a message that leaves now. */
  permitMessage(request: SendRequest, now: number, taken: TakenSlot | undefined): SendPermit {
    const { chats, flood, onChange } = this.#options;
    const { chatId } = request;
    // A group's limits are its own.
    const mayBeBots = chatId !== undefined && !isGroup(chatId);
    if (chatId !== undefined) chats.record(chatId, now);
    this.undoUnproven(now);
    // While floods are found out about, few messages leave, and each is to be answered soon.
    const isTest = flood.isOpen(now);
    const number = flood.onSent(now, chosenBy(request));
    const released = (): void => {
      // An answer that says nothing of floods: the next message may find out.
      if (flood.onReleased(number, this.#options.now())) onChange();
    };
    const { now: present } = this.#options;
    return {
      get isStale() {
        return !isTest && present() - now > catchUpMs;
      },
      returned: () => {
        if (chatId !== undefined) chats.withdraw(chatId, now);
        taken?.rate.giveBack(taken.slot, present());
        released();
      },
      released,
      succeeded: () => {
        const now = this.#options.now();
        const wasChats = flood.onSuccess(number, now);
        if (!flood.isOpen(now)) this.#reportLowered();
        if (wasChats) this.#undoBackOffs();
      },
      rateLimited: (seconds) => {
        const until = this.#block(request, seconds);
        const { drawnFrom } = request;
        const refusal = { until, chosenBy: chosenBy(request), drawnFrom };
        if (mayBeBots) this.#diagnose(number, { chatId, ...refusal }, taken);
        else flood.onChatRateLimited(number, this.#options.now());
        onChange();
      },
    };
  }

  /** The permit of a call that is no message. Its flood is its own kind's, and tells nothing of the bot. */
  permitCall(request: SendRequest): SendPermit {
    const rateLimited = (seconds: number): void => {
      this.#block(request, seconds);
      this.#options.onChange();
    };
    return { isStale: false, returned() {}, released() {}, succeeded() {}, rateLimited };
  }

  /** Undoes the back-offs where a flood has ended before its scope was found out: it may have been a stranger's. */
  undoUnproven(now: number): void {
    if (this.#backOffs.length === 0 || this.#options.flood.isOpen(now)) return;
    if (this.#lowered === undefined && !this.#isConfirmed) {
      for (const { rate, slot } of this.#backOffs) rate.undoBackOff(slot);
    }
    this.#backOffs = [];
  }

  /** Blocks the chat, or the kind of call; gives until when. */
  #block(request: SendRequest, seconds: number): number {
    const now = this.#options.now();
    const until = now + seconds * 1000;
    const key = blockKeyOf(request);
    if (key !== undefined) this.#options.chats.blockUntil(key, until, now);
    return until;
  }

  /** Finds out whether a refusal concerns the bot; the rate is lowered until that is known. */
  #diagnose(number: number, refusal: Refusal, taken: TakenSlot | undefined): void {
    const { flood, onFlood } = this.#options;
    const now = this.#options.now();
    if (!flood.isOpen(now)) {
      this.undoUnproven(now);
      this.#isConfirmed = false;
      this.#lowered = undefined;
    }
    if (taken !== undefined && !this.#backOffs.some(({ rate }) => rate === taken.rate)) {
      taken.rate.backOff(taken.slot);
      this.#backOffs.push(taken);
    }
    const scope = flood.onRateLimited(number, refusal, now);
    if (scope === "bot") {
      for (const { rate, slot } of this.#backOffs) rate.confirm(slot);
      this.#isConfirmed = true;
      this.#lowered = undefined;
    } else if (taken !== undefined && flood.isRateTooHigh) {
      this.#lowered = taken.rate;
      flood.clearRefusals();
    }
    if (scope === undefined) return;
    onFlood(scope, Math.ceil((flood.until - now) / 1000), this.#backOffs[0]?.rate.messagesPerSecond);
  }

  /** The refusals were the chats' own. */
  #undoBackOffs(): void {
    for (const { rate, slot } of this.#backOffs) rate.undoBackOff(slot);
    this.#backOffs = [];
    this.#options.onChange();
  }

  /** Reports a rate that stays lowered, once it is clear that the bot does not have to rest. */
  #reportLowered(): void {
    if (this.#lowered === undefined) return;
    this.#options.onLowered(this.#lowered.messagesPerSecond);
    this.#lowered = undefined;
    this.#backOffs = [];
  }
}

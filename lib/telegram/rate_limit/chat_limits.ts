/**
 * How often one chat may be written to: about once a second, with short bursts, and 20 times a minute in a group
 * (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this). Pure: times are in milliseconds,
 * and never go back.
 */
import type { AdaptiveRate, RateSlot } from "./adaptive_rate.ts";
import type { ChatId, FloodAnswer, FloodWait } from "./flood_wait.ts";
import { ChatFloodError, chosenBy, type SendPermit, type SendRequest } from "./send_request.ts";

export interface ChatRateLimits {
  /** When the chat may be written to again; `now` or earlier is now. */
  readyAt(chatId: ChatId, now: number): number;
  /** It was written to. */
  record(chatId: ChatId, now: number): void;
  /** Nothing leaves for a chat, or for whatever else has the key, before then, as Telegram says. */
  blockUntil(key: ChatId, until: number, now: number): void;
  /** Until when it is held so; `now` or earlier is not at all. */
  blockedUntil(key: ChatId, now: number): number;
  /** So much of what Telegram has asked to wait is over already, as the machine has slept. */
  skip(ms: number): void;
}

interface Limit {
  readonly messages: number;
  readonly withinMs: number;
}

interface Window {
  readyAt(chatId: ChatId): number;
  note(chatId: ChatId, now: number): void;
}

const aChat: Limit = { messages: 3, withinMs: 3000 };
const aGroup: Limit = { messages: 20, withinMs: 60_000 };
const sweepEveryMs = 1000;

export function createChatRateLimits(): ChatRateLimits {
  const holds = new Map<ChatId, number>();
  let sweptAt = -Infinity;
  // Apart, as a minute of a broadcast to people would be much to remember, and for nothing.
  const burst = createWindow(aChat);
  const minute = createWindow(aGroup);
  const heldUntil = (key: ChatId, now: number): number => {
    const until = holds.size === 0 ? -Infinity : holds.get(key) ?? -Infinity;
    if (until > -Infinity && until <= now) holds.delete(key);
    return until;
  };
  return {
    blockedUntil: heldUntil,
    readyAt(chatId, now) {
      const ready = Math.max(heldUntil(chatId, now), burst.readyAt(chatId));
      return isGroup(chatId) ? Math.max(ready, minute.readyAt(chatId)) : ready;
    },
    record(chatId, now) {
      burst.note(chatId, now);
      if (isGroup(chatId)) minute.note(chatId, now);
    },
    blockUntil(key, until, now) {
      if (now - sweptAt >= sweepEveryMs) {
        sweptAt = now;
        for (const [id, end] of holds) if (end <= now) holds.delete(id);
      }
      holds.set(key, Math.max(until, holds.get(key) ?? until));
    },
    skip(ms) {
      for (const [key, until] of holds) holds.set(key, until - ms);
    },
  };
}

/** Groups and channels have negative ids, or a name. */
export function isGroup(chatId: ChatId): boolean {
  return typeof chatId === "string" || chatId < 0;
}

/** At most so many in any stretch of that length. */
function createWindow({ messages, withinMs }: Limit): Window {
  /** The latest times of each chat; who was written to longest ago comes first. */
  const chats = new Map<ChatId, readonly number[]>();
  let sweptAt = -Infinity;
  // Now and then, as a Map from whose front single entries are taken grows slow.
  const forget = (now: number): void => {
    if (now - sweptAt < sweepEveryMs) return;
    sweptAt = now;
    for (const [chatId, times] of chats) {
      if (now - (times.at(-1) ?? -Infinity) < withinMs) return;
      chats.delete(chatId);
    }
  };
  return {
    readyAt(chatId) {
      const times = chats.get(chatId);
      if (times === undefined || times.length < messages) return -Infinity;
      return times[times.length - messages] as number + withinMs;
    },
    note(chatId, now) {
      forget(now);
      const times = chats.get(chatId) ?? [];
      chats.delete(chatId);
      chats.set(chatId, [...times, now].slice(-messages));
    },
  };
}

// When a call may leave as far as its own chat, or its kind, is concerned.

export interface Limits {
  readonly chats: ChatRateLimits;
  readonly flood: FloodWait;
}

/** How often to check again whether a long flood is its chat's own. */
const reconsiderMs = 1000;

/** `now` or earlier is now; an error where the chat's own flood is longer than is waited for. */
export function readyAt(
  request: SendRequest,
  { chats, flood }: Limits,
  now: number,
): number | ChatFloodError {
  const { chatId, ownFloodAtMostMs = Infinity } = request;
  const key = holdKeyOf(request);
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

/** What a flood answer holds back. */
export function holdKeyOf({ chatId, kind }: SendRequest): ChatId | undefined {
  return chatId ?? kind;
}

// What Telegram's answers teach of the limits: each chat's own, and the bot's.

export interface RateFeedbackOptions extends Limits {
  readonly now: () => number;
  /** Called when it is found out that the bot, or its replies, have to rest: for how long, and the pace that was lowered. */
  readonly onFlood: (who: "bot" | "replies", seconds: number, messagesPerSecond?: number) => void;
  /** Called when the pace is lowered for good, until time has shown that more is possible; in messages a second. */
  readonly onLowered: (messagesPerSecond: number) => void;
  /** Called when another call may leave now, or the time of the next has changed. */
  readonly onChange: () => void;
}

/** The place that a message had in its pace. */
interface Place {
  readonly pace: AdaptiveRate;
  readonly slot: RateSlot;
}

export class RateFeedback {
  readonly #options: RateFeedbackOptions;
  /**
   * Where paces were lowered since it is not clear whom a flood concerns, each once: probes leave slowly, and teach
   * nothing of the limit. Undone where it was the chats' own.
   */
  #lowered: Place[] = [];
  /** Whether that is proved to be the bot's flood. */
  #isConfirmed = false;
  /** The pace that stays lowered, whomever it concerns. */
  #kept: AdaptiveRate | undefined;

  constructor(options: RateFeedbackOptions) {
    this.#options = options;
  }

  /** A message leaves. */
  turnOf(request: SendRequest, now: number, place: Place | undefined): SendPermit {
    const { chats, flood, onChange } = this.#options;
    const { chatId } = request;
    // A group's limits are its own.
    const mayBeBots = chatId !== undefined && !isGroup(chatId);
    if (chatId !== undefined) chats.record(chatId, now);
    this.forgive(now);
    const number = flood.leave(now, chosenBy(request));
    return {
      released: () => {
        // An answer that says nothing of floods: the next message may find out.
        if (flood.end(number, this.#options.now())) onChange();
      },
      succeeded: () => {
        const now = this.#options.now();
        const wasChats = flood.take(number, now);
        if (!flood.isOpen(now)) this.#tellKept();
        if (wasChats) this.#restore();
      },
      rateLimited: (seconds) => {
        const until = this.#hold(request, seconds);
        if (mayBeBots) this.#ask(number, { chatId, until, chosenBy: chosenBy(request) }, place);
        else flood.refuseChat(number, this.#options.now());
        onChange();
      },
    };
  }

  /** A call that is no message leaves. Its flood is its own kind's, and tells nothing of the bot. */
  turnOfCall(request: SendRequest): SendPermit {
    const flooded = (seconds: number): void => {
      this.#hold(request, seconds);
      this.#options.onChange();
    };
    return { released() {}, succeeded() {}, rateLimited: flooded };
  }

  /** Where a flood has ended before it was found out whose it was, it lowers no pace: it may have been a stranger's. */
  forgive(now: number): void {
    if (this.#lowered.length === 0 || this.#options.flood.isOpen(now)) return;
    if (this.#kept === undefined && !this.#isConfirmed) {
      for (const { pace, slot } of this.#lowered) pace.undoBackOff(slot);
    }
    this.#lowered = [];
  }

  /** Holds the chat, or the kind of call; gives until when. */
  #hold(request: SendRequest, seconds: number): number {
    const now = this.#options.now();
    const until = now + seconds * 1000;
    const key = holdKeyOf(request);
    if (key !== undefined) this.#options.chats.blockUntil(key, until, now);
    return until;
  }

  /** Asks whether a refusal concerns the bot; the pace is lowered until that is known. */
  #ask(number: number, refusal: FloodAnswer, place: Place | undefined): void {
    const { flood, onFlood } = this.#options;
    const now = this.#options.now();
    if (!flood.isOpen(now)) {
      this.forgive(now);
      this.#isConfirmed = false;
      this.#kept = undefined;
    }
    if (place !== undefined && !this.#lowered.some(({ pace }) => pace === place.pace)) {
      place.pace.backOff(place.slot);
      this.#lowered.push(place);
    }
    const found = flood.refuse(number, refusal, now);
    if (found === "bot") {
      for (const { pace, slot } of this.#lowered) pace.confirm(slot);
      this.#isConfirmed = true;
      this.#kept = undefined;
    } else if (place !== undefined && flood.isOften) {
      // Whomever it concerns, the pace was too high.
      this.#kept = place.pace;
      flood.noteLowered();
    }
    if (found === undefined) return;
    onFlood(found, Math.ceil((flood.until - now) / 1000), this.#lowered[0]?.pace.messagesPerSecond);
  }

  /** The refusals were the chats' own. */
  #restore(): void {
    for (const { pace, slot } of this.#lowered) pace.undoBackOff(slot);
    this.#lowered = [];
    this.#options.onChange();
  }

  /** Says that a pace stays lowered, once it is clear that the bot does not have to rest. */
  #tellKept(): void {
    if (this.#kept === undefined) return;
    this.#options.onLowered(this.#kept.messagesPerSecond);
    this.#kept = undefined;
    this.#lowered = [];
  }
}

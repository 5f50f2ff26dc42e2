/** Telegram's answer to haste: a bucket of messages that refills with time, and a pause once it is empty. */
import type { Clock } from "../../util/clock.ts";
import { assertNames, namesOf } from "../../util/validate.ts";
import { wrongValue } from "../wrong_value.ts";
import { tooManyRequests } from "./errors.ts";
import type { Form } from "./request.ts";

export class FloodGate {
  readonly #perSecond: number;
  readonly #capacity: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAtMs: number;
  #pausedUntilMs = 0;

  /** `perSecond` messages each second, of which `burst` may come at once: one second's worth, at least one message. */
  constructor(perSecond: number, now: () => number, burst: number = Math.max(1, perSecond)) {
    this.#perSecond = perSecond;
    this.#capacity = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAtMs = now();
  }

  /**
   * Counts one message.
   * @throws {ApiError} 429, if there are too many; so is every further call until the pause has passed.
   */
  pass(): void {
    const now = this.#now();
    if (now < this.#pausedUntilMs) throw tooManyRequests(Math.ceil((this.#pausedUntilMs - now) / 1000));
    this.#refill(now);
    if (this.#tokens < 1) throw tooManyRequests(this.#pause(now));
    this.#tokens -= 1;
  }

  #refill(now: number): void {
    const gained = (now - this.#filledAtMs) / 1000 * this.#perSecond;
    this.#tokens = Math.min(this.#capacity, this.#tokens + gained);
    this.#filledAtMs = now;
  }

  #pause(now: number): number {
    const seconds = Math.max(1, Math.ceil((1 - this.#tokens) / this.#perSecond));
    this.#pausedUntilMs = now + seconds * 1000;
    return seconds;
  }
}

// Floods on demand: until one ends every call is refused with 429, and each answer says how much of it is left.

/** How a flood goes. */
export interface BotApiFloodOptions {
  /** By how many seconds each call during the flood lengthens it, except the first, which is told of it. @default 0 */
  readonly lengthenSeconds?: number;
}

const optionNames = { known: namesOf<BotApiFloodOptions>({ lengthenSeconds: true }) };

/** A flood that was started. */
export interface BotApiFlood {
  /** How many calls it has refused. */
  readonly hits: number;
  /** When it ends, in milliseconds since 1970 by the server's clock. */
  readonly endsAtMs: number;
  /** Ends it now. */
  clear(): void;
}

interface Flood {
  readonly lengthenMs: number;
  endsAtMs: number;
  hits: number;
}

/** The floods in force in one place: a chat, or the whole bot. */
export class FloodWaits {
  #floods: Flood[] = [];

  /** @throws {RangeError} If a length is too short, or no number. */
  start(seconds: number, options: BotApiFloodOptions, now: number): BotApiFlood {
    assertNames("start the flood", options, optionNames);
    const { lengthenSeconds = 0 } = options;
    requireSeconds("retryAfterSeconds", seconds, 1);
    requireSeconds("lengthenSeconds", lengthenSeconds, 0);
    const flood: Flood = { lengthenMs: lengthenSeconds * 1000, endsAtMs: now + seconds * 1000, hits: 0 };
    this.#floods.push(flood);
    return {
      get hits(): number {
        return flood.hits;
      },
      get endsAtMs(): number {
        return flood.endsAtMs;
      },
      clear: () => this.#keep((other) => other !== flood),
    };
  }

  /** @throws {ApiError} 429 with what is left of the longest flood, if there is any. */
  pass(now: number): void {
    if (this.#floods.length === 0) return;
    this.#keep(({ endsAtMs }) => endsAtMs > now);
    for (const flood of this.#floods) {
      if (flood.hits > 0) flood.endsAtMs += flood.lengthenMs;
      flood.hits += 1;
    }
    const end = this.#floods.reduce((latest, { endsAtMs }) => Math.max(latest, endsAtMs), 0);
    if (end > now) throw tooManyRequests(Math.ceil((end - now) / 1000));
  }

  #keep(condition: (flood: Flood) => boolean): void {
    this.#floods = this.#floods.filter(condition);
  }
}

function requireSeconds(name: string, seconds: number, least: number): void {
  if (Number.isFinite(seconds) && seconds >= least) return;
  const rule = `a number of seconds, at least ${least}`;
  throw new RangeError(wrongValue("start the flood", name, rule, seconds));
}

// How often the bot may write to one chat: its slow mode, and Telegram's own limits for a chat and for a group.

const minuteMs = 60_000;
const defaultBurst = 3;

export interface ChatLimitOptions {
  readonly chatMessagesPerSecond?: number;
  readonly chatBurst?: number;
  readonly groupMessagesPerMinute?: number;
}

export class ChatLimits {
  /** 0: none. */
  slowModeSeconds = 0;
  readonly #second: FloodGate | undefined;
  readonly #perMinute: number;
  /** When the latest of a minute's worth of messages were taken, oldest first. */
  readonly #takenAtMs: number[] = [];
  #lastAtMs = -Infinity;

  constructor(options: ChatLimitOptions, isGroup: boolean, now: () => number) {
    const { chatMessagesPerSecond, chatBurst = defaultBurst, groupMessagesPerMinute = Infinity } = options;
    this.#perMinute = isGroup ? groupMessagesPerMinute : Infinity;
    if (chatMessagesPerSecond !== undefined) {
      this.#second = new FloodGate(chatMessagesPerSecond, now, chatBurst);
    }
  }

  /**
   * Counts messages that nothing else keeps from the chat, those of an album together. A slow mode holds everybody but
   * administrators.
   * @throws {ApiError} 429 with what is left of the wait; nothing is counted.
   */
  take(now: number, isAdministrator: boolean, messages: number = 1): void {
    const slowUntilMs = isAdministrator ? now : this.#lastAtMs + this.slowModeSeconds * 1000;
    const waitMs = Math.max(slowUntilMs, this.#minuteEndsAtMs(now)) - now;
    if (waitMs > 0) throw tooManyRequests(Math.ceil(waitMs / 1000));
    this.#second?.pass();
    for (let each = 0; each < messages; each++) this.#note(now);
  }

  /** When the minute is over of which all messages are used; now if there are some left. */
  #minuteEndsAtMs(now: number): number {
    const [oldest] = this.#takenAtMs;
    return oldest !== undefined && this.#takenAtMs.length >= this.#perMinute ? oldest + minuteMs : now;
  }

  #note(now: number): void {
    this.#lastAtMs = now;
    if (this.#perMinute === Infinity) return;
    this.#takenAtMs.push(now);
    if (this.#takenAtMs.length > this.#perMinute) this.#takenAtMs.shift();
  }
}

// Telegram's answer to the same upload over and over: files of one size have to wait for each other.

/** Up to here, all files of a call together, uploads are free. */
const freeBytes = 100_000;
const secondsAByte = 1e-7;
const [leastMs, mostMs] = [200, 900];
/** What may come at once after a rest, in time; and the longest queue. */
const restMs = 1000;
const longestWaitMs = 5000;
const retryAfterSeconds = 60;

/**
 * As Telegram's own Bot API server does it: uploads are told apart by their size alone, and each of a size delays the
 * next. A photo of 150 KB that is uploaded again for every chat goes out to five chats a second, and no faster.
 */
export class UploadGate {
  readonly #clock: Clock;
  /** When the latest of each size was let through, or will be. */
  readonly #latestMs = new Map<number, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Waits for the call's turn, if it uploads anything large.
   * @throws {ApiError} 429, if too many wait already.
   */
  async pass(files: Form["files"], signal: AbortSignal): Promise<void> {
    const total = [...files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (total <= freeBytes) return;
    const waitMs = this.#take(total, this.#clock.now());
    if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
  }

  #take(bytes: number, now: number): number {
    const latest = this.#latestMs.get(bytes) ?? 0;
    if (latest > now + longestWaitMs) throw tooManyRequests(retryAfterSeconds);
    const delayMs = Math.min(mostMs, Math.max(leastMs, bytes * secondsAByte * 1000));
    const turn = Math.max(latest + delayMs, now - restMs);
    this.#latestMs.set(bytes, turn);
    return turn - now;
  }
}

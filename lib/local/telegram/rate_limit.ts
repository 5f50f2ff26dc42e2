/** What the server answers with 429: too many messages, too many to one chat, too many uploads, and floods that a test starts. */
import type { Clock } from "../../util/clock.ts";
import { assertOptions, assertValue, type Checks, numberRule, type Rule } from "../../util/validate.ts";
import { required } from "../validate.ts";
import { tooManyRequests } from "./errors.ts";
import type { RequestBody } from "./request_body.ts";

/** A token bucket that is closed for whole seconds once it is empty, as Telegram's is. */
export class TokenBucket429 {
  readonly #perSecond: number;
  readonly #capacity: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAtMs: number;
  #closedUntilMs = 0;

  /** `perSecond` messages each second, of which `burst` may come at once: one second's worth, at least one message. */
  constructor(perSecond: number, now: () => number, burst: number = Math.max(1, perSecond)) {
    this.#perSecond = perSecond;
    this.#capacity = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAtMs = now();
  }

  /**
   * Takes a token for one message.
   * @throws {ApiError} 429, if the bucket is empty; so does every further call until the bucket opens again.
   */
  take(): void {
    const now = this.#now();
    if (now < this.#closedUntilMs) throw tooManyRequests(Math.ceil((this.#closedUntilMs - now) / 1000));
    const gained = (now - this.#filledAtMs) / 1000 * this.#perSecond;
    this.#tokens = Math.min(this.#capacity, this.#tokens + gained);
    this.#filledAtMs = now;
    if (this.#tokens < 1) throw tooManyRequests(this.#close(now));
    this.#tokens -= 1;
  }

  /** Returns for how many seconds. */
  #close(now: number): number {
    const seconds = Math.max(1, Math.ceil((1 - this.#tokens) / this.#perSecond));
    this.#closedUntilMs = now + seconds * 1000;
    return seconds;
  }
}

// The limits of one chat.

const minuteMs = 60_000;
const defaultBurst = 3;

export interface ChatQuotaOptions {
  readonly chatMessagesPerSecond?: number;
  readonly chatBurst?: number;
  readonly groupMessagesPerMinute?: number;
}

/** How often the bot may write to one chat: its slow mode, and Telegram's limits for a chat and for a group. */
export class ChatQuota {
  /** 0 without slow mode. */
  slowModeSeconds = 0;
  readonly #bucket: TokenBucket429 | undefined;
  readonly #perMinute: number;
  /** When the messages of the latest minute were taken, oldest first. */
  readonly #takenAtMs: number[] = [];
  #lastAtMs = -Infinity;

  constructor(options: ChatQuotaOptions, isGroup: boolean, now: () => number) {
    const { chatMessagesPerSecond, chatBurst = defaultBurst, groupMessagesPerMinute = Infinity } = options;
    this.#perMinute = isGroup ? groupMessagesPerMinute : Infinity;
    if (chatMessagesPerSecond !== undefined) {
      this.#bucket = new TokenBucket429(chatMessagesPerSecond, now, chatBurst);
    }
  }

  /**
   * Counts messages that the chat takes otherwise; an album takes one token. Slow mode does not apply to administrators.
   * @throws {ApiError} 429 with what is left of the wait; nothing is counted.
   */
  take(now: number, isAdministrator: boolean, messages: number = 1): void {
    const slowUntilMs = isAdministrator ? now : this.#lastAtMs + this.slowModeSeconds * 1000;
    const waitMs = Math.max(slowUntilMs, this.#minuteEndsAtMs(now)) - now;
    if (waitMs > 0) throw tooManyRequests(Math.ceil(waitMs / 1000));
    this.#bucket?.take();
    for (let each = 0; each < messages; each++) this.#note(now);
  }

  /** When a minute has passed since the oldest message; now if the minute has messages left. */
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

// Uploads.

/** Smaller uploads, all files of a call together, are not limited. */
const freeBytes = 100_000;
const secondsPerByte = 1e-7;
const [leastDelayMs, mostDelayMs] = [200, 900];
/** How many milliseconds' worth of uploads may come at once after a rest; and the longest queue. */
const burstMs = 1000;
const longestQueueMs = 5000;
const retryAfterSeconds = 60;

/**
 * Delays each large upload after the one of the same size, as Telegram's own Bot API server does, which tells uploads
 * apart by their size alone. A photo of 150 KB that is uploaded again for every chat reaches five chats a second.
 */
export class UploadLimit {
  readonly #clock: Clock;
  /** When the latest upload of each size was let through, or will be. */
  readonly #latestMs = new Map<number, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Takes a turn for a call's upload, and returns in how many milliseconds it comes; 0 or less for now.
   * @throws {ApiError} 429, if the queue is too long.
   */
  take(files: RequestBody["files"]): number {
    const total = [...files.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    return total <= freeBytes ? 0 : this.#take(total, this.#clock.now());
  }

  #take(bytes: number, now: number): number {
    const latest = this.#latestMs.get(bytes) ?? 0;
    if (latest > now + longestQueueMs) throw tooManyRequests(retryAfterSeconds);
    const delayMs = Math.min(mostDelayMs, Math.max(leastDelayMs, bytes * secondsPerByte * 1000));
    const turn = Math.max(latest + delayMs, now - burstMs);
    this.#latestMs.set(bytes, turn);
    return turn - now;
  }
}

// Floods that a test starts.

/** How a flood goes. */
export interface BotApiFloodOptions {
  /** By how many seconds each call during the flood lengthens it, except the first, which is told of it. @default 0 */
  readonly lengthenSeconds?: number;
}

const floodChecks: Checks<BotApiFloodOptions> = { rules: { lengthenSeconds: secondsRule(0) } };

function secondsRule(least: number): Rule {
  const isGood = (seconds: number): boolean => Number.isFinite(seconds) && seconds >= least;
  return numberRule(`a number of seconds, at least ${least}`, isGood, RangeError);
}

/** A flood that was started. */
export interface BotApiFlood {
  /** How many calls it has refused. */
  readonly hits: number;
  /** When it ends, in milliseconds since 1970 by the server's clock. */
  readonly endsAtMs: number;
  /** Ends it now. */
  clear(): void;
}

interface ActiveFlood {
  readonly lengthenMs: number;
  endsAtMs: number;
  hits: number;
}

/** The floods of one chat, or of the whole bot. Until they end, each answer says how many seconds are left. */
export class FloodList {
  #floods: ActiveFlood[] = [];

  /** @throws {RangeError} If a length is too short, or no number. */
  start(seconds: number, options: BotApiFloodOptions, now: number): BotApiFlood {
    assertValue("start the flood", "retryAfterSeconds", seconds, required(secondsRule(1)));
    assertOptions("start the flood", options, floodChecks);
    const { lengthenSeconds = 0 } = options;
    const flood = { lengthenMs: lengthenSeconds * 1000, endsAtMs: now + seconds * 1000, hits: 0 };
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
  check(now: number): void {
    if (this.#floods.length === 0) return;
    this.#keep(({ endsAtMs }) => endsAtMs > now);
    for (const flood of this.#floods) {
      if (flood.hits > 0) flood.endsAtMs += flood.lengthenMs;
      flood.hits += 1;
    }
    const end = this.#floods.reduce((latest, { endsAtMs }) => Math.max(latest, endsAtMs), 0);
    if (end > now) throw tooManyRequests(Math.ceil((end - now) / 1000));
  }

  #keep(condition: (flood: ActiveFlood) => boolean): void {
    this.#floods = this.#floods.filter(condition);
  }
}

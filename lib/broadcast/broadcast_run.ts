/** A broadcast under way, as its caller sees it: a promise with pause(), resume() and progress. */
import type { RateLimiter } from "../telegram/rate_limit/rate_limiter.ts";
import { Deferred } from "../util/async.ts";
import { type Clock, steady, systemClock } from "../util/clock.ts";
import { createDisplay } from "../util/display.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { BroadcastBeginning } from "./beginning.ts";
import type { BroadcastCounters, BroadcastCounts, BroadcastReport } from "./report.ts";

/** How far a broadcast has come. */
export interface BroadcastProgress extends Readonly<BroadcastCounts> {
  /** Chats that it is meant for, as far as they are known; the list may be read anew meanwhile. 0 until it begins. */
  readonly recipients: number;
  /** Chats that are accounted for: the sum of the five counts. */
  readonly done: number;
  /** Since the call, in milliseconds. */
  readonly elapsedMs: number;
  /**
   * How long it will still take, in milliseconds: the wait that Telegram has asked for, and the rest at the bot's pace, or
   * at the rate of the last few seconds, if that is lower. `undefined` where that cannot be told yet.
   */
  readonly remainingMs: number | undefined;
  /** Chats that cannot be reached before the message expires, at that pace. */
  readonly willExpire: number;
  /** Whether you have paused it. */
  readonly isPaused: boolean;
  /** Whether Telegram has asked the bot to wait (429). */
  readonly isWaiting: boolean;
  /** For how much longer, in milliseconds; 0 where it has not. */
  readonly waitingMs: number;
}

/** A promise of the report, with a hold on the broadcast. */
export interface BroadcastRun extends Promise<BroadcastReport> {
  /** Lets nothing more leave until `resume()`; what is under way arrives. Its time may run out meanwhile. */
  pause(): void;
  /** Goes on. */
  resume(): void;
  /** How far it has come. */
  readonly progress: BroadcastProgress;
  /**
   * Resolves once it has begun: the ledger has its id, or is known to be down; without an id, its chats are known. May reject.
   */
  readonly begun: Promise<BroadcastBeginning>;
}

const nothing: BroadcastProgress = {
  ...{ recipients: 0, done: 0, sent: 0, deactivated: 0, skipped: 0, failed: 0, unknown: 0 },
  elapsedMs: 0,
  remainingMs: undefined,
  willExpire: 0,
  isPaused: false,
  isWaiting: false,
  waitingMs: 0,
};

/** Shows a broadcast's progress richly in a notebook. */
export const displayProgress: <T extends BroadcastProgress>(progress: T) => T = createDisplay(async () =>
  (await import("./display.ts")).showProgress
);

/** Connects the caller's pause(), resume(), progress and begun with the run. */
export class PauseControl {
  static #last = 0;
  /** A later call has a higher one. */
  readonly number: number = ++PauseControl.#last;
  readonly beginning: Deferred<BroadcastBeginning> = new Deferred();
  readonly #elapsed: () => number;
  #isPaused = false;
  #onChange = (): void => {};
  readonly #waiting = new Set<() => void>();
  #progress: (() => BroadcastProgress) | undefined;

  constructor(clock: Clock = systemClock) {
    const elapsed = steady(clock);
    const calledAt = elapsed();
    this.#elapsed = () => elapsed() - calledAt;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
    this.#onChange();
    if (isPaused) return;
    for (const resume of [...this.#waiting]) resume();
  }

  /** Resolves when it is not paused, or `ending` aborts. */
  async resumed(ending: AbortSignal): Promise<void> {
    if (!this.#isPaused || ending.aborted) return;
    await new Promise<void>((resolve) => {
      const resume = (): void => {
        this.#waiting.delete(resume);
        ending.removeEventListener("abort", resume);
        resolve();
      };
      this.#waiting.add(resume);
      ending.addEventListener("abort", resume);
    });
  }

  get progress(): BroadcastProgress {
    const progress = this.#progress?.() ?? { ...nothing, elapsedMs: this.#elapsed() };
    return displayProgress({ ...progress, isPaused: this.#isPaused });
  }

  /** Called when the run begins. `onChange` is called when it is paused or resumed. */
  attach(progress: () => BroadcastProgress, onChange: () => void): void {
    this.#progress = progress;
    this.#onChange = onChange;
  }
}

/** The rate is measured over the last `windowMs`, from `measurableMs` on; marks are `stepMs` apart. */
const [windowMs, measurableMs, stepMs] = [5000, 2000, 250];

/** How fast something went in the last few seconds. Times are in milliseconds, and ascend. */
export class RecentRate {
  #marks: { readonly at: number; readonly count: number }[] = [];

  /** Notes how many there were by then, in all. */
  note(at: number, count: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && at - last.at < stepMs) return;
    this.#marks.push({ at, count });
    // One mark stays that is as old as the window.
    while ((this.#marks[1]?.at ?? Infinity) <= at - windowMs) this.#marks.shift();
  }

  /** How many a millisecond; `undefined` where that cannot be measured yet, or there were none. */
  get perMs(): number | undefined {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (first === undefined || last === undefined || last.at - first.at < measurableMs) return undefined;
    return last.count > first.count ? (last.count - first.count) / (last.at - first.at) : undefined;
  }
}

/** The bot's present paces; messages that are paid for leave first. */
export interface Paces {
  /** Messages a second that are not paid for. */
  readonly free: number;
  /** Messages a second that are paid for. */
  readonly paid: number;
  /** How many may still be paid for; 0 where none is, and `Infinity` without a budget. */
  readonly paidLeft: number;
}

/** How many messages leave in so many milliseconds; not rounded. */
export function messagesIn(ms: number, { free, paid, paidLeft }: Paces): number {
  const seconds = ms / 1000;
  if (seconds * paid <= paidLeft) return seconds * paid;
  return paidLeft + (seconds - paidLeft / paid) * free;
}

/** How many milliseconds so many messages take. */
export function msFor(messages: number, { free, paid, paidLeft }: Paces): number {
  const paidFor = Math.min(messages, paidLeft);
  return (paidFor / paid + (messages - paidFor) / free) * 1000;
}

/** What the progress of a run is computed from. */
export interface ProgressSource {
  readonly counters: BroadcastCounters;
  /** Recipients that are known to be left. */
  readonly left: number;
  /** Those of them that Telegram holds back for their own sake. */
  readonly held: ReadonlySet<number>;
  /** Whether messages go out at full speed: the first chats have taken it. */
  readonly isProven: boolean;
}

/** When a run began, and when it is too late for its message. */
export interface RunTimes {
  readonly startedAt: number;
  /** Milliseconds since 1970, or `Infinity`. */
  readonly expiresAt: number;
  /** The clock by which it takes so long, and expires: it does not go back where the machine's clock is set back. */
  readonly now: () => number;
}

export interface ProgressOptions extends RunTimes {
  readonly control: PauseControl;
  readonly onProgress: ((progress: BroadcastProgress) => void) | undefined;
  /** Whether the caller has ended the broadcast. */
  readonly isStopped: () => boolean;
  /** How many messages may still be paid for. */
  readonly paidLeft: () => number;
  readonly rateLimiter: RateLimiter;
  readonly clock: Clock;
  readonly logger: Logger;
}

const tellEveryMs = 250;
/** A chat whose own flood lasts longer is not waited for; a flood of the bot is, however long. */
export const longestChatFloodMs = 600_000;

/** Computes how far a run has come, and tells its caller, and the log where chats cannot be reached in time. */
export class ProgressTracker {
  readonly #options: ProgressOptions;
  readonly #source: ProgressSource;
  /** For how fast it goes: a machine's sleep does not count. */
  readonly #elapsed: () => number;
  /** How fast it went lately, by the time that was neither waited nor paused. */
  readonly #rate = new RecentRate();
  #toldAt = -Infinity;
  /** Whether the progress that was told last said that Telegram has asked the bot to wait. */
  #hasToldWait = false;
  #hasLoggedHeld = false;
  #hasLoggedFailure = false;
  /** How many chats the log was told cannot be reached in time. */
  #loggedLate: number | undefined;
  /** The wait that Telegram has asked for, or the pause, as far as it was seen; and how long earlier ones were. */
  #wait: { readonly from: number; readonly until: number } | undefined;
  #waitedMs = 0;
  #endedAt: number | undefined;

  constructor(options: ProgressOptions, source: ProgressSource) {
    this.#options = options;
    this.#source = source;
    this.#elapsed = steady(options.clock);
  }

  /** How long the run has taken so far, or in all. */
  get elapsedMs(): number {
    const { now, startedAt } = this.#options;
    return Math.max(0, (this.#endedAt ?? now()) - startedAt);
  }

  /** How many recipients there are to be accounted for, as far as they are known. */
  get recipients(): number {
    return this.#source.counters.done + this.#source.left;
  }

  get current(): BroadcastProgress {
    const { counters: { done, counts }, left: leftNow } = this.#source;
    const isOver = this.#endedAt !== undefined;
    const left = isOver ? 0 : leftNow;
    const waitingMs = isOver ? 0 : this.measure();
    return displayProgress({
      recipients: done + left,
      done,
      ...counts,
      elapsedMs: this.elapsedMs,
      remainingMs: isOver ? 0 : this.#remainingMs(waitingMs),
      willExpire: left > 0 ? this.#willExpire : 0,
      isPaused: this.#options.control.isPaused,
      isWaiting: waitingMs > 0,
      waitingMs,
    });
  }

  /** To be called when the last recipient is accounted for. */
  end(): void {
    this.#endedAt = this.#options.now();
  }

  /** To be called whenever something has changed: tells the progress, but not too often. */
  changed(): void {
    const now = this.#elapsed();
    const waitingMs = this.measure();
    const isWaiting = waitingMs > 0;
    if (isWaiting && this.#options.rateLimiter.pauseMs <= 0 && !this.#hasLoggedHeld) {
      this.#hasLoggedHeld = true;
      this.#logAllHeld(waitingMs);
    }
    if (now - this.#toldAt < tellEveryMs && isWaiting === this.#hasToldWait) return;
    this.#toldAt = now;
    this.#hasToldWait = isWaiting;
    this.tell();
  }

  /** Tells the progress now. */
  tell(): void {
    const progress = this.current;
    this.#logLate(progress);
    void this.#callBack(progress);
  }

  /**
   * Gives for how long Telegram has asked to wait, and measures the rate: the time that goes by so, or paused, or while it
   * is being found out whom a flood concerns, does not count.
   */
  measure(): number {
    const { control, rateLimiter } = this.#options;
    const now = this.#elapsed();
    const waitingMs = this.#source.left > 0 ? this.#waitingMs : 0;
    const { from, until } = this.#wait ?? { from: now, until: now };
    if (control.isPaused || rateLimiter.isUnclear) this.#wait = { from, until: Infinity };
    else if (waitingMs > 0) this.#wait = { from, until: now + waitingMs };
    else {
      this.#waitedMs += Math.min(now, until) - from;
      this.#wait = undefined;
      if (this.#source.isProven) this.#rate.note(now - this.#waitedMs, this.#source.counters.done);
    }
    return waitingMs;
  }

  /** For how long Telegram has asked to wait before the next message: the bot, or all chats that are left. */
  get #waitingMs(): number {
    const { held, left } = this.#source;
    const holds = held.size > 0 && held.size === left ? this.#holds() : [0];
    return Math.max(0, Math.ceil(this.#options.rateLimiter.pauseMs), Math.ceil(Math.min(...holds)));
  }

  /** For how long Telegram holds back each of the held chats. */
  #holds(): number[] {
    return [...this.#source.held].map((chatId) => this.#options.rateLimiter.holdMs(chatId));
  }

  get #paces(): Paces {
    const { rateLimiter: { messagesPerSecond, paidPerSecond }, paidLeft } = this.#options;
    return { free: messagesPerSecond, paid: paidPerSecond, paidLeft: paidLeft() };
  }

  /** How many recipients cannot be reached before the message expires, at the bot's present pace. */
  get #willExpire(): number {
    const { expiresAt, now, rateLimiter } = this.#options;
    if (expiresAt === Infinity) return 0;
    const { left, held } = this.#source;
    const leftMs = expiresAt - now();
    const heldTooLong = this.#holds().filter((ms) => ms >= leftMs).length;
    const ms = Math.max(0, leftMs - Math.max(0, rateLimiter.pauseMs));
    // The held chats take no place of others, as long as there is time for all.
    const { perMs } = this.#rate;
    const atPace = messagesIn(ms, this.#paces);
    const reached = perMs === undefined ? atPace : Math.min(atPace, ms * perMs);
    return heldTooLong + Math.max(0, Math.ceil(left - held.size - reached));
  }

  /** How long it will still take: at the bot's pace, or at the rate of the last few seconds, if that is lower. */
  #remainingMs(waitingMs: number): number | undefined {
    const { counters: { done }, left } = this.#source;
    if (done === 0 || left === 0) return done === 0 ? undefined : 0;
    return Math.round(waitingMs + Math.max(msFor(left, this.#paces), left / (this.#rate.perMs ?? Infinity)));
  }

  /** A mistake in a progress display is no reason to end a broadcast. The function may be async, whatever its type says. */
  async #callBack(progress: BroadcastProgress): Promise<void> {
    try {
      await this.#options.onProgress?.(progress);
    } catch (error) {
      if (!this.#hasLoggedFailure) this.#options.logger.warn(`onProgress failed: ${messageOf(error)}`);
      this.#hasLoggedFailure = true;
    }
  }

  #logAllHeld(ms: number): void {
    // A longer wait was logged when the first chat met it.
    if (ms > longestChatFloodMs) return;
    const { size } = this.#source.held;
    const chats = size === 1
      ? "The last chat of the broadcast has"
      : `The last ${size} chats of the broadcast have`;
    this.#options.logger.info(`${chats} to wait for ${Math.ceil(ms / 1000)} s, as Telegram asks.`);
  }

  /** Logs how many cannot be reached in time: at the start, and when it turns out to be many more, by a twentieth at least. */
  #logLate({ recipients, willExpire, isWaiting, waitingMs }: BroadcastProgress): void {
    const { expiresAt, now, isStopped, logger } = this.#options;
    const logged = this.#loggedLate ?? 0;
    const isMore = willExpire >= 2 * logged && willExpire - logged >= recipients / 20;
    const isNews = willExpire > 0 && (this.#loggedLate === undefined || isMore);
    this.#loggedLate = logged;
    if (!isNews || isStopped()) return;
    this.#loggedLate = willExpire;
    const leftMs = expiresAt - now();
    if (leftMs <= 0) {
      return logger.warn(`The message has expired before ${willExpire} of ${recipients} chats.`);
    }
    const { free, paid, paidLeft } = this.#paces;
    const cause = isWaiting
      ? `Telegram asks to wait for ${Math.ceil(waitingMs / 1000)} s, so`
      : `At ${Math.round((paidLeft > 0 ? paid : free) * 10) / 10} messages a second`;
    const seconds = leftMs < 10_000 ? (leftMs / 1000).toFixed(1) : Math.round(leftMs / 1000);
    logger.warn(
      `${cause} ${willExpire} of ${recipients} chats cannot be reached within the ${seconds} s until the message expires.`,
    );
  }
}

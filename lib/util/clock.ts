/** The only door to time and chance in the library: what depends on either takes a `Clock`, so that tests hold both. */

/** Time and chance. */
export interface Clock {
  /** Milliseconds since 1970, as `Date.now()`. */
  now(): number;
  /** Resolves after `ms`; rejects at once with `signal.reason` when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A number in [0, 1), as `Math.random()`. */
  random(): number;
  /**
   * Milliseconds since whenever, as `performance.now()`: nobody sets it, and it may stand still while the machine sleeps.
   * Default: `now()`, but never back.
   */
  elapsed?(): number;
  /** An id that nobody else has, as `crypto.randomUUID()`, which is the default. */
  uuid?(): string;
  /** Resolves in a later turn of the event loop. Default: after `setImmediate()`. */
  nextTurn?(): Promise<void>;
}

/** Timers that are set for longer end at once. */
const longestTimerMs = 2 ** 31 - 1;

/** The machine's own clock. It wakes up early from more than 24 days. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, Math.min(ms, longestTimerMs));
      signal?.addEventListener("abort", abort, { once: true });
    }),
  random: () => Math.random(),
  elapsed: () => performance.now(),
};

/** Ends a timer that nobody waits for any more. An abort without a reason makes an exception with a stack, which is slow. */
export const cleared: unique symbol = Symbol("cleared");

/**
 * Calls back after `ms`, unless the function that it gives is called before. `onTime` gets the error of a clock whose sleep
 * fails. Costs less than `sleep`, which needs a controller to be ended.
 */
export function startTimer(clock: Clock, ms: number, onTime: (error?: unknown) => void): () => void {
  if (clock === systemClock) {
    const timer = setTimeout(onTime, Math.min(ms, longestTimerMs));
    return () => clearTimeout(timer);
  }
  const timer = new AbortController();
  clock.sleep(ms, timer.signal).then(() => onTime(), (error) => error === cleared || onTime(error));
  return () => timer.abort(cleared);
}

/** An id that nobody else has. */
export function uuid(clock: Clock): string {
  return clock.uuid?.() ?? crypto.randomUUID();
}

/** A browser has no `setImmediate()`. */
const later = (task: () => void): unknown =>
  globalThis.setImmediate === undefined ? setTimeout(task, 0) : globalThis.setImmediate(task);

/** Resolves in a later turn of the event loop, after what is ready to run now. */
export function nextTurn(clock: Clock): Promise<void> {
  return clock.nextTurn?.() ?? new Promise((resolve) => void later(resolve));
}

/** Timers may end a little early by the clock. */
const earlyMs = 100;

/**
 * The clock's time, which goes on where the clock is set back. `reached` is a time that a timer was set for, which has
 * ended: what the clock lost meanwhile nobody would know of otherwise. For what is too old at some time, a machine's sleep
 * included.
 */
export function monotonic(clock: Clock): (reached?: number) => number {
  let latest = -Infinity;
  let behindMs = 0;
  return (reached = -Infinity) => {
    const now = clock.now() + behindMs;
    latest = Math.max(latest, now, reached - earlyMs);
    behindMs += latest - now;
    return latest;
  };
}

/** Time as timers know it, whatever becomes of the clock: for paces, and for how long something is waited for. */
export function steady(clock: Clock): (reached?: number) => number {
  return clock.elapsed === undefined ? monotonic(clock) : () => clock.elapsed?.() as number;
}

/** A clock that is slower or faster than timers by less is in order. */
const leapMs = 5000;

/**
 * Gives by how many milliseconds the clock has leapt forward since that was asked last: the machine has slept meanwhile, or
 * somebody has set the clock. Nothing tells these apart.
 */
export function createLeaps(clock: Clock): () => number {
  const [now, elapsed] = [monotonic(clock), steady(clock)];
  const ahead = (): number => now() - elapsed();
  let before = ahead();
  return () => {
    const leap = ahead() - before;
    if (leap > 0 && leap < leapMs) return 0;
    before += leap;
    return Math.max(0, leap);
  };
}

/**
 * The longest that a timer is set for where something may be due earlier: timers stand still while a machine sleeps, so
 * that one for an hour would end an hour after the machine woke up.
 */
export const napMs = 30_000;

/**
 * Sleeps in naps, until so long has passed by the timers or by the clock, whichever says so first; rejects at once when the
 * signal aborts. `onNap` is called before each nap.
 */
export async function sleepInNaps(
  clock: Clock,
  ms: number,
  { signal, onNap }: { readonly signal: AbortSignal; readonly onNap?: () => void },
): Promise<void> {
  const now = monotonic(clock);
  for (let leftMs = ms, since = now(); leftMs > 0;) {
    onNap?.();
    const nap = Math.min(leftMs, napMs);
    await clock.sleep(nap, signal);
    leftMs -= Math.max(nap, now() - since);
    since = now();
  }
}

// Times of day as texts and as numbers.

/** A day in milliseconds. */
export const dayMs = 86_400_000;

/** The second that a time lies in, in seconds since 1970. */
export function wholeSecond(ms: number): number {
  return Math.floor(ms / 1000);
}

/** A day, or a time on it. JavaScript reads a date into much that is none: `garbage 1` is the first of 2001. */
const iso8601 = /^(\d{4}|[+-]\d{6})-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)?)?$/i;

/** Milliseconds since 1970 of any ISO 8601 form; `undefined` where there is none to read. */
export function parseTime(text: string | undefined): number | undefined {
  const ms = text === undefined || !iso8601.test(text) ? NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The one form that is written: `2024-01-15T10:30:00.000Z`. */
export function toIso(ms: number): string {
  return new Date(ms).toISOString();
}

/** As milliseconds the first would be days of early 1970, the second the year 5138 or later. */
const [secondsFrom, secondsTo, microsecondsFrom] = [1e8, 1e10, 1e14];

/** `2026-01-05 06:15`, in UTC. */
export function minuteOf(ms: number): string {
  return toIso(ms).slice(0, 16).replace("T", " ");
}

/** Whether a time that is meant in milliseconds since 1970 looks like seconds. */
export function isInSeconds(time: number): boolean {
  return Math.abs(time) >= secondsFrom && Math.abs(time) <= secondsTo;
}

/**
 * What to say of a time that is meant in milliseconds and looks like seconds, or microseconds, behind the value itself;
 * empty where it looks right.
 */
export function secondsHint(value: unknown): string {
  const ms = Math.abs(value instanceof Date ? value.getTime() : typeof value === "number" ? value : NaN);
  if (isInSeconds(ms)) return ", which looks like seconds: multiply it by 1000";
  return ms >= microsecondsFrom ? ", which looks like microseconds, or finer" : "";
}

// A timer that calls back at the earliest of the times that it is set to.

/** At a high pace a timer for each message costs as much as the message. */
const shortestSleepMs = 20;

export interface AlarmOptions {
  readonly clock: Clock;
  /** The clock's time, which never goes back. */
  readonly now: (reached?: number) => number;
  /** Called when it is time, and now and then before. */
  readonly onTime: () => void;
}

export class Alarm {
  readonly #options: AlarmOptions;
  #timer: { readonly at: number; readonly cancel: AbortController } | undefined;

  constructor(options: AlarmOptions) {
    this.#options = options;
  }

  /** Sets it; an earlier time stays. `Infinity` clears it, so that it does not keep the program alive. */
  set(ms: number): void {
    const { clock, now, onTime } = this.#options;
    const sleepMs = Math.min(Math.max(Math.ceil(ms), shortestSleepMs), napMs);
    const at = now() + sleepMs;
    if (this.#timer !== undefined && this.#timer.at <= at && ms < Infinity) return;
    this.#timer?.cancel.abort(cleared);
    this.#timer = undefined;
    if (ms === Infinity) return;
    const timer = this.#timer = { at, cancel: new AbortController() };
    clock.sleep(sleepMs, timer.cancel.signal).then(() => {
      if (this.#timer === timer) this.#timer = undefined;
      now(at);
      onTime();
    }, () => {});
  }
}

/** `2026-11-23 16:05:00 UTC` */
export function utcText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Finds such times. */
export const utcPattern: RegExp = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g;

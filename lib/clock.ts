/** The only door to time and chance, so that tests can hold both. */
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

/** The only door to time and chance, so that tests can hold both. */
export interface Clock {
  /** Milliseconds since 1970, as `Date.now()`. */
  now(): number;
  /** Resolves after `ms`; rejects at once with `signal.reason` when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** A number in [0, 1), as `Math.random()`. */
  random(): number;
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
};

/** Timers may end a little early by the clock. */
const earlyMs = 100;

/**
 * The clock's time, which goes on where the clock is set back. `reached` is a time that a timer was set for, which has
 * ended: what the clock lost meanwhile nobody would know of otherwise.
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

/** Waits for a time of a market, whose clock is not this machine's. */
import type { Clock } from "../../util/clock.ts";

export interface SleepUntilOptions {
  readonly clock: Clock;
  /** The clock that the time belongs to. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

const longestSleepMs = 5000;

/**
 * Waits in short sleeps, as timers stand still while a machine sleeps; and in all no longer than it seemed at first, as a
 * clock may be set back. Rejects when the signal aborts.
 */
export async function sleepUntil(time: number, { clock, now, signal }: SleepUntilOptions): Promise<void> {
  for (let leftMs = time - now(); leftMs > 0; leftMs = Math.min(leftMs - longestSleepMs, time - now())) {
    await clock.sleep(Math.min(leftMs, longestSleepMs), signal);
  }
}

/** Waits for a time of day. */
import type { Clock } from "telegram-signals";

const maxSleepMs = 5000;

/**
 * Waits in short sleeps, as timers stand still while a machine sleeps; and in all no longer than it seemed at first, as a
 * clock may be set back. `now` is the clock that `time` belongs to. Rejects when `signal` aborts.
 */
export async function sleepUntil(
  time: number,
  { clock, now = () => clock.now(), signal }: {
    readonly clock: Clock;
    readonly now?: () => number;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  for (let leftMs = time - now(); leftMs > 0; leftMs = Math.min(leftMs - maxSleepMs, time - now())) {
    await clock.sleep(Math.min(leftMs, maxSleepMs), signal);
  }
}

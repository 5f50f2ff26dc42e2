/** The pace of real time: each candle comes shortly after its close. */
import { Cron } from "croner";
import { closeTime, type Pace } from "./feed.ts";

/** Two seconds after every five minutes: an exchange needs a moment to publish the candle. */
export const afterEveryClose = "2 */5 * * * *";

/** Late candles come at once, so a machine that slept catches up. */
export function afterClose(now: () => number = Date.now): Pace {
  return async (candle, signal) => {
    while (now() < closeTime(candle)) await nextRun(signal);
  };
}

function nextRun(signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = (): void => {
      job.stop();
      reject(signal?.reason);
    };
    const job = new Cron(afterEveryClose, { timezone: "UTC", maxRuns: 1 }, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });
}

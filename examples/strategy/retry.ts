/** Repeats a request to the exchange until it succeeds, with exponential back-off and within its rate limit. */
import type { Clock } from "telegram-signals";
import { UsageError } from "../cli/arguments.ts";
import { ExchangeError } from "./exchange_client.ts";

export interface RetryOptions {
  readonly clock: Clock;
  /** Takes one line for the person at the screen. */
  readonly say: (line: string) => void;
}

export type Retry = <T>(request: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

/** Four requests a second where ten are allowed, as other programs may share this address. */
const spacingMs = 250;
const firstWaitMs = 1000;
const longestWaitMs = 60_000;
const longestRetryAfterMs = 3_600_000;

/** Rejects only when aborted, or with a UsageError before the first success; after it the exchange must be mistaken. */
export function createRetry({ clock, say }: RetryOptions): Retry {
  let waitMs = 0;
  let failures = 0;
  let hasSucceeded = false;

  const failed = (error: unknown): void => {
    if (error instanceof UsageError && !hasSucceeded) throw error;
    if (failures++ === 0) say(`Candles cannot be fetched (${innermostMessage(error)}); trying again.`);
    waitMs = waitAfter(error, failures, clock.random());
  };
  const succeeded = (): void => {
    if (failures > 0) say("Candles are fetched again.");
    failures = 0;
    hasSucceeded = true;
    waitMs = spacingMs;
  };

  return async (request, signal) => {
    for (;;) {
      await clock.sleep(waitMs, signal);
      try {
        const answer = await request();
        succeeded();
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        failed(error);
      }
    }
  };
}

/** The time that the exchange asks for, else twice as long each time, with jitter. */
function waitAfter(error: unknown, failures: number, chance: number): number {
  const asked = error instanceof ExchangeError ? error.retryAfterMs : NaN;
  if (asked >= 0) return Math.max(spacingMs, Math.min(asked, longestRetryAfterMs));
  return Math.min(firstWaitMs * 2 ** (failures - 1), longestWaitMs) * (1 - chance / 4);
}

/** `fetch` throws "fetch failed", with the reason as its cause. */
function innermostMessage(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: unknown };
  const inner = typeof cause === "object" && cause !== null ? innermostMessage(cause) : "";
  return inner || (message ?? String(error));
}

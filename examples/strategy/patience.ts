/** Asks one question after another, each until it is answered. */
import type { Clock } from "telegram-signals";
import { ExchangeError } from "./exchange.ts";
import { UsageError } from "./usage_error.ts";

export interface PatienceOptions {
  readonly clock: Clock;
  /** Takes one line for the person at the screen. */
  readonly say: (line: string) => void;
}

export type Patience = <T>(question: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

/** Four requests a second, where ten are allowed: room for whoever else is behind the same address. */
export const spacingMs = 250;
const firstWaitMs = 1000;
const longestWaitMs = 60_000;
const longestRetryAfterMs = 3_600_000;

/** Rejects only when aborted, or with a UsageError in place of the first answer: later the exchange is mistaken. */
export function createPatience({ clock, say }: PatienceOptions): Patience {
  let waitMs = 0;
  let failures = 0;
  let isProven = false;

  const failed = (error: unknown): void => {
    if (error instanceof UsageError && !isProven) throw error;
    if (failures++ === 0) say(`Candles cannot be fetched (${innermostWords(error)}); trying again.`);
    waitMs = waitAfter(error, failures, clock.random());
  };
  const succeeded = (): void => {
    if (failures > 0) say("Candles are fetched again.");
    failures = 0;
    isProven = true;
    waitMs = spacingMs;
  };

  return async (question, signal) => {
    for (;;) {
      await clock.sleep(waitMs, signal);
      try {
        const answer = await question();
        succeeded();
        return answer;
      } catch (error) {
        signal?.throwIfAborted();
        failed(error);
      }
    }
  };
}

/** As long as the exchange asks for, else twice as long each time, less a little by chance: others wait too. */
function waitAfter(error: unknown, failures: number, chance: number): number {
  const asked = error instanceof ExchangeError ? error.retryAfterMs : NaN;
  if (asked >= 0) return Math.max(spacingMs, Math.min(asked, longestRetryAfterMs));
  return Math.min(firstWaitMs * 2 ** (failures - 1), longestWaitMs) * (1 - chance / 4);
}

/** fetch wraps what happened in an error that only says that something did. */
function innermostWords(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: unknown };
  const words = typeof cause === "object" && cause !== null ? innermostWords(cause) : "";
  return words || (message ?? String(error));
}

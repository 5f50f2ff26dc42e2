/** What a bot has to know of Telegram before it starts. */
import type { Clock } from "./clock.ts";
import { forGrammy } from "./for_grammy.ts";
import { isTokenRefused, tokenRefused, unreachable } from "./telegram_error.ts";

const attempts = 3;
/** A start that fails does so within five seconds, which is what a person waits for. */
export const startWithinMs = 4700;

interface AskOptions {
  readonly apiRoot?: string | undefined;
  readonly clock: Clock;
  /** Ends the waits between the attempts. */
  readonly signal: AbortSignal;
}

/**
 * Asks Telegram for something without which the bot cannot start. grammY's own `init()` and `start()` would try a
 * dead network for ever.
 * @throws {TelegramError} If the token is refused, or Telegram cannot be reached.
 */
export async function ask<T>(
  call: (signal: ReturnType<typeof forGrammy>) => Promise<T>,
  { apiRoot, clock, signal }: AskOptions,
): Promise<T> {
  const late = AbortSignal.timeout(startWithinMs);
  for (let attempt = 1;; attempt++) {
    try {
      return await call(forGrammy(late));
    } catch (error) {
      if (isTokenRefused(error)) throw tokenRefused(error);
      if (late.aborted) throw unreachable(new Error(`no answer within ${startWithinMs / 1000} s`), apiRoot);
      if (attempt === attempts) throw unreachable(error, apiRoot);
      await clock.sleep(500 * attempt, signal);
    }
  }
}

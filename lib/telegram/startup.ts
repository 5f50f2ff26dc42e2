/** What a bot has to know of Telegram before it starts. */
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { assertOptions, type Checks, trueOrFalse } from "../util/validate.ts";
import { asGrammySignal } from "./client.ts";
import { isTokenRefused, TelegramError, tokenRefused, unreachable } from "./errors.ts";

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
export async function callAtStartup<T>(
  call: (signal: ReturnType<typeof asGrammySignal>) => Promise<T>,
  { apiRoot, clock, signal }: AskOptions,
): Promise<T> {
  const late = AbortSignal.timeout(startWithinMs);
  for (let attempt = 1;; attempt++) {
    try {
      return await call(asGrammySignal(late));
    } catch (error) {
      if (isTokenRefused(error)) throw tokenRefused(error);
      if (late.aborted) throw unreachable(new Error(`no answer within ${startWithinMs / 1000} s`), apiRoot);
      if (attempt === attempts) throw unreachable(error, apiRoot);
      await clock.sleep(500 * attempt, signal);
    }
  }
}

// A start that waits for the network: a machine may be up before it.

/** How a bot starts. */
export interface StartOptions {
  /**
   * Whether it tries again for as long as Telegram cannot be reached, after a second at first and half a minute at last;
   * `stopBot()` ends that. A refused token ends it, too. Default: false.
   */
  readonly retry?: boolean | undefined;
}

const checks: Checks<StartOptions> = { rules: { retry: trueOrFalse } };
const [firstWaitMs, longestWaitMs] = [1000, 30_000];

/** @throws {TypeError} If an option is unknown, or its value is none. */
export function checkStartOptions(options: StartOptions): StartOptions {
  assertOptions("start the bot", options, checks);
  return options;
}

interface Patience {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the waits. */
  readonly signal: AbortSignal;
}

/** Resolves once the start has; says once that it has to wait. */
export async function startWithRetry<T>(
  start: () => Promise<T>,
  { clock, logger, signal }: Patience,
): Promise<T> {
  for (let waitMs = firstWaitMs, isTold = false;; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
    try {
      return await start();
    } catch (error) {
      if (signal.aborted || !(error instanceof TelegramError) || error.reason !== "unreachable") throw error;
      if (!isTold) logger.warn(`${error.message} The bot starts as soon as it can.`);
      isTold = true;
      await clock.sleep(waitMs, signal);
    }
  }
}

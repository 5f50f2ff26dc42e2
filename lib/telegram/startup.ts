/** How a bot starts: the calls without which it cannot, and a start that waits for the network. */
import { deadline, DeadlineError, retry } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { assertOptions, type Checks, trueOrFalse } from "../util/validate.ts";
import { asGrammySignal } from "./client.ts";
import { isTokenRefused, TelegramError, tokenRefused, unreachable } from "./errors.ts";

const attempts = 3;
/** A start that fails does so within five seconds, which is what a person waits for. */
export const startWithinMs = 4700;

interface CallOptions {
  readonly apiRoot?: string | undefined;
  readonly clock: Clock;
  /** Limits the time of all attempts. Default: the machine's own clock, as the network keeps to no other. */
  readonly networkClock?: Clock;
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
  { apiRoot, clock, networkClock = systemClock, signal }: CallOptions,
): Promise<T> {
  let failures = 0;
  const callRepeatedly = (late: AbortSignal): Promise<T> =>
    retry(() => call(asGrammySignal(late)), {
      ...{ clock, signal, firstMs: 500, longestMs: 1000 },
      isRetryable: (error) => !isTokenRefused(error) && !late.aborted && ++failures < attempts,
    });
  try {
    return await deadline(callRepeatedly, { ms: startWithinMs, clock: networkClock });
  } catch (error) {
    if (signal.aborted && error === signal.reason) throw error;
    if (isTokenRefused(error)) throw tokenRefused(error);
    const cause = error instanceof DeadlineError
      ? new Error(`no answer within ${startWithinMs / 1000} s`)
      : error;
    throw unreachable(cause, apiRoot);
  }
}

/** How a bot starts. */
export interface StartOptions {
  /**
   * Whether it tries again for as long as Telegram cannot be reached, after a second at first and half a minute at last;
   * `stopBot()` ends that. A refused token ends it, too. Default: false.
   */
  readonly retry?: boolean | undefined;
}

const checks: Checks<StartOptions> = { rules: { retry: trueOrFalse } };

/** @throws {TypeError} If an option is unknown, or has a wrong value. */
export function checkStartOptions(options: StartOptions): StartOptions {
  assertOptions("start the bot", options, checks);
  return options;
}

interface StartRetryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the waits. */
  readonly signal: AbortSignal;
  /** Tries no more from then on, in milliseconds since 1970. Default: `Infinity`. */
  readonly until?: number;
  /** The longest wait between two attempts, in milliseconds. Default: half a minute. */
  readonly longestMs?: number;
  /** What is done as soon as it can, for the log. */
  readonly what?: string;
}

/**
 * Starts again until Telegram can be reached; logs once that it has to wait.
 * @throws {TelegramError} If it can still not be reached then, or refuses the token.
 */
export async function startWithRetry<T>(
  start: () => Promise<T>,
  { clock, logger, signal, until = Infinity, longestMs = 30_000, what = "The bot starts" }: StartRetryOptions,
): Promise<T> {
  let isLogged = false;
  return await retry(start, {
    ...{ clock, signal, firstMs: 1000, longestMs },
    isRetryable: (error) =>
      !signal.aborted && clock.now() < until && error instanceof TelegramError &&
      error.reason === "unreachable",
    onRetry: (error) => {
      if (!isLogged) logger.warn(`${(error as Error).message} ${what} as soon as it can.`);
      isLogged = true;
    },
  });
}

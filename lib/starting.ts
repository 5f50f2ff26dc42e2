/** A start that waits for the network: a machine may be up before it. */
import type { Clock } from "./clock.ts";
import type { Logger } from "./log.ts";
import { assertNames, namesOf } from "./option_names.ts";
import { TelegramError } from "./telegram_error.ts";

/** How a bot starts. */
export interface StartOptions {
  /**
   * Whether it tries again for as long as Telegram cannot be reached, after a second at first and half a minute at last;
   * `stopBot()` ends that. A refused token ends it, too. Default: false.
   */
  readonly retry?: boolean | undefined;
}

const names = { known: namesOf<StartOptions>({ retry: true }) };
const [firstWaitMs, longestWaitMs] = [1000, 30_000];

/** @throws {TypeError} If an option is none. */
export function checkedStart(options: StartOptions): StartOptions {
  assertNames("start the bot", options, names);
  const { retry } = options;
  if (retry === undefined || typeof retry === "boolean") return options;
  throw new TypeError(`retry must be true or false: current value is ${typeof retry}.`);
}

interface Patience {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the waits. */
  readonly signal: AbortSignal;
}

/** Resolves once the start has; says once that it has to wait. */
export async function started<T>(
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

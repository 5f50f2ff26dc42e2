/** What may happen a thousand times is said once, or a few times a minute. */
import { type Clock, monotonic } from "./clock.ts";
import type { Logger } from "./log.ts";
import { withoutSecret } from "./secret.ts";

/** How a bot speaks of what fails, without its token. */
export interface Failures {
  /** A handler, or an update that makes no sense. */
  readonly onFailure: (updateId: number, error: unknown) => void;
  /** Runs what handles an update that comes by another way than polling. */
  readonly watch: TroubleLog;
}

interface TroubleLog {
  <T>(task: () => Promise<T>): Promise<T>;
  /** Whether the last task has failed. */
  isTrouble: boolean;
}

export function createFailures(logger: Logger, clock: Clock, secret: string): Failures {
  const logError = createBoundedLog((message) => logger.error(message), clock);
  return {
    onFailure(updateId, error) {
      logError(`Update ${updateId} failed in a handler: ${withoutSecret(textOf(error), secret)}`);
    },
    watch: createTroubleLog(
      logger,
      ({ message }) =>
        `${withoutSecret(message, secret)}\nUpdates are refused until that is mended, and come again.`,
      "Updates are kept again.",
    ),
  };
}

const linesPerMinute = 10;
const minuteMs = 60_000;

/** Runs tasks, and says once when they begin to fail and once when they succeed again. */
function createTroubleLog(logger: Logger, textOf: (error: Error) => string, over: string): TroubleLog {
  const watch = async <T>(task: () => Promise<T>): Promise<T> => {
    try {
      const result = await task();
      if (watch.isTrouble) logger.info(over);
      watch.isTrouble = false;
      return result;
    } catch (error) {
      if (!watch.isTrouble) logger.error(textOf(error as Error));
      watch.isTrouble = true;
      throw error;
    }
  };
  watch.isTrouble = false;
  return watch;
}

/** The first lines of a minute go out, the others are counted. @param say Where the lines go. */
export function createBoundedLog(say: (message: string) => void, clock: Clock): (message: string) => void {
  const now = monotonic(clock);
  let since = -Infinity;
  let said = 0;
  let unsaid = 0;
  return (message) => {
    if (now() - since >= minuteMs) {
      if (unsaid > 0) say(`The same happened ${unsaid} more times.`);
      since = now();
      said = unsaid = 0;
    }
    if (said++ < linesPerMinute) say(message);
    else unsaid++;
  };
}

/** Anything may be thrown, and some of it does not even turn into a text. */
function textOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.stack ?? error.message) : String(error);
  } catch {
    return "something was thrown that cannot be shown";
  }
}

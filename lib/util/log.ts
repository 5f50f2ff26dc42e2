/** The logger, and ways to log what happens often: a few times a minute, or once at its beginning and once at its end. */
import { attempt } from "./async.ts";
import { type Clock, monotonic } from "./clock.ts";
import { messageOf } from "./errors.ts";
import { safeText } from "./safe_text.ts";

/** Where the toolkit logs: one line for what a person wants to know, and none for the rest. */
export interface Logger {
  /** An event that a person may want to know of. */
  info(message: string): void;
  /** A failure that the toolkit recovers from by itself. */
  warn(message: string): void;
  /** A failure that needs a person. */
  error(message: string): void;
}

/** Information on standard output, warnings and errors on standard error, each as one plain line. */
export const consoleLogger: Logger = {
  info: (message) => console.log(message),
  warn: (message) => console.warn(message),
  error: (message) => console.error(message),
};

/**
 * Of what is logged nothing is a secret, and nothing changes how a terminal shows the rest; lines and tabs stay. A logger
 * that fails keeps nobody from his work: its lines go to the console.
 */
export function createSafeLogger(logger: Logger): Logger {
  let hasFailed = false;
  const log = (level: keyof Logger, message: string): void => {
    const text = safeText(String(message));
    const fail = (error: unknown): void => {
      attempt(() => {
        if (!hasFailed) {
          consoleLogger.error(`The logger has failed: ${messageOf(error)}. Its lines come here.`);
        }
        consoleLogger[level](text);
      }, undefined);
      hasFailed = true;
    };
    try {
      // It may be async, whatever its type says.
      Promise.resolve(logger[level](text)).catch(fail);
    } catch (error) {
      fail(error);
    }
  };
  return {
    info: (message) => log("info", message),
    warn: (message) => log("warn", message),
    error: (message) => log("error", message),
  };
}

const linesPerMinute = 10;
const minuteMs = 60_000;

/** Passes the first lines of each minute on to `write`, and counts the others. */
export function createRateLimitedLog(
  write: (message: string) => void,
  clock: Clock,
): (message: string) => void {
  const now = monotonic(clock);
  let since = -Infinity;
  let written = 0;
  let suppressed = 0;
  return (message) => {
    if (now() - since >= minuteMs) {
      if (suppressed > 0) write(`The same happened ${suppressed} more times.`);
      since = now();
      written = suppressed = 0;
    }
    if (written++ < linesPerMinute) write(message);
    else suppressed++;
  };
}

/** Runs tasks, and logs when they begin to fail and when they succeed again. */
export interface TransitionLog {
  <T>(task: () => Promise<T>): Promise<T>;
  /** Whether the last task has failed. */
  isFailing: boolean;
}

export interface TransitionLogOptions {
  readonly logger: Logger;
  /** The error to log for the first task that fails. */
  readonly failureText: (error: unknown) => string;
  /** The information to log for the first task that succeeds again. */
  readonly recoveryText: string;
}

export function createTransitionLog(options: TransitionLogOptions): TransitionLog {
  const { logger, failureText, recoveryText } = options;
  const run = async <T>(task: () => Promise<T>): Promise<T> => {
    try {
      const result = await task();
      if (run.isFailing) logger.info(recoveryText);
      run.isFailing = false;
      return result;
    } catch (error) {
      if (!run.isFailing) logger.error(failureText(error));
      run.isFailing = true;
      throw error;
    }
  };
  run.isFailing = false;
  return run;
}

/** What may happen a thousand times is said once, or a few times a minute. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Update } from "grammy/types";
import type { Context, MiddlewareFn } from "grammy/web";
import type { Clock } from "../util/clock.ts";
import { createRateLimitedLog, type Logger } from "../util/log.ts";
import { redactSecret } from "../util/redact.ts";

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
  const logError = createRateLimitedLog((message) => logger.error(message), clock);
  return {
    onFailure(updateId, error) {
      logError(`Update ${updateId} failed in a handler: ${redactSecret(textOf(error), secret)}`);
    },
    watch: createTroubleLog(
      logger,
      ({ message }) =>
        `${redactSecret(message, secret)}\nUpdates are refused until that is mended, and come again.`,
      "Updates are kept again.",
    ),
  };
}

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

/** Anything may be thrown, and some of it does not even turn into a text. */
function textOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.stack ?? error.message) : String(error);
  } catch {
    return "something was thrown that cannot be shown";
  }
}

// Handlers of the user's own, behind the toolkit's: they may fail or hang without holding anybody back.

const handlersWithinMs = 30_000;

export interface BoundOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly failures: Failures;
  /** The bot is closed: nobody waits for handlers any more. */
  readonly signal: AbortSignal;
}

/** What the toolkit had to keep is kept by now, so a handler that does not end is left behind after a while. */
export function boundHandlers(options: BoundOptions): MiddlewareFn<Context> {
  const { clock, logger, signal, failures: { onFailure } } = options;
  return async ({ update: { update_id } }, next) => {
    const handlers = next();
    const wait = (ended: AbortSignal): Promise<void> =>
      clock.sleep(handlersWithinMs, AbortSignal.any([ended, signal]));
    if (await isDoneWithin(handlers, wait)) return;
    if (!signal.aborted) {
      logger.warn(
        `A handler of update ${update_id} takes longer than ${
          handlersWithinMs / 1000
        } s; going on without it.`,
      );
    }
    handlers.catch((error) => onFailure(update_id, error));
  };
}

/** Rejects as the task does; most are done before there is anything to wait for. */
async function isDoneWithin(
  task: Promise<void>,
  wait: (ended: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const done = task.then(() => true);
  const soon = new Promise<false>((resolve) => setTimeout(resolve, 0, false));
  if (await Promise.race([done, soon])) return true;
  const ended = new AbortController();
  try {
    return await Promise.race([done, wait(ended.signal).then(() => false, () => false)]);
  } finally {
    ended.abort();
  }
}

/** The way of one update after another through all handlers. */
export interface HandlerRunner {
  /** Never rejects: a handler that fails has had its chance. */
  handle(update: Update): Promise<void>;
  /** Called from within a handler, ends the wait for it: it is about to wait for whoever waits for it. */
  leave(): void;
}

export function createHandlerRunner(
  handleUpdate: (update: Update) => Promise<void>,
  onFailure: (updateId: number, error: unknown) => void,
): HandlerRunner {
  const within = new AsyncLocalStorage<() => void>();
  const handleWhole = async (update: Update): Promise<void> => {
    try {
      await handleUpdate(update);
    } catch (wrapped) {
      onFailure(update.update_id, (wrapped as { error?: unknown }).error ?? wrapped);
    }
  };
  return {
    async handle(update) {
      let leave = (): void => {};
      const left = new Promise<void>((resolve) => leave = resolve);
      await Promise.race([within.run(leave, () => handleWhole(update)), left]);
    },
    leave: () => within.getStore()?.(),
  };
}

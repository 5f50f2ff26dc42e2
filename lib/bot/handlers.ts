/** Runs the user's own grammY handlers behind the toolkit: they may fail or hang without delaying anything else. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Update } from "grammy/types";
import type { Context, MiddlewareFn } from "grammy/web";
import { deadline } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf, stackOf } from "../util/errors.ts";
import { createRateLimitedLog, createTransitionLog, type Logger, type TransitionLog } from "../util/log.ts";

/** The logs of updates that fail. */
export interface FailureLogs {
  /** Logs an update that failed in a handler, or that makes no sense. */
  readonly onFailure: (updateId: number, error: unknown) => void;
  /** Runs the handling of an update that comes by another way than polling. */
  readonly watch: TransitionLog;
}

export function createFailureLogs(logger: Logger, clock: Clock): FailureLogs {
  const logError = createRateLimitedLog((message) => logger.error(message), clock);
  return {
    onFailure(updateId, error) {
      logError(`Update ${updateId} failed in a handler: ${stackOf(error)}`);
    },
    watch: createTransitionLog({
      logger,
      failureText: (error) =>
        `${messageOf(error)}\nUpdates are refused until that is mended, and come again.`,
      recoveryText: "Updates are kept again.",
    }),
  };
}

const handlersWithinMs = 30_000;

export interface HandlerLimitOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onFailure: FailureLogs["onFailure"];
  /** Aborts when the bot is closed: nothing waits for handlers any more. */
  readonly signal: AbortSignal;
}

/** Middleware in front of the handlers, which goes on without them after a while: the toolkit's own work is done by then. */
export function limitHandlers(options: HandlerLimitOptions): MiddlewareFn<Context> {
  const { clock, logger, signal, onFailure } = options;
  return async ({ update: { update_id } }, next) => {
    const handlers = next();
    const settled = handlers.then(() => true, () => true);
    if (await deadline(settled, { ms: handlersWithinMs, clock, signal }).catch(() => false)) {
      return await handlers;
    }
    if (!signal.aborted) {
      const seconds = handlersWithinMs / 1000;
      logger.warn(`A handler of update ${update_id} takes longer than ${seconds} s; going on without it.`);
    }
    handlers.catch((error) => onFailure(update_id, error));
  };
}

/** Runs all handlers on one update after another. */
export interface HandlerRunner {
  /** Resolves once the handlers are done, or have called `leave()`. Never rejects: failures are logged. */
  handle(update: Update): Promise<void>;
  /** Called within a handler, ends the wait for it: a handler that stops the bot waits for the bot, which waits for it. */
  leave(): void;
}

/** Handlers that run: whose they are, and within which others. */
interface RunningHandlers {
  readonly runner: HandlerRunner;
  readonly leave: () => void;
  readonly outer: RunningHandlers | undefined;
  isOver: boolean;
}

/** One for all bots: with each, every promise of the process costs Node 20 more. */
const running = new AsyncLocalStorage<RunningHandlers>();

/** While there are none, promises cost nothing more. */
let updatesAtWork = 0;

export function createHandlerRunner(
  handleUpdate: (update: Update) => Promise<void>,
  onFailure: FailureLogs["onFailure"],
): HandlerRunner {
  const handleLogged = async (update: Update): Promise<void> => {
    try {
      await handleUpdate(update);
    } catch (error) {
      // grammY wraps what a handler has thrown.
      onFailure(update.update_id, (error as { error?: unknown }).error ?? error);
    }
  };
  const runner: HandlerRunner = {
    async handle(update) {
      let leave = (): void => {};
      const left = new Promise<void>((resolve) => leave = resolve);
      let outer = running.getStore();
      while (outer?.isOver) outer = outer.outer;
      const here: RunningHandlers = { runner, leave, outer, isOver: false };
      updatesAtWork++;
      try {
        await Promise.race([running.run(here, () => handleLogged(update)), left]);
      } finally {
        here.isOver = true;
        if (--updatesAtWork === 0) running.disable();
      }
    },
    leave() {
      for (let each = running.getStore(); each !== undefined; each = each.outer) {
        if (each.runner === runner) each.leave();
      }
    },
  };
  return runner;
}

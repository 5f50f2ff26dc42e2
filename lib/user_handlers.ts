/** Handlers of the user's own, behind the toolkit's: they may fail or hang without holding anybody back. */
import type { Context, MiddlewareFn } from "grammy/web";
import type { Clock } from "./clock.ts";
import type { Logger } from "./log.ts";
import { withoutSecret } from "./secret.ts";

const handlersWithinMs = 30_000;

/** What the toolkit had to keep is kept by now, so a handler that does not end is left behind after a while. */
export function boundHandlers(
  clock: Clock,
  logger: Logger,
  onFailure: (updateId: number, error: unknown) => void,
): MiddlewareFn<Context> {
  return async ({ update: { update_id } }, next) => {
    const handlers = next();
    if (await isDoneWithin(handlers, (ended) => clock.sleep(handlersWithinMs, ended))) return;
    logger.warn(
      `A handler of update ${update_id} takes longer than ${handlersWithinMs / 1000} s; going on without it.`,
    );
    handlers.catch((error) => onFailure(update_id, error));
  };
}

/** Rejects as the task does; most are done before there is anything to wait for. */
async function isDoneWithin(
  task: Promise<void>,
  wait: (ended: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const done = task.then(() => true);
  const ended = new AbortController();
  try {
    const soon = new Promise<false>((resolve) => setTimeout(resolve, 0, false));
    return await Promise.race([done, soon]) ||
      await Promise.race([done, wait(ended.signal).then(() => false, () => false)]);
  } finally {
    ended.abort();
  }
}

/** What to log of a handler that failed: its stack, without the secret. */
export function failureText(updateId: number, error: unknown, secret: string): string {
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  return `Update ${updateId} failed in a handler: ${withoutSecret(text, secret)}`;
}

/** Waiting for the storage: what Telegram told us is handled only when it is kept. */
import type { Clock } from "./clock.ts";
import type { Logger } from "./log.ts";
import { StorageError } from "./storage/storage_error.ts";

/** Repeats a task that cannot reach the storage until it is done, or until the signal ends the wait. */
export type Persist = <T>(task: () => Promise<T>) => Promise<T>;

const firstWaitMs = 500;
const longestWaitMs = 15_000;

/** Whether the storage may take later what it does not take now; a fault of the data itself stays one. */
export function isOutage(error: unknown): boolean {
  return error instanceof StorageError && error.reason !== "failed";
}

/** Something was not kept, as the wait for the storage was ended; `cause` is why the storage could not be used. */
export class NotKeptError extends Error {
  override readonly name = "NotKeptError";

  constructor(cause: unknown) {
    super(`Not kept: ${(cause as Error).message}`, { cause });
  }
}

/**
 * Says so once when an outage begins and once when it is over for everything that waited.
 * When the signal aborts, what waits rejects with a {@link NotKeptError}.
 */
export function createPersist(clock: Clock, logger: Logger, signal: AbortSignal): Persist {
  const outage = createOutageLog(clock, logger);
  return async (task) => {
    let endWait: (() => void) | undefined;
    for (let waitMs = firstWaitMs;; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      const startedAt = clock.now();
      try {
        const result = await task();
        endWait?.();
        return result;
      } catch (error) {
        if (!isOutage(error)) throw error;
        endWait ??= outage.begin(error as Error, startedAt);
        const jitter = 0.5 + clock.random() / 2;
        await clock.sleep(waitMs * jitter, signal).catch(() => {
          throw new NotKeptError(error);
        });
      }
    }
  };
}

/** Counts who waits, so that an outage has one beginning and one end, however many it meets. */
function createOutageLog(
  clock: Clock,
  logger: Logger,
): { begin(error: Error, startedAt: number): () => void } {
  let waiting = 0;
  let isSaid = false;
  let overAt = -Infinity;
  return {
    begin(error, startedAt) {
      // What set out before the last outage was over is the last of that one, and no outage of its own.
      if (waiting++ === 0 && startedAt >= overAt) {
        logger.error(`${error.message} Messages wait until it can be used again.`);
        isSaid = true;
      }
      return () => {
        if (--waiting > 0) return;
        overAt = clock.now();
        if (isSaid) logger.info("DynamoDB is back; the messages that waited for it are kept.");
        isSaid = false;
      };
    },
  };
}

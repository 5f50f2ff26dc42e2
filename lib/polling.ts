/** Long polling: updates are fetched, handled, and only then confirmed. */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import type { Clock } from "./clock.ts";
import { forGrammy } from "./for_grammy.ts";
import type { Logger } from "./log.ts";
import { outcomeOf } from "./outcome.ts";
import { conflict as conflictError, isTokenRefused, tokenRefused } from "./telegram_error.ts";
import { sequencesOf } from "./update.ts";

export interface PollingOptions {
  readonly api: Api;
  /** Handles an update; to reject means that it is not to be confirmed, and must come again. */
  readonly handle: (update: Update) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the polling. */
  readonly signal: AbortSignal;
}

const longPollSeconds = 30;
/** A rolling deployment has two pollers for a while. */
const conflictMs = 60_000;
/** Longer than a long poll: whoever was not disturbed for so long is alone. */
const quietMs = 40_000;
const longestWaitMs = 30_000;
const emptyAtOnceMs = 1000;
const confirmWithinMs = 5000;
/** How long a stop waits for handlers that are under way; their updates come again at the next start. */
const handlersAfterStopMs = 10_000;

/** Polls until the signal aborts; then what was handled is confirmed, and nothing else. */
export async function poll(options: PollingOptions): Promise<void> {
  const { api, clock, signal } = options;
  const onError = createErrorPolicy(options);
  let offset = 0;
  while (!signal.aborted) {
    const askedAt = clock.now();
    try {
      const updates = await api.getUpdates(
        { offset, timeout: longPollSeconds, allowed_updates: [] },
        forGrammy(signal),
      );
      onError.recovered();
      if (updates.length === 0) {
        // Telegram holds an empty answer back for the whole long poll; a stand-in may not.
        if (clock.now() - askedAt < emptyAtOnceMs) await clock.sleep(emptyAtOnceMs, signal);
        continue;
      }
      const next = await handleAll(updates, options);
      // Nothing could be kept: to ask again at once would only give the same.
      if (next === updates[0]?.update_id) await clock.sleep(1000, signal);
      // It may go down: after a week without updates Telegram's ids start again anywhere.
      offset = next;
    } catch (error) {
      if (!signal.aborted) await onError.wait(error);
    }
  }
  if (offset > 0) await confirm(api, offset);
}

/** Chats side by side, each chat's updates in their order. Gives the offset up to which all are handled. */
async function handleAll(updates: readonly Update[], options: PollingOptions): Promise<number> {
  const { handle, clock, signal } = options;
  const unhandled = new Set(updates.map(({ update_id }) => update_id));
  const handleInOrder = async (sequence: readonly Update[]): Promise<void> => {
    for (const update of sequence) {
      if (signal.aborted) return;
      await handle(update);
      unhandled.delete(update.update_id);
    }
  };
  const handled = Promise.allSettled(sequencesOf(updates).map(handleInOrder));
  await untilSoAfterStop(handled, clock, signal);
  if (unhandled.size > 0) return Math.min(...unhandled);
  return Math.max(...updates.map(({ update_id }) => update_id)) + 1;
}

/** Waits for the task, but no longer than a while after the stop: a handler that hangs holds nobody. */
async function untilSoAfterStop(task: Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true, signal: done.signal });
  });
  const late = stopped.then(() => clock.sleep(handlersAfterStopMs, done.signal)).catch(() => {});
  await Promise.race([task, late]);
  done.abort();
}

/** Tells Telegram how far we came, so that the next start does not hear it all again; harmless if it fails. */
async function confirm(api: Api, offset: number): Promise<void> {
  const signal = forGrammy(AbortSignal.timeout(confirmWithinMs));
  await api.getUpdates({ offset, limit: 1, timeout: 0 }, signal).catch(() => {});
}

interface ErrorPolicy {
  /** Waits as long as the error asks for, or throws what ends the polling. */
  wait(error: unknown): Promise<void>;
  recovered(): void;
}

function createErrorPolicy({ clock, logger, signal }: PollingOptions): ErrorPolicy {
  let failures = 0;
  let conflict: { readonly since: number; last: number } | undefined;

  const onConflict = (error: unknown): number => {
    const now = clock.now();
    if (conflict === undefined) {
      logger.warn(
        "Another program polls with this bot's token, or has set a webhook for it; waiting for it to end.",
      );
    }
    conflict ??= { since: now, last: now };
    conflict.last = now;
    if (now - conflict.since < conflictMs) return 3000;
    throw conflictError(error);
  };

  const waitMsAfter = (error: unknown): number => {
    failures++;
    if ((error as { error_code?: number }).error_code === 409) return onConflict(error);
    const outcome = outcomeOf(error);
    if (outcome.kind === "wait") return outcome.retryAfterSeconds * 1000;
    if (failures === 1) logger.warn(`Telegram cannot be polled: ${(error as Error).message} Trying again.`);
    return Math.min(1000 * 2 ** (failures - 1), longestWaitMs) * (1 - clock.random() / 4);
  };

  return {
    async wait(error) {
      if (isTokenRefused(error)) throw tokenRefused(error);
      await clock.sleep(waitMsAfter(error), signal).catch(() => {});
    },
    recovered() {
      if (conflict !== undefined && clock.now() - conflict.last > quietMs) conflict = undefined;
      if (failures > 0 && conflict === undefined) logger.info("Telegram is polled again.");
      failures = 0;
    },
  };
}

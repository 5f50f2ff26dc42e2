/** Long polling: updates are fetched, handled, and only then confirmed. */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import type { Clock } from "./clock.ts";
import { forGrammy } from "./for_grammy.ts";
import type { Logger } from "./log.ts";
import { outcomeOf } from "./outcome.ts";
import { Received, type Taken } from "./received.ts";
import { conflict as conflictError, isTokenRefused, tokenRefused } from "./telegram_error.ts";

export interface PollingOptions {
  readonly api: Api;
  /** Begins to handle updates; each tells when Telegram may forget it. */
  readonly receive: (updates: readonly Update[]) => readonly Taken[];
  /** How long the next poll is put off for the sake of these, in milliseconds: one of their chats floods the bot. */
  readonly restMsAfter: (updates: readonly Update[]) => number;
  /** Tries for the last time to keep what is queued. */
  readonly flush: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the polling. */
  readonly signal: AbortSignal;
}

const longPollSeconds = 30;
/** As many updates as Telegram gives at once. */
const updatesAtOnce = 100;
/** A rolling deployment has two pollers for a while. */
const conflictMs = 60_000;
/** Longer than a long poll: whoever was not disturbed for so long is alone. */
const quietMs = 40_000;
const longestWaitMs = 30_000;
const againMs = 1000;
const confirmWithinMs = 5000;
/** How long a stop waits for what is under way; it comes again at the next start. */
const afterStopMs = 10_000;

/** Polls until the signal aborts; then what was handled is confirmed, and nothing else. */
export async function poll(options: PollingOptions): Promise<void> {
  const { api, clock, signal, receive, restMsAfter, flush } = options;
  const onError = createErrorPolicy(options);
  const received = new Received();
  while (!signal.aborted) {
    const askedAt = clock.now();
    try {
      const { offset } = received;
      const updates = await api.getUpdates(
        { offset, timeout: longPollSeconds, allowed_updates: [] },
        forGrammy(signal),
      );
      onError.recovered();
      const news = received.newsIn(updates);
      received.add(receive(news));
      await untilSoAfterStop(received.heard(), clock, signal);
      const isFull = updates.length === updatesAtOnce;
      received.advance(updates, isFull && !signal.aborted);
      // To ask again at once would give the same again. Telegram itself holds an empty answer back.
      const isSame = news.length > 0 ? received.offset === offset : clock.now() - askedAt < againMs;
      const restMs = Math.max(isSame ? againMs : 0, isFull ? 0 : restMsAfter(news));
      if (restMs > 0) await clock.sleep(restMs, signal);
    } catch (error) {
      if (!signal.aborted) await onError.wait(error);
    }
  }
  await untilSoAfterStop(Promise.all([received.heard(), flush()]), clock, signal);
  received.end();
  if (received.offset > 0) await confirm(api, received.offset);
}
/** Waits for the task, but no longer than a while after the stop: a handler that hangs holds nobody. */
async function untilSoAfterStop(task: Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true, signal: done.signal });
  });
  const late = stopped.then(() => clock.sleep(afterStopMs, done.signal)).catch(() => {});
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

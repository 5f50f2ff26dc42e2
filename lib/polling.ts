/** Long polling: updates are fetched, handled, and only then confirmed. */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import type { Clock } from "./clock.ts";
import { forGrammy } from "./for_grammy.ts";
import type { Logger } from "./log.ts";
import { PollRetry } from "./poll_retry.ts";
import type { PollWatch } from "./poll_watch.ts";
import { Received, type Taken } from "./received.ts";

export interface PollingOptions {
  readonly api: Api;
  /** Begins to handle updates; each tells when Telegram may forget it. */
  readonly receive: (updates: readonly Update[]) => readonly Taken[];
  /** How long the next poll is put off for the sake of these, in milliseconds: one of their chats floods the bot. */
  readonly restMsAfter: (updates: readonly Update[]) => number;
  /** Tries for the last time to keep what is queued. */
  readonly flush: () => Promise<void>;
  /** Is told of every answer. */
  readonly watch: PollWatch;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the polling. */
  readonly signal: AbortSignal;
}

const longPollSeconds = 30;
/** A poll that has no answer by then has lost its connection. */
const pollWithinMs = 40_000;
/** As many updates as Telegram gives at once. */
const updatesAtOnce = 100;
const againMs = 1000;
const confirmWithinMs = 5000;
/** How long a stop waits for what is under way; it comes again at the next start. */
const afterStopMs = 10_000;

/**
 * Polls until the signal aborts; then what was handled is confirmed, and nothing else.
 * @throws {TelegramError} If Telegram does not take the token any more; whatever else fails is tried again.
 */
export async function poll(options: PollingOptions): Promise<void> {
  const { api, clock, signal, receive, restMsAfter, flush } = options;
  const retry = new PollRetry(options);
  const received = new Received();
  options.watch.begin();
  while (!signal.aborted) {
    const askedAt = clock.now();
    try {
      const { offset } = received;
      const updates = await within(
        signal,
        (ending) =>
          api.getUpdates({ offset, timeout: longPollSeconds, allowed_updates: [] }, forGrammy(ending)),
      );
      retry.answered();
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
      if (!signal.aborted) await retry.wait(error);
    }
  }
  await untilSoAfterStop(Promise.all([received.heard(), flush()]), clock, signal);
  received.end();
  if (received.offset > 0) await confirm(api, received.offset);
}
/** Aborts a poll that has lost its connection, and at the stop. */
async function within<T>(signal: AbortSignal, call: (ending: AbortSignal) => Promise<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`no answer within ${pollWithinMs / 1000} s, the connection is dead`)),
    pollWithinMs,
  );
  try {
    return await call(AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
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

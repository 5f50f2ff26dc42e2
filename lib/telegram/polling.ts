/** Which updates Telegram may forget: a batch's book-keeping. */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { asGrammySignal } from "./client.ts";
import { type PollMonitor, PollRetry } from "./polling_retry.ts";

/** An update that is being handled. */
export interface InFlightUpdate {
  readonly updateId: number;
  /** Resolves once others may go on; rejects where the update must come again. */
  readonly handled: Promise<unknown>;
  /** Resolves once what it says outlives this process; may come much later, and may never. */
  readonly durable: Promise<unknown>;
  /** To be called when Telegram is told to forget it. */
  confirmed(): void;
}

interface State {
  readonly taken: InFlightUpdate;
  readonly handled: Promise<void>;
  isHandled: boolean;
  isSafe: boolean;
}

/** So many of a hundred updates make room for others, when all of them wait. */
const roomAtOnce = 20;

/**
 * What is handled and safe is confirmed, up to the first that is not. As long as the unconfirmed ones fit into one
 * answer, Telegram is the safest place for what waits in memory; then it has to make room for what comes after.
 */
export class OffsetTracker {
  readonly #states = new Map<number, State>();
  /** Those that are to come again. */
  #failed = new Set<number>();
  #offset = 0;

  /** For the next `getUpdates`. */
  get offset(): number {
    return this.#offset;
  }

  /** Those that are not in hand already. */
  newsIn(updates: readonly Update[]): Update[] {
    return updates.filter(isUpdate).filter(({ update_id }) => !this.#states.has(update_id));
  }

  add(batch: readonly InFlightUpdate[]): void {
    for (const taken of batch) {
      this.#failed.delete(taken.updateId);
      this.#states.set(taken.updateId, this.#follow(taken));
    }
  }

  /** Resolves once each of them is handled, or is to come again. */
  async handled(): Promise<void> {
    await Promise.all([...this.#states.values()].map(({ handled }) => handled));
  }

  /** Moves the offset on after an answer; `isFull` says that nothing newer was to be had beside these. */
  advance(updates: readonly Update[], isFull: boolean): void {
    const told = updates.filter(isUpdate).map(({ update_id }) => update_id);
    // What Telegram does not tell again is forgotten there.
    this.#failed = new Set(told.filter((updateId) => this.#failed.has(updateId)));
    this.#move(told, isFull);
  }

  /** Moves the offset on after the last answer. */
  end(): void {
    this.#move([], false);
  }

  #move(told: readonly number[], isFull: boolean): void {
    const isDone = ({ isHandled, isSafe }: State): boolean => isHandled && isSafe;
    const held = [...this.#states].filter(([, state]) => !isDone(state)).map(([updateId]) => updateId);
    if (isFull) this.#makeRoom(held);
    const first = Math.min(...held, ...this.#failed);
    const handled = [...this.#states.keys(), ...told];
    // It may go down: after a week without updates Telegram's ids start again anywhere.
    if (first < Infinity) this.#offset = first;
    else if (handled.length > 0) this.#offset = Math.max(...handled) + 1;
    for (const [updateId, { taken }] of this.#states) {
      if (updateId >= first) continue;
      taken.confirmed();
      this.#states.delete(updateId);
    }
  }

  /** The oldest of those that only wait to be safe are given up to Telegram's forgetting, and no more than needed. */
  #makeRoom(held: number[]): void {
    const oldest = held.sort((a, b) => a - b).slice(0, roomAtOnce);
    const end = oldest.findIndex((updateId) => !this.#states.get(updateId)?.isHandled);
    held.splice(0, end < 0 ? oldest.length : end);
  }

  #follow(taken: InFlightUpdate): State {
    const state: State = { taken, handled: this.#handle(taken), isHandled: false, isSafe: false };
    taken.durable.then(() => state.isSafe = true, () => {});
    return state;
  }

  /** One that is to come again is none that is in hand. */
  async #handle({ updateId, handled }: InFlightUpdate): Promise<void> {
    try {
      await handled;
      const state = this.#states.get(updateId);
      if (state !== undefined) state.isHandled = true;
    } catch {
      this.#states.delete(updateId);
      this.#failed.add(updateId);
    }
  }
}

/** What has no id cannot be confirmed: heeded, one beyond all others would keep every later one from being so. */
function isUpdate(update: Update | null): update is Update {
  return Number.isSafeInteger(update?.update_id);
}

// Long polling: updates are fetched, handled, and only then confirmed.

export interface PollingOptions {
  readonly api: Api;
  /** Begins to handle updates; each tells when Telegram may forget it. */
  readonly receive: (updates: readonly Update[]) => readonly InFlightUpdate[];
  /** How long the next poll is put off for the sake of these, in milliseconds: one of their chats floods the bot. */
  readonly restMsAfter: (updates: readonly Update[]) => number;
  /** Tries for the last time to keep what is queued. */
  readonly flush: () => Promise<void>;
  /** Is told of every answer. */
  readonly watch: PollMonitor;
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
  const received = new OffsetTracker();
  options.watch.begin();
  while (!signal.aborted) {
    const askedAt = clock.now();
    try {
      const { offset } = received;
      const updates = await within(
        signal,
        (ending) =>
          api.getUpdates({ offset, timeout: longPollSeconds, allowed_updates: [] }, asGrammySignal(ending)),
      );
      retry.answered();
      const news = received.newsIn(updates);
      received.add(receive(news));
      await untilSoAfterStop(received.handled(), clock, signal);
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
  await untilSoAfterStop(Promise.all([received.handled(), flush()]), clock, signal);
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
  const signal = asGrammySignal(AbortSignal.timeout(confirmWithinMs));
  await api.getUpdates({ offset, limit: 1, timeout: 0 }, signal).catch(() => {});
}

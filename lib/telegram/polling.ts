/** Long polling: updates are fetched, handled, and only then confirmed. */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import { abortable, deadline, DeadlineError } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { CatchUp } from "./catch_up.ts";
import { asGrammySignal } from "./client.ts";
import { type PollMonitor, PollRetry } from "./polling_retry.ts";

export interface PollingOptions {
  readonly api: Api;
  /** Begins to handle updates; each says when Telegram may forget it. */
  readonly receive: (updates: readonly Update[]) => readonly InFlightUpdate[];
  /** How long the next poll is put off for the sake of these, in milliseconds: one of their chats floods the bot. */
  readonly restMsAfter: (updates: readonly Update[]) => number;
  /** Tries for the last time to keep what is queued. */
  readonly flush: () => Promise<void>;
  /** Is told of every answer. */
  readonly watch: PollMonitor;
  /** Is told when the updates that have waited at Telegram are there. */
  readonly catchUp: CatchUp;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the polling. */
  readonly signal: AbortSignal;
}

/** How long Telegram waits for an update, and we for an answer: after that the connection is lost. */
interface PollTimes {
  readonly seconds: number;
  readonly withinMs: number;
}

const longPoll: PollTimes = { seconds: 30, withinMs: 40_000 };
/** Broadcasts wait for the first answer: a poll that is lost is soon tried again. */
const firstPoll: PollTimes = { seconds: 0, withinMs: 2000 };
/** Telegram gives at most so many updates at once. */
const updatesAtOnce = 100;
const againMs = 1000;
const confirmWithinMs = 5000;
/** How long a stop waits for the updates under way; the others come again at the next start. */
const stopGraceMs = 10_000;

/**
 * Polls until the signal aborts; then what was handled is confirmed, and nothing else.
 * @throws {TelegramError} If Telegram does not take the token any more; whatever else fails is tried again.
 */
export async function poll(options: PollingOptions): Promise<void> {
  const { api, clock, signal, receive, restMsAfter, flush, catchUp } = options;
  const retry = new PollRetry(options);
  const offsets = new OffsetTracker();
  options.watch.begin();
  let times = firstPoll;
  while (!signal.aborted) {
    const askedAt = clock.now();
    try {
      const { offset } = offsets;
      const updates = await getUpdates(api, offset, times, signal);
      retry.answered();
      const news = offsets.withoutInFlight(updates);
      const batch = receive(news);
      offsets.add(batch);
      const isFull = updates.length === updatesAtOnce;
      if (!isFull) void Promise.allSettled(batch.map(({ begun }) => begun)).then(() => catchUp.end());
      await untilStopGrace(offsets.handled(), clock, signal);
      offsets.advance(updates, isFull && !signal.aborted);
      // To ask again at once would give the same again. Telegram itself holds an empty answer to a long poll back.
      const isLong = times.seconds > 0 || isFull;
      const isSame = news.length > 0 ? offsets.offset === offset : isLong && clock.now() - askedAt < againMs;
      if (!isFull) times = longPoll;
      const restMs = Math.max(isSame ? againMs : 0, isFull ? 0 : restMsAfter(news));
      if (restMs > 0) await clock.sleep(restMs, signal);
    } catch (error) {
      // The network may be slow.
      times = { ...times, withinMs: Math.min(2 * times.withinMs, longPoll.withinMs) };
      if (!signal.aborted) await retry.wait(error);
    }
  }
  await untilStopGrace(Promise.all([offsets.handled(), flush()]), clock, signal);
  offsets.end();
  if (offsets.offset > 0) await confirm(api, offsets.offset);
}

/** @throws {Error} Where the connection is lost, the poll fails, or the signal aborts. */
async function getUpdates(
  api: Api,
  offset: number,
  { seconds, withinMs }: PollTimes,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<Update[]> {
  const request = { offset, timeout: seconds, allowed_updates: [] };
  const poll = (ending: AbortSignal): Promise<Update[]> => api.getUpdates(request, asGrammySignal(ending));
  try {
    return await deadline(poll, { ms: withinMs, clock, signal });
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    throw new Error(`no answer within ${withinMs / 1000} s, the connection is dead`);
  }
}

/** Waits for the task, but no longer than a while after the stop: a handler that hangs must not hold up the stop. */
async function untilStopGrace(task: Promise<unknown>, clock: Clock, signal: AbortSignal): Promise<void> {
  try {
    await abortable(task, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    await deadline(task, { ms: stopGraceMs, clock }).catch((late) => {
      if (!(late instanceof DeadlineError)) throw late;
    });
  }
}

/** Confirms what was handled, so that the next start does not get it again; harmless if it fails. */
async function confirm(api: Api, offset: number, clock: Clock = systemClock): Promise<void> {
  const request = { offset, limit: 1, timeout: 0 };
  const call = (signal: AbortSignal): Promise<unknown> => api.getUpdates(request, asGrammySignal(signal));
  await deadline(call, { ms: confirmWithinMs, clock }).catch(() => {});
}

/** An update that is being handled. */
export interface InFlightUpdate {
  readonly updateId: number;
  /** Settles once a /stop counts in this process. */
  readonly begun: Promise<unknown>;
  /** Resolves once others may go on; rejects where the update must come again. */
  readonly handled: Promise<unknown>;
  /** Resolves once its effect outlives this process; may come much later, and may never. */
  readonly durable: Promise<unknown>;
  /** To be called when Telegram is told to forget it. */
  confirmed(): void;
}

interface UpdateState {
  readonly update: InFlightUpdate;
  readonly handled: Promise<void>;
  isHandled: boolean;
  isDurable: boolean;
}

/** When all hundred updates of an answer wait, so many of them are confirmed to make room for others. */
const roomAtOnce = 20;

/**
 * Which updates Telegram may forget: those that are handled and durable, up to the first that is not. As long as the
 * unconfirmed ones fit into one answer, Telegram is the safest place for them; then they have to make room for later ones.
 */
export class OffsetTracker {
  readonly #states = new Map<number, UpdateState>();
  /** Those that are to come again. */
  #failed = new Set<number>();
  #offset = 0;

  /** For the next `getUpdates`. */
  get offset(): number {
    return this.#offset;
  }

  /** Those that are not being handled already. */
  withoutInFlight(updates: readonly Update[]): Update[] {
    return updates.filter(isUpdate).filter(({ update_id }) => !this.#states.has(update_id));
  }

  add(batch: readonly InFlightUpdate[]): void {
    for (const update of batch) {
      this.#failed.delete(update.updateId);
      this.#states.set(update.updateId, this.#follow(update));
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
    const isDone = ({ isHandled, isDurable }: UpdateState): boolean => isHandled && isDurable;
    const held = [...this.#states].filter(([, state]) => !isDone(state)).map(([updateId]) => updateId);
    if (isFull) this.#makeRoom(held);
    const first = Math.min(...held, ...this.#failed);
    const handled = [...this.#states.keys(), ...told];
    // It may go down: after a week without updates Telegram's ids start again anywhere.
    if (first < Infinity) this.#offset = first;
    else if (handled.length > 0) this.#offset = Math.max(...handled) + 1;
    for (const [updateId, { update }] of this.#states) {
      if (updateId >= first) continue;
      update.confirmed();
      this.#states.delete(updateId);
    }
  }

  /** Confirms the oldest of those that only wait to be durable, and no more than needed. */
  #makeRoom(held: number[]): void {
    const oldest = held.sort((a, b) => a - b).slice(0, roomAtOnce);
    const end = oldest.findIndex((updateId) => !this.#states.get(updateId)?.isHandled);
    held.splice(0, end < 0 ? oldest.length : end);
  }

  #follow(update: InFlightUpdate): UpdateState {
    const state: UpdateState = { update, handled: this.#handle(update), isHandled: false, isDurable: false };
    update.durable.then(() => state.isDurable = true, () => {});
    return state;
  }

  /** One that fails is to come again: it is no longer being handled. */
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

/** An update without a valid id cannot be confirmed; an id beyond all others would keep every later one from being so. */
function isUpdate(update: Update | null): update is Update {
  return Number.isSafeInteger(update?.update_id);
}

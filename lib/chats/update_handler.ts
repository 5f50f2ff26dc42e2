/** A /start or /stop takes effect when it is heard; until it is kept, the list in memory remembers it. */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import type { Taken } from "../telegram/polling.ts";
import { createInOrder, waitFor } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { BoundedSet } from "../util/collections.ts";
import type { Registration } from "./registration.ts";
import type { Roster, WordOptions } from "./registry.ts";
import type { Answers } from "./reply_sender.ts";
import { isOutage } from "./storage_retry.ts";
import { type Hear, type Heard, sequenceKey, sequenceKeysOf } from "./update.ts";
import type { Keeping } from "./write_queue.ts";
import { type Entry, NotKeptError, type Step } from "./writer.ts";

/** Remembers the word until it is kept; one that is not kept before the bot ends is remembered to the end. */
export function heedUntilKept(
  roster: Roster,
  { chatId, isActive, ...options }: WordOptions & { readonly chatId: number; readonly isActive: boolean },
  kept: Promise<unknown>,
): void {
  const forget = roster.heed(chatId, isActive, options);
  kept.then(forget, (error) => error instanceof NotKeptError || forget());
}

/** Remembers the words of a queue that an earlier process has left: they were confirmed, and still hold. */
export function heedLeft(roster: Roster, left: readonly Entry[], kept: readonly Promise<Step>[]): void {
  const stopped = new Set<number>();
  for (const [index, entry] of left.entries()) {
    const done = kept[index] as Promise<Step>;
    if (entry.kind === "event") {
      const { chatId, event } = entry;
      const { kind } = event;
      if (kind !== "start" && kind !== "stop") continue;
      if (kind === "stop") stopped.add(chatId);
      else stopped.delete(chatId);
      heedUntilKept(roster, { chatId, isActive: kind === "start", threadId: event.threadId }, done);
    } else if (stopped.has(entry.from)) {
      // The supergroup may be in the table already, as another process may have heard of the move.
      stopped.add(entry.to);
      heedUntilKept(roster, { chatId: entry.to, isActive: false }, done);
    }
  }
}

// An update's way: it is heard and kept, then answered, and then the user's own handlers have it.

export interface InboxOptions {
  readonly api: Api;
  readonly botUsername: string;
  readonly roster: Roster;
  readonly hear: Hear;
  /** Whether whoever sent the update may use the bot. */
  readonly admits: (update: Update) => Promise<boolean>;
  /** What chats may be registered. */
  readonly registration: Registration;
  readonly keep: (entry: Entry) => Keeping;
  /** Keeps an entry at once or rejects: for updates that are sent again then. */
  readonly write: (entry: Entry, wasTried: boolean) => Promise<Step>;
  readonly answers: Answers;
  /** The user's own handlers, if there are any; rejects for nothing. */
  readonly handle: (update: Update) => Promise<void>;
  readonly hasHandlers: () => boolean;
  readonly onFailure: (updateId: number, error: unknown) => void;
  readonly clock: Clock;
  /** The bot is stopped: a handler that is cut off by that is to have its update again. */
  readonly signal: AbortSignal;
}

/** What has begun with an update. */
interface Begun {
  /** Whether the user's handlers are to have it. */
  readonly isAllowed: boolean;
  readonly heard: Heard | undefined;
  /** Whether the chat was active before, as far as was known here. */
  readonly wasActive: boolean;
  /** Its place among the words that were said. */
  readonly order: number;
  readonly keeping?: Keeping;
}

/** So long handlers of the user's own may hold an update back from being confirmed. */
const holdAtMostMs = 5000;
/** So long a webhook waits for its replies: where a function ends with its answer, they end with it. */
const repliesWithinMs = 5000;
const closeWithinMs = 10_000;
const failedAtMost = 10_000;
const strangersAtMost = 100_000;

export class Inbox {
  readonly #options: InboxOptions;
  readonly #hearings = createInOrder();
  readonly #handlings = createInOrder();
  readonly #handled = new Set<Promise<unknown>>();
  #isClosed = false;
  /** Updates that came by another way than polling and could not be kept. */
  readonly #failed = new BoundedSet<number>(failedAtMost);
  /** Chats that may not use the bot and have said /stop: there is nothing more that they could end. */
  readonly #strangers = new BoundedSet<number>(strangersAtMost);

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Takes a batch: one chat's updates in their order, different chats' side by side. */
  receive(updates: readonly Update[]): Taken[] {
    const done = new AbortController();
    let late: Promise<void> | undefined;
    const patience = (): Promise<void> =>
      late ??= this.#options.clock.sleep(holdAtMostMs, done.signal).catch(() => {});
    const keys = sequenceKeysOf(updates);
    const batch = updates.map((update, index) => this.#take(update, keys[index] ?? 0, patience));
    void Promise.allSettled(batch.map(({ heard }) => heard)).then(() => done.abort());
    return batch;
  }

  /** Resolves once the update is kept and answered, and the user's handlers are done; rejects if it was not kept. */
  async handle(update: Update): Promise<void> {
    const { roster, answers, clock, handle, hasHandlers } = this.#options;
    await this.#hearings(sequenceKey(update), async () => {
      const { heard, isAllowed } = await this.#hear(update);
      // A /stop that cannot be kept counts until it comes again.
      if (heard?.asks === "stop") roster.heed(heard.chatId, false);
      const step = heard?.entry && await this.#write(update.update_id, heard);
      if (heard?.asks === "stop" || heard?.asks === "start") {
        roster.heed(heard.chatId, heard.asks === "start")();
      }
      if (heard !== undefined) await waitFor(answers.kept(heard, step), repliesWithinMs, clock);
      if (isAllowed && hasHandlers()) await handle(update);
    }).catch((error) => {
      if (isOutage(error)) throw error;
      this.#options.onFailure(update.update_id, error);
    });
  }

  /** Waits for handlers that are under way, for a while. */
  async close(): Promise<void> {
    const handled = Promise.all(this.#handled);
    if (this.#handled.size > 0) await waitFor(handled, closeWithinMs, this.#options.clock);
    this.#isClosed = true;
  }

  #take(update: Update, key: number, patience: () => Promise<void>): Taken {
    const begun = this.#hearings(key, () => this.#begin(update));
    const acknowledged = begun.then((it) => this.#acknowledge(update, it)).catch((error) => {
      unlessNotKept(error);
      this.#options.onFailure(update.update_id, error);
      return false;
    });
    return {
      updateId: update.update_id,
      heard: this.#options.hasHandlers() ? this.#handOver(update, key, acknowledged, patience) : acknowledged,
      safe: begun.then(({ keeping }) => keeping?.kept).catch(unlessNotKept),
      confirmed: () => void begun.then(({ keeping }) => keeping?.confirmed(), () => {}),
    };
  }

  /** Handlers have the update after those before it; who waits for them loses patience. */
  async #handOver(
    update: Update,
    key: number,
    acknowledged: Promise<boolean>,
    patience: () => Promise<void>,
  ): Promise<void> {
    const handled = this.#handlings(key, async () => {
      if (await acknowledged.catch(() => false) && !this.#isClosed) await this.#options.handle(update);
      return true;
    });
    this.#handled.add(handled);
    void handled.then(() => this.#handled.delete(handled));
    await acknowledged;
    const soon = new Promise<false>((resolve) => setTimeout(resolve, 0, false));
    if (await Promise.race([handled, soon])) return;
    const isDone = await Promise.race([handled, patience().then(() => false)]);
    if (!isDone && this.#options.signal.aborted) throw new Error("the handler has not ended before the stop");
  }

  async #begin(update: Update): Promise<Begun> {
    const { keep, roster } = this.#options;
    const { heard, isAllowed } = await this.#hear(update);
    const wasActive = heard !== undefined && roster.mayWriteTo(heard.chatId);
    const order = roster.nextOrder();
    if (heard?.entry === undefined) return { heard, isAllowed, wasActive, order };
    const keeping = keep(heard.entry);
    this.#follow(heard, keeping.kept);
    if (heard.asks === "stop") {
      heedUntilKept(roster, { chatId: heard.chatId, isActive: false, order }, keeping.kept);
    }
    if (roster.isUnread && heard.entry.kind === "event") {
      roster.note(heard.chatId, heard.entry.event).catch(() => {});
    }
    return { heard, isAllowed, wasActive, order, keeping };
  }

  async #hear(update: Update): Promise<{ readonly heard: Heard | undefined; readonly isAllowed: boolean }> {
    const { api, botUsername, admits, hear, roster } = this.#options;
    const isAllowed = await admits(update);
    const mayBeActive = (chatId: number): boolean => roster.isUnread || roster.isActive(chatId);
    const heard = await hear(update, { api, botUsername, isAllowed, mayBeActive });
    return { heard: heard && this.#limit(heard, isAllowed), isAllowed };
  }

  /** Drops a stranger's repeated /stop; limits what would register a chat that may not be registered. */
  #limit(heard: Heard, isAllowed: boolean): Heard | undefined {
    const { roster, registration } = this.#options;
    const { chatId, asks } = heard;
    if (isAllowed) {
      this.#strangers.delete(chatId);
      return registration.limit(heard, roster);
    }
    const isAtAnEnd = asks === "stop" && !roster.isActive(chatId);
    return isAtAnEnd && !this.#strangers.add(chatId) ? undefined : heard;
  }

  /** Learns from what was kept. An update that was not kept comes again, and is then new. */
  #follow(heard: Heard, kept: Promise<Step>): void {
    kept.then(
      (step) => this.#options.registration.learn(heard, step),
      () => this.#strangers.delete(heard.chatId),
    );
  }

  /** Waits for the update to be kept or queued, and has it answered; gives whether handlers are to have it. */
  async #acknowledge({ update_id: updateId }: Update, begun: Begun): Promise<boolean> {
    const { heard, keeping, isAllowed, wasActive, order } = begun;
    if (heard === undefined) return isAllowed;
    const { answers, roster } = this.#options;
    const step = await keeping?.acknowledged;
    if (step !== "queued" || keeping === undefined) void answers.kept(heard, step as Step | undefined);
    else {
      if (heard.asks === "start") {
        const { chatId, threadId } = heard;
        heedUntilKept(roster, { chatId, isActive: true, order, threadId }, keeping.kept);
      }
      answers.queued({ updateId, heard, wasActive, kept: keeping.kept });
    }
    return isAllowed;
  }

  /** One whose write has failed before may be kept all the same: then it is no repetition. */
  async #write(updateId: number, heard: Heard): Promise<Step> {
    const { entry } = heard;
    if (entry === undefined) throw new Error("unreachable: there is nothing to write");
    try {
      const kept = this.#options.write(entry, this.#failed.has(updateId));
      this.#follow(heard, kept);
      const step = await kept;
      this.#failed.delete(updateId);
      return step;
    } catch (error) {
      this.#failed.add(updateId);
      throw error;
    }
  }
}

/** What is at fault itself is as safe as it will ever be. */
function unlessNotKept(error: unknown): void {
  if (error instanceof NotKeptError) throw error;
}

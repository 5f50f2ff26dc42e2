/** An update's way: it is heard and kept, then answered, and then the user's own handlers have it. */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import type { ChatEvent } from "./chat.ts";
import type { Clock } from "./clock.ts";
import type { Entry, Step } from "./entry.ts";
import type { Ask, Hear, Heard } from "./hearing.ts";
import { createInOrder } from "./in_order.ts";
import type { Keeping } from "./keeper.ts";
import { NotKeptError } from "./lanes.ts";
import { strangerMessage, texts } from "./messages.ts";
import type { Outbox } from "./outbox.ts";
import type { Taken } from "./received.ts";
import { isOutage } from "./recovery.ts";
import { repliesAfterQueue, repliesTo, repliesWhileQueued, type Reply } from "./replies.ts";
import type { Roster } from "./roster.ts";
import { sequenceKey, sequenceKeysOf } from "./update.ts";

export interface InboxOptions {
  readonly api: Api;
  readonly botUsername: string;
  readonly roster: Roster;
  readonly hear: Hear;
  /** Whether whoever sent the update may use the bot. */
  readonly admits: (update: Update) => Promise<boolean>;
  readonly keep: (entry: Entry) => Keeping;
  /** Keeps an entry at once or rejects: for updates that are sent again then. */
  readonly write: (entry: Entry) => Promise<Step>;
  readonly outbox: Outbox;
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
  readonly keeping?: Keeping;
}

/** So long handlers of the user's own may hold an update back from being confirmed. */
const holdAtMostMs = 5000;
/** So long a webhook waits for its replies: where a function ends with its answer, they end with it. */
const repliesWithinMs = 5000;
const closeWithinMs = 10_000;
/** Chats that were told what is told once; past this many, the oldest may be told again. */
const toldAtMost = 10_000;

export class Inbox {
  readonly #options: InboxOptions;
  readonly #hearings = createInOrder();
  readonly #handlings = createInOrder();
  readonly #handled = new Set<Promise<unknown>>();
  readonly #told = new Set<number>();

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
    const { roster, write, clock, handle, hasHandlers } = this.#options;
    await this.#hearings(sequenceKey(update), async () => {
      const { heard, isAllowed } = await this.#hear(update);
      const kept = heard?.entry && write(heard.entry);
      if (kept !== undefined && heard?.asks === "stop") roster.heed(heard.chatId, false, kept);
      const step = await kept;
      const done = new AbortController();
      const late = clock.sleep(repliesWithinMs, done.signal).catch(() => {});
      if (heard !== undefined) await Promise.race([this.#answer(heard, step), late]);
      done.abort();
      if (isAllowed && hasHandlers()) await handle(update);
    }).catch((error) => {
      if (isOutage(error)) throw error;
      this.#options.onFailure(update.update_id, error);
    });
  }

  /** Greets those whom a process before this one could not greet yet; its entries are on their way. */
  resume(entries: readonly Entry[], kept: readonly Promise<Step>[]): void {
    entries.forEach((entry, index) => {
      if (entry.kind === "event") {
        this.#answerLater(entry.chatId, askOf(entry.event), kept[index] as Promise<Step>);
      }
    });
  }

  /** Waits for handlers that are under way, for a while. */
  async close(): Promise<void> {
    if (this.#handled.size === 0) return;
    const done = new AbortController();
    const late = this.#options.clock.sleep(closeWithinMs, done.signal).catch(() => {});
    await Promise.race([Promise.all(this.#handled), late]);
    done.abort();
  }

  #take(update: Update, key: number, patience: () => Promise<void>): Taken {
    const begun = this.#hearings(key, () => this.#begin(update));
    const acknowledged = begun.then((it) => this.#acknowledge(it)).catch((error) => {
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
      if (await acknowledged.catch(() => false)) await this.#options.handle(update);
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
    if (heard?.entry === undefined) return { heard, isAllowed, wasActive };
    const keeping = keep(heard.entry);
    if (heard.asks === "stop") roster.heed(heard.chatId, false, keeping.kept);
    if (roster.isUnread && heard.entry.kind === "event") {
      roster.note(heard.chatId, heard.entry.event).catch(() => {});
    }
    return { heard, isAllowed, wasActive, keeping };
  }

  async #hear(update: Update): Promise<{ readonly heard: Heard | undefined; readonly isAllowed: boolean }> {
    const { api, botUsername, admits, hear } = this.#options;
    const isAllowed = await admits(update);
    return { heard: await hear(update, { api, botUsername, isAllowed }), isAllowed };
  }

  /** Waits for the update to be kept or queued, and has it answered; gives whether handlers are to have it. */
  async #acknowledge({ heard, keeping, isAllowed, wasActive }: Begun): Promise<boolean> {
    if (heard === undefined) return isAllowed;
    const step = await keeping?.acknowledged;
    if (step === "queued") this.#answerQueued(heard, keeping as Keeping, wasActive);
    else void this.#answer(heard, step);
    return isAllowed;
  }

  #answer({ chatId, asks }: Heard, step: Step | undefined): Promise<void> {
    const { api, outbox, roster } = this.#options;
    if (asks === "stranger") return outbox.send(api, chatId, this.#once(chatId, strangerMessage(chatId)));
    if (step === undefined) return outbox.send(api, chatId, [texts.administratorsUnknown]);
    // A greeting that comes late is none for a chat that has said /stop meanwhile.
    const isWanted = asks === "nothing" ? () => roster.mayWriteTo(chatId) : undefined;
    return outbox.send(api, chatId, repliesTo(asks, step), isWanted);
  }

  #answerQueued({ chatId, asks, entry }: Heard, { kept }: Keeping, wasActive: boolean): void {
    const { api, outbox, roster } = this.#options;
    const isMessage = entry?.kind === "event" && entry.event.kind === "message";
    // Who has said /stop needs no invitation.
    if (asks === "stop") this.#once(chatId, texts.unread);
    const unread = roster.isUnread && !wasActive && isMessage ? this.#once(chatId, texts.unread) : [];
    if (asks === "start") roster.heed(chatId, true, kept);
    void outbox.send(api, chatId, [...unread, ...repliesWhileQueued(asks, wasActive)]);
    this.#answerLater(chatId, asks, kept);
  }

  /** What could not be said while it waited in the queue. */
  #answerLater(chatId: number, asks: Ask, kept: Promise<Step>): void {
    const { api, outbox, roster } = this.#options;
    const later = (step: Step): Promise<void> =>
      outbox.send(api, chatId, repliesAfterQueue(asks, step), () => roster.mayWriteTo(chatId));
    kept.then(later).catch(() => {});
  }

  #once(chatId: number, reply: Reply): Reply[] {
    if (this.#told.has(chatId)) return [];
    if (this.#told.size >= toldAtMost) this.#told.clear();
    this.#told.add(chatId);
    return [reply];
  }
}

/** What had been answered, as far as it can be told from what was kept of it. */
function askOf({ kind }: ChatEvent): Ask {
  return kind === "start" || kind === "stop" ? kind : "nothing";
}

/** What is at fault itself is as safe as it will ever be. */
function unlessNotKept(error: unknown): void {
  if (error instanceof NotKeptError) throw error;
}

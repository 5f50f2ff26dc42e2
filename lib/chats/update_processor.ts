/**
 * Processes updates: parses each, enqueues its write, answers it, and hands it to the user's own handlers. A /start or /stop
 * counts at once, before it is written.
 */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import type { InFlightUpdate } from "../telegram/polling.ts";
import { createKeyedMutex, settleWithin } from "../util/async.ts";
import { type Clock, nextTurn } from "../util/clock.ts";
import { BoundedSet } from "../util/collections.ts";
import { transition } from "./chat.ts";
import type { ChatEvent, ChatState } from "./events.ts";
import type { Registration } from "./registration.ts";
import type { ChatRegistry, ConsentOverlay } from "./registry.ts";
import type { Replies } from "./replies.ts";
import { isOutage } from "./storage.ts";
import { chatKeyOf, chatKeysOf, type ParsedUpdate, type UpdateParser } from "./update.ts";
import { type ChatWrite, NotWrittenError, type PendingWrite, type WriteResult } from "./writer.ts";

export interface UpdateProcessorOptions {
  readonly api: Api;
  readonly botUsername: string;
  readonly registry: ChatRegistry;
  readonly parser: UpdateParser;
  /** Whether the sender of the update may use the bot. Default: everyone may. */
  readonly isAllowed: ((update: Update) => Promise<boolean>) | undefined;
  /** Limits which chats may be registered. */
  readonly registration: Registration;
  readonly enqueue: (write: ChatWrite) => PendingWrite;
  /** Writes at once or rejects, for updates that are delivered again then. */
  readonly write: (write: ChatWrite, wasTried: boolean) => Promise<WriteResult>;
  readonly replies: Replies;
  /** The user's own handlers, if there are any; never rejects. */
  readonly handle: (update: Update) => Promise<void>;
  readonly hasHandlers: () => boolean;
  readonly onFailure: (updateId: number, error: unknown) => void;
  readonly clock: Clock;
  /** Aborts when the bot is stopped: a handler that is cut off by that must get its update again. */
  readonly signal: AbortSignal;
}

/** How long the user's own handlers may delay the confirmation of an update. */
const handlersWithinMs = 5000;
/** How long a webhook waits for the replies: a serverless function may end with its answer, and they with it. */
const repliesWithinMs = 5000;
const closeWithinMs = 10_000;
const failedAtMost = 10_000;
const strangersAtMost = 100_000;

export class UpdateProcessor {
  readonly #options: UpdateProcessorOptions;
  /** Parsing may wait for `authorize` and Telegram: one chat's writes are enqueued in the order of its updates. */
  readonly #inOrder = createKeyedMutex();
  /** Handlers have one chat's updates one after another, and do not delay the writes of later ones. */
  readonly #handlersInOrder = createKeyedMutex();
  readonly #handling = new Set<Promise<unknown>>();
  #isClosed = false;
  /** Updates that came by a webhook and could not be written. */
  readonly #failed = new BoundedSet<number>(failedAtMost);
  /** Chats that may not use the bot and have sent /stop: they have no subscription that they could end. */
  readonly #strangers = new BoundedSet<number>(strangersAtMost);

  constructor(options: UpdateProcessorOptions) {
    this.#options = options;
  }

  /** Processes a batch of polling: one chat's updates in their order, different chats' side by side. */
  accept(updates: readonly Update[]): InFlightUpdate[] {
    const keys = chatKeysOf(updates);
    return updates.map((update, index) => this.#accept(update, keys[index] ?? 0));
  }

  /** Resolves when the update is written and answered, and the user's handlers are done; rejects if it was not written. */
  async handle(update: Update): Promise<void> {
    const { registry, replies, clock, handle, hasHandlers } = this.#options;
    await this.#inOrder(chatKeyOf(update), async () => {
      const { parsed, isAllowed } = await this.#parse(update, true);
      // A /stop that cannot be written counts until it is delivered again.
      if (parsed?.intent === "stop") {
        registry.overlayConsent(parsed.chatId, false, { stop: stopOf(parsed.write) });
      }
      const result = parsed?.write && await this.#writeNow(update.update_id, parsed, parsed.write);
      if (parsed?.intent === "stop" || parsed?.intent === "start") {
        registry.overlayConsent(parsed.chatId, parsed.intent === "start")();
      }
      if (parsed !== undefined) {
        await settleWithin(replies.replyToWrite(parsed, result), repliesWithinMs, clock);
      }
      if (isAllowed && hasHandlers()) await handle(update);
    }).catch((error) => {
      if (isOutage(error)) throw error;
      this.#options.onFailure(update.update_id, error);
    });
  }

  /** Waits a while for handlers that are running. */
  async close(): Promise<void> {
    const handled = Promise.all(this.#handling);
    if (this.#handling.size > 0) await settleWithin(handled, closeWithinMs, this.#options.clock);
    this.#isClosed = true;
  }

  #accept(update: Update, key: number): InFlightUpdate {
    const begun = this.#inOrder(key, () => this.#begin(update));
    const acknowledged = begun.then(({ isHandled }) => isHandled).catch((error) => {
      unlessNotWritten(error);
      this.#options.onFailure(update.update_id, error);
      return false;
    });
    return {
      updateId: update.update_id,
      begun,
      handled: this.#options.hasHandlers() ? this.#runHandlers(update, key, acknowledged) : acknowledged,
      durable: begun.then(({ pending }) => pending?.written).catch(unlessNotWritten),
      confirmed: () => void begun.then(({ pending }) => pending && (pending.isConfirmed = true), () => {}),
    };
  }

  /**
   * Enqueues the update's write. `isHandled` resolves when the update is acknowledged and answered: whether the user's
   * handlers are to have it.
   */
  async #begin(
    update: Update,
  ): Promise<{ readonly pending?: PendingWrite | undefined; readonly isHandled: Promise<boolean> }> {
    const { enqueue, registry } = this.#options;
    const { parsed, isAllowed } = await this.#parse(update);
    if (parsed === undefined) return { isHandled: Promise.resolve(isAllowed) };
    const { chatId, intent, write } = parsed;
    const wasActive = registry.isSubscribed(chatId);
    const order = registry.nextOrder();
    const pending = write && enqueue(write);
    if (pending !== undefined) {
      this.#learn(parsed, pending.written);
      if (intent === "stop") {
        overlayUntilWritten(registry, chatId, false, pending.written, { order, stop: stopOf(write) });
      }
      if (registry.isUnread && write?.kind === "event") {
        registry.applyToStandIn(chatId, write.event).catch(() => {});
      }
    }
    const acknowledged = this.#acknowledge(update.update_id, parsed, pending, wasActive, order);
    return { pending, isHandled: acknowledged.then(() => isAllowed) };
  }

  /** Waits until the update is written or queued, and has it answered. */
  async #acknowledge(
    updateId: number,
    parsed: ParsedUpdate,
    pending: PendingWrite | undefined,
    wasActive: boolean,
    order: number,
  ): Promise<void> {
    const { replies, registry } = this.#options;
    const result = await pending?.acknowledged;
    if (pending === undefined || result !== "queued") {
      void replies.replyToWrite(parsed, result as WriteResult | undefined);
      return;
    }
    const { chatId, intent, threadId } = parsed;
    if (intent === "start") {
      overlayUntilWritten(registry, chatId, true, pending.written, { order, threadId });
    }
    replies.replyWhileQueued(updateId, parsed, wasActive, pending.written);
  }

  /** Handlers have the update after those before it; it is confirmed without them if they take too long. */
  async #runHandlers(update: Update, key: number, acknowledged: Promise<boolean>): Promise<void> {
    const { handle, clock, signal } = this.#options;
    const handled = this.#handlersInOrder(key, async () => {
      if (await acknowledged.catch(() => false) && !this.#isClosed) await handle(update);
    });
    this.#handling.add(handled);
    void handled.then(() => this.#handling.delete(handled));
    await acknowledged;
    // Most handlers need no timer: they are done by the next turn of the event loop.
    if (await Promise.race([handled.then(() => true), nextTurn(clock).then(() => false)])) return;
    const isDone = await settleWithin(handled, handlersWithinMs, clock);
    if (!isDone && signal.aborted) throw new Error("the handler has not ended before the stop");
  }

  async #parse(
    update: Update,
    mayOvertake: boolean = false,
  ): Promise<{ readonly parsed: ParsedUpdate | undefined; readonly isAllowed: boolean }> {
    const { api, botUsername, parser, registry } = this.#options;
    const isAllowed = await this.#options.isAllowed?.(update) ?? true;
    const mayBeActive = (chatId: number): boolean => registry.isUnread || registry.isActive(chatId);
    const context = { api, botUsername, isAllowed, mayOvertake, mayBeActive };
    const parsed = await parser.parse(update, context);
    return { parsed: parsed && this.#limit(parsed, isAllowed), isAllowed };
  }

  /** Drops a stranger's repeated /stop; limits which chats may be registered. */
  #limit(parsed: ParsedUpdate, isAllowed: boolean): ParsedUpdate | undefined {
    const { registry, registration } = this.#options;
    const { chatId, intent } = parsed;
    if (isAllowed) {
      this.#strangers.delete(chatId);
      return intent === "stop" ? parsed : registration.limit(parsed, registry);
    }
    const isOver = intent === "stop" && !registry.isActive(chatId);
    return isOver && !this.#strangers.add(chatId) ? undefined : parsed;
  }

  /** An update that was not written is delivered again, and is then new. */
  #learn(parsed: ParsedUpdate, written: Promise<WriteResult>): void {
    written.then(
      (result) => parsed.intent === "stop" || this.#options.registration.learn(parsed, result),
      () => this.#strangers.delete(parsed.chatId),
    );
  }

  /** A write that has failed before may have been made all the same: then its update is not a repetition. */
  async #writeNow(updateId: number, parsed: ParsedUpdate, write: ChatWrite): Promise<WriteResult> {
    try {
      const written = this.#options.write(write, this.#failed.has(updateId));
      this.#learn(parsed, written);
      const result = await written;
      this.#failed.delete(updateId);
      return result;
    } catch (error) {
      this.#failed.add(updateId);
      throw error;
    }
  }
}

/** A write that is at fault itself will not succeed later: only one that was given up must be delivered again. */
function unlessNotWritten(error: unknown): void {
  if (error instanceof NotWrittenError) throw error;
}

function stopOf(write: ChatWrite | undefined): ChatEvent | undefined {
  return write?.kind === "event" && write.event.kind === "stop" ? write.event : undefined;
}

/** Makes a /start or /stop count until it is written; one that is not written before the bot ends counts to the end. */
function overlayUntilWritten(
  registry: ChatRegistry,
  chatId: number,
  isActive: boolean,
  written: Promise<unknown>,
  overlay: ConsentOverlay = {},
): void {
  const end = registry.overlayConsent(chatId, isActive, overlay);
  written.then(end, (error) => error instanceof NotWrittenError || end());
}

/**
 * Makes the /starts and /stops of a queue count that an earlier process has left: they were confirmed. One that stands there
 * again, as it was delivered again, counts once.
 */
export function overlayRestored(
  registry: ChatRegistry,
  writes: readonly ChatWrite[],
  results: readonly Promise<WriteResult>[],
): void {
  const stopped = new Set<number>();
  const chats = new Map<number, ChatState | undefined>();
  for (const [index, write] of writes.entries()) {
    const written = results[index] as Promise<WriteResult>;
    if (write.kind === "event") {
      const { chatId, event } = write;
      const before = chats.get(chatId);
      const after = transition(before, event);
      chats.set(chatId, after);
      if (event.kind !== "start" && event.kind !== "stop") continue;
      if (before !== undefined && after === before) continue;
      if (event.kind === "stop") stopped.add(chatId);
      else stopped.delete(chatId);
      const overlay = { threadId: event.threadId, stop: stopOf(write) };
      overlayUntilWritten(registry, chatId, event.kind === "start", written, overlay);
    } else if (stopped.has(write.from)) {
      // The supergroup may be in the table already, as another process may have handled the move.
      stopped.add(write.to);
      overlayUntilWritten(registry, write.to, false, written);
    }
  }
}

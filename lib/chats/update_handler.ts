/** A /start or /stop takes effect when it is heard; until it is kept, the list in memory remembers it. */
import type { Update } from "grammy/types";
import type { Api } from "grammy/web";
import type { InFlightUpdate } from "../telegram/polling.ts";
import { createKeyedMutex, settleWithin } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { BoundedSet } from "../util/collections.ts";
import type { Registration } from "./registration.ts";
import type { ChatRegistry, ConsentOverlay } from "./registry.ts";
import type { Replies } from "./reply_sender.ts";
import { isOutage } from "./storage.ts";
import { chatKeyOf, chatKeysOf, type ParsedUpdate, type UpdateParser } from "./update.ts";
import type { WriteReceipt } from "./write_queue.ts";
import { type ChatWrite, NotWrittenError, type WriteResult } from "./writer.ts";

/** Remembers the word until it is kept; one that is not kept before the bot ends is remembered to the end. */
export function overlayUntilWritten(
  registry: ChatRegistry,
  { chatId, isActive, ...options }: ConsentOverlay & { readonly chatId: number; readonly isActive: boolean },
  kept: Promise<unknown>,
): void {
  const forget = registry.overlayConsent(chatId, isActive, options);
  kept.then(forget, (error) => error instanceof NotWrittenError || forget());
}

/** Remembers the words of a queue that an earlier process has left: they were confirmed, and still hold. */
export function overlayRestored(
  registry: ChatRegistry,
  left: readonly ChatWrite[],
  kept: readonly Promise<WriteResult>[],
): void {
  const stopped = new Set<number>();
  for (const [index, chatWrite] of left.entries()) {
    const done = kept[index] as Promise<WriteResult>;
    if (chatWrite.kind === "event") {
      const { chatId, event } = chatWrite;
      const { kind } = event;
      if (kind !== "start" && kind !== "stop") continue;
      if (kind === "stop") stopped.add(chatId);
      else stopped.delete(chatId);
      overlayUntilWritten(registry, { chatId, isActive: kind === "start", threadId: event.threadId }, done);
    } else if (stopped.has(chatWrite.from)) {
      // The supergroup may be in the table already, as another process may have heard of the move.
      stopped.add(chatWrite.to);
      overlayUntilWritten(registry, { chatId: chatWrite.to, isActive: false }, done);
    }
  }
}

// An update's way: it is heard and kept, then answered, and then the user's own handlers have it.

export interface UpdateProcessorOptions {
  readonly api: Api;
  readonly botUsername: string;
  readonly registry: ChatRegistry;
  readonly hear: UpdateParser;
  /** Whether whoever sent the update may use the bot. */
  readonly admits: (update: Update) => Promise<boolean>;
  /** What chats may be registered. */
  readonly registration: Registration;
  readonly keep: (chatWrite: ChatWrite) => WriteReceipt;
  /** Keeps an entry at once or rejects: for updates that are sent again then. */
  readonly write: (chatWrite: ChatWrite, wasTried: boolean) => Promise<WriteResult>;
  readonly answers: Replies;
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
  readonly parsed: ParsedUpdate | undefined;
  /** Whether the chat was active before, as far as was known here. */
  readonly wasActive: boolean;
  /** Its place among the words that were said. */
  readonly order: number;
  readonly keeping?: WriteReceipt;
}

/** So long handlers of the user's own may hold an update back from being confirmed. */
const holdAtMostMs = 5000;
/** So long a webhook waits for its replies: where a function ends with its answer, they end with it. */
const repliesWithinMs = 5000;
const closeWithinMs = 10_000;
const failedAtMost = 10_000;
const strangersAtMost = 100_000;

export class UpdateProcessor {
  readonly #options: UpdateProcessorOptions;
  readonly #hearings = createKeyedMutex();
  readonly #handlings = createKeyedMutex();
  readonly #handled = new Set<Promise<unknown>>();
  #isClosed = false;
  /** Updates that came by another way than polling and could not be kept. */
  readonly #failed = new BoundedSet<number>(failedAtMost);
  /** Chats that may not use the bot and have said /stop: there is nothing more that they could end. */
  readonly #strangers = new BoundedSet<number>(strangersAtMost);

  constructor(options: UpdateProcessorOptions) {
    this.#options = options;
  }

  /** Takes a batch: one chat's updates in their order, different chats' side by side. */
  accept(updates: readonly Update[]): InFlightUpdate[] {
    const done = new AbortController();
    let late: Promise<void> | undefined;
    const patience = (): Promise<void> =>
      late ??= this.#options.clock.sleep(holdAtMostMs, done.signal).catch(() => {});
    const keys = chatKeysOf(updates);
    const batch = updates.map((update, index) => this.#take(update, keys[index] ?? 0, patience));
    void Promise.allSettled(batch.map(({ handled }) => handled)).then(() => done.abort());
    return batch;
  }

  /** Resolves once the update is kept and answered, and the user's handlers are done; rejects if it was not kept. */
  async handle(update: Update): Promise<void> {
    const { registry, answers, clock, handle, hasHandlers } = this.#options;
    await this.#hearings(chatKeyOf(update), async () => {
      const { parsed, isAllowed } = await this.#hear(update);
      // A /stop that cannot be kept counts until it comes again.
      if (parsed?.intent === "stop") registry.overlayConsent(parsed.chatId, false);
      const result = parsed?.write && await this.#write(update.update_id, parsed);
      if (parsed?.intent === "stop" || parsed?.intent === "start") {
        registry.overlayConsent(parsed.chatId, parsed.intent === "start")();
      }
      if (parsed !== undefined) {
        await settleWithin(answers.replyToWrite(parsed, result), repliesWithinMs, clock);
      }
      if (isAllowed && hasHandlers()) await handle(update);
    }).catch((error) => {
      if (isOutage(error)) throw error;
      this.#options.onFailure(update.update_id, error);
    });
  }

  /** Waits for handlers that are under way, for a while. */
  async close(): Promise<void> {
    const handled = Promise.all(this.#handled);
    if (this.#handled.size > 0) await settleWithin(handled, closeWithinMs, this.#options.clock);
    this.#isClosed = true;
  }

  #take(update: Update, key: number, patience: () => Promise<void>): InFlightUpdate {
    const begun = this.#hearings(key, () => this.#begin(update));
    const acknowledged = begun.then((it) => this.#acknowledge(update, it)).catch((error) => {
      unlessNotKept(error);
      this.#options.onFailure(update.update_id, error);
      return false;
    });
    return {
      updateId: update.update_id,
      handled: this.#options.hasHandlers()
        ? this.#handOver(update, key, acknowledged, patience)
        : acknowledged,
      durable: begun.then(({ keeping }) => keeping?.written).catch(unlessNotKept),
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
    const { keep, registry } = this.#options;
    const { parsed, isAllowed } = await this.#hear(update);
    const wasActive = parsed !== undefined && registry.isSubscribed(parsed.chatId);
    const order = registry.nextOrder();
    if (parsed?.write === undefined) return { parsed, isAllowed, wasActive, order };
    const keeping = keep(parsed.write);
    this.#follow(parsed, keeping.written);
    if (parsed.intent === "stop") {
      overlayUntilWritten(registry, { chatId: parsed.chatId, isActive: false, order }, keeping.written);
    }
    if (registry.isUnread && parsed.write.kind === "event") {
      registry.applyOwn(parsed.chatId, parsed.write.event).catch(() => {});
    }
    return { parsed, isAllowed, wasActive, order, keeping };
  }

  async #hear(
    update: Update,
  ): Promise<{ readonly parsed: ParsedUpdate | undefined; readonly isAllowed: boolean }> {
    const { api, botUsername, admits, hear, registry } = this.#options;
    const isAllowed = await admits(update);
    const mayBeActive = (chatId: number): boolean => registry.isUnread || registry.isActive(chatId);
    const parsed = await hear(update, { api, botUsername, isAllowed, mayBeActive });
    return { parsed: parsed && this.#limit(parsed, isAllowed), isAllowed };
  }

  /** Drops a stranger's repeated /stop; limits what would register a chat that may not be registered. */
  #limit(parsed: ParsedUpdate, isAllowed: boolean): ParsedUpdate | undefined {
    const { registry, registration } = this.#options;
    const { chatId, intent } = parsed;
    if (isAllowed) {
      this.#strangers.delete(chatId);
      return registration.limit(parsed, registry);
    }
    const isAtAnEnd = intent === "stop" && !registry.isActive(chatId);
    return isAtAnEnd && !this.#strangers.add(chatId) ? undefined : parsed;
  }

  /** Learns from what was kept. An update that was not kept comes again, and is then new. */
  #follow(parsed: ParsedUpdate, kept: Promise<WriteResult>): void {
    kept.then(
      (result) => this.#options.registration.learn(parsed, result),
      () => this.#strangers.delete(parsed.chatId),
    );
  }

  /** Waits for the update to be kept or queued, and has it answered; gives whether handlers are to have it. */
  async #acknowledge({ update_id: updateId }: Update, begun: Begun): Promise<boolean> {
    const { parsed, keeping, isAllowed, wasActive, order } = begun;
    if (parsed === undefined) return isAllowed;
    const { answers, registry } = this.#options;
    const result = await keeping?.acknowledged;
    if (result !== "queued" || keeping === undefined) {
      void answers.replyToWrite(parsed, result as WriteResult | undefined);
    } else {
      if (parsed.intent === "start") {
        const { chatId, threadId } = parsed;
        overlayUntilWritten(registry, { chatId, isActive: true, order, threadId }, keeping.written);
      }
      answers.replyWhileQueued({ updateId, parsed, wasActive, kept: keeping.written });
    }
    return isAllowed;
  }

  /** One whose write has failed before may be kept all the same: then it is no repetition. */
  async #write(updateId: number, parsed: ParsedUpdate): Promise<WriteResult> {
    const { write: chatWrite } = parsed;
    if (chatWrite === undefined) throw new Error("unreachable: there is nothing to write");
    try {
      const kept = this.#options.write(chatWrite, this.#failed.has(updateId));
      this.#follow(parsed, kept);
      const result = await kept;
      this.#failed.delete(updateId);
      return result;
    } catch (error) {
      this.#failed.add(updateId);
      throw error;
    }
  }
}

/** What is at fault itself is as safe as it will ever be. */
function unlessNotKept(error: unknown): void {
  if (error instanceof NotWrittenError) throw error;
}

/**
 * Writes to the storage: one chat's in their order and as many at once as have gathered, different chats' side by side.
 * While the storage fails, attempts become slower and fewer, and go on until each write has a result.
 */
import { backoffMs } from "../util/async.ts";
import { type Clock, nextTurn, steady, toIso } from "../util/clock.ts";
import { isMessage, isRegistered, transition } from "./chat.ts";
import type { ChatEvent, ChatState } from "./events.ts";
import { type ApplyResult, isOutage } from "./storage.ts";

/** An event of a chat, or a group's move to its supergroup. Plain data: it may wait on disk. */
export type ChatWrite = EventWrite | MigrationWrite;

export interface EventWrite {
  readonly kind: "event";
  readonly chatId: number;
  readonly event: ChatEvent;
}

export interface MigrationWrite {
  readonly kind: "migration";
  readonly from: number;
  readonly to: number;
  /** When the update arrived, in milliseconds since 1970. */
  readonly at: number;
}

/** The storage, or what stands before it. */
export interface WriteTarget {
  apply(chatId: number, events: readonly ChatEvent[]): Promise<ApplyResult>;
  migrate(from: number, to: number, at: number): Promise<void>;
}

/** What a write did to its chat. */
export interface WriteResult extends ApplyResult {
  /** Whether the chat had the event before: then its update has been answered, too. */
  readonly isRepeated: boolean;
}

/** A write was given up, as the bot was stopped; `cause` is why the storage could not be used. */
export class NotWrittenError extends Error {
  override readonly name = "NotWrittenError";

  constructor(cause: unknown) {
    super(`Not written: ${(cause as Error | undefined)?.message ?? "the bot was stopped."}`, { cause });
  }
}

/** A write on its way to the storage. */
export class PendingWrite {
  readonly write: ChatWrite;
  /** When it was enqueued, in milliseconds of the write queue's clock. */
  readonly since: number;
  /** Whether an attempt has failed; it may have been written all the same. */
  wasTried = false;
  /** Whether Telegram was told to forget the update. */
  isConfirmed = false;
  /**
   * Resolves with the result when it is written, or with "queued" when it waits for the storage in safety.
   * Rejects where neither can be: then Telegram must send the update again.
   */
  readonly acknowledged: Promise<WriteResult | "queued">;
  /** The result when it is written, however long that takes. */
  readonly written: Promise<WriteResult>;
  acknowledge: (result: "queued") => void = () => {};
  resolve: (result: WriteResult) => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor(write: ChatWrite, since: number) {
    this.write = write;
    this.since = since;
    this.written = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.acknowledged = Promise.race([
      this.written,
      new Promise<"queued">((resolve) => this.acknowledge = resolve),
    ]);
    this.acknowledged.catch(() => {});
  }
}

/** Makes one write at once, or rejects; `wasTried` says that an attempt before has failed. */
export async function writeOne(
  target: WriteTarget,
  write: ChatWrite,
  wasTried: boolean = false,
): Promise<WriteResult> {
  const [result] = await writeBatch(target, [{ write, wasTried }]);
  return result as WriteResult;
}

type Attempt = Pick<PendingWrite, "write" | "wasTried">;

/** Writes one migration, or events of one chat, and gives the result of each. */
async function writeBatch(target: WriteTarget, batch: readonly Attempt[]): Promise<WriteResult[]> {
  const [first] = batch;
  if (first?.write.kind === "migration") {
    await target.migrate(first.write.from, first.write.to, first.write.at);
    return [{ before: undefined, after: undefined, isRepeated: false }];
  }
  const tried = batch.map(({ write, wasTried }) => ({ event: (write as EventWrite).event, wasTried }));
  const { chatId } = first?.write as EventWrite;
  return resultsOf(await target.apply(chatId, tried.map(({ event }) => event)), tried);
}

/** An event, and whether a write of it has failed before. */
interface TriedEvent {
  readonly event: ChatEvent;
  readonly wasTried: boolean;
}

/** What each event of a batch did. */
function resultsOf(
  { before, after, confirmAfterMs }: ApplyResult,
  events: readonly TriedEvent[],
): WriteResult[] {
  const wait = confirmAfterMs === undefined ? {} : { confirmAfterMs };
  let state = before;
  let presumed = after && presumedBefore(after, events);
  return events.map(({ event, wasTried }) => {
    const result = { ...resultOf(state, event), ...wait };
    state = result.after;
    if (!result.isRepeated || !wasTried) return result;
    const first = { before: presumed, after, isRepeated: false, ...wait };
    presumed = transition(presumed, event);
    return first;
  });
}

/** An event with an update id that does not change a known chat is one that the chat has already. */
function resultOf(before: ChatState | undefined, event: ChatEvent): WriteResult {
  const after = transition(before, event);
  const isKnown = before !== undefined && isRegistered(before);
  const isRepeated = isKnown && after === before && "updateId" in event;
  return { before, after, isRepeated };
}

/** The chat before an earlier attempt that was written, whose answer was lost: what that changed is still to be answered. */
function presumedBefore(after: ChatState, events: readonly TriedEvent[]): ChatState | undefined {
  const tried = events.filter(({ wasTried }) => wasTried).map(({ event }) => event);
  const isOwn = (time: string | null | undefined, event: ChatEvent): boolean => time === toIso(event.at);
  const messages = tried.filter(isMessage).length;
  if (tried.some((event) => isOwn(after.added_at, event)) && after.message_count <= messages) {
    return undefined;
  }
  const isEnded = tried.some((event) => event.kind === "stop" && isOwn(after.removed_at, event));
  return {
    ...after,
    is_active: isEnded || after.is_active,
    last_update_id: undefined,
    last_word_update_id: undefined,
    last_member_update_id: undefined,
  };
}

// One chat's writes, in batches.

/** The writes of one chat that wait. */
interface ChatQueue {
  readonly key: number;
  readonly waiting: PendingWrite[];
  /** Supergroups that the group of this queue becomes: their writes go the same way. */
  readonly aliases: number[];
  isRunning: boolean;
}

const batchAtMost = 1000;

export interface BatchingWriterOptions {
  readonly limiter: AdaptiveLimiter;
  readonly clock: Clock;
  /** Called with the error of each attempt that fails for an outage. */
  readonly onOutage: (error: Error) => void;
}

export class BatchingWriter {
  readonly #target: WriteTarget;
  readonly #options: BatchingWriterOptions;
  readonly #queues = new Map<number, ChatQueue>();
  readonly #aliases = new Map<number, number>();
  readonly #starting: ChatQueue[] = [];
  #lastError: unknown;
  #isClosed = false;

  constructor(target: WriteTarget, options: BatchingWriterOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Writes until there is a result. It is an error if the write itself is at fault, or is not made before `close()`. */
  add(pending: PendingWrite): void {
    if (this.#isClosed) return pending.reject(new NotWrittenError(this.#lastError));
    const queue = this.#queueOf(pending.write);
    queue.waiting.push(pending);
    if (!queue.isRunning) this.#startSoon(queue);
  }

  /** Rejects all that is not written with a {@link NotWrittenError}. */
  close(): void {
    this.#isClosed = true;
    for (const { waiting } of this.#queues.values()) {
      for (const pending of waiting.splice(0)) pending.reject(new NotWrittenError(this.#lastError));
    }
  }

  #queueOf(write: ChatWrite): ChatQueue {
    const key = this.#keyOf(write.kind === "event" ? write.chatId : write.from);
    const queue = this.#queues.get(key) ?? { key, waiting: [], aliases: [], isRunning: false };
    this.#queues.set(key, queue);
    if (write.kind === "migration" && this.#keyOf(write.to) !== key && !this.#queues.has(write.to)) {
      this.#aliases.set(write.to, key);
      queue.aliases.push(write.to);
    }
    return queue;
  }

  #keyOf(chatId: number): number {
    return this.#aliases.get(chatId) ?? chatId;
  }

  /** Writes that arrive in the same turn of the event loop go into the same batch. */
  #startSoon(queue: ChatQueue): void {
    queue.isRunning = true;
    if (this.#starting.push(queue) > 1) return;
    void nextTurn(this.#options.clock).then(() => {
      for (const each of this.#starting.splice(0)) void this.#run(each);
    });
  }

  async #run(queue: ChatQueue): Promise<void> {
    while (queue.waiting.length > 0) {
      try {
        await this.#options.limiter.attempt(() => this.#writeNext(queue), !queue.waiting[0]?.wasTried);
      } catch (error) {
        this.#lastError = error;
        this.#options.onOutage(error as Error);
      }
    }
    this.#queues.delete(queue.key);
    for (const chatId of queue.aliases) this.#aliases.delete(chatId);
  }

  /** Writes the first batch of the queue. Rejects only for an outage; then the batch stays in the queue. */
  async #writeNext({ waiting }: ChatQueue): Promise<void> {
    const batch = nextBatchOf(waiting);
    try {
      await this.#write(batch);
    } catch (error) {
      // One of several is at fault: the others are written without it.
      if (!isOutage(error) && batch.length > 1) return await this.#writeOneByOne(waiting, batch);
      settleFailed(batch, error);
    }
    if (!this.#isClosed) waiting.splice(0, batch.length);
  }

  async #writeOneByOne(waiting: PendingWrite[], batch: readonly PendingWrite[]): Promise<void> {
    for (const pending of batch) {
      await this.#write([pending]).catch((error) => settleFailed([pending], error));
      if (!this.#isClosed) waiting.shift();
    }
  }

  async #write(batch: readonly PendingWrite[]): Promise<void> {
    const results = await writeBatch(this.#target, batch);
    results.forEach((result, index) => batch[index]?.resolve(result));
  }
}

/** Rejects writes that are at fault. Throws the error of an outage, after which they are tried again. */
function settleFailed(batch: readonly PendingWrite[], error: unknown): void {
  for (const pending of batch) {
    if (isOutage(error)) pending.wasTried = true;
    else pending.reject(error);
  }
  if (isOutage(error)) throw error;
}

/** One migration, or the events of one chat up to the next migration. */
function nextBatchOf(waiting: readonly PendingWrite[]): PendingWrite[] {
  const first = waiting[0]?.write;
  if (first?.kind !== "event") return waiting.slice(0, 1);
  const end = waiting.findIndex(({ write }) => write.kind !== "event" || write.chatId !== first.chatId);
  return waiting.slice(0, Math.min(end < 0 ? waiting.length : end, batchAtMost));
}

// How many attempts the storage gets.

/** Concurrent attempts while the storage answers; its client has a limit of its own for requests. */
const concurrencyAtMost = 256;
const backoff = { firstMs: 500, longestMs: 15_000, jitter: 0.5 };
const closingWaitMs = 250;
/** After so many failures in a row a single attempt at a time probes whether the outage is over. */
const failuresUntilProbing = 3;

/**
 * An adaptive concurrency limiter: each outage halves the concurrent attempts and begins a pause, ever longer; each
 * success doubles them again.
 */
export class AdaptiveLimiter {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #fresh: (() => void)[] = [];
  readonly #failed: (() => void)[] = [];
  #limit = concurrencyAtMost;
  #running = 0;
  #failures = 0;
  #succeededAt = -Infinity;
  /** The pause after a failure; to abort it lets the next attempts through. */
  #pause: AbortController | undefined;
  #longestMs = backoff.longestMs;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = steady(clock);
  }

  /** When an attempt has succeeded last, in milliseconds of the steady clock. */
  get succeededAt(): number {
    return this.#succeededAt;
  }

  /**
   * Runs the task when the limit allows it; rejects as the task does. A task that is tried for the first time does not
   * wait for the pause: what fails for one chat may succeed for another.
   */
  async attempt<T>(task: () => Promise<T>, isFresh: boolean = false): Promise<T> {
    while (this.#running >= this.#limit || (this.#pause !== undefined && !isFresh)) {
      await new Promise<void>((resolve) => (isFresh ? this.#fresh : this.#failed).push(resolve));
    }
    this.#running++;
    try {
      const result = await task();
      this.#succeededAt = this.#now();
      this.#onSuccess();
      return result;
    } catch (error) {
      if (isOutage(error)) this.#onFailure();
      else this.#onSuccess();
      throw error;
    } finally {
      this.#running--;
      this.#admit();
    }
  }

  /** Tries at once, and pauses only shortly from now on, as the bot is being stopped. */
  shortenPauses(): void {
    this.#longestMs = closingWaitMs;
    this.#onSuccess();
  }

  #onSuccess(): void {
    this.#failures = 0;
    this.#limit = Math.min(concurrencyAtMost, 2 * this.#limit);
    this.#pause?.abort();
  }

  #onFailure(): void {
    this.#failures++;
    this.#limit = this.#failures < failuresUntilProbing ? Math.max(1, this.#limit >> 1) : 1;
    if (this.#pause === undefined) void this.#rest();
  }

  async #rest(): Promise<void> {
    const pause = this.#pause = new AbortController();
    const options = { ...backoff, longestMs: this.#longestMs };
    const waitMs = backoffMs(this.#failures - 1, options, this.#clock.random());
    await this.#clock.sleep(waitMs, pause.signal).catch(() => {});
    this.#pause = undefined;
    this.#admit();
  }

  #admit(): void {
    const free = Math.max(0, this.#limit - this.#running);
    const fresh = this.#fresh.splice(0, free);
    const failed = this.#pause === undefined ? this.#failed.splice(0, free - fresh.length) : [];
    for (const enter of [...fresh, ...failed]) enter();
  }
}

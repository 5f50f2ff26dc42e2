/**
 * The write queue: acknowledges an update when the storage has it or, in an outage, when it is in the queue, which is in
 * memory or on disk. It logs the beginning and the end of an outage.
 */
import { settleWithin } from "../util/async.ts";
import { type Clock, steady } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { Spool } from "./spool.ts";
import { isOutage, type StorageError } from "./storage.ts";
import {
  AdaptiveLimiter,
  BatchingWriter,
  type ChatWrite,
  PendingWrite,
  type WriteResult,
  type WriteTarget,
} from "./writer.ts";

export interface WriteQueueOptions {
  readonly target: WriteTarget;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The queue on disk, if there is one. */
  readonly spool: Spool | undefined;
  /** Whether a write changes only a message count, so that it is dropped when the queue is full. */
  readonly onlyCounts: (write: ChatWrite) => boolean;
}

/** How long a write may wait for the storage before it is queued: while no other write succeeds, and while others do. */
const undurableMs = { all: 5000, alone: 30_000 };
/** The same in an outage: a write that succeeds soon is answered as usual. */
const degradedMs = 500;
const closeWithinMs = 5000;
const probeAgainMs = 15_000;
const spoolAgainMs = 1000;

export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #now: () => number;
  readonly #limiter: AdaptiveLimiter;
  readonly #writer: BatchingWriter;
  readonly #pending: PendingWrites;
  readonly #closing = new AbortController();
  #isDegraded = false;
  #isProbing = false;
  #isWatching = false;
  #isSpoolFailing = false;
  /** The last failure of the storage. */
  #outage: StorageError | undefined;
  #replayed = 0;
  #dropped = 0;
  #onEmpty = (): void => {};
  #closed: Promise<void> | undefined;

  constructor(options: WriteQueueOptions) {
    this.#options = options;
    this.#now = steady(options.clock);
    this.#pending = new PendingWrites(options.spool);
    this.#limiter = new AdaptiveLimiter(options.clock);
    const onOutage = (error: Error): void => this.#onOutage(error as StorageError);
    this.#writer = new BatchingWriter(options.target, {
      limiter: this.#limiter,
      clock: options.clock,
      onOutage,
    });
  }

  /** Whether the storage cannot be used, so that writes are queued. */
  get isDegraded(): boolean {
    return this.#isDegraded;
  }

  /** The number of writes in the queue. */
  get queued(): number {
    return this.#pending.size;
  }

  enqueue(write: ChatWrite): PendingWrite {
    const pending = new PendingWrite(write, this.#now());
    if (this.#pending.isFull && this.#options.onlyCounts(write)) {
      this.#dropped++;
      pending.resolve({ before: undefined, after: undefined, isRepeated: true });
      return pending;
    }
    this.#write(pending);
    this.#pending.add(pending);
    if (this.#isDegraded) void this.#watch();
    return pending;
  }

  /** Takes over the writes that an earlier process has left on disk; returns their results. */
  resume(writes: readonly ChatWrite[]): Promise<WriteResult>[] {
    this.#isDegraded ||= writes.length > 0;
    return writes.map((write) => {
      const pending = new PendingWrite(write, this.#now());
      this.#write(pending);
      this.#pending.resume(pending);
      return pending.written;
    });
  }

  /** Begins in an outage, which has been logged already: tries `probe` until it succeeds. */
  async startDegraded(probe: () => Promise<void>): Promise<void> {
    this.#isDegraded = this.#isProbing = true;
    while (this.#isProbing && !this.#closing.signal.aborted) {
      try {
        await this.#limiter.attempt(probe);
        this.#isProbing = false;
      } catch (error) {
        if (!isOutage(error)) await this.#sleep(probeAgainMs);
      }
    }
    this.#recoverIfEmpty();
  }

  /** Goes on writing for a while, then logs and rejects the writes that are left. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#limiter.shortenPauses();
    if (!this.#pending.isEmpty) {
      const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
      await settleWithin(empty, closeWithinMs, this.#options.clock);
    }
    this.#closing.abort();
    this.#logLeft();
    this.#writer.close();
    await this.#options.spool?.close().catch(() => {});
  }

  #write(pending: PendingWrite): void {
    const settled = (): void => this.#onSettled(pending);
    pending.written.then(settled, settled);
    this.#writer.add(pending);
  }

  #onSettled(pending: PendingWrite): void {
    if (this.#closing.signal.aborted) return;
    if (this.#pending.remove(pending)) this.#replayed++;
    if (!this.#pending.isEmpty) return;
    this.#onEmpty();
    this.#recoverIfEmpty();
  }

  #onOutage(error: StorageError): void {
    if (this.#closing.signal.aborted) return;
    this.#outage = error;
    // Waiting does not end these.
    if (error.reason === "denied" || error.reason === "credentials") this.#degrade(error);
    void this.#watch();
  }

  /** Queues what has waited too long, for as long as something waits unacknowledged. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    for (let oldest; (oldest = this.#pending.oldest) && this.#closed === undefined;) {
      const leftMs = oldest.since + this.#undurableMs() - this.#now();
      if (leftMs > 0) await this.#sleep(Math.min(leftMs, degradedMs));
      else {
        if (this.#outage !== undefined) this.#degrade(this.#outage);
        await this.#queueOverdue();
        // The disk or the room in the queue did not take it.
        if (this.#pending.oldest === oldest) await this.#sleep(spoolAgainMs);
      }
    }
    this.#isWatching = false;
  }

  #undurableMs(): number {
    if (this.#isDegraded) return degradedMs;
    const isAlone = this.#now() - this.#limiter.succeededAt < undurableMs.all;
    return isAlone ? undurableMs.alone : undurableMs.all;
  }

  #degrade(error: StorageError): void {
    if (this.#isDegraded) return;
    this.#isDegraded = true;
    this.#options.logger.error(outageText(error, this.#options.spool?.path));
  }

  async #queueOverdue(): Promise<void> {
    try {
      await this.#pending.queueSince(this.#now() - degradedMs);
      this.#isSpoolFailing = false;
    } catch (error) {
      const { logger, spool } = this.#options;
      if (!this.#isSpoolFailing) logger.error(spoolFailedText(error, spool?.path));
      this.#isSpoolFailing = true;
    }
  }

  #recoverIfEmpty(): void {
    if (!this.#isDegraded || this.#isProbing || !this.#pending.isEmpty) return;
    this.#isDegraded = false;
    this.#options.logger.info(overText(this.#replayed, this.#dropped));
    this.#replayed = this.#dropped = 0;
    void this.clearSpool();
  }

  /**
   * Empties the spool file, whose writes are all made; tries again until the next outage, as a full disk has room again some
   * time. Writes that stay on disk are repeated at the next start, which changes nothing.
   */
  async clearSpool(): Promise<void> {
    const { logger, spool } = this.#options;
    for (let isLogged = false; !this.#isDegraded && !this.#closing.signal.aborted;) {
      try {
        if (!this.#pending.isOnDisk) return await spool?.clear();
      } catch (error) {
        if (!isLogged) logger.warn(spoolFailedText(error, spool?.path));
        isLogged = true;
      }
      await this.#sleep(probeAgainMs);
    }
  }

  #logLeft(): void {
    const { logger, spool } = this.#options;
    const { lost, later } = leftTexts(this.#pending, spool?.path);
    if (lost !== undefined) logger.error(lost);
    if (later !== undefined) logger.warn(later);
  }

  #sleep(ms: number): Promise<void> {
    return this.#options.clock.sleep(ms, this.#closing.signal).catch(() => {});
  }
}

/** When the queue has so many writes, those that only count are dropped; at twice as many nothing more is queued. */
const fullAt = 50_000;

/** All writes without a result. */
class PendingWrites {
  readonly #spool: Spool | undefined;
  /** Not acknowledged yet, the oldest first. */
  readonly waiting: Set<PendingWrite> = new Set();
  /** Acknowledged as queued, and not written yet. */
  readonly queued: Set<PendingWrite> = new Set();
  #isQueueing = false;

  constructor(spool: Spool | undefined) {
    this.#spool = spool;
  }

  get size(): number {
    return this.queued.size;
  }

  get isFull(): boolean {
    return this.queued.size >= fullAt;
  }

  get isEmpty(): boolean {
    return this.waiting.size + this.queued.size === 0;
  }

  /** Whether a write that has no result is in the spool file, or on its way to it. */
  get isOnDisk(): boolean {
    return this.queued.size > 0 || this.#isQueueing;
  }

  /** The write that has waited longest for its acknowledgement. */
  get oldest(): PendingWrite | undefined {
    for (const pending of this.waiting) return pending;
    return undefined;
  }

  add(pending: PendingWrite): void {
    this.waiting.add(pending);
  }

  /** Adds a write that an earlier process has queued on the same disk. */
  resume(pending: PendingWrite): void {
    pending.isConfirmed = true;
    this.queued.add(pending);
  }

  /**
   * Queues and acknowledges all that wait since `until` or longer, as far as there is room; rejects if the disk does not
   * take them.
   */
  async queueSince(until: number): Promise<void> {
    if (this.#isQueueing) return;
    this.#isQueueing = true;
    try {
      while ((this.oldest?.since ?? Infinity) <= until && this.queued.size < 2 * fullAt) {
        const batch = [...this.waiting].filter(({ since }) => since <= until)
          .slice(0, 2 * fullAt - this.queued.size);
        await this.#spool?.append(batch.map(({ write }) => write));
        for (const pending of batch) this.#queue(pending);
      }
    } finally {
      this.#isQueueing = false;
    }
  }

  /** Removes a write that has a result; true if it was in the queue. */
  remove(pending: PendingWrite): boolean {
    this.waiting.delete(pending);
    return this.queued.delete(pending);
  }

  #queue(pending: PendingWrite): void {
    if (!this.waiting.delete(pending)) return;
    this.queued.add(pending);
    pending.acknowledge("queued");
  }
}

// Log messages: at the beginning of an outage, at its end, and when it outlasts the bot.

const shownAtMost = 20;

function outageText({ message }: Error, spoolPath: string | undefined): string {
  const where = spoolPath === undefined ? "in memory" : `in the file ${spoolPath}`;
  return `${message}\nThe bot goes on: what chats say waits ${where} until DynamoDB can be used again.`;
}

function overText(replayed: number, dropped: number): string {
  const kept = replayed === 0
    ? "DynamoDB is back."
    : `DynamoDB is back; ${count(replayed, "update")} that waited for it ${
      replayed === 1 ? "is" : "are"
    } kept.`;
  return dropped === 0
    ? kept
    : `${kept} ${count(dropped, "message")} found no room in the queue, and was not counted.`;
}

function spoolFailedText(error: unknown, path: string | undefined): string {
  return `The spool file ${path} cannot be written (${(error as Error).message}). Check the disk. ` +
    "Meanwhile updates are left at Telegram.";
}

/** What is lost and what comes again when the bot ends in an outage. */
function leftTexts(
  { waiting, queued: queuedWrites }: PendingWrites,
  spoolPath: string | undefined,
): { readonly lost: string | undefined; readonly later: string | undefined } {
  const queued = [...queuedWrites];
  const confirmed = queued.filter(({ isConfirmed }) => isConfirmed);
  const onDisk = spoolPath === undefined ? [] : confirmed;
  const lost = spoolPath === undefined ? confirmed.map(({ write }) => write) : [];
  const atTelegram = queued.length - confirmed.length + waiting.size;
  const later = [
    onDisk.length > 0 && `${count(onDisk.length, "update")} in the file ${spoolPath}`,
    atTelegram > 0 && `${count(atTelegram, "update")} at Telegram`,
  ].filter((part) => part !== false);
  return {
    lost: lost.length === 0 ? undefined : lostText(lost),
    later: later.length === 0
      ? undefined
      : `DynamoDB could not be used until the end: for the next start there wait ${later.join(" and ")}.`,
  };
}

function lostText(lost: readonly ChatWrite[]): string {
  const chats = [
    ...new Set(lost.map((write) => write.kind === "event" ? write.chatId : write.to)),
  ];
  const more = chats.length > shownAtMost ? `, and ${chats.length - shownAtMost} more` : "";
  return `DynamoDB could not be used until the end, and the queue in memory ends with the bot: ` +
    `${count(lost.length, "update")} lost (${kindsOf(lost)}), of the chats ` +
    `${chats.slice(0, shownAtMost).join(", ")}${more}. TELEGRAM_SPOOL_FILE keeps the queue on disk.`;
}

/** `2 start, 1 stop, 40 message` */
function kindsOf(writes: readonly ChatWrite[]): string {
  const counts = new Map<string, number>();
  for (const write of writes) {
    const kind = write.kind === "event" ? write.event.kind : write.kind;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, number]) => `${number} ${kind}`).join(", ");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

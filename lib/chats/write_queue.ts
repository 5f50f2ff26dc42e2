/** What waits for the storage: at first unacknowledged, and in an outage in the queue, in memory or on disk. */
import { type Clock, steady } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { Spool } from "./spool.ts";
import { isOutage, type StorageError } from "./storage.ts";
import {
  BatchingWriter,
  type ChatWrite,
  StorageRetry,
  type WriteResult,
  type WriteTarget,
} from "./writer.ts";

export interface PendingWrite {
  readonly chatWrite: ChatWrite;
  /** When it came, in milliseconds since whenever. */
  readonly since: number;
  /** Whether Telegram has forgotten it. */
  isConfirmed: boolean;
  acknowledge(queued: "queued"): void;
}

/** Entries in the queue; from then on those that only count are given up, and at twice as many nothing is taken. */
const fullAt = 50_000;

export class PendingWrites {
  readonly #spool: Spool | undefined;
  /** Not acknowledged yet, the oldest first. */
  readonly #waiting = new Set<PendingWrite>();
  /** Acknowledged, and not kept yet. */
  readonly #queued = new Set<PendingWrite>();
  #isMoving = false;

  constructor(spool: Spool | undefined) {
    this.#spool = spool;
  }

  get size(): number {
    return this.#queued.size;
  }

  get isFull(): boolean {
    return this.#queued.size >= fullAt;
  }

  get isEmpty(): boolean {
    return this.#waiting.size + this.#queued.size === 0;
  }

  /** The one that has waited longest for its acknowledgement. */
  get oldest(): PendingWrite | undefined {
    for (const pending of this.#waiting) return pending;
    return undefined;
  }

  add(pending: PendingWrite): void {
    this.#waiting.add(pending);
  }

  /** One that a process before this one has queued, on the same disk. */
  resume(pending: PendingWrite): void {
    pending.isConfirmed = true;
    this.#queued.add(pending);
  }

  /**
   * Queues and acknowledges all that wait since `until` or longer, as far as there is room; rejects where the disk does
   * not take them.
   */
  async take(until: number): Promise<void> {
    if (this.#isMoving) return;
    this.#isMoving = true;
    try {
      while ((this.oldest?.since ?? Infinity) <= until && this.#queued.size < 2 * fullAt) {
        const batch = [...this.#waiting].filter(({ since }) => since <= until)
          .slice(0, 2 * fullAt - this.#queued.size);
        await this.#spool?.append(batch.map(({ chatWrite }) => chatWrite));
        for (const pending of batch) this.#move(pending);
      }
    } finally {
      this.#isMoving = false;
    }
  }

  /** It waits no more; true if it was in the queue. */
  remove(pending: PendingWrite): boolean {
    this.#waiting.delete(pending);
    return this.#queued.delete(pending);
  }

  /** All that is neither kept nor rejected. */
  left(): { readonly waiting: readonly PendingWrite[]; readonly queued: readonly PendingWrite[] } {
    return { waiting: [...this.#waiting], queued: [...this.#queued] };
  }

  #move(pending: PendingWrite): void {
    if (!this.#waiting.delete(pending)) return;
    this.#queued.add(pending);
    pending.acknowledge("queued");
  }
}

// What is said of an outage: at its beginning, at its end, and where it outlasts the bot. Pure.

const shownAtMost = 20;

/** Said once, with what to check. */
export function outageText({ message }: Error, spoolPath: string | undefined): string {
  const where = spoolPath === undefined ? "in memory" : `in the file ${spoolPath}`;
  return `${message}\nThe bot goes on: what chats say waits ${where} until DynamoDB can be used again.`;
}

export function overText(replayed: number, dropped: number): string {
  const kept = replayed === 0
    ? "DynamoDB is back."
    : `DynamoDB is back; ${count(replayed, "update")} that waited for it ${
      replayed === 1 ? "is" : "are"
    } kept.`;
  return dropped === 0
    ? kept
    : `${kept} ${count(dropped, "message")} found no room in the queue, and was not counted.`;
}

export function spoolFailedText(error: unknown, path: string | undefined): string {
  return `The spool file ${path} cannot be written (${(error as Error).message}). Check the disk. ` +
    "Meanwhile updates are left at Telegram.";
}

/** What becomes of that which could not be kept before the end. */
export function leftTexts(
  left: { readonly waiting: readonly PendingWrite[]; readonly queued: readonly PendingWrite[] },
  spoolPath: string | undefined,
): { readonly lost: string | undefined; readonly later: string | undefined } {
  const { queued, waiting } = left;
  const confirmed = queued.filter(({ isConfirmed }) => isConfirmed);
  const onDisk = spoolPath === undefined ? [] : confirmed;
  const lost = spoolPath === undefined ? confirmed.map(({ chatWrite }) => chatWrite) : [];
  const atTelegram = queued.length - confirmed.length + waiting.length;
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
    ...new Set(lost.map((chatWrite) => chatWrite.kind === "event" ? chatWrite.chatId : chatWrite.to)),
  ];
  const more = chats.length > shownAtMost ? `, and ${chats.length - shownAtMost} more` : "";
  return `DynamoDB could not be used until the end, and the queue in memory ends with the bot: ` +
    `${count(lost.length, "update")} lost (${kindsOf(lost)}), of the chats ` +
    `${chats.slice(0, shownAtMost).join(", ")}${more}. TELEGRAM_SPOOL_FILE keeps the queue on disk.`;
}

/** `2 start, 1 stop, 40 message` */
function kindsOf(chatWrites: readonly ChatWrite[]): string {
  const counts = new Map<string, number>();
  for (const chatWrite of chatWrites) {
    const kind = chatWrite.kind === "event" ? chatWrite.event.kind : chatWrite.kind;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, number]) => `${number} ${kind}`).join(", ");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// What Telegram may be told to forget: what is in DynamoDB or, while that cannot be used, in a queue.

/** An entry on its way to the storage. */
export interface WriteReceipt {
  /**
   * Resolves with what the entry did once it is kept, or with "queued" once it waits for the storage in safety.
   * Rejects where neither can be: then Telegram must tell it again.
   */
  readonly acknowledged: Promise<WriteResult | "queued">;
  /** What the entry did, once it is kept, however long that takes. */
  readonly written: Promise<WriteResult>;
  /** To be called when Telegram is told to forget the update, kept or not. */
  confirmed(): void;
}

export interface WriteQueueOptions {
  readonly storing: WriteTarget;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The queue on disk, if there is one. */
  readonly spool: Spool | undefined;
  /** Whether an entry may be given up where the queue is full, as it only counts. */
  readonly onlyCounts: (chatWrite: ChatWrite) => boolean;
}

/** So long an entry may wait for the storage before it is queued: where nothing gets through, and where others do. */
const undurableMs = { all: 5000, alone: 30_000 };
/** The same in an outage: what can be kept at once is answered as ever. */
const degradedMs = 500;
const stopWithinMs = 5000;
const probeAgainMs = 15_000;
const spoolAgainMs = 1000;

/** Keeps entries at the storage; in an outage it queues them, says so once at either end, and goes on trying. */
export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #now: () => number;
  readonly #storageRetry: StorageRetry;
  readonly #writer: BatchingWriter;
  readonly #queue: PendingWrites;
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
    this.#queue = new PendingWrites(options.spool);
    this.#storageRetry = new StorageRetry(options.clock);
    this.#writer = new BatchingWriter(
      options.storing,
      this.#storageRetry,
      (error) => this.#onOutage(error as StorageError),
    );
  }

  /** Whether DynamoDB cannot be used, so that entries are queued. */
  get isDegraded(): boolean {
    return this.#isDegraded;
  }

  /** Entries in the queue. */
  get queued(): number {
    return this.#queue.size;
  }

  enqueue(chatWrite: ChatWrite): WriteReceipt {
    if (this.#queue.isFull && this.#options.onlyCounts(chatWrite)) return this.#drop();
    const { keeping, pending } = this.#push(chatWrite);
    this.#queue.add(pending);
    if (this.#isDegraded) void this.#watch();
    return keeping;
  }

  /** Takes over what a process before this one has left on disk; gives what each entry will have done. */
  resume(chatWrites: readonly ChatWrite[]): Promise<WriteResult>[] {
    this.#isDegraded ||= chatWrites.length > 0;
    return chatWrites.map((chatWrite) => {
      const { keeping, pending } = this.#push(chatWrite);
      this.#queue.resume(pending);
      return keeping.written;
    });
  }

  /** Begins in an outage, of which has been told: `probe` is tried until it succeeds. */
  async startDegraded(probe: () => Promise<void>): Promise<void> {
    this.#isDegraded = this.#isProbing = true;
    while (this.#isProbing && !this.#closing.signal.aborted) {
      try {
        await this.#storageRetry.attempt(probe);
        this.#isProbing = false;
      } catch (error) {
        if (!isOutage(error)) await this.#sleep(probeAgainMs);
      }
    }
    this.#recoverIfEmpty();
  }

  /** Tries to keep what is left, for a while; what cannot be kept is told, and rejects. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#storageRetry.shortenWaits();
    if (!this.#queue.isEmpty) {
      const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
      await Promise.race([empty, this.#sleep(stopWithinMs)]);
    }
    this.#closing.abort();
    this.#tellWhatIsLeft();
    this.#writer.close();
    await this.#options.spool?.close().catch(() => {});
  }

  #push(chatWrite: ChatWrite): { readonly keeping: WriteReceipt; readonly pending: PendingWrite } {
    let acknowledge = (_queued: "queued"): void => {};
    const queued = new Promise<"queued">((resolve) => acknowledge = resolve);
    const pending: PendingWrite = { chatWrite, since: this.#now(), isConfirmed: false, acknowledge };
    const kept = this.#writer.write(chatWrite);
    const settled = (): void => this.#settle(pending);
    kept.then(settled, settled);
    const acknowledged = Promise.race([kept, queued]);
    acknowledged.catch(() => {});
    const confirmed = (): void => void (pending.isConfirmed = true);
    return { keeping: { acknowledged, written: kept, confirmed }, pending };
  }

  #drop(): WriteReceipt {
    this.#dropped++;
    const nothing = Promise.resolve({ before: undefined, after: undefined, isRepeated: true });
    return { acknowledged: nothing, written: nothing, confirmed: () => {} };
  }

  #settle(pending: PendingWrite): void {
    if (this.#closing.signal.aborted) return;
    if (this.#queue.remove(pending)) this.#replayed++;
    if (!this.#queue.isEmpty) return;
    this.#onEmpty();
    this.#recoverIfEmpty();
  }

  #onOutage(error: StorageError): void {
    if (this.#closing.signal.aborted) return;
    this.#outage = error;
    // Nobody's patience helps against these.
    if (error.reason === "denied" || error.reason === "credentials") this.#degrade(error);
    void this.#watch();
  }

  /** For as long as something waits unacknowledged, queues what has waited too long. */
  async #watch(): Promise<void> {
    if (this.#isWatching) return;
    this.#isWatching = true;
    for (let oldest; (oldest = this.#queue.oldest) && this.#closed === undefined;) {
      const leftMs = oldest.since + this.#patienceMs() - this.#now();
      if (leftMs > 0) await this.#sleep(Math.min(leftMs, degradedMs));
      else {
        if (this.#outage !== undefined) this.#degrade(this.#outage);
        await this.#enqueue();
        // The disk, or the room in the queue, makes it wait.
        if (this.#queue.oldest === oldest) await this.#sleep(spoolAgainMs);
      }
    }
    this.#isWatching = false;
  }

  #patienceMs(): number {
    if (this.#isDegraded) return degradedMs;
    const isAlone = this.#now() - this.#storageRetry.succeededAt < undurableMs.all;
    return isAlone ? undurableMs.alone : undurableMs.all;
  }

  #degrade(error: StorageError): void {
    if (this.#isDegraded) return;
    this.#isDegraded = true;
    this.#options.logger.error(outageText(error, this.#options.spool?.path));
  }

  async #enqueue(): Promise<void> {
    try {
      await this.#queue.take(this.#now() - degradedMs);
      this.#isSpoolFailing = false;
    } catch (error) {
      if (!this.#isSpoolFailing) {
        this.#options.logger.error(spoolFailedText(error, this.#options.spool?.path));
      }
      this.#isSpoolFailing = true;
    }
  }

  #recoverIfEmpty(): void {
    if (!this.#isDegraded || this.#isProbing || !this.#queue.isEmpty) return;
    const { logger, spool } = this.#options;
    this.#isDegraded = false;
    logger.info(overText(this.#replayed, this.#dropped));
    this.#replayed = this.#dropped = 0;
    // What stays there is told again at the next start, and kept once.
    spool?.clear().catch((error) => logger.warn(spoolFailedText(error, spool.path)));
  }

  #tellWhatIsLeft(): void {
    const { logger, spool } = this.#options;
    const { lost, later } = leftTexts(this.#queue.left(), spool?.path);
    if (lost !== undefined) logger.error(lost);
    if (later !== undefined) logger.warn(later);
  }

  #sleep(ms: number): Promise<void> {
    return this.#options.clock.sleep(ms, this.#closing.signal).catch(() => {});
  }
}

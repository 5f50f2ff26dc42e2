/** What Telegram may be told to forget: what is in DynamoDB or, while that cannot be used, in a queue. */
import { type Clock, steady } from "./clock.ts";
import type { Entry, Step, Storing } from "./entry.ts";
import { Lanes } from "./lanes.ts";
import type { Logger } from "./log.ts";
import { leftTexts, outageText, overText, spoolFailedText } from "./outage_texts.ts";
import { type Pending, Queue } from "./queue.ts";
import { isOutage, Recovery } from "./recovery.ts";
import type { Spool } from "./spool.ts";
import type { StorageError } from "./storage/storage_error.ts";

/** An entry on its way to the storage. */
export interface Keeping {
  /**
   * Resolves with what the entry did once it is kept, or with "queued" once it waits for the storage in safety.
   * Rejects where neither can be: then Telegram must tell it again.
   */
  readonly acknowledged: Promise<Step | "queued">;
  /** What the entry did, once it is kept, however long that takes. */
  readonly kept: Promise<Step>;
  /** To be called when Telegram is told to forget the update, kept or not. */
  confirmed(): void;
}

export interface KeeperOptions {
  readonly storing: Storing;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The queue on disk, if there is one. */
  readonly spool: Spool | undefined;
  /** Whether an entry may be given up where the queue is full, as it only counts. */
  readonly onlyCounts: (entry: Entry) => boolean;
}

/** So long an entry may wait for the storage before it is queued: where nothing gets through, and where others do. */
const undurableMs = { all: 5000, alone: 30_000 };
/** The same in an outage: what can be kept at once is answered as ever. */
const degradedMs = 500;
const stopWithinMs = 5000;
const probeAgainMs = 15_000;
const spoolAgainMs = 1000;

/** Keeps entries at the storage; in an outage it queues them, says so once at either end, and goes on trying. */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #now: () => number;
  readonly #recovery: Recovery;
  readonly #lanes: Lanes;
  readonly #queue: Queue;
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

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#now = steady(options.clock);
    this.#queue = new Queue(options.spool);
    this.#recovery = new Recovery(options.clock);
    this.#lanes = new Lanes(
      options.storing,
      this.#recovery,
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

  keep(entry: Entry): Keeping {
    if (this.#queue.isFull && this.#options.onlyCounts(entry)) return this.#drop();
    const { keeping, pending } = this.#push(entry);
    this.#queue.add(pending);
    if (this.#isDegraded) void this.#watch();
    return keeping;
  }

  /** Takes over what a process before this one has left on disk; gives what each entry will have done. */
  resume(entries: readonly Entry[]): Promise<Step>[] {
    this.#isDegraded ||= entries.length > 0;
    return entries.map((entry) => {
      const { keeping, pending } = this.#push(entry);
      this.#queue.resume(pending);
      return keeping.kept;
    });
  }

  /** Begins in an outage, of which has been told: `probe` is tried until it succeeds. */
  async begin(probe: () => Promise<void>): Promise<void> {
    this.#isDegraded = this.#isProbing = true;
    while (this.#isProbing && !this.#closing.signal.aborted) {
      try {
        await this.#recovery.attempt(probe);
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
    this.#recovery.hurry();
    if (!this.#queue.isEmpty) {
      const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
      await Promise.race([empty, this.#sleep(stopWithinMs)]);
    }
    this.#closing.abort();
    this.#tellWhatIsLeft();
    this.#lanes.close();
    await this.#options.spool?.close().catch(() => {});
  }

  #push(entry: Entry): { readonly keeping: Keeping; readonly pending: Pending } {
    let acknowledge = (_queued: "queued"): void => {};
    const queued = new Promise<"queued">((resolve) => acknowledge = resolve);
    const pending: Pending = { entry, since: this.#now(), isConfirmed: false, acknowledge };
    const kept = this.#lanes.push(entry);
    const settled = (): void => this.#settle(pending);
    kept.then(settled, settled);
    const acknowledged = Promise.race([kept, queued]);
    acknowledged.catch(() => {});
    const confirmed = (): void => void (pending.isConfirmed = true);
    return { keeping: { acknowledged, kept, confirmed }, pending };
  }

  #drop(): Keeping {
    this.#dropped++;
    const nothing = Promise.resolve({ before: undefined, after: undefined, isRepeated: true });
    return { acknowledged: nothing, kept: nothing, confirmed: () => {} };
  }

  #settle(pending: Pending): void {
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
    const isAlone = this.#now() - this.#recovery.succeededAt < undurableMs.all;
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

/** What waits for the storage: at first unacknowledged, and in an outage in the queue, in memory or on disk. */
import type { Entry } from "./entry.ts";
import type { Spool } from "./spool.ts";

export interface Pending {
  readonly entry: Entry;
  /** When it came, in milliseconds since whenever. */
  readonly since: number;
  /** Whether Telegram has forgotten it. */
  isConfirmed: boolean;
  acknowledge(queued: "queued"): void;
}

/** Entries in the queue; from then on those that only count are given up, and at twice as many nothing is taken. */
const fullAt = 50_000;

export class Queue {
  readonly #spool: Spool | undefined;
  /** Not acknowledged yet, the oldest first. */
  readonly #waiting = new Set<Pending>();
  /** Acknowledged, and not kept yet. */
  readonly #queued = new Set<Pending>();
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
  get oldest(): Pending | undefined {
    for (const pending of this.#waiting) return pending;
    return undefined;
  }

  add(pending: Pending): void {
    this.#waiting.add(pending);
  }

  /** One that a process before this one has queued, on the same disk. */
  resume(pending: Pending): void {
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
        await this.#spool?.append(batch.map(({ entry }) => entry));
        for (const pending of batch) this.#move(pending);
      }
    } finally {
      this.#isMoving = false;
    }
  }

  /** It waits no more; true if it was in the queue. */
  remove(pending: Pending): boolean {
    this.#waiting.delete(pending);
    return this.#queued.delete(pending);
  }

  /** All that is neither kept nor rejected. */
  left(): { readonly waiting: readonly Pending[]; readonly queued: readonly Pending[] } {
    return { waiting: [...this.#waiting], queued: [...this.#queued] };
  }

  #move(pending: Pending): void {
    if (!this.#waiting.delete(pending)) return;
    this.#queued.add(pending);
    pending.acknowledge("queued");
  }
}

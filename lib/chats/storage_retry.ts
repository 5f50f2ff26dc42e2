/** How the storage is tried while it fails: ever more seldom, a few at a time, and at once when it is back. */
import { type Clock, steady } from "../util/clock.ts";
import { StorageError } from "./storage_error.ts";

/** Whether the storage may take later what it does not take now; a fault of the data itself stays one. */
export function isOutage(error: unknown): boolean {
  return error instanceof StorageError && error.reason !== "failed";
}

/** Attempts under way at once while all is well; the storage has a limit of its own for requests. */
const widest = 256;
const firstWaitMs = 500;
const longestWaitMs = 15_000;
const momentMs = 250;
/** So many failures in a row are no hiccup: from then on one attempt at a time asks whether it is over. */
const hiccups = 3;

/** Lets attempts through as the storage can bear them. */
export class StorageRetry {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #fresh: (() => void)[] = [];
  readonly #failed: (() => void)[] = [];
  #width = widest;
  #running = 0;
  #failures = 0;
  #succeededAt = -Infinity;
  /** The pause after a failure; to abort it lets the next attempts through. */
  #pause: AbortController | undefined;
  #longestWaitMs = longestWaitMs;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = steady(clock);
  }

  /** Whether the last attempt has failed for an outage. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** When an attempt has succeeded last, in milliseconds since whenever. */
  get succeededAt(): number {
    return this.#succeededAt;
  }

  /**
   * Runs the task when its turn has come; rejects as the task does, and learns from it. One that is tried for the first
   * time waits for no pause: what fails for one chat may succeed for another.
   */
  async attempt<T>(task: () => Promise<T>, isFresh: boolean = false): Promise<T> {
    while (this.#running >= this.#width || (this.#pause !== undefined && !isFresh)) {
      await new Promise<void>((resolve) => (isFresh ? this.#fresh : this.#failed).push(resolve));
    }
    this.#running++;
    try {
      const result = await task();
      this.#succeededAt = this.#now();
      this.#succeeded();
      return result;
    } catch (error) {
      if (isOutage(error)) this.#hasFailed();
      else this.#succeeded();
      throw error;
    } finally {
      this.#running--;
      this.#letIn();
    }
  }

  /** Begins anew, and waits no longer than a moment from now on: there is little time left. */
  shortenWaits(): void {
    this.#longestWaitMs = momentMs;
    this.#succeeded();
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#width = Math.min(widest, 2 * this.#width);
    this.#pause?.abort();
  }

  #hasFailed(): void {
    this.#failures++;
    this.#width = this.#failures < hiccups ? Math.max(1, this.#width >> 1) : 1;
    if (this.#pause === undefined) void this.#rest();
  }

  async #rest(): Promise<void> {
    const pause = this.#pause = new AbortController();
    const waitMs = Math.min(firstWaitMs * 2 ** (this.#failures - 1), this.#longestWaitMs);
    await this.#clock.sleep(waitMs * (0.5 + this.#clock.random() / 2), pause.signal).catch(() => {});
    this.#pause = undefined;
    this.#letIn();
  }

  #letIn(): void {
    const free = Math.max(0, this.#width - this.#running);
    const fresh = this.#fresh.splice(0, free);
    const failed = this.#pause === undefined ? this.#failed.splice(0, free - fresh.length) : [];
    for (const enter of [...fresh, ...failed]) enter();
  }
}

/** Paces the requests of one feed: spaced, in the order in which they were asked for, and slower once one is refused. */
import { abortable, createKeyedMutex } from "../../util/async.ts";
import { type Clock, steady } from "../../util/clock.ts";
import { FeedError } from "../feed.ts";

/** A longer pause is not waited for here: who asks is told how long it lasts. */
const longestWaitMs = 2000;
const firstPauseMs = 1000;
const longestPauseMs = 60_000;
/** A market that asks for more is asked again after an hour. */
const longestAskedMs = 3_600_000;
/** How many times the spacing may grow. */
const slowestFactor = 16;

export class RequestPace {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #leastMs: number;
  readonly #oneByOne = createKeyedMutex();
  #spacingMs: number;
  #nextAt = -Infinity;
  #pausedUntil = -Infinity;
  #refusals = 0;

  /** @param spacingMs Between the beginnings of two requests, at least. */
  constructor(clock: Clock, spacingMs: number) {
    this.#clock = clock;
    this.#now = steady(clock);
    this.#leastMs = this.#spacingMs = spacingMs;
  }

  /**
   * Resolves when a request may begin.
   * @throws {FeedError} If the market has asked for a pause of more than two seconds.
   */
  async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await abortable(this.#oneByOne(0, () => this.#next(signal)), signal);
  }

  /** Notes that the market refuses so many requests. Gives how long it wants to be left alone, in milliseconds. */
  refused(askedMs: number | undefined): number {
    const pauseMs = askedMs ?? Math.min(firstPauseMs * 2 ** this.#refusals, longestPauseMs);
    this.#refusals++;
    this.#spacingMs = Math.min(2 * this.#spacingMs, slowestFactor * this.#leastMs);
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#now() + Math.min(pauseMs, longestAskedMs));
    return Math.ceil(this.#pausedUntil - this.#now());
  }

  /** Notes that the market has answered. */
  answered(): void {
    this.#refusals = 0;
    this.#spacingMs = Math.max(this.#leastMs, 0.95 * this.#spacingMs);
  }

  async #next(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const now = this.#now();
      const pauseMs = this.#pausedUntil - now;
      if (pauseMs > longestWaitMs) {
        throw new FeedError(`too many requests: a pause of ${Math.ceil(pauseMs / 1000)} s`, {
          retryAfterMs: Math.ceil(pauseMs),
        });
      }
      const waitMs = Math.max(pauseMs, this.#nextAt - now);
      if (!(waitMs > 0)) break;
      await this.#clock.sleep(waitMs, signal);
    }
    this.#nextAt = this.#now() + this.#spacingMs;
  }
}

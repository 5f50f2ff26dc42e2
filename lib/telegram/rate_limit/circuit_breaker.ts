/**
 * A circuit breaker. A message that gets no answer may have arrived, so it is not sent again: while Telegram is out of
 * reach, each message that leaves is lost to its chat. So after one, all others wait until Telegram answers a call that
 * is harmless, which takes a moment where the network is well.
 */
import type { Clock } from "../../util/clock.ts";
import { outcomeOf } from "../outcome.ts";
import { deadline, DeadlineError } from "../../util/async.ts";
import type { Logger } from "../../util/log.ts";
import { rootCauseOf } from "../../util/errors.ts";

export interface CircuitBreakerOptions {
  /** Asks Telegram for something harmless. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends every wait. */
  readonly signal: AbortSignal;
}

const [firstWaitMs, longestWaitMs] = [1000, 15_000];
const answerWithinMs = 5000;
/** An answer that takes so long may never come. By the machine's own time, as it is the network's. */
const suspectAfterMs = 1500;
/** A network that is only slow is asked no more often than this. */
const suspectAgainMs = 10_000;

export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  /** Why it is open, if it is: an error, or only an answer that takes long. */
  #trouble: { readonly error: unknown } | undefined;
  /** Goes on only while a message waits. */
  #asking: Promise<void> | undefined;
  #waiting = 0;
  /** Aborts when the last message has ceased to wait. */
  #deserted = new AbortController();
  #closedAt = -Infinity;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  /** Whether it is not known whether Telegram can be reached. */
  get isOpen(): boolean {
    return this.#trouble !== undefined;
  }

  /** Watches a call that is under way: opens where its answer takes long, or does not come. */
  async watch<T>(call: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      if (performance.now() - this.#closedAt >= suspectAgainMs) this.#trouble ??= { error: undefined };
    }, suspectAfterMs);
    try {
      return await call;
    } finally {
      clearTimeout(timer);
    }
  }

  /** To be told of each failed call; opens where that may be due to the network or to Telegram's servers. */
  note(error: unknown): void {
    if (isTrouble(error)) this.#trouble ??= { error };
  }

  /** Resolves once Telegram can be reached, as far as is known; rejects with the reason of either signal. */
  async closed(signal?: AbortSignal): Promise<void> {
    this.#waiting++;
    try {
      while (this.isOpen) {
        await orAborted(this.#asking ??= this.#begin(), signal).catch((error) => {
          // Others have ceased to wait at this very moment: this one asks anew.
          if (signal?.aborted || this.#options.signal.aborted) throw error;
        });
      }
    } finally {
      if (--this.#waiting === 0) this.#deserted.abort();
    }
    this.#options.signal.throwIfAborted();
  }

  #begin(): Promise<void> {
    this.#deserted = new AbortController();
    const asking = this.#untilAnswered().finally(() => this.#asking = undefined);
    asking.catch(() => {});
    return asking;
  }

  /** Asks until there is an answer, or nobody waits for it any more. */
  async #untilAnswered(): Promise<void> {
    const { clock, logger, signal } = this.#options;
    const ending = AbortSignal.any([signal, this.#deserted.signal]);
    for (let waitMs = firstWaitMs, isTold = false;; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      const error = await this.#ask();
      if (!isTrouble(error)) {
        if (isTold) logger.info("Telegram can be reached again: what has waited is sent.");
        this.#trouble = undefined;
        this.#closedAt = performance.now();
        return;
      }
      if (!isTold) {
        // What went wrong at first says more than that nothing came.
        const cause = rootCauseOf(this.#trouble?.error) || rootCauseOf(error);
        logger.warn(`Telegram cannot be reached (${cause}): messages wait until it can. Trying again.`);
      }
      isTold = true;
      await clock.sleep(waitMs, ending);
    }
  }

  /** What went wrong, if anything. */
  async #ask(): Promise<unknown> {
    const { ask, clock, signal } = this.#options;
    const ending = new AbortController();
    try {
      await deadline(ask(ending.signal), { ms: answerWithinMs, clock, signal });
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      return error;
    } finally {
      ending.abort();
    }
  }
}

/** Anything but an answer, or an answer of servers in trouble. */
function isTrouble(error: unknown): boolean {
  if (error === undefined) return false;
  const { error_code: code } = error as { error_code?: unknown };
  if (typeof code === "number") return code >= 500;
  return error instanceof DeadlineError || ["unsent", "unknown"].includes(outcomeOf(error).kind);
}

async function orAborted(task: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await task;
  signal.throwIfAborted();
  const done = new AbortController();
  try {
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true, signal: done.signal });
      task.then(resolve, reject);
    });
  } finally {
    done.abort();
  }
}

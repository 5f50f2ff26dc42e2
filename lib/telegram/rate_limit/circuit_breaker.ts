/**
 * A circuit breaker. A message that gets no answer may have arrived, so it is not sent again: while Telegram is out of
 * reach, each message that leaves is lost to its chat. So after one, all others wait until Telegram answers a
 * probe without side effects, which takes a moment on a healthy network.
 */
import { abortable, deadline, DeadlineError, retry, settleWithin } from "../../util/async.ts";
import { type Clock, steady, systemClock } from "../../util/clock.ts";
import { rootCauseOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { outcomeOf } from "../outcome.ts";

export interface CircuitBreakerOptions {
  /** Asks Telegram for something harmless. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
  readonly clock: Clock;
  /** Measures how long an answer takes. Default: the machine's own clock, as the network keeps to no other. */
  readonly networkClock?: Clock;
  readonly logger: Logger;
  /** Ends every wait. */
  readonly signal: AbortSignal;
}

const askAgain = { firstMs: 1000, longestMs: 15_000 };
const answerWithinMs = 5000;
/** An answer that takes so long may never come. */
const suspectAfterMs = 1500;
/** On a network that is only slow, the breaker opens no more often than this. */
const suspectAgainMs = 10_000;

export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #networkClock: Clock;
  readonly #now: () => number;
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
    this.#networkClock = options.networkClock ?? systemClock;
    this.#now = steady(this.#networkClock);
  }

  /** Whether it is not known whether Telegram can be reached. */
  get isOpen(): boolean {
    return this.#trouble !== undefined;
  }

  /** Watches a call that is under way: opens where its answer takes long. */
  async watch<T>(call: Promise<T>): Promise<T> {
    void settleWithin(call, suspectAfterMs, this.#networkClock).then((hasSettled) => {
      if (!hasSettled && this.#now() - this.#closedAt >= suspectAgainMs) {
        this.#trouble ??= { error: undefined };
      }
    });
    return await call;
  }

  /** To be told of each failed call; opens where that may be due to the network or to Telegram's servers. */
  note(error: unknown): void {
    if (isTrouble(error)) this.#trouble ??= { error };
  }

  /** Resolves once Telegram can be reached, as far as is known; rejects with the reason of either signal. */
  async closed(signal?: AbortSignal): Promise<void> {
    if (this.isOpen) await this.#untilClosed(signal);
    this.#options.signal.throwIfAborted();
  }

  async #untilClosed(signal: AbortSignal | undefined): Promise<void> {
    this.#waiting++;
    try {
      while (this.isOpen) {
        await abortable(this.#asking ??= this.#begin(), signal).catch((error) => {
          // Others have ceased to wait at this very moment: this one asks anew.
          if (signal?.aborted || this.#options.signal.aborted) throw error;
        });
      }
    } finally {
      if (--this.#waiting === 0) this.#deserted.abort();
    }
  }

  #begin(): Promise<void> {
    this.#deserted = new AbortController();
    const asking = this.#untilAnswered().finally(() => this.#asking = undefined);
    asking.catch(() => {});
    return asking;
  }

  /** Asks until there is an answer, or no message waits for it any more. */
  async #untilAnswered(): Promise<void> {
    const { clock, logger, signal } = this.#options;
    let isReported = false;
    await retry(() => this.#ask(), {
      ...askAgain,
      clock,
      signal: AbortSignal.any([signal, this.#deserted.signal]),
      isRetryable: () => !signal.aborted,
      onRetry: (error) => {
        if (isReported) return;
        isReported = true;
        // What went wrong at first says more than that nothing came.
        const cause = rootCauseOf(this.#trouble?.error) || rootCauseOf(error);
        logger.warn(`Telegram cannot be reached (${cause}): messages wait until it can. Trying again.`);
      },
    });
    if (isReported) logger.info("Telegram can be reached again: what has waited is sent.");
    this.#trouble = undefined;
    this.#closedAt = this.#now();
  }

  /** Resolves where Telegram answers, be it with a refusal. */
  async #ask(): Promise<void> {
    const { ask, clock, signal } = this.#options;
    try {
      await deadline(ask, { ms: answerWithinMs, clock, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (isTrouble(error)) throw error;
    }
  }
}

/** Anything but an answer, or an answer of servers in trouble. */
function isTrouble(error: unknown): boolean {
  const { error_code: code } = (error ?? {}) as { error_code?: unknown };
  if (typeof code === "number") return code >= 500;
  return error instanceof DeadlineError || ["notSent", "unknown"].includes(outcomeOf(error).kind);
}

/**
 * The time of a market that is made up or replayed. All that read it move through the same time: a candle is given once
 * every reader has worked on those that closed before.
 */
import { type Clock, nextTurn } from "../../util/clock.ts";

export interface MarketTimeOptions {
  readonly clock: Clock;
  /** The time before the first candle is given, in milliseconds since 1970. */
  readonly start: number;
  /** Between two moments at which candles close, in seconds. Default: 0, as fast as they are worked on. */
  readonly intervalSeconds?: number | undefined;
}

/** One that reads candles, one after another. */
interface Reader {
  /** The close of the candle that it waits for, or works on. */
  close: number;
  /** Gives it that candle; `undefined` while it works on it. */
  give: (() => void) | undefined;
}

export class MarketTime {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #readers = new Set<Reader>();
  #now: number;

  constructor({ clock, start, intervalSeconds = 0 }: MarketTimeOptions) {
    this.#clock = clock;
    this.#intervalMs = 1000 * intervalSeconds;
    this.#now = start;
  }

  /** The close of the candle that was given last. */
  get now(): number {
    return this.#now;
  }

  /** Gives each candle when its time has come; `closes` tells when it closes. */
  async *pass<T>(
    candles: Iterable<T>,
    closes: (candle: T) => number,
    signal: AbortSignal,
  ): AsyncGenerator<T> {
    const reader: Reader = { close: -Infinity, give: undefined };
    const leave = (): void => {
      this.#readers.delete(reader);
      this.#goOn();
    };
    signal.throwIfAborted();
    signal.addEventListener("abort", leave, { once: true });
    this.#readers.add(reader);
    try {
      // Those that begin together are all there before time passes.
      await nextTurn(this.#clock);
      for (const candle of candles) {
        reader.close = closes(candle);
        await this.#turn(reader, signal);
        // Those that close at the same moment wait side by side.
        if (this.#intervalMs > 0) await this.#clock.sleep(this.#intervalMs, signal);
        signal.throwIfAborted();
        this.#now = reader.close;
        yield candle;
      }
    } finally {
      signal.removeEventListener("abort", leave);
      leave();
    }
  }

  #turn(reader: Reader, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        reader.give = undefined;
        signal.removeEventListener("abort", abort);
        settle();
      };
      const abort = (): void => end(() => reject(signal.reason));
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort, { once: true });
      reader.give = () => end(resolve);
      this.#goOn();
    });
  }

  /** Gives the candles that close first, unless somebody still works on earlier ones. */
  #goOn(): void {
    const first = Math.min(...[...this.#readers].map(({ close }) => close));
    for (const { close, give } of this.#readers) if (close === first) give?.();
  }
}

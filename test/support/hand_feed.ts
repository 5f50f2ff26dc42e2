/** A market whose candles a test gives by hand, one symbol and timeframe beside the other. */
import type { Candle } from "../../lib/signals/candle.ts";
import type {
  CandleFeed,
  CandleRequest,
  HistoryRequest,
  Instrument,
  LiveRequest,
} from "../../lib/live/feed.ts";
import { timeframeMs } from "../../lib/live/timeframe.ts";

/** The candle number `index` since 1970, at one price. */
export function flat(index: number, price: number = 100, lengthMs: number = timeframeMs("5m")): Candle {
  return { time: index * lengthMs, open: price, high: price, low: price, close: price, volume: 1 };
}

export class HandFeed implements CandleFeed {
  readonly name = "the market";
  readonly caution: string | undefined;
  /** What `history()` and `live()` throw at present. */
  failure: unknown;
  /** What is told of each instrument, or thrown where it is an error. */
  steps: Instrument | Error = {};
  /** How often each was called. */
  readonly calls = { history: 0, live: 0, instrument: 0 };
  readonly #candles = new Map<string, Candle[]>();
  readonly #waiting = new Set<() => void>();
  #isOver = false;

  constructor({ caution }: { readonly caution?: string } = {}) {
    this.caution = caution;
  }

  /** Adds candles; readers get those behind what they know, and one that comes again. */
  give(candles: readonly Candle[], series: Partial<CandleRequest> = {}): void {
    this.#of(series).push(...candles);
    this.#wake();
  }

  /** Gives these in the place of all that were given. */
  replace(candles: readonly Candle[], series: Partial<CandleRequest> = {}): void {
    this.#of(series).splice(0);
    this.give(candles, series);
  }

  /** Has readers that wait, and those to come, fail with this; `undefined` ends it. */
  fail(failure: unknown): void {
    this.failure = failure;
    this.#wake();
  }

  /** Ends the market for all readers. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  // deno-lint-ignore require-await -- the port's method is asynchronous
  async history({ count, ...series }: HistoryRequest): Promise<readonly Candle[]> {
    this.calls.history++;
    if (this.failure !== undefined) throw this.failure;
    return this.#of(series).slice(-count);
  }

  // deno-lint-ignore require-await -- the port's method is asynchronous
  async instrument(): Promise<Instrument> {
    this.calls.instrument++;
    if (this.steps instanceof Error) throw this.steps;
    return this.steps;
  }

  async *live({ after, signal, ...series }: LiveRequest): AsyncIterable<Candle> {
    this.calls.live++;
    const candles = this.#of(series);
    let next = candles.findIndex(({ time }) => time > after);
    if (next < 0) next = candles.length;
    for (;;) {
      signal.throwIfAborted();
      if (this.failure !== undefined) throw this.failure;
      const candle = candles[next];
      if (candle !== undefined) {
        next++;
        yield candle;
      } else if (this.#isOver) return;
      else await this.#change(signal);
    }
  }

  #of({ symbol = "BTC-USD", timeframe = "5m" }: Partial<CandleRequest>): Candle[] {
    const key = `${symbol} ${timeframe}`;
    const candles = this.#candles.get(key) ?? [];
    this.#candles.set(key, candles);
    return candles;
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

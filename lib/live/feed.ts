/** The port of a market's candles: an exchange, a file, synthetic candles, or a feed of your own. */
import type { Candle } from "../signals/candle.ts";
import { hasName } from "../util/errors.ts";
import type { Timeframe } from "./timeframe.ts";

/** What a market says of an instrument, as far as it says it. */
export interface Instrument {
  /** The smallest step of a price, in plain digits: `"0.01"`. */
  readonly tickSize?: string | undefined;
  /** The smallest step of an amount, in plain digits: `"0.0001"`. */
  readonly sizeStep?: string | undefined;
  /** What prices are in: `"USD"`. */
  readonly currency?: string | undefined;
}

/** Which instrument is asked about. */
export interface InstrumentRequest {
  /** The instrument, as the market calls it: `"BTC-USD"`. */
  readonly symbol: string;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** Which candles are wanted. */
export interface CandleRequest extends InstrumentRequest {
  /** The length of the candles. */
  readonly timeframe: Timeframe;
}

/** Which candles of the past are wanted. */
export interface HistoryRequest extends CandleRequest {
  /** How many candles; 1 or more. */
  readonly count: number;
}

/** Which candles are wanted from now on. */
export interface LiveRequest extends CandleRequest {
  /** When the last candle that is known opened, in milliseconds since 1970; `-Infinity` where none is known. */
  readonly after: number;
}

/**
 * A market's candles. All of them are closed, and ascend without gaps: where nobody has traded, the price stays and the
 * volume is 0. Either method may throw whatever goes wrong; it is called again after a while (a `FeedError` may say when).
 */
export interface CandleFeed {
  /** What it is called in log lines: `"Coinbase"`. */
  readonly name: string;
  /**
   * A warning for the readers of its signals: `"synthetic data, not a market"`. Such signals have ids of their own, which take
   * no real one's place. Default: none.
   */
  readonly caution?: string | undefined;
  /**
   * The market's own time, in milliseconds since 1970: by it a candle is new, or too old. A market that is replayed says when
   * its candles were new. Default: the machine's clock.
   */
  now?(): number;
  /** The steps of an instrument's prices and amounts. Default: nothing is known of them. */
  instrument?(request: InstrumentRequest): Promise<Instrument>;
  /**
   * The newest candles, or as many of them as there are.
   * @throws {ConfigError} If there is no such symbol: it is not asked for again.
   */
  history(request: HistoryRequest): Promise<readonly Candle[]>;
  /**
   * Each candle that closes after the one of `after`, as it closes; at first those that have closed meanwhile. One that the
   * market has corrected may come again, with its time. Ends with the market, which a replay does.
   */
  live(request: LiveRequest): AsyncIterable<Candle>;
}

/** A request to a market that failed, and may succeed when it is repeated. */
export class FeedError extends Error {
  /** By the name, as two copies of this class may be loaded: the package's and a subpath's. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasName(value, "FeedError");
  }

  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "FeedError";
  /** How long the market asks to wait, in milliseconds; `undefined` where it does not say. */
  readonly retryAfterMs: number | undefined;

  /** What went wrong, and how long the market asks to wait (`retryAfterMs`), where it does. */
  constructor(
    message: string,
    { retryAfterMs, ...options }: ErrorOptions & { readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

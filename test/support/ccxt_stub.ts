/**
 * A package that behaves like ccxt, as its manual and its users describe it: the newest candle is still forming, an answer
 * has so many rows at most, times are in milliseconds, a volume may be null, and errors are classes of its own.
 */
import type { Candle } from "../../lib/signals/candle.ts";
import { type Timeframe, timeframeMs } from "../../lib/live/timeframe.ts";

class BaseError extends Error {
  constructor(message: string) {
    super(message);
    this.name = new.target.name;
  }
}
class ExchangeError extends BaseError {}
class BadRequest extends ExchangeError {}
class BadSymbol extends BadRequest {}
class OperationFailed extends BaseError {}
class NetworkError extends OperationFailed {}
class RateLimitExceeded extends NetworkError {}
class RequestTimeout extends NetworkError {}
class ExchangeNotAvailable extends NetworkError {}
class OnMaintenance extends ExchangeNotAvailable {}

type ErrorClass = new (message: string) => Error;

export const ccxtErrors: Readonly<
  Record<
    | "BadRequest"
    | "BadSymbol"
    | "NetworkError"
    | "RateLimitExceeded"
    | "RequestTimeout"
    | "ExchangeNotAvailable"
    | "OnMaintenance",
    ErrorClass
  >
> = {
  ...{ BadRequest, BadSymbol, NetworkError, RateLimitExceeded, RequestTimeout },
  ...{ ExchangeNotAvailable, OnMaintenance },
};

/** A fault of one request for candles: an error, another answer, or none. */
export type CcxtMishap = Error | { readonly rows: unknown } | "hang" | (() => void);

export interface CcxtStubOptions {
  /** The exchange's time. */
  readonly now: () => number;
  readonly candleAt: (time: number, lengthMs: number) => Candle | undefined;
  /** How long an answer takes. */
  readonly latency: () => Promise<void>;
  /** @default 1m, 5m, 1h and 1d */
  readonly timeframes?: Readonly<Record<string, unknown>>;
  /** How many rows an answer has at most. @default 200 */
  readonly limit?: number;
  /** Whether it says so. @default true */
  readonly isLimitKnown?: boolean;
  /** @default true */
  readonly hasTime?: boolean;
  /** Whether answers have a date. @default true */
  readonly isDated?: boolean;
  readonly precisionMode?: number;
  readonly markets?: Readonly<Record<string, unknown>>;
}

export interface CcxtCall {
  readonly at: number;
  readonly symbol: string;
  readonly timeframe: string;
  readonly since: number;
  readonly limit: number;
}

export interface CcxtStub {
  /** What `import("ccxt")` gives. */
  readonly module: object;
  readonly calls: CcxtCall[];
  /** One for each of the next calls. */
  readonly mishaps: CcxtMishap[];
  /** Each exchange that was made. */
  readonly made: { readonly enableRateLimit?: boolean }[];
  /** Changes the rows on their way. */
  change: (rows: unknown[][]) => unknown[];
  symbols: string[];
}

/** Has two exchanges: kraken, and paymium, which has no candles. */
export function createCcxt(options: CcxtStubOptions): CcxtStub {
  const { timeframes = { "1m": 1, "5m": 5, "1h": 60, "1d": 1440, "1w": 10080, "15m": undefined } } = options;
  const { limit: most = 200, isLimitKnown = true, hasTime = true, isDated = true } = options;
  const symbols = ["BTC/USD", "ETH/USD", "BTC/USD:USD"];
  class Kraken {
    readonly id = "kraken";
    readonly has = { fetchOHLCV: true, fetchTime: hasTime };
    readonly timeframes = timeframes;
    readonly features = isLimitKnown ? { spot: { fetchOHLCV: { limit: most } } } : undefined;
    readonly precisionMode = options.precisionMode;
    readonly markets = options.markets;
    symbols: string[] | undefined;
    last_response_headers: Record<string, string> | undefined;

    constructor(given: { readonly enableRateLimit?: boolean }) {
      stub.made.push(given);
    }

    async loadMarkets(): Promise<void> {
      await this.#answer();
      this.symbols = stub.symbols;
    }

    async fetchTime(): Promise<number> {
      await this.#answer();
      return options.now();
    }

    async fetchOHLCV(symbol: string, timeframe: string, since: number, limit: number): Promise<unknown> {
      if (this.symbols === undefined) throw new Error("markets not loaded");
      if (!stub.symbols.includes(symbol)) throw new BadSymbol(`kraken does not have market symbol ${symbol}`);
      stub.calls.push({ at: options.now(), symbol, timeframe, since, limit });
      const mishap = stub.mishaps.shift();
      if (mishap === "hang") return await new Promise(() => {});
      const rows = rowsOf(options, {
        timeframe: timeframe as Timeframe,
        since,
        limit: Math.min(limit, most),
      });
      if (typeof mishap === "function") mishap();
      await this.#answer();
      if (mishap instanceof Error) throw mishap;
      return typeof mishap === "object" ? mishap.rows : stub.change(rows);
    }

    async #answer(): Promise<void> {
      await options.latency();
      if (isDated) this.last_response_headers = { Date: new Date(options.now()).toUTCString() };
    }
  }
  class Paymium {
    readonly has = { fetchOHLCV: false };
  }
  const exchanges = ["kraken", "paymium"];
  const stub: CcxtStub = {
    module: { default: { exchanges, kraken: Kraken, paymium: Paymium, ...ccxtErrors }, exchanges },
    ...{ calls: [], mishaps: [], made: [], change: (rows) => rows, symbols },
  };
  return stub;
}

interface Question {
  readonly timeframe: Timeframe;
  readonly since: number;
  readonly limit: number;
}

function rowsOf({ now, candleAt }: CcxtStubOptions, { timeframe, since, limit }: Question): unknown[][] {
  const lengthMs = timeframeMs(timeframe);
  const rows: unknown[][] = [];
  for (
    let time = Math.ceil(since / lengthMs) * lengthMs;
    time <= now() && rows.length < limit;
    time += lengthMs
  ) {
    const candle = candleAt(time, lengthMs);
    if (candle === undefined) continue;
    const { open, high, low, close, volume } = candle;
    const isForming = time + lengthMs > now();
    rows.push(isForming ? [time, open, open, open, open, null] : [time, open, high, low, close, volume]);
  }
  return rows;
}

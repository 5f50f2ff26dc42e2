/** Candles of an exchange by way of ccxt: one request and its answer. */
import type { Candle } from "../../signals/candle.ts";
import { abortable, createSemaphore, deadline, DeadlineError, Lazy } from "../../util/async.ts";
import { type Clock, steady } from "../../util/clock.ts";
import { rootCauseOf } from "../../util/errors.ts";
import { safeText } from "../../util/safe_text.ts";
import { ConfigError, isObject, shown, valueHint } from "../../util/validate.ts";
import { FeedError, type Instrument, type InstrumentRequest } from "../feed.ts";
import { currencyText, stepText } from "../instrument.ts";
import { type Timeframe, timeframes } from "../timeframe.ts";
import { type CcxtExchange, createExchange } from "./ccxt_module.ts";
import type { Market, MarketFacts, RowAnswer, RowRequest } from "./polled_feed.ts";
import { readCandle } from "./read_candle.ts";
import { RequestPace } from "./request_pace.ts";

export interface CcxtMarketOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly load?: (() => Promise<object>) | undefined;
}

/** ccxt itself waits ten seconds for an answer, and for its rate limit before. */
const timeoutMs = 30_000;
const marketsWithinMs = 120_000;
/** The exchange's time is asked for again after so long, and when this machine's clock has been set or has slept. */
const timeKnownForMs = 600_000;
const leapMs = 2000;
/** Every exchange gives so many rows at once; some give more. */
const rowsWithoutLimit = 100;
const mostRows = 1000;

/** ccxt's modes of precision. */
const [decimalPlaces, tickSize] = [2, 4];

export class CcxtMarket implements Market {
  readonly name: string;
  readonly clock: Clock;
  readonly #exchange: Lazy<CcxtExchange>;
  readonly #pace: RequestPace;
  /** ccxt has a queue of its own, in which requests would wait that nobody wants any more. */
  readonly #oneAtATime = createSemaphore(1);
  readonly #elapsed: () => number;
  /** By how much the exchange's clock is ahead of this machine's, and when that was found out. */
  #time = { aheadMs: 0, foundAt: -Infinity, elapsedMs: 0 };
  /** Symbols that the exchange has answered: one that is gone later may come back. */
  readonly #known = new Set<string>();
  /** Timeframes whose candles do not open where ours do, such as days that begin at midnight in Hong Kong. */
  readonly #shifted = new Set<Timeframe>();

  constructor({ id, clock, load }: CcxtMarketOptions) {
    this.name = id;
    this.clock = clock;
    this.#exchange = new Lazy(() => createExchange(id, load));
    this.#pace = new RequestPace(clock, 0);
    this.#elapsed = steady(clock);
  }

  now(): number {
    return this.clock.now() + this.#time.aheadMs;
  }

  /** Loads the package, and makes the exchange, of which nothing is asked. @throws {ConfigError} If there is none of them. */
  async load(): Promise<void> {
    await this.#exchange.get();
  }

  async open(signal: AbortSignal): Promise<MarketFacts> {
    signal.throwIfAborted();
    const exchange = await abortable(this.#exchange.get(), signal);
    if (exchange.symbols === undefined) {
      const isLoaded = (): boolean => exchange.symbols !== undefined;
      await this.#call(() => exchange.loadMarkets(), signal, marketsWithinMs, isLoaded);
      this.#heed(exchange);
    }
    await this.#findTime(exchange, signal);
    const offered = exchange.timeframes ?? {};
    return {
      timeframes: timeframes.filter((each) => offered[each] && !this.#shifted.has(each)),
      rowsAtMost: rowsAtMost(exchange.features),
    };
  }

  async rows({ symbol, timeframe, from, to, signal }: RowRequest): Promise<RowAnswer> {
    const exchange = await this.#exchange.get();
    await this.#findTime(exchange, signal);
    const limit = rowsAtMost(exchange.features);
    let asOf = NaN;
    const answer = await this.#call(() => {
      // As of the question: whatever the answer holds was there later.
      asOf = this.now();
      return exchange.fetchOHLCV(symbol, timeframe, from, limit);
    }, signal).catch((error) => {
      throw isNamed(error, "BadSymbol") ? this.#unknownSymbol(symbol, exchange) : error;
    });
    if (!Array.isArray(answer)) throw new FeedError("the answer is no list of candles");
    asOf = Math.min(asOf, this.#heed(exchange));
    const { candles, mistake } = this.#read(answer, timeframe);
    this.#known.add(symbol);
    return { candles: candles.filter(({ time }) => time >= from && time <= to), mistake, asOf };
  }

  async instrument({ symbol }: InstrumentRequest): Promise<Instrument> {
    const { markets, precisionMode } = await this.#exchange.get();
    const { precision, quote } = partsOf(markets?.[symbol]);
    const { price, amount } = partsOf(precision);
    const step = (value: unknown): string | undefined => {
      if (precisionMode === decimalPlaces && Number.isInteger(value)) return stepText(10 ** -Number(value));
      return precisionMode === tickSize ? stepText(value) : undefined;
    };
    return { tickSize: step(price), sizeStep: step(amount), currency: currencyText(quote) };
  }

  /** One call of ccxt, which cannot be ended. @param isDone Whether somebody else's call has done it. */
  async #call<T>(
    call: () => Promise<T>,
    signal: AbortSignal,
    ms: number = timeoutMs,
    isDone: () => boolean = () => false,
  ): Promise<T | undefined> {
    signal.throwIfAborted();
    const turn = this.#oneAtATime(async () => {
      if (isDone()) return undefined;
      await this.#pace.turn(signal);
      const { clock } = this;
      const askedAt = clock.now();
      const answer = await deadline(call(), { ms, clock, signal });
      // Timers stand still while a machine sleeps; an answer that waited meanwhile has an old time.
      if (clock.now() - askedAt > ms) throw late(ms);
      this.#pace.answered();
      return answer;
    });
    try {
      return await abortable(turn, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw this.#failure(error, ms);
    }
  }

  /** ccxt's errors by their names, as another copy of it may be loaded. */
  #failure(error: unknown, ms: number): unknown {
    if (error instanceof FeedError || error instanceof ConfigError || isNamed(error, "BadSymbol")) {
      return error;
    }
    if (error instanceof DeadlineError) return late(ms);
    const isTooMuch = isNamed(error, "RateLimitExceeded") || isNamed(error, "DDoSProtection");
    const retryAfterMs = isTooMuch ? this.#pace.refused(undefined) : undefined;
    const name = (error as Error | undefined)?.name ?? "";
    const message = plainText(rootCauseOf(error)).slice(0, 150);
    return new FeedError(name === "" || name === "Error" ? message : `${name}: ${message}`, {
      retryAfterMs,
      cause: error,
    });
  }

  async #findTime(exchange: CcxtExchange, signal: AbortSignal): Promise<void> {
    const isKnown = (): boolean => {
      const { foundAt, elapsedMs } = this.#time;
      const passedMs = this.clock.now() - foundAt;
      return passedMs < timeKnownForMs && Math.abs(passedMs - (this.#elapsed() - elapsedMs)) < leapMs;
    };
    if (isKnown() || exchange.has["fetchTime"] !== true || exchange.fetchTime === undefined) return;
    const time = await this.#call(
      async () => {
        const time = await exchange.fetchTime?.();
        return { time, at: this.clock.now() };
      },
      signal,
      timeoutMs,
      isKnown,
    );
    if (time === undefined || !Number.isFinite(time.time)) return;
    this.#set(time.time as number - time.at);
  }

  /** The time that the last answer tells, if it does. Where the exchange does not give its time, this is it. */
  #heed({ has, last_response_headers: headers }: CcxtExchange): number {
    const asOf = Date.parse(headers?.["Date"] ?? headers?.["date"] ?? "");
    if (Number.isNaN(asOf)) return Infinity;
    if (has["fetchTime"] !== true) this.#set(asOf - this.clock.now());
    return asOf;
  }

  #set(aheadMs: number): void {
    this.#time = { aheadMs, foundAt: this.clock.now(), elapsedMs: this.#elapsed() };
  }

  #read(rows: readonly unknown[], timeframe: Timeframe): Pick<RowAnswer, "candles" | "mistake"> {
    const candles: Candle[] = [];
    let mistake: string | undefined;
    for (const row of rows) {
      try {
        const candle = fromRow(row, timeframe);
        if (candle !== undefined) candles.push(candle);
      } catch (error) {
        mistake ??= (error as Error).message;
      }
    }
    if (mistake === undefined || candles.length > 0) return { candles, mistake };
    if (rows.length > 1 && rows.every((row) => isShifted(row, timeframe))) {
      this.#shifted.add(timeframe);
      throw new FeedError(`its candles of ${timeframe} open at other times; they are made of smaller ones`);
    }
    throw new FeedError(mistake);
  }

  #unknownSymbol(symbol: string, { symbols = [] }: CcxtExchange): Error {
    if (this.#known.has(symbol)) return new FeedError(`BadSymbol: ${this.name} has no ${symbol} any more`);
    const plain = (text: string): string => text.replaceAll(/[^a-z\d]/gi, "").toUpperCase();
    const same = symbols.find((each) => plain(each) === plain(symbol));
    const hint = same === undefined ? valueHint(symbol, symbols) : ` (did you mean ${JSON.stringify(same)}?)`;
    return new ConfigError(
      `The symbol must be one of the ${symbols.length} of ${this.name}, such as ${
        shown(symbols[0] ?? "BTC/USD")
      }: ` +
        `current value is ${shown(symbol)}${hint}.`,
    );
  }
}

/** In one line, with addresses without their parameters. */
const plainText = (text: string): string =>
  safeText(text).replaceAll(/\s+/g, " ").replaceAll(/(https?:\/\/[^\s?]+)\?\S*/g, "$1");

const late = (ms: number): FeedError => new FeedError(`no answer within ${ms / 1000} s`);

/** Whether the error is of the class of this name, or of one that extends it. */
function isNamed(error: unknown, name: string): boolean {
  for (let each = error; typeof each === "object" && each !== null; each = Object.getPrototypeOf(each)) {
    if ((each as Error).constructor?.name === name || (each === error && (each as Error).name === name)) {
      return true;
    }
  }
  return false;
}

function rowsAtMost(features: unknown): number {
  const { spot } = (features ?? {}) as {
    readonly spot?: { readonly fetchOHLCV?: { readonly limit?: unknown } };
  };
  const limit = spot?.fetchOHLCV?.limit;
  return typeof limit === "number" && limit > 0 ? Math.min(limit, mostRows) : rowsWithoutLimit;
}

/** `undefined` for an interval without trades, for which some exchanges have a row without prices. */
function fromRow(row: unknown, timeframe: Timeframe): Candle | undefined {
  if (!Array.isArray(row)) throw new TypeError(`a candle is a list, here is ${shown(row, true)}`);
  const [time, open, high, low, close, volume] = row;
  if ([open, high, low, close].every((price) => price === null || price === undefined)) return undefined;
  return readCandle({ time, open, high, low, close, volume: volume ?? 0 }, timeframe);
}

/** Whether a row is a whole candle that opens at another time. */
function isShifted(row: unknown, timeframe: Timeframe): boolean {
  const isCandle = (timeframe: Timeframe): boolean => {
    try {
      return fromRow(row, timeframe) !== undefined;
    } catch {
      return false;
    }
  };
  return timeframe !== "1m" && isCandle("1m") && !isCandle(timeframe);
}

function partsOf(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value as Readonly<Record<string, unknown>> : {};
}

/**
 * Candles of Coinbase Exchange over HTTP: one request and its answer.
 *
 * Its documentation (docs.cdp.coinbase.com: "Get product candles", "Exchange REST API Rate Limits") says: at most 300 rows a
 * request, or it is refused; no row for an interval without trades; 10 requests a second from one address, then 429. Its
 * users say: `start` and `end` are both included; there is no answer without a User-Agent; now and then an answer is empty
 * although there are candles; and rows may be minutes older than their answer.
 */
import type { Candle } from "../../signals/candle.ts";
import { abortable, deadline, DeadlineError, Lazy } from "../../util/async.ts";
import { type Clock, toIso } from "../../util/clock.ts";
import { rootCauseOf } from "../../util/errors.ts";
import { safeText } from "../../util/safe_text.ts";
import { ConfigError, isObject, shown } from "../../util/validate.ts";
import { FeedError, type Instrument, type InstrumentRequest } from "../feed.ts";
import { currencyText, stepText } from "../instrument.ts";
import { type Timeframe, timeframeMs } from "../timeframe.ts";
import type { Market, MarketFacts, RowAnswer, RowRequest } from "./polled_feed.ts";
import { type CandleFields, readCandle } from "./read_candle.ts";
import { RequestPace } from "./request_pace.ts";

export const coinbaseEndpoint = "https://api.exchange.coinbase.com";
const facts: MarketFacts = { timeframes: ["1m", "5m", "15m", "1h", "6h", "1d"], rowsAtMost: 300 };
/** Eight requests a second, where ten are allowed. */
const spacingMs = 125;
const timeoutMs = 10_000;

export interface CoinbaseMarketOptions {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
}

interface Answer {
  readonly body: unknown;
  readonly asOf: number;
}

export class CoinbaseMarket implements Market {
  readonly name: string;
  readonly clock: Clock;
  readonly #options: CoinbaseMarketOptions;
  readonly #pace: RequestPace;
  /** By how much the exchange's clock is ahead of this machine's, as of its last answer. */
  #aheadMs = 0;
  readonly #timeKnown = new Lazy(() => this.#get("/time", new AbortController().signal));
  /** Symbols that the exchange has answered: one that is gone later may come back. */
  readonly #known = new Set<string>();

  constructor(options: CoinbaseMarketOptions) {
    const { endpoint, clock } = options;
    this.#options = options;
    this.clock = clock;
    this.name = endpoint === coinbaseEndpoint ? "Coinbase" : new URL(endpoint).host;
    this.#pace = new RequestPace(clock, spacingMs);
  }

  now(): number {
    return this.clock.now() + this.#aheadMs;
  }

  async open(signal: AbortSignal): Promise<MarketFacts> {
    signal.throwIfAborted();
    await abortable(this.#timeKnown.get(), signal);
    return facts;
  }

  async rows({ symbol, timeframe, from, to, signal }: RowRequest): Promise<RowAnswer> {
    const parameters = new URLSearchParams({
      granularity: String(timeframeMs(timeframe) / 1000),
      ...{ start: toIso(from), end: toIso(to) },
    });
    const path = `/products/${encodeURIComponent(symbol)}/candles?${parameters}`;
    const { body, asOf } = await this.#get(path, signal, symbol);
    if (!Array.isArray(body)) throw new FeedError("the answer is no list of candles");
    const answer = readRows(body, timeframe);
    this.#known.add(symbol);
    return { ...answer, asOf };
  }

  async instrument({ symbol, signal }: InstrumentRequest): Promise<Instrument> {
    const { body } = await this.#get(`/products/${encodeURIComponent(symbol)}`, signal);
    if (!isObject(body)) throw new FeedError("the answer is no product");
    const { quote_increment, base_increment, quote_currency } = body as Readonly<Record<string, unknown>>;
    return {
      tickSize: stepText(quote_increment),
      sizeStep: stepText(base_increment),
      currency: currencyText(quote_currency),
    };
  }

  /** @param symbol The product that is asked for, if it is for one. */
  async #get(path: string, signal: AbortSignal, symbol?: string): Promise<Answer> {
    await this.#pace.turn(signal);
    const { clock } = this;
    const askedAt = clock.now();
    try {
      const answer = await deadline((signal) => this.#send(path, signal), { ms: timeoutMs, clock, signal });
      // Timers stand still while a machine sleeps; an answer that waited meanwhile has an old time.
      if (clock.now() - askedAt > timeoutMs) throw late();
      return this.#read(answer.response, answer.text, symbol);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DeadlineError) throw late();
      if (error instanceof FeedError || error instanceof ConfigError) throw error;
      throw new FeedError(rootCauseOf(error) || "the request failed", { cause: error });
    }
  }

  async #send(path: string, signal: AbortSignal): Promise<{ response: Response; text: string }> {
    const { endpoint, fetch } = this.#options;
    const headers = { "User-Agent": "telegram-signals", "Accept": "application/json" };
    const response = await fetch(`${endpoint}${path}`, { headers, signal });
    return { response, text: await response.text() };
  }

  #read(response: Response, text: string, symbol: string | undefined): Answer {
    const { status, ok, headers } = response;
    const body = parsed(text);
    const message = safeText(String((body as { message?: unknown } | undefined)?.message ?? "")).slice(
      0,
      100,
    );
    const asOf = Date.parse(headers.get("date") ?? "");
    if (!Number.isNaN(asOf)) this.#aheadMs = asOf - this.clock.now();
    // The 404 of somebody in between has a page, not a message.
    if (status === 404 && message && symbol !== undefined && !this.#known.has(symbol)) {
      throw this.#unknownSymbol(symbol);
    }
    if (!ok) {
      const askedMs = retryAfterMsOf(headers.get("retry-after"), asOf);
      const isTooMuch = status === 429 || askedMs !== undefined;
      const retryAfterMs = isTooMuch ? this.#pace.refused(askedMs) : undefined;
      throw new FeedError(`status ${status}${message && `: ${message}`}`, { retryAfterMs });
    }
    this.#pace.answered();
    if (Number.isNaN(asOf)) throw new FeedError("the answer has no date");
    return { body, asOf };
  }

  #unknownSymbol(symbol: string): ConfigError {
    const meant = symbol.toUpperCase().replace(/[/_:]/g, "-");
    const hint = meant === symbol ? "" : ` (did you mean ${JSON.stringify(meant)}?)`;
    return new ConfigError(
      `The symbol must be a product of ${this.name} such as "BTC-USD" (all of them: ` +
        `${this.#options.endpoint}/products): current value is ${shown(symbol)}${hint}.`,
    );
  }
}

const late = (): FeedError => new FeedError(`no answer within ${timeoutMs / 1000} s`);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** HTTP allows seconds or a date. */
function retryAfterMsOf(retryAfter: string | null, asOf: number): number | undefined {
  const ms = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) * 1000 : Date.parse(retryAfter ?? "") - asOf;
  return ms >= 0 ? ms : undefined;
}

function readRows(rows: readonly unknown[], timeframe: Timeframe): Pick<RowAnswer, "candles" | "mistake"> {
  const candles: Candle[] = [];
  let mistake: string | undefined;
  for (const row of rows) {
    try {
      candles.push(readCandle(fieldsOf(row), timeframe));
    } catch (error) {
      mistake ??= (error as Error).message;
    }
  }
  if (mistake !== undefined && candles.length === 0) throw new FeedError(mistake);
  return { candles, mistake };
}

function fieldsOf(row: unknown): CandleFields {
  if (!Array.isArray(row)) throw new TypeError(`a candle is a list, here is ${shown(row, true)}`);
  const [seconds, low, high, open, close, volume] = row;
  const time = typeof seconds === "number" ? seconds * 1000 : seconds;
  return { time, low, high, open, close, volume };
}

/**
 * Coinbase Exchange's candles over HTTP: one question, one answer.
 *
 * Its documentation (docs.cdp.coinbase.com: "Get product candles", "Exchange REST API Rate Limits") says: at most 300
 * rows a request, or it is refused; no row for an interval without trades; 10 requests a second from one address, then
 * 429. Others found: `start` and `end` both count (ccxt/ccxt#5891); no answer without a User-Agent (ccxt/ccxt#848); and
 * rows may be minutes older than the answer that brings them (ccxt/ccxt#8400, #13292).
 */
import type { Clock } from "telegram-signals";
import { toCandle } from "./candle.ts";
import { type Candle, timeframeMs } from "./feed.ts";
import { UsageError } from "./usage_error.ts";

export const coinbase = "https://api.exchange.coinbase.com";
export const mostRows = 300;
const timeoutMs = 10_000;

export interface Exchange {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** The instrument's name there, such as "BTC-USD". */
  readonly product: string;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
}

/** Openings in milliseconds since 1970, both included: at most 300 of them. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export interface Answer {
  /** As they came: in any order, the same one twice, the newest still forming. */
  readonly candles: readonly Candle[];
  /** What is wrong with the first row that is no candle. */
  readonly mistake?: string;
  /** The exchange's own time, in milliseconds since 1970, to the second. */
  readonly asOf: number;
  /** Up to when it was asked for candles. */
  readonly to: number;
}

/** Not answered, this time. */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  /** How long the exchange asks to be left alone; NaN if it does not say. */
  readonly retryAfterMs: number;

  constructor(
    message: string,
    { retryAfterMs = NaN, ...options }: ErrorOptions & { retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Asks for the candles of a range, or for the newest.
 * @throws {UsageError} If the exchange does not know the product; whatever else goes wrong may go right the next time.
 */
export async function ask(exchange: Exchange, range?: Range, signal?: AbortSignal): Promise<Answer> {
  signal?.throwIfAborted();
  const { clock } = exchange;
  const askedAt = clock.now();
  const request = new AbortController();
  const stop = (): void => request.abort(signal?.reason);
  signal?.addEventListener("abort", stop, { once: true });
  const late = new ExchangeError(`no answer within ${timeoutMs / 1000} s`);
  clock.sleep(timeoutMs, request.signal).then(() => request.abort(late), () => {});
  try {
    const headers = { "User-Agent": "telegram-signals", "Accept": "application/json" };
    const response = await exchange.fetch(urlOf(exchange, range), { headers, signal: request.signal });
    const text = await response.text();
    // Timers stand still while a machine sleeps; the answer that waited for it tells an old time.
    if (clock.now() - askedAt > timeoutMs) throw late;
    const answer = read(response, text, exchange);
    return { ...answer, to: range?.to ?? answer.asOf };
  } catch (error) {
    throw request.signal.aborted ? request.signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", stop);
    request.abort();
  }
}

function urlOf({ endpoint, product }: Exchange, range: Range | undefined): string {
  const parameters = new URLSearchParams({ granularity: String(timeframeMs / 1000) });
  if (range) {
    parameters.set("start", new Date(range.from).toISOString());
    parameters.set("end", new Date(range.to).toISOString());
  }
  return `${endpoint}/products/${encodeURIComponent(product)}/candles?${parameters}`;
}

function read(response: Response, text: string, exchange: Exchange): Omit<Answer, "to"> {
  const { status, headers } = response;
  const body = parsed(text);
  const message = String((body as { message?: unknown } | undefined)?.message ?? "").slice(0, 100);
  // A 404 of somebody in between has a page, not a message.
  if (status === 404 && message) throw unknownProduct(exchange);
  const asOf = Date.parse(headers.get("date") ?? "");
  if (!response.ok) {
    const retryAfterMs = waitAsked(headers.get("retry-after"), asOf);
    throw new ExchangeError(`status ${status}${message && `: ${message}`}`, { retryAfterMs });
  }
  if (Number.isNaN(asOf)) throw new ExchangeError("the answer has no date");
  if (!Array.isArray(body)) throw new ExchangeError("the answer is no list of candles");
  return { ...readRows(body), asOf };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unknownProduct({ endpoint, product }: Exchange): UsageError {
  const rule = `a product of the exchange such as "BTC-USD" (all of them: ${endpoint}/products)`;
  return new UsageError(
    `Cannot start as --symbol must be ${rule}: current value is ${JSON.stringify(product)}`,
  );
}

/** Seconds or a date, as HTTP has it. */
function waitAsked(retryAfter: string | null, asOf: number): number {
  if (retryAfter === null) return NaN;
  return /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - asOf;
}

function readRows(rows: readonly unknown[]): Pick<Answer, "candles" | "mistake"> {
  const candles: Candle[] = [];
  let mistake: string | undefined;
  for (const row of rows) {
    try {
      candles.push(fromRow(row));
    } catch (error) {
      mistake ??= (error as Error).message;
    }
  }
  if (mistake !== undefined && candles.length === 0) throw new ExchangeError(mistake);
  return { candles, ...(mistake === undefined ? {} : { mistake }) };
}

function fromRow(row: unknown): Candle {
  if (!Array.isArray(row)) {
    throw new TypeError(`a candle is a list, here is ${JSON.stringify(row)?.slice(0, 100)}`);
  }
  const [seconds, low, high, open, close, volume] = row;
  const time = typeof seconds === "number" ? seconds * 1000 : seconds;
  return toCandle({ time, low, high, open, close, volume });
}

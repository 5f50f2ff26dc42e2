/**
 * Candles of Coinbase Exchange over HTTP: one request and its answer.
 *
 * Its documentation (docs.cdp.coinbase.com: "Get product candles", "Exchange REST API Rate Limits") says: at most 300
 * rows a request, or it is refused; no row for an interval without trades; 10 requests a second from one address, then
 * 429. Issues of others say: `start` and `end` are both included (ccxt/ccxt#5891); there is no answer without a
 * User-Agent (ccxt/ccxt#848); and rows may be minutes older than their answer (ccxt/ccxt#8400, #13292).
 */
import type { Clock } from "telegram-signals";
import { UsageError } from "../cli/arguments.ts";
import { type Candle, timeframeMs } from "./feed.ts";
import { parseCandle } from "./parse_candle.ts";

export const coinbase = "https://api.exchange.coinbase.com";
export const maxRows = 300;
const timeoutMs = 10_000;

export interface Exchange {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** The instrument's name there, such as "BTC-USD". */
  readonly product: string;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
}

/** Opening times in milliseconds since 1970, both included: at most 300 candles. */
export interface TimeRange {
  readonly from: number;
  readonly to: number;
}

export interface CandlesResponse {
  /** In any order; one may come twice, and the newest may still be forming. */
  readonly candles: readonly Candle[];
  /** What is wrong with the first row that could not be read. */
  readonly mistake?: string;
  /** The exchange's own time, in milliseconds since 1970, to the second. */
  readonly asOf: number;
  /** The end of the requested range. */
  readonly to: number;
}

/** A request that failed, and may succeed when it is repeated. */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  /** How long the exchange asks to wait; NaN if it does not say. */
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
 * Requests the candles of a range, or the newest ones.
 * @throws {UsageError} If the exchange does not know the product.
 * @throws {ExchangeError | Error} If anything else goes wrong; the request may be repeated.
 */
export async function fetchCandles(
  exchange: Exchange,
  range?: TimeRange,
  signal?: AbortSignal,
): Promise<CandlesResponse> {
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
    // Timers stand still while a machine sleeps; an answer from before that tells an old time.
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

function urlOf({ endpoint, product }: Exchange, range: TimeRange | undefined): string {
  const parameters = new URLSearchParams({ granularity: String(timeframeMs / 1000) });
  if (range) {
    parameters.set("start", new Date(range.from).toISOString());
    parameters.set("end", new Date(range.to).toISOString());
  }
  return `${endpoint}/products/${encodeURIComponent(product)}/candles?${parameters}`;
}

function read(response: Response, text: string, exchange: Exchange): Omit<CandlesResponse, "to"> {
  const { status, headers } = response;
  const body = parsed(text);
  const message = String((body as { message?: unknown } | undefined)?.message ?? "").slice(0, 100);
  // A proxy's 404 has a page, not a message.
  if (status === 404 && message) throw unknownProduct(exchange);
  const asOf = Date.parse(headers.get("date") ?? "");
  if (!response.ok) {
    const retryAfterMs = retryAfterMsOf(headers.get("retry-after"), asOf);
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

/** HTTP allows seconds or a date. */
function retryAfterMsOf(retryAfter: string | null, asOf: number): number {
  if (retryAfter === null) return NaN;
  return /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - asOf;
}

function readRows(rows: readonly unknown[]): Pick<CandlesResponse, "candles" | "mistake"> {
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
  return parseCandle({ time, low, high, open, close, volume });
}

/** A Coinbase Exchange on loopback that fails as the real one does, and a clock that jumps to the next timer. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers";
import type { Candle } from "../../lib/signals/candle.ts";
import type { Clock } from "../../lib/util/clock.ts";

interface Sleeper {
  readonly wakesAt: number;
  readonly wake: () => void;
}

/** Jumps to the end of the next sleep, once every request is answered or never will be. */
export class MarketClock implements Clock {
  /** By how much this machine's clock is ahead of the exchange's. */
  aheadMs = 0;
  #timerMs = 0;
  #sinceMs: number;
  #pending = 0;
  #hanging = 0;
  /** Requests that are aborted, of which Bun's fetch tells only a while later. */
  #ending = 0;
  #isLooking = false;
  readonly #sleepers = new Set<Sleeper>();

  constructor(trueMs: number) {
    this.#sinceMs = trueMs;
  }

  get trueMs(): number {
    return this.#sinceMs + this.#timerMs;
  }

  get sleepers(): number {
    return this.#sleepers.size;
  }

  now(): number {
    return this.trueMs + this.aheadMs;
  }

  elapsed(): number {
    return this.#timerMs;
  }

  random(): number {
    return 0.5;
  }

  /** The machine sleeps: time passes, but not for its timers. */
  suspend(ms: number): void {
    this.#sinceMs += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const end = (settle: () => void): void => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener("abort", abort);
        settle();
      };
      const abort = (): void => end(() => reject(signal?.reason));
      const sleeper = { wakesAt: this.#timerMs + ms, wake: () => end(resolve) };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", abort, { once: true });
      this.#look();
    });
  }

  /** Time stands still while the task runs. */
  async holding<T>(task: Promise<T>): Promise<T> {
    this.#pending++;
    try {
      return await task;
    } finally {
      this.#pending--;
      this.#look();
    }
  }

  /** Time stands still from the question until its answer is read. */
  readonly fetch: typeof fetch = async (input, init) => {
    this.#pending++;
    const { signal } = init ?? {};
    let ending = 0;
    const end = (): unknown => this.#ending += ending = 1;
    signal?.addEventListener("abort", end, { once: true });
    const settled = (): void => {
      signal?.removeEventListener("abort", end);
      this.#ending -= ending;
      this.#pending--;
      this.#look();
    };
    try {
      const response = await fetch(input, init);
      const text = response.text.bind(response);
      response.text = () => text().finally(settled);
      return response;
    } catch (error) {
      settled();
      throw error;
    }
  };

  hang(change: 1 | -1): void {
    this.#hanging += change;
    this.#look();
  }

  /** Wakes one sleeper after another, each once nothing more happens until time passes. */
  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    setImmediate(() => {
      this.#isLooking = false;
      const [first] = [...this.#sleepers].sort((a, b) => a.wakesAt - b.wakesAt);
      if (!first || this.#pending !== this.#hanging || this.#ending > 0) return;
      this.#timerMs = Math.max(this.#timerMs, first.wakesAt);
      first.wake();
      this.#look();
    });
  }
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A fault of one request: another reply, none, half of one, or an action once the reply is made. */
export type Mishap = Reply | "hang" | "reset" | "cut" | (() => void);

export interface Asked {
  /** The exchange's time, in milliseconds since 1970. */
  readonly at: number;
  readonly url: URL;
  readonly userAgent: string | undefined;
}

export interface ExchangeOptions {
  readonly now: () => number;
  /** The whole candle that opens at a time and lasts so long; `undefined` where there are no trades. */
  readonly candleAt: (time: number, lengthMs: number, product: string) => Candle | undefined;
  /** @default BTC-USD */
  readonly products?: readonly string[];
  /** Called with a request that will not be answered, and at its end. */
  readonly onHang?: (change: 1 | -1) => void;
}

/** What a request may ask for, in seconds. */
const granularities = [60, 300, 900, 3600, 21_600, 86_400];

export async function startExchange(options: ExchangeOptions): Promise<StubExchange> {
  const exchange = new StubExchange(options);
  await exchange.listen();
  return exchange;
}

export class StubExchange {
  endpoint = "";
  readonly asked: Asked[] = [];
  /** One fault for each of the next requests. */
  readonly mishaps: Mishap[] = [];
  /** What it says of each product. */
  product: Readonly<Record<string, unknown>> = {
    base_increment: "0.00000001",
    quote_increment: "0.01",
    quote_currency: "USD",
  };
  /** How old the rows are that it gives. */
  lagMs = 0;
  /** Changes the rows on their way. */
  change: (rows: Row[]) => unknown[] = (rows) => rows;
  readonly #options: ExchangeOptions;
  readonly #server: Server;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      request.on("error", () => {});
      this.#answer(request, response);
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.endpoint = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? "", this.endpoint);
    const at = this.#options.now();
    this.asked.push({ at, url, userAgent: request.headers["user-agent"] });
    const mishap = this.mishaps.shift();
    if (mishap === "hang") return this.#hang(response);
    if (mishap === "reset") return void request.socket.destroy();
    const reply = { ...this.#proper(url, at), ...(typeof mishap === "object" ? mishap : {}) };
    if (typeof mishap === "function") mishap();
    const date = new Date(at).toUTCString();
    send(response, { ...reply, headers: { date, ...reply.headers } }, mishap === "cut");
  }

  #hang(response: ServerResponse): void {
    this.#options.onHang?.(1);
    response.once("close", () => this.#options.onHang?.(-1));
  }

  #proper(url: URL, at: number): Reply {
    if (url.pathname === "/time") return { body: JSON.stringify({ epoch: at / 1000 }) };
    const { products = ["BTC-USD"] } = this.#options;
    const [, id = "", isCandles] = /^\/products\/([^/]+)(\/candles)?$/.exec(url.pathname) ?? [];
    const product = decodeURIComponent(id);
    if (!products.includes(product)) return { status: 404, body: '{"message":"NotFound"}' };
    if (isCandles === undefined) return { body: JSON.stringify({ id: product, ...this.product }) };
    const granularity = Number(url.searchParams.get("granularity"));
    if (!granularities.includes(granularity)) {
      return { status: 400, body: '{"message":"Unsupported granularity"}' };
    }
    const lengthMs = granularity * 1000;
    const end = Date.parse(url.searchParams.get("end") ?? "") || at;
    const start = Date.parse(url.searchParams.get("start") ?? "") || end - 299 * lengthMs;
    if ((end - start) / lengthMs >= 300) return { status: 400, body: '{"message":"exceeds 300"}' };
    const candleAt = (time: number): Candle | undefined => this.#options.candleAt(time, lengthMs, product);
    return {
      body: JSON.stringify(this.change(rowsOf({ start, end, asOf: at - this.lagMs, lengthMs, candleAt }))),
    };
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly asOf: number;
  readonly lengthMs: number;
  readonly candleAt: (time: number) => Candle | undefined;
}

/** The newest first. */
function rowsOf({ start, end, asOf, lengthMs, candleAt }: Range): Row[] {
  const rows: Row[] = [];
  const first = Math.ceil(start / lengthMs) * lengthMs;
  for (let time = first; time <= Math.min(end, asOf); time += lengthMs) {
    const candle = candleAt(time);
    if (candle) rows.unshift(row(candle, time + lengthMs > asOf));
  }
  return rows;
}

export type Row = [seconds: number, low: number, high: number, open: number, close: number, volume: number];

/** A candle that still forms has only its first trade. */
function row({ time, low, high, open, close, volume }: Candle, isForming: boolean): Row {
  if (isForming) return [time / 1000, open, open, open, open, volume / 100];
  return [time / 1000, low, high, open, close, volume];
}

function send(response: ServerResponse, { status = 200, headers, body = "" }: Reply, isCut: boolean): void {
  const length = String(new TextEncoder().encode(body).length);
  response.writeHead(status, { "content-type": "application/json", "content-length": length, ...headers });
  if (!isCut) return void response.end(body);
  response.write(body.slice(0, body.length / 2), () => response.socket?.destroy());
}

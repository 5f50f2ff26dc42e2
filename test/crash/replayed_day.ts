/**
 * A day of candles, on a market in this process: its time moves as the test wants, also while a scheduler is dead. Programs
 * read it by HTTP, `marketFeed()` is their side.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Candle } from "../../lib/signals/candle.ts";
import type { CandleFeed, CandleRequest } from "../../lib/live/feed.ts";
import { syntheticFeed } from "../../lib/live/feeds/synthetic.ts";
import type { Series } from "../../lib/live/found.ts";
import { closeTime, timeframeMs } from "../../lib/live/timeframe.ts";
import { closeAtOnce, listen } from "../../lib/local/loopback.ts";
import { allSeries, candlesBefore, type Finding, findingsIn } from "./scheduler_strategies.ts";

/** What is answered to a request. */
interface Answer {
  /** The market's time. */
  readonly now: number;
  readonly candles: readonly Candle[];
}

const startsAt = Date.UTC(2026, 0, 5);
const stepMs = timeframeMs("5m");
const keyOf = ({ symbol, timeframe }: Series): string => `${symbol} ${timeframe}`;

export class ReplayedDay implements AsyncDisposable {
  /** What the strategies find in it, ascending. */
  readonly findings: readonly Finding[];
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly #candles: ReadonlyMap<string, readonly Candle[]>;
  readonly #endsAt: number;
  readonly #waiting = new Set<() => void>();
  #now = startsAt;
  #endpoint = "";

  private constructor(candles: ReadonlyMap<string, readonly Candle[]>, endsAt: number) {
    this.#candles = candles;
    this.#endsAt = endsAt;
    this.findings = allSeries.flatMap((series) => findingsIn(series, candles.get(keyOf(series)) ?? []))
      .filter(({ staleAt }) => staleAt > startsAt)
      .sort((one, other) => one.time - other.time);
  }

  /** @param hours How long it is. */
  static async start(seed: number, hours: number): Promise<ReplayedDay> {
    const endsAt = startsAt + hours * timeframeMs("1h");
    const feed = syntheticFeed({ seed, start: endsAt, intervalSeconds: 0 });
    const { signal } = new AbortController();
    const candles = new Map<string, readonly Candle[]>();
    for (const series of allSeries) {
      const count = candlesBefore + (endsAt - startsAt) / timeframeMs(series.timeframe);
      candles.set(keyOf(series), await feed.history({ ...series, count, signal }));
    }
    const day = new ReplayedDay(candles, endsAt);
    day.#endpoint = `http://127.0.0.1:${await listen(day.#server, 0)}`;
    return day;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeAtOnce(this.#server);
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  /** The market's time, in milliseconds since 1970. */
  get now(): number {
    return this.#now;
  }

  get isOver(): boolean {
    return this.#now >= this.#endsAt;
  }

  /** What closes at the next step. */
  get coming(): Finding[] {
    return this.findings.filter(({ time }) => time === this.#now + stepMs);
  }

  /** At how many steps there is still something to send. */
  get stepsLeft(): number {
    return new Set(this.findings.map(({ time }) => time).filter((time) => time > this.#now)).size;
  }

  /** Lets five minutes pass. */
  step(): void {
    this.#now += stepMs;
    for (const wake of [...this.#waiting]) wake();
  }

  async #answer({ url = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(url, this.#endpoint);
    const series = Object.fromEntries(searchParams) as unknown as Series;
    const all = this.#candles.get(keyOf(series)) ?? [];
    const closed = (): Candle[] => all.filter((candle) => closeTime(candle, series.timeframe) <= this.#now);
    const after = Number(searchParams.get("after"));
    const candles = pathname === "/history"
      ? closed().slice(-Number(searchParams.get("count")))
      : await this.#until(() => closed().filter(({ time }) => time > after), response);
    const answer: Answer = { now: this.#now, candles };
    response.end(JSON.stringify(answer));
  }

  /** Waits for time to pass until there are some; whoever has asked may have left meanwhile. */
  async #until(find: () => Candle[], response: ServerResponse): Promise<Candle[]> {
    for (;;) {
      const found = find();
      if (found.length > 0 || response.closed) return found;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
        response.once("close", wake);
      });
    }
  }
}

/** The market as a program sees it. */
export function marketFeed(endpoint: string): CandleFeed {
  let latest = -Infinity;
  const ask = async (
    path: string,
    { signal, ...series }: CandleRequest & { readonly count?: number; readonly after?: number },
  ): Promise<readonly Candle[]> => {
    const query = new URLSearchParams(Object.entries(series).map(([name, value]) => [name, String(value)]));
    const response = await fetch(`${endpoint}/${path}?${query}`, { signal });
    const { now, candles } = await response.json() as Answer;
    latest = Math.max(latest, now);
    return candles;
  };
  return {
    name: "a replayed day",
    now: () => latest,
    history: (request) => ask("history", request),
    async *live({ after, ...request }) {
      for (let last = after;;) {
        for (const candle of await ask("live", { ...request, after: last })) {
          yield candle;
          last = candle.time;
        }
      }
    },
  };
}

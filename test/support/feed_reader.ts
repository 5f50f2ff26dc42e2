/** Reads a feed as who runs strategies does: the history, then each candle as it closes, again and again after failures. */
import type { CandleFeed, FeedError } from "../../lib/live/feed.ts";
import { closeTime, type Timeframe } from "../../lib/live/timeframe.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { assert } from "../harness.ts";

export interface ReadOptions {
  readonly clock: Clock & { readonly trueMs: number };
  readonly symbol?: string;
  readonly timeframe?: Timeframe;
  /** How many candles of history. */
  readonly count?: number;
  /** When the last candle closes. */
  readonly until: number;
  readonly signal?: AbortSignal;
}

export interface Reading {
  /** By their times; of one that came again, the last. */
  readonly candles: Candle[];
  /** How many were there at once. */
  readonly history: number;
  /** The market's time when each of the others came, in order. */
  readonly cameAt: number[];
  /** Openings of candles that came again. */
  readonly corrected: number[];
  /** Why requests failed, one for each. */
  readonly failures: string[];
}

/** Fails if a candle comes before its close, or before one that opens earlier, unless it is a correction. */
export async function read(feed: CandleFeed, options: ReadOptions): Promise<Reading> {
  const { clock, until, symbol = "BTC-USD", timeframe = "5m", count = 50 } = options;
  const { signal = new AbortController().signal } = options;
  const request = { symbol, timeframe, signal };
  const [candles, cameAt, corrected, failures] = [
    new Map<number, Candle>(),
    [] as number[],
    [] as number[],
    [] as string[],
  ];
  let after = -Infinity;
  const take = (candle: Candle): void => {
    assert.ok(closeTime(candle, timeframe) <= clock.trueMs, "it came before its close");
    if (candles.has(candle.time)) corrected.push(candle.time);
    else assert.ok(candle.time > after, "one came that opens earlier");
    after = Math.max(after, candle.time);
    candles.set(candle.time, candle);
  };
  const insist = async <T>(task: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await task();
      } catch (error) {
        if (signal.aborted || (error as Error).name !== "FeedError") throw error;
        const { message, retryAfterMs = 1000 } = error as FeedError;
        failures.push(message);
        await clock.sleep(retryAfterMs, signal);
      }
    }
  };
  for (const candle of await insist(() => feed.history({ ...request, count }))) take(candle);
  const history = candles.size;
  await insist(async () => {
    for await (const candle of feed.live({ ...request, after })) {
      if (!candles.has(candle.time)) cameAt.push(clock.trueMs);
      take(candle);
      if (closeTime(candle, timeframe) >= until) return;
    }
  });
  return {
    candles: [...candles.values()].sort((one, other) => one.time - other.time),
    history,
    cameAt,
    corrected,
    failures,
  };
}

/** The interface of candle feeds: of an exchange, a file, synthetic candles, or one of your own. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Candle as ChartCandle } from "telegram-signals";

export const timeframe = "5m";
export const timeframeMs: number = 5 * 60_000;

/** Its `time` is a multiple of five minutes. */
export interface Candle extends ChartCandle {
  /** `false` while the candle is still forming; such a candle moves no indicator. Default: true. */
  readonly closed?: boolean;
}

/** Ascending candles of one instrument, first whatever history there is, then each as it closes. */
export interface CandleFeed {
  /** Unique among the feeds of a symbol: the sent log records signals under it. */
  readonly name: string;
  /** A warning for readers of its signals, such as that the candles are synthetic. */
  readonly caution?: string;
  /** The market's own clock, where candles come in real time: by it a signal is too old to be sent. */
  now?(): number;
  /** Ends with the series; when `signal` aborts, rejects with its reason or an AbortError. */
  candles(signal?: AbortSignal): AsyncIterable<Candle>;
}

/** Holds a candle back until it is due; rejects when `signal` aborts. */
export type Pace = (candle: Candle, signal?: AbortSignal) => Promise<void>;

/** When the candle closed: the moment from which a strategy may know it. */
export function closeTime(candle: Candle): number {
  return candle.time + timeframeMs;
}

/** The feed with its history (candles closed by `liveFrom`, in milliseconds) at once and the others paced. */
export function paced(feed: CandleFeed, { liveFrom, pace }: { liveFrom: number; pace: Pace }): CandleFeed {
  return {
    ...feed,
    async *candles(signal) {
      for await (const candle of feed.candles(signal)) {
        if (closeTime(candle) > liveFrom) await pace(candle, signal);
        signal?.throwIfAborted();
        yield candle;
      }
    },
  };
}

/** One candle every `intervalSeconds`, whatever its time: for demonstrations. */
export function every(intervalSeconds: number): Pace {
  return async (_candle, signal) => {
    await sleep(intervalSeconds * 1000, undefined, signal ? { signal } : {});
  };
}

/** Makes a series of candles without gaps out of an exchange's answers. Time is that of the answers. */
import type { CandlesResponse } from "./exchange_client.ts";
import { type Candle, timeframeMs } from "./feed.ts";

export interface GapFiller {
  /** When the next candle opens, in milliseconds since 1970. */
  readonly next: number;
  /** Takes an answer that begins with the next candle; returns the candles that can no longer change, in order. */
  add(answer: CandlesResponse): Candle[];
}

/** So long after its close a candle counts as final without a row after it, and a missing row as no trades. */
const finalAfterMs = 180_000;

/** Candles before the first trade are left out. */
export function createGapFiller(start: number): GapFiller {
  let next = start;
  let before: Candle | undefined;
  return {
    get next() {
      return next;
    },
    add(answer) {
      const { rowAt, isFinal } = index(answer);
      const final: Candle[] = [];
      for (; next <= answer.to && isFinal(next); next += timeframeMs) {
        before = rowAt(next) ?? (before && flat(before, next));
        if (before) final.push(before);
      }
      return final;
    },
  };
}

interface Index {
  rowAt(time: number): Candle | undefined;
  isFinal(time: number): boolean;
}

/**
 * A candle whose time is over is not yet final: its row may have been written before its close. A later row proves that
 * it is complete, or that nobody traded.
 */
function index({ candles, asOf }: CandlesResponse): Index {
  const rows = new Map(candles.map((candle) => [candle.time, candle]));
  const newest = Math.max(...[...rows.keys()].filter((time) => time <= asOf));
  return {
    rowAt: (time) => rows.get(time),
    isFinal: (time) => time < newest || time + timeframeMs + finalAfterMs <= asOf,
  };
}

/** The candle of an interval without trades: the price stays, so that indicators keep their spacing. */
function flat(before: Candle, time: number): Candle {
  const price = before.close;
  return { time, open: price, high: price, low: price, close: price, volume: 0 };
}

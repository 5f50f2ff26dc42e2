/** Makes a series without gaps out of what an exchange answers. Pure: the time is the answer's. */
import type { Answer } from "./exchange.ts";
import { type Candle, timeframeMs } from "./feed.ts";

export interface Tape {
  /** When the next candle opens, in milliseconds since 1970. */
  readonly next: number;
  /** Takes an answer that begins with the next candle; gives what can no longer change, in order. */
  settle(answer: Answer): Candle[];
}

/** When a candle that nothing has followed counts as it is, and an interval without a row as one without trades. */
export const lateMs = 180_000;

/** Candles before the first trade are left out. */
export function createTape(start: number): Tape {
  let next = start;
  let before: Candle | undefined;
  return {
    get next() {
      return next;
    },
    settle(answer) {
      const { rowAt, isSettled } = index(answer);
      const settled: Candle[] = [];
      for (; next <= answer.to && isSettled(next); next += timeframeMs) {
        before = rowAt(next) ?? (before && flat(before, next));
        if (before) settled.push(before);
      }
      return settled;
    },
  };
}

interface Index {
  rowAt(time: number): Candle | undefined;
  isSettled(time: number): boolean;
}

/**
 * That a candle's time is over is not enough: its row may be from before. A row after it proves that it is whole, or
 * that nobody traded.
 */
function index({ candles, asOf }: Answer): Index {
  const rows = new Map(candles.map((candle) => [candle.time, candle]));
  const newest = Math.max(...[...rows.keys()].filter((time) => time <= asOf));
  return {
    rowAt: (time) => rows.get(time),
    isSettled: (time) => time < newest || time + timeframeMs + lateMs <= asOf,
  };
}

/** Nobody traded: the price stays, so that indicators keep their spacing. */
function flat(before: Candle, time: number): Candle {
  const price = before.close;
  return { time, open: price, high: price, low: price, close: price, volume: 0 };
}

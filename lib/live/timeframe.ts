/** Timeframes of candles: their lengths, where their candles open and close, and larger candles made of smaller ones. */
import type { Candle } from "../signals/candle.ts";

/** The length of a candle. Each begins at a multiple of its length since 1970, in UTC: a day's at midnight. */
export type Timeframe = "1m" | "3m" | "5m" | "15m" | "30m" | "1h" | "2h" | "4h" | "6h" | "8h" | "12h" | "1d";

const minutes: Readonly<Record<Timeframe, number>> = {
  ...{ "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30 },
  ...{ "1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480, "12h": 720, "1d": 1440 },
};

/** All timeframes, the shortest first. */
export const timeframes: readonly Timeframe[] = Object.keys(minutes) as Timeframe[];

/** The length of a candle in milliseconds. */
export function timeframeMs(timeframe: Timeframe): number {
  return 60_000 * minutes[timeframe];
}

/** When a candle closes, in milliseconds since 1970: from then on a strategy may know it. */
export function closeTime({ time }: Pick<Candle, "time">, timeframe: Timeframe): number {
  return time + timeframeMs(timeframe);
}

/** When the candle opens that holds the time. */
export function openingTime(time: number, timeframe: Timeframe): number {
  return Math.floor(time / timeframeMs(timeframe)) * timeframeMs(timeframe);
}

/** The largest of the given timeframes from which candles of this one can be made: itself, or one that divides it. */
export function sourceOf(timeframe: Timeframe, available: readonly Timeframe[]): Timeframe | undefined {
  const sources = timeframes.filter((each) =>
    available.includes(each) && timeframeMs(timeframe) % timeframeMs(each) === 0
  );
  return sources.at(-1);
}

/**
 * Makes larger candles of smaller ones, which come ascending and closed; a smaller one is missing where nobody has traded. A
 * larger candle is given once its last smaller one, or one of a later candle, has come; the first one only if its beginning
 * is known.
 */
export class Aggregator {
  readonly #from: Timeframe;
  readonly #to: Timeframe;
  #current: Candle | undefined;
  /** When the newest smaller candle opened. */
  #latest = Infinity;

  constructor(from: Timeframe, to: Timeframe) {
    this.#from = from;
    this.#to = to;
  }

  /** Takes the next smaller candle; gives the larger ones that are closed by it, one at most, or two after a gap. */
  add(candle: Candle): Candle[] {
    const closed: Candle[] = [];
    const time = openingTime(candle.time, this.#to);
    if (this.#current !== undefined && this.#current.time !== time) closed.push(this.#take());
    const isKnown = this.#current !== undefined || candle.time === time || this.#latest < time;
    this.#latest = candle.time;
    if (isKnown) this.#current = joined(this.#current, candle, time);
    if (this.#current !== undefined && closeTime(candle, this.#from) === closeTime(this.#current, this.#to)) {
      closed.push(this.#take());
    }
    return closed;
  }

  #take(): Candle {
    const candle = this.#current as Candle;
    this.#current = undefined;
    return candle;
  }
}

function joined(before: Candle | undefined, candle: Candle, time: number): Candle {
  if (before === undefined) return { ...candle, time };
  const { open, high, low, volume } = before;
  return {
    ...{ time, open, close: candle.close, volume: volume + candle.volume },
    ...{ high: Math.max(high, candle.high), low: Math.min(low, candle.low) },
  };
}

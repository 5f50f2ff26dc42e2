/** The volume-weighted average price (VWAP) of a day's trading session, with bands around it. */
import { dayMs } from "../../util/clock.ts";
import type { Candle } from "../candle.ts";

/** A mean and the prices at equal distances below and above it. */
export interface PriceBands {
  /** The price below the mean. */
  readonly lower: number;
  /** The mean. */
  readonly middle: number;
  /** The price above the mean. */
  readonly upper: number;
}

/** VWAP bands that are kept up to date candle by candle. */
export interface VwapBands {
  /**
   * Takes the next candle, later than all before it.
   * @returns The bands with this candle in them; `undefined` while its session has too few candles.
   */
  add(candle: Candle): PriceBands | undefined;
}

/**
 * Creates the VWAP bands that `drawChart` draws, for a strategy that trades by them. The middle is the average of the
 * typical prices, (high + low + close) / 3, weighted by volume; `lower` and `upper` are a number of volume-weighted
 * standard deviations away from it. A session is a day in UTC: markets that never close have no other, and each
 * midnight starts afresh. A candle without volume changes nothing.
 *
 * ```ts
 * const vwap = createVwapBands(2, 20);
 * for (const candle of candles) {
 *   const bands = vwap.add(candle);
 *   if (bands && candle.close < bands.lower) console.log("far below the session's average price");
 * }
 * ```
 * @param deviations How many standard deviations the outer bands are from the middle.
 * @param candlesNeeded So many candles with volume a session must have before its bands are given.
 */
export function createVwapBands(deviations: number, candlesNeeded: number): VwapBands {
  let session = { ...emptySession };
  return {
    add(candle) {
      const { high, low, close, volume } = candle;
      const price = (high + low + close) / 3;
      const day = Math.floor(candle.time / dayMs);
      if (session.day !== day) session = { ...emptySession, day, anchor: price };
      if (volume !== 0) {
        session.traded++;
        session.volume += volume;
        session.priceSum += price * volume;
        session.squareSum += (price - session.anchor) ** 2 * volume;
      }
      if (session.traded < candlesNeeded) return undefined;
      const middle = session.priceSum / session.volume;
      // Variance = mean of the squares − square of the mean, both measured from the anchor.
      const variance = session.squareSum / session.volume - (middle - session.anchor) ** 2;
      const reach = deviations * Math.sqrt(Math.max(0, variance));
      return { lower: middle - reach, middle, upper: middle + reach };
    },
  };
}

/**
 * The sums of a session; `traded` counts its candles with volume. Squares are taken around `anchor`, the session's first
 * price: of prices near 60,000 they would lose their digits.
 */
const emptySession = { day: NaN, anchor: 0, traded: 0, volume: 0, priceSum: 0, squareSum: 0 };

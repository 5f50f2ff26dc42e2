/** Indicators: Bollinger bands, and bands around the session's volume-weighted average price (VWAP). */
import { type BandsResult, BollingerBands, getTypicalPrice, VWAP } from "trading-signals";
import { dayMs } from "../../util/clock.ts";
import type { Candle } from "../candle.ts";
import type { Bands } from "./options.ts";

export interface VwapBands {
  /** The bands with this candle in them; `undefined` until the session has traded `candlesNeeded` candles. */
  add(candle: Candle): BandsResult | undefined;
}

/**
 * Bands of the volume-weighted standard deviation around the VWAP. A session is a day in UTC, as is usual for markets that
 * never close.
 */
export function createVwapBands(deviations: number, candlesNeeded: number): VwapBands {
  let session = createSession(NaN, 0);
  return {
    add(candle) {
      const day = Math.floor(candle.time / dayMs);
      // Squares are taken around the session's first price: of prices near 60,000 they would lose their digits.
      if (session.day !== day) session = createSession(day, getTypicalPrice(candle));
      session.add(candle);
      return session.traded < candlesNeeded ? undefined : session.bands(deviations);
    },
  };
}

interface Session {
  readonly day: number;
  readonly traded: number;
  add(candle: Candle): void;
  bands(deviations: number): BandsResult;
}

function createSession(day: number, anchor: number): Session {
  const mean = new VWAP();
  // A second VWAP, over squares, is the second moment: variance = mean of squares − square of the mean.
  const squares = new VWAP();
  let traded = 0;
  return {
    day,
    get traded() {
      return traded;
    },
    add(candle) {
      if (candle.volume === 0) return;
      const square = (getTypicalPrice(candle) - anchor) ** 2;
      mean.add(candle);
      squares.add({ high: square, low: square, close: square, volume: candle.volume });
      traded++;
    },
    bands(deviations) {
      const middle = mean.getResultOrThrow();
      const variance = squares.getResultOrThrow() - (middle - anchor) ** 2;
      const reach = deviations * Math.sqrt(Math.max(0, variance));
      return { lower: middle - reach, middle, upper: middle + reach };
    },
  };
}

/** The bands at a candle, calculated from it and all candles before it. */
export interface BandsAt {
  readonly bollinger: BandsResult | undefined;
  readonly vwap: BandsResult | undefined;
  /** Whether a session begins here, whose VWAP starts anew. */
  readonly isNewSession: boolean;
}

export function bandsAt(candles: readonly Candle[], parameters: Bands): BandsAt[] {
  const { bollingerPeriod, bollingerDeviations, vwapDeviations } = parameters;
  const bollinger = new BollingerBands(bollingerPeriod, bollingerDeviations);
  const vwap = createVwapBands(vwapDeviations, bollingerPeriod);
  const dayOf = (candle: Candle | undefined): number => Math.floor((candle?.time ?? NaN) / dayMs);
  return candles.map((candle, index) => ({
    bollinger: finite(bollinger.add(candle.close) ?? undefined),
    vwap: finite(vwap.add(candle)),
    isNewSession: dayOf(candle) !== dayOf(candles[index - 1]),
  }));
}

/** No bands where the squares of huge prices are beyond what a number holds. */
function finite(bands: BandsResult | undefined): BandsResult | undefined {
  const isFinite = bands && [bands.lower, bands.middle, bands.upper].every((price) => Number.isFinite(price));
  return isFinite ? bands : undefined;
}

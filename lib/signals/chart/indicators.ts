/** The bands at each candle, by all candles before it. */
import { type BandsResult, BollingerBands } from "trading-signals";
import { dayMs } from "../../util/clock.ts";
import type { Candle } from "../candle.ts";
import type { Bands } from "./options.ts";
import { createVwapBands } from "./vwap_bands.ts";

export interface BandsAt {
  readonly bollinger: BandsResult | undefined;
  readonly vwap: BandsResult | undefined;
  /** Whether a session begins here: its VWAP has nothing to do with the one before. */
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

/** Of prices near the largest number there is, squares are none. */
function finite(bands: BandsResult | undefined): BandsResult | undefined {
  const isFinite = bands && [bands.lower, bands.middle, bands.upper].every((price) => Number.isFinite(price));
  return isFinite ? bands : undefined;
}

/** Indicators of a chart: the bands at each candle, calculated from all candles before it. */
import { type BandsResult, BollingerBands } from "trading-signals";
import { dayMs } from "../../util/clock.ts";
import type { Candle } from "../candle.ts";
import type { Bands } from "./options.ts";
import { createVwapBands } from "./vwap_bands.ts";

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

/**
 * Mean reversion: the re-entry rule.
 *
 * A candle that closes beyond both its outer Bollinger band and its outer VWAP band says that the price is far from
 * its mean, not that it will turn. So the trade waits for the very next candle: if that one closes back inside the
 * Bollinger bands, the entry is its close, the target the session's VWAP and the stop a multiple of the ATR away.
 * Only one trade at a time: the next waits until a candle has touched the stop or the target, or until the trading
 * hours are over. Everything is known at the candle's close; no later candle can change a signal.
 */
import type { Candle } from "telegram-signals";
import { createVwapBands, type PriceBands } from "telegram-signals/chart";
import {
  closeTime,
  type Nothing,
  type Strategy,
  type StrategyContext,
  type StrategySignal,
  type Timeframe,
  timeframeMs,
  type TradingHours,
  tradingHours,
} from "telegram-signals/live";
import { ATR, BollingerBands } from "trading-signals";
import { type Direction, type MeanReversionSettings, shownSettings, ticketOf } from "./rules.ts";

/** The VWAP begins anew each day, and needs twenty candles of it: longer ones would come after the trading hours. */
export const meanReversionTimeframes: readonly Timeframe[] = ["1m", "3m", "5m", "15m", "30m"];

const dayMs = 86_400_000;
const candlesOfVwap = 20;

export function meanReversion(settings: MeanReversionSettings): Strategy {
  const { symbols, timeframes, bollingerPeriod, atrPeriod, hours } = settings;
  const isOpen = tradingHours(hours);
  const twoDays = Math.max(...timeframes.map((timeframe) => 2 * dayMs / timeframeMs(timeframe)));
  return {
    ...{ name: "Mean reversion", symbols, timeframes },
    // A day's VWAP and the one before, for a chart; what smooths the ATR has no weight any more.
    warmUp: Math.min(5000, Math.max(twoDays, bollingerPeriod + 1, 10 * atrPeriod)),
    onCandle(candles, context) {
      const { explain, openSignal, time, timeframe } = context;
      // By the candle before, as nothing is kept between two calls.
      const wasOpen = isOpen(closeTime(candles.at(-2) as Candle, timeframe));
      if (!isOpen(time)) return wasOpen ? explain("its hours are over") : undefined;
      if (!wasOpen) explain("its hours begin");
      if (openSignal !== undefined && isSameSession(candles, context, isOpen)) {
        return explain(`its ${openSignal.direction} from ${openSignal.entry} is still open`);
      }
      return signalOf(candles, context, settings);
    },
  };
}

/** Whether all candles since the open signal have closed in trading hours: a trade ends with them. */
function isSameSession(
  candles: readonly Candle[],
  { openSignal, timeframe }: StrategyContext,
  isOpen: TradingHours,
): boolean {
  const openedAt = new Date(openSignal?.time ?? NaN).getTime();
  const closes = candles.map((candle) => closeTime(candle, timeframe));
  return closes.every((close) => close <= openedAt || isOpen(close));
}

/** A trade where the candle before closed outside of its bands, and this one back inside. */
function signalOf(
  candles: readonly Candle[],
  { explain, instrument }: StrategyContext,
  settings: MeanReversionSettings,
): StrategySignal | Nothing {
  const [before, now] = candles.slice(-2) as [Candle, Candle];
  const bands = bollingerOf(candles.slice(0, -1), settings);
  if (sideOf(before, bands) === undefined) return explain("one candle ago it closed inside of its bands");
  const vwap = vwapOf(candles.slice(0, -1), settings);
  const direction = vwap && sideOf(before, vwap);
  if (direction === undefined || direction !== sideOf(before, bands)) {
    return explain("one candle ago it closed beyond its Bollinger bands, but not beyond the VWAP's");
  }
  const { lower, upper } = bollingerOf(candles, settings);
  const isBack = direction === "long" ? now.close > lower : now.close < upper;
  if (!isBack) return explain("still beyond its bands");
  const side = direction === "long" ? 1 : -1;
  const stop = now.close - side * settings.atrMultiple * atrOf(candles, settings);
  const target = vwapOf(candles, settings)?.middle ?? NaN;
  const ticket = ticketOf({ direction, settings, instrument, entry: now.close, stop, target });
  if (ticket === undefined) return explain("back inside, but the smallest amount risks too much");
  const promised = promisedBy(ticket);
  if (promised < settings.rewardRisk) {
    return explain(
      `back inside, but it promises ${promised.toFixed(1)} times its risk, not ${settings.rewardRisk}`,
    );
  }
  const where = direction === "long" ? "above the lower" : "below the upper";
  const note = `Closed back ${where} Bollinger band, far from the VWAP`;
  return { ...ticket, parameters: shownSettings(settings), note };
}

/** The target's distance in units of the stop's: negative where the mean has already been passed. */
function promisedBy({ entry, stop, target }: StrategySignal): number {
  return (Number(target) - Number(entry)) / (Number(entry) - Number(stop));
}

/** Long below the lower band, short above the upper one. */
function sideOf({ close }: Candle, { lower, upper }: PriceBands): Direction | undefined {
  if (close < lower) return "long";
  return close > upper ? "short" : undefined;
}

function bollingerOf(
  candles: readonly Candle[],
  { bollingerPeriod, bollingerDeviations }: MeanReversionSettings,
): PriceBands {
  const bands = new BollingerBands(bollingerPeriod, bollingerDeviations);
  for (const { close } of candles.slice(-bollingerPeriod)) bands.add(close);
  return bands.getResultOrThrow();
}

/** The VWAP's bands with the last candle in them; `undefined` while its day has too few. */
function vwapOf(
  candles: readonly Candle[],
  { vwapDeviations }: MeanReversionSettings,
): PriceBands | undefined {
  const bands = createVwapBands(vwapDeviations, candlesOfVwap);
  let found: PriceBands | undefined;
  for (const candle of candles) found = bands.add(candle);
  return found;
}

function atrOf(candles: readonly Candle[], { atrPeriod }: MeanReversionSettings): number {
  const atr = new ATR(atrPeriod);
  for (const candle of candles) atr.add(candle);
  return atr.getResultOrThrow();
}

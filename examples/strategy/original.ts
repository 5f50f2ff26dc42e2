/**
 * Mean reversion by the rules of the Python original, as its documentation describes them: a candle that opens beyond
 * both its Bollinger band and the band around the weighted average, and closes back towards them, is the entry. The
 * weights of its "VWAP" are ages, not volumes. The stop is a multiple of the average true range away, the target so
 * many times further. One trade at a time, which is given up after some hours: 6 on five-minute candles, 48 on those
 * of an hour, else 12.
 */
import type { Candle } from "telegram-signals";
import { type Strategy, type StrategyContext, tradingHours } from "telegram-signals/live";
import { type Direction, type MeanReversionSettings, shownSettings, ticketOf } from "./rules.ts";

/** It looks at so many candles, and finds its last trade in them. */
const candlesSeen = 998;
const longestHours: Readonly<Record<string, number>> = { "5m": 6, "15m": 12, "1h": 48 };
const hourMs = 3_600_000;

interface Trade {
  readonly direction: Direction;
  readonly openedAt: number;
  readonly entry: number;
  readonly stop: number;
  readonly target: number;
}

export function originalMeanReversion(settings: MeanReversionSettings): Strategy {
  const { symbols, timeframes } = settings;
  return {
    ...{ name: "Mean reversion (original)", symbols, timeframes, warmUp: candlesSeen },
    onCandle(candles, { instrument, timeframe, explain }) {
      const newest = candles.at(-1) as Candle;
      const trade = lastTrade(candles, timeframe, settings);
      if (trade === undefined) return explain("no candle has opened beyond both bands and turned");
      if (trade.openedAt !== newest.time) {
        return explain(`nothing new: the last ${trade.direction} was earlier`);
      }
      const ticket = ticketOf({ ...trade, settings, instrument });
      if (ticket === undefined) return explain("it turns, but the smallest amount risks too much");
      const where = trade.direction === "long" ? "below the lower" : "above the upper";
      return { ...ticket, parameters: shownSettings(settings), note: `Opened ${where} bands, and turned` };
    },
  };
}

/** Plays the candles one after another, as a trade keeps others from beginning. */
function lastTrade(
  candles: readonly Candle[],
  timeframe: StrategyContext["timeframe"],
  settings: MeanReversionSettings,
): Trade | undefined {
  const longestMs = (longestHours[timeframe] ?? 12) * hourMs;
  const isOpen = tradingHours(settings.hours);
  const first = Math.max(settings.bollingerPeriod, settings.atrPeriod + 1);
  let [last, isOver] = [undefined as Trade | undefined, true];
  for (let end = first; end <= candles.length; end++) {
    const candle = candles[end - 1] as Candle;
    if (last !== undefined && !isOver) {
      isOver = candle.time - last.openedAt >= longestMs || touches(last, candle);
      continue;
    }
    const direction = directionOf(candles.slice(end - settings.bollingerPeriod, end), settings);
    if (direction === undefined || !isOpen(candle.time)) continue;
    const risk = settings.atrMultiple * averageRange(candles.slice(end - settings.atrPeriod - 1, end));
    const side = direction === "long" ? 1 : -1;
    const [entry, openedAt] = [candle.close, candle.time];
    const [stop, target] = [entry - side * risk, entry + side * risk * settings.rewardRisk];
    if (risk > 0) [last, isOver] = [{ direction, openedAt, entry, stop, target }, false];
  }
  return last;
}

function touches({ direction, stop, target }: Trade, { high, low }: Candle): boolean {
  return direction === "long" ? low <= stop || high >= target : high >= stop || low <= target;
}

/** A candle that opens below both lower bands and rises, or above both upper ones and falls. */
function directionOf(
  candles: readonly Candle[],
  { bollingerDeviations, vwapDeviations }: MeanReversionSettings,
): Direction | undefined {
  const closes = candles.map(({ close }) => close);
  const { open, close } = candles.at(-1) as Candle;
  const middle = mean(closes);
  const deviation = Math.sqrt(mean(closes.map((each) => (each - middle) ** 2)));
  const weights = closes.length * (closes.length + 1) / 2;
  const weighted = closes.reduce((sum, each, index) => sum + each * (index + 1), 0) / weights;
  const lower = Math.min(middle - bollingerDeviations * deviation, weighted - vwapDeviations * deviation);
  const upper = Math.max(middle + bollingerDeviations * deviation, weighted + vwapDeviations * deviation);
  if (open < lower && close > open) return "long";
  return open > upper && close < open ? "short" : undefined;
}

/** The plain average of the true ranges, of which the first candle has none. */
function averageRange(candles: readonly Candle[]): number {
  return mean(
    candles.slice(1).map(({ high, low }, index) => {
      const { close } = candles[index] as Candle;
      return Math.max(high, close) - Math.min(low, close);
    }),
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

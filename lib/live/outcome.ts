/** What became of a signal: whether a later candle has touched its stop or its target. */
import type { Candle } from "../signals/candle.ts";
import { priceText, type TradingSignal } from "../signals/signal.ts";

/** How a trade ends. */
export interface Exit {
  readonly reason: "stop" | "target";
  /** The price at which it ends: that of the signal, or the candle's open where that is beyond the stop already. */
  readonly price: number;
}

/** What counts where a candle spans both the stop and the target: the stop, or the target. */
export type SpanRule = "worst" | "best";

/** A signal's prices as numbers, rounded as they are shown. */
export interface Levels {
  readonly isLong: boolean;
  readonly entry: number;
  readonly stop: number;
  readonly target: number;
}

/** The prices of a signal, to be read once and compared with many candles. */
export function levelsOf(signal: TradingSignal): Levels {
  const price = (name: "entry" | "stop" | "target"): number => Number(priceText(signal, name));
  const isLong = signal.direction === "long";
  return { isLong, entry: price("entry"), stop: price("stop"), target: price("target") };
}

/**
 * How a candle after the signal's own ends its trade; `undefined` where the trade goes on. An open beyond the stop or the
 * target is the candle's first price, and decides. Nobody knows the order of the others: where a candle spans both, the stop
 * counts. A target never pays more than its price.
 */
export function exitOf(signal: TradingSignal, candle: Candle): Exit | undefined {
  return exitAt(levelsOf(signal), candle);
}

/** The same for a signal's levels, by either rule. */
export function exitAt(
  { isLong, stop, target }: Levels,
  { open, high, low }: Candle,
  rule: SpanRule = "worst",
): Exit | undefined {
  if (isLong ? open <= stop : open >= stop) return { reason: "stop", price: open };
  if (isLong ? open >= target : open <= target) return { reason: "target", price: target };
  const hasStopped = isLong ? low <= stop : high >= stop;
  const hasReached = isLong ? high >= target : low <= target;
  if (hasStopped && (rule === "worst" || !hasReached)) return { reason: "stop", price: stop };
  return hasReached ? { reason: "target", price: target } : undefined;
}

/** What a trade has gained at a price, before costs, in R: units of what it risks. */
export function rOf({ isLong, entry, stop }: Levels, price: number): number {
  return (isLong ? price - entry : entry - price) / Math.abs(entry - stop);
}

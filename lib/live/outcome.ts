/** What became of a signal: whether a later candle has touched its stop or its target. */
import type { Candle } from "../signals/candle.ts";
import { priceText, type TradingSignal } from "../signals/signal.ts";

/** How a trade ends. */
export interface Exit {
  readonly reason: "stop" | "target";
  /** The price at which it ends: that of the signal, or the candle's open where that is beyond the stop already. */
  readonly price: number;
}

/**
 * How a candle after the signal's own ends its trade; `undefined` where the trade goes on. Nobody knows in which order a
 * candle has touched its prices: where it spans both, the stop counts.
 */
export function exitOf(signal: TradingSignal, { open, high, low }: Candle): Exit | undefined {
  const [stop, target] = [Number(priceText(signal, "stop")), Number(priceText(signal, "target"))];
  const isLong = signal.direction === "long";
  if (isLong ? low <= stop : high >= stop) {
    return { reason: "stop", price: isLong ? Math.min(open, stop) : Math.max(open, stop) };
  }
  return (isLong ? high >= target : low <= target) ? { reason: "target", price: target } : undefined;
}

/** The signals that the strategy finds in synthetic candles: always the same, without an exchange and without waiting. */
import type { Candle } from "../strategy/feed.ts";
import { createMeanReversion, type FoundSignal } from "../strategy/mean_reversion.ts";
import { syntheticCaution, syntheticFeed } from "../strategy/synthetic_feed.ts";

/** A signal, and the candles that led to it, oldest first. */
export interface SignalWithCandles {
  readonly signal: FoundSignal;
  readonly candles: readonly Candle[];
}

/** The feed's name in the sent log. */
export const feedName = "playground";

/** A day and a half: the bands of the first candles in a chart need those before. */
const candlesKept = 432;

/** Never ends; each signal comes at once, however many candles it takes. */
export async function* findSignals(): AsyncGenerator<SignalWithCandles, void, undefined> {
  const feed = syntheticFeed({ seed: 3547, start: Date.UTC(2026, 0, 5), name: feedName });
  const strategy = createMeanReversion({ symbol: "BTC-USD", account: 10_000 });
  const candles: Candle[] = [];
  for await (const candle of feed.candles()) {
    candles.push(candle);
    if (candles.length > candlesKept) candles.shift();
    const found = strategy.update(candle);
    if (found) {
      yield { signal: { ...found, note: `${found.note}; ${syntheticCaution}` }, candles: [...candles] };
    }
  }
}

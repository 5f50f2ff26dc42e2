/** A market that is made up, and what the strategy finds in it, always the same: it needs no exchange and no waiting. */
import type { Candle } from "../strategy/feed.ts";
import { createMeanReversion, type FoundSignal } from "../strategy/mean_reversion.ts";
import { syntheticCaution, syntheticFeed } from "../strategy/synthetic.ts";

/** A signal, and the candles that led to it, oldest first. */
export interface Found {
  readonly signal: FoundSignal;
  readonly candles: readonly Candle[];
}

/** Names the series: what was sent of it is remembered under this. */
export const seriesName = "playground";

/** A day and a half: the bands of the first ones that a chart shows need those before. */
const candlesKept = 432;

/** Endless; each signal is there at once, however far the market has to go for it. */
export async function* findSignals(): AsyncGenerator<Found, void, undefined> {
  const feed = syntheticFeed({ seed: 3547, start: Date.UTC(2026, 0, 5), name: seriesName });
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

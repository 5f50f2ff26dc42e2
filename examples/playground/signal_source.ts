/** The signals that the strategy finds in synthetic candles: always the same, without an exchange and without waiting. */
import type { Candle, TradingSignal } from "telegram-signals";
import { backtest, syntheticFeed } from "telegram-signals/live";
import { meanReversion } from "../strategy/mean_reversion.ts";
import { readSettings, type Settings } from "../strategy/settings.ts";

/** A signal, the close of its candle in milliseconds since 1970, and the candles that led to it, oldest first. */
export interface FoundSignal {
  readonly signal: TradingSignal;
  readonly time: number;
  readonly candles: readonly Candle[];
}

const dayMs = 86_400_000;
const firstDay = Date.UTC(2026, 0, 5);
const strategy = meanReversion(readSettings(["--interval", "1"]) as Settings);
const { warmUp } = strategy;

/** Never ends; each signal comes at once, however many candles it takes. */
export async function* findSignals(): AsyncGenerator<FoundSignal, void, undefined> {
  const { signal: never } = new AbortController();
  for (let start = firstDay + dayMs;; start += dayMs) {
    const feed = syntheticFeed({ seed: 3547, start, intervalSeconds: 0 });
    const count = 2 * warmUp + 288;
    const candles = await feed.history({ symbol: "BTC-USD", timeframe: "5m", count, signal: never });
    const { trades } = await backtest({ strategy, feed, from: start - dayMs });
    for (const { signal, openedAt } of trades) {
      const known = candles.filter(({ time }) => time < openedAt).slice(-warmUp);
      const note = [signal.note, feed.caution].filter((each) => each !== undefined).join("; ");
      yield { signal: { ...signal, note }, time: openedAt, candles: known };
    }
  }
}

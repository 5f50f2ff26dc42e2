/** Candles, strategies and feeds for backtests, of which the results are known beforehand. */
import fc from "fast-check";
import { backtest, type BacktestOptions, type BacktestReport } from "../../lib/live/backtest.ts";
import type { CandleFeed, HistoryRequest } from "../../lib/live/feed.ts";
import type { Strategy, StrategyContext, StrategySignal } from "../../lib/live/strategy.ts";
import { type Timeframe, timeframeMs } from "../../lib/live/timeframe.ts";
import type { Candle } from "../../lib/signals/candle.ts";

export const start: number = Date.UTC(2026, 0, 5);

/** Prices of a candle: open, high, low, close; a single one stands for all four. */
export type Prices = number | readonly [open: number, high: number, low: number, close: number];

export function candlesOf(prices: readonly Prices[], timeframe: Timeframe = "1h"): Candle[] {
  return prices.map((price, index) => {
    const [open, high, low, close] = typeof price === "number" ? [price, price, price, price] : price;
    return { time: start + index * timeframeMs(timeframe), open, high, low, close, volume: 1 };
  });
}

/** What a strategy gives at the candle of each index. */
export type Script = Readonly<Record<number, unknown>>;

/** A strategy that gives what it is told at the candle of an index, counted from `start`. */
export function scripted(
  script: Script,
  parts: Partial<Strategy> = {},
  seen: (candles: readonly Candle[], context: StrategyContext) => void = () => {},
): Strategy {
  return {
    ...{ name: "Scripted", symbols: ["BTC-USD"], timeframes: ["1h"], warmUp: 1 },
    onCandle(candles, context) {
      seen(candles, context);
      const index = ((candles.at(-1)?.time ?? 0) - start) / timeframeMs(context.timeframe);
      const found = script[index];
      if (found instanceof Error) throw found;
      return found as StrategySignal;
    },
    ...parts,
  };
}

/** Risks 10 for 20. */
export const long = { direction: "long", entry: 100, stop: 90, target: 120 } as const;
export const short = { direction: "short", entry: 100, stop: 110, target: 80 } as const;

/** A report on scripted signals. */
export function reportOf(
  script: Script,
  prices: readonly Prices[],
  options: Partial<BacktestOptions> = {},
): Promise<BacktestReport> {
  return backtest({ strategy: scripted(script), candles: candlesOf(prices), ...options });
}

/** A market with the same candles for each symbol, as it is at a time. */
export function feedOf(
  candles: (request: HistoryRequest) => readonly Candle[],
  now: number,
  parts: Partial<CandleFeed> = {},
): CandleFeed & { readonly requests: HistoryRequest[] } {
  const requests: HistoryRequest[] = [];
  return {
    name: "Test market",
    requests,
    now: () => now,
    history(request) {
      requests.push(request);
      return Promise.resolve(candles(request).slice(-request.count));
    },
    live() {
      throw new Error("A backtest asks for no live candles.");
    },
    ...parts,
  };
}

/** Prices that wander in steps of 1 around 100, with gaps between candles, never below 40. */
export const walks: fc.Arbitrary<Prices[]> = fc.array(
  fc.record({
    gap: fc.integer({ min: -3, max: 3 }),
    move: fc.integer({ min: -4, max: 4 }),
    up: fc.nat(4),
    down: fc.nat(4),
  }),
  { minLength: 2, maxLength: 60 },
).map((moves) => {
  let price = 100;
  return moves.map(({ gap, move, up, down }): Prices => {
    const open = Math.max(50, price + gap);
    price = Math.max(50, open + move);
    return [open, Math.max(open, price) + up, Math.min(open, price) - down, price];
  });
});

/** A signal's direction and distances; the entry is the close of its candle. */
export interface Plan {
  readonly isLong: boolean;
  readonly risk: number;
  readonly reward: number;
}

/** By the index of the candle. */
export const plans: fc.Arbitrary<Readonly<Record<number, Plan>>> = fc.dictionary(
  fc.nat(59).map(String),
  fc.record({
    isLong: fc.boolean(),
    risk: fc.integer({ min: 1, max: 8 }),
    reward: fc.integer({ min: 1, max: 12 }),
  }),
  { maxKeys: 25 },
);

/** A strategy that follows a plan. */
export function planned(plan: Readonly<Record<number, Plan>>, parts: Partial<Strategy> = {}): Strategy {
  return {
    ...scripted({}),
    onCandle(candles, { timeframe }) {
      const { time = 0, close = 0 } = candles.at(-1) ?? {};
      const it = plan[(time - start) / timeframeMs(timeframe)];
      if (it === undefined) return;
      const side = it.isLong ? 1 : -1;
      return {
        direction: it.isLong ? "long" : "short",
        ...{ entry: close, stop: close - side * it.risk, target: close + side * it.reward },
      };
    },
    ...parts,
  };
}

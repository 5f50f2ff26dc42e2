/** Strategies that send a daily summary: a trader of chosen prices, a market that gives them, and what a chat has got. */
import type { LocalUser } from "../../lib/local/mod.ts";
import type { RunStrategiesOptions } from "../../lib/live/run_options.ts";
import { runStrategies, type StrategyRun } from "../../lib/live/runner.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import { timeframeMs } from "../../lib/live/timeframe.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import { Logs, pause, type Scene } from "./bot.ts";
import { flat, HandFeed } from "./hand_feed.ts";

export const length: number = timeframeMs("5m");
/** The number of the candle that closes now, or closed last. */
export const latest = (): number => Math.floor(Date.now() / length) - 1;
export const closeOf = (index: number): number => (index + 1) * length;
export const isoOf = (ms: number): string => new Date(ms).toISOString();
/** `17:05`, in UTC: a candle's close. */
export const clockOf = (index: number): string => isoOf(closeOf(index)).slice(11, 16);
export const titleOf = (index: number): string =>
  `Summary of ${isoOf(closeOf(index)).slice(0, 10)}, ${clockOf(index)} UTC`;

/** Buys at 101, sells at 99, says what it sees at 100, and fails at 13. */
export function trader(more: Partial<Strategy> = {}): Strategy {
  return {
    name: "Trader",
    symbols: ["BTC-USD"],
    timeframes: ["5m"],
    warmUp: 1,
    onCandle(candles, { explain }) {
      const { close } = candles.at(-1) as Candle;
      if (close === 13) throw new Error("boom");
      if (close === 101) return { direction: "long", entry: 101, stop: 100.5, target: 102 };
      if (close === 99) return { direction: "short", entry: 99, stop: 99.5, target: 97 };
      if (close === 100) explain("inside its bands.");
      return undefined;
    },
    ...more,
  };
}

export interface Played {
  readonly feed: HandFeed;
  readonly run: StrategyRun;
  readonly logs: Logs;
}

/** Runs them, with a summary at the close of the candle `at`. */
export function play(
  { bot }: Pick<Scene, "bot">,
  at: number,
  options: Partial<RunStrategiesOptions> = {},
  feed: HandFeed = new HandFeed(),
): Played {
  const logs = new Logs();
  const dailySummary = { at: clockOf(at) };
  const run = runStrategies({ bot, feed, strategies: [trader()], logger: logs, dailySummary, ...options });
  return { feed, run, logs };
}

/** Gives candles as they close, one after another: each at one price, or as it is given. */
export async function pass(
  feed: HandFeed,
  from: number,
  prices: readonly (number | Omit<Candle, "time">)[],
  symbol: string = "BTC-USD",
): Promise<void> {
  for (const [offset, price] of prices.entries()) {
    const index = from + offset;
    await pause(Math.max(0, closeOf(index) - Date.now() + 1000));
    feed.give([typeof price === "number" ? flat(index, price) : { ...flat(index), ...price }], { symbol });
  }
  await pause(2000);
}

export const summaries = ({ inbox }: LocalUser): string[] =>
  inbox.map(({ text = "" }) => text).filter((text) => text.startsWith("Summary"));

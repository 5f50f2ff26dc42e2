/** Strategies that run on a market given by hand, with a bot of a scene. */
import type { LocalUser } from "../../lib/local/mod.ts";
import type { RunStrategiesOptions } from "../../lib/live/run_options.ts";
import { runStrategies, type StrategyRun } from "../../lib/live/runner.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import { timeframeMs } from "../../lib/live/timeframe.ts";
import { Logs, type Scene } from "./bot.ts";
import { HandFeed } from "./hand_feed.ts";

/** A minute. */
export const minuteMs = 60_000;
/** Of a candle of 5m, in milliseconds. */
export const length: number = timeframeMs("5m");
/** The number of the candle that closes now, or closed last. */
export const latest = (): number => Math.floor(Date.now() / length) - 1;

/** Gives a signal for each candle with a price of its own, which is the entry. */
export function follower(more: Partial<Strategy> = {}): Strategy {
  return {
    name: "Follower",
    symbols: ["BTC-USD"],
    timeframes: ["5m"],
    warmUp: 1,
    onCandle(candles) {
      const { close } = candles.at(-1) as { close: number };
      if (close !== 100) return { direction: "long", entry: close, stop: close - 1, target: close + 1 };
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

export function play(
  { bot }: Pick<Scene, "bot">,
  options: Partial<RunStrategiesOptions> = {},
  feed: HandFeed = new HandFeed(),
): Played {
  const logs = new Logs();
  return {
    feed,
    logs,
    run: runStrategies({ bot, feed, strategies: [follower()], logger: logs, ...options }),
  };
}

/** What the chat has got, as a whole. */
export const texts = ({ inbox }: LocalUser): string[] => inbox.map(({ text = "" }) => text);

export const withLedger = { hasLedger: true } as const;

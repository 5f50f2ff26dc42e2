/** What a strategy is: which candles it wants, and what it makes of them. */
import type { BroadcastMessage } from "../broadcast/options.ts";
import type { Candle } from "../signals/candle.ts";
import type { TradingSignal } from "../signals/signal.ts";
import type { Instrument } from "./feed.ts";
import type { Timeframe } from "./timeframe.ts";

/**
 * A strategy: a function of candles. It keeps nothing between two calls, so that a restart, or another process beside this
 * one, finds the same signals.
 *
 * ```ts
 * const breakout: Strategy = {
 *   name: "Breakout",
 *   symbols: ["BTC-USD", "ETH-USD"],
 *   timeframes: ["1h"],
 *   warmUp: 21,
 *   onCandle(candles) {
 *     const { close, low } = candles.at(-1)!;
 *     const highest = Math.max(...candles.slice(0, -1).map(({ high }) => high));
 *     if (close <= highest) return;
 *     return { direction: "long", entry: close, stop: low, target: close + 2 * (close - low) };
 *   },
 * };
 * ```
 */
export interface Strategy {
  /** Its name on tickets and in log lines, and part of each signal's id: two strategies have two names. */
  readonly name: string;
  /** The instruments, as the market calls them. */
  readonly symbols: readonly string[];
  /** The lengths of the candles: for each the strategy is called apart. */
  readonly timeframes: readonly Timeframe[];
  /** How many candles `onCandle` gets, which is not called before there are so many: 1 to 5000. */
  readonly warmUp: number;
  /**
   * How old a candle may be whose signal is still sent, in milliseconds from its close. Default: the timeframe, and 15
   * minutes at most.
   */
  readonly maxAgeMs?: number | undefined;
  /**
   * Called once with each candle that has closed: with the last `warmUp` candles of one symbol and timeframe, ascending, the
   * new one last. Gives a signal, an alert, or nothing.
   */
  onCandle(
    candles: readonly Candle[],
    context: StrategyContext,
  ): StrategySignal | Alert | Nothing | Promise<StrategySignal | Alert | Nothing>;
}

/** A signal: `symbol`, `timeframe`, `strategy`, `time` and the market's `tickSize` are known, and may be left out. */
export type StrategySignal = Omit<TradingSignal, "symbol"> & Partial<Pick<TradingSignal, "symbol">>;

/** A message of another kind: a text, or a text with formatting, or with a photo. */
export type Alert = string | BroadcastMessage;

/** What a strategy gives where it sees no signal. */
export type Nothing = undefined | null | void;

/** What is known of an instrument. */
export interface StrategyInstrument extends Instrument {
  /** As the market calls it: `"BTC-USD"`. */
  readonly symbol: string;
}

/** What else a strategy is told. */
export interface StrategyContext {
  /** The instrument. */
  readonly symbol: string;
  /** The length of the candles. */
  readonly timeframe: Timeframe;
  /** Its symbol, and the steps of its prices and amounts, as far as the market says them. */
  readonly instrument: StrategyInstrument;
  /** When the newest candle closed, in milliseconds since 1970. */
  readonly time: number;
  /**
   * The strategy's last signal for this symbol and timeframe, as long as no candle has touched its stop or its target;
   * `undefined` where there is none. A start looks for it in the `warmUp` candles before the first new one.
   */
  readonly openSignal: TradingSignal | undefined;
  /** Whether the candle is new. A start plays older ones, too, whose signals are not sent; so does a backtest. */
  readonly isLive: boolean;
  /** Aborts when nobody waits for the answer any more: after the timeframe, or when the strategies are stopped. */
  readonly signal: AbortSignal;
  /** Says what the strategy sees, or why it gives no signal; shown where that is asked for (`verbose`). */
  explain(text: string): void;
}

/** When a candle's signal is too old to be sent, by default. */
export const longestFreshMs: number = 15 * 60_000;

/**
 * Runs trading strategies on live candles, and sends what they find to a bot's subscribers; or tries them on candles of the
 * past.
 *
 * ```ts
 * import { coinbaseFeed, runStrategies } from "telegram-signals/live";
 *
 * const run = runStrategies({ bot, feed: coinbaseFeed(), strategies: [breakout] });
 * await run.finished;
 * ```
 *
 * @module
 */
export { runStrategies } from "./runner.ts";
export { backtest, BacktestReport } from "./backtest.ts";

// Markets
export { coinbaseFeed } from "./feeds/coinbase.ts";
export { ccxtFeed } from "./feeds/ccxt.ts";
export { replayFeed } from "./feeds/candle_file.ts";
export { syntheticFeed } from "./feeds/synthetic.ts";
export { FeedError } from "./feed.ts";
export { positionSize, toTick } from "./instrument.ts";
export { tradingHours } from "./trading_hours.ts";
export { closeTime, timeframeMs, timeframes } from "./timeframe.ts";

// The types of their signatures
export type { RunStrategiesOptions, SentFinding } from "./run_options.ts";
export type { StrategyRun } from "./runner.ts";
export type { DailySummaryOptions } from "./daily_summary.ts";
export type { SignalPublisher } from "./signal_sender.ts";
export type {
  Alert,
  Nothing,
  Strategy,
  StrategyContext,
  StrategyInstrument,
  StrategySignal,
} from "./strategy.ts";
export type {
  CandleFeed,
  CandleRequest,
  HistoryRequest,
  Instrument,
  InstrumentRequest,
  LiveRequest,
} from "./feed.ts";
export type { CoinbaseFeedOptions } from "./feeds/coinbase.ts";
export type { CcxtFeedOptions } from "./feeds/ccxt.ts";
export type { ReplayFeedOptions } from "./feeds/candle_file.ts";
export type { SyntheticFeedOptions } from "./feeds/synthetic.ts";
export type * from "./backtest.ts";
export type { Position, PositionSizeOptions } from "./instrument.ts";
export type { TradingHours, TradingHoursOptions, Weekday } from "./trading_hours.ts";
export type { Timeframe } from "./timeframe.ts";

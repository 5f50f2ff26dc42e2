/** Tries strategies on candles of the past: what subscribers would have got from their signals. */
import { systemClock } from "../util/clock.ts";
import { assertSubject, isObject, type Rule, shown } from "../util/validate.ts";
import { beforeFirst, type History, historyOf, spanOf } from "./backtest/history.ts";
import { type BacktestOptions, resolveBacktest, type ResolvedBacktest, wants } from "./backtest/options.ts";
import { replay, type Replayed } from "./backtest/replay.ts";
import { BacktestReport } from "./backtest/report.ts";
import type { CandleFeed, Instrument } from "./feed.ts";
import type { Series } from "./found.ts";
import { readInstrument } from "./instrument.ts";
import type { Strategy } from "./strategy.ts";

export type { BacktestFigures, EquityPoint, StrategyFigures } from "./backtest/figures.ts";
export type { BacktestOptions, BacktestSettings } from "./backtest/options.ts";
export type {
  BacktestAlert,
  BacktestExit,
  BacktestMistake,
  BacktestPlace,
  BacktestTrade,
} from "./backtest/replay.ts";
export type { SpanRule } from "./outcome.ts";
export { BacktestReport };

/**
 * Plays strategies over candles as they run live, and follows each signal: it enters at the signal's `entry` at the close of
 * its candle, and ends at its stop or target on a later one; at the stop where one candle spans both (`intrabar`), at the open
 * where that is beyond the stop. A strategy's mistake is listed in the report, and does not end the test.
 *
 * ```ts
 * const report = await backtest({ strategy, file: "candles.csv" });
 * console.log(String(report));
 * ```
 *
 * @throws {TypeError | RangeError} If an option, a strategy or a candle is none, or there are too few candles to begin.
 * @throws {ConfigError} If the feed does not know a symbol, or the file cannot be read.
 */
export async function backtest(options: BacktestOptions): Promise<BacktestReport> {
  const feed = isObject(options) ? options.feed : undefined;
  const now = timeOf(feed);
  const resolved = resolveBacktest(options, now);
  const replayed: Replayed[] = [];
  for (const series of resolved.series) {
    const strategies = resolved.strategies.filter((strategy) => wants(strategy, series));
    const history = await historyOf(series, strategies, resolved, now);
    const instrument = await instrumentOf(series, resolved);
    for (const strategy of strategies) {
      replayed.push(await played({ strategy, series, instrument, history }, resolved));
    }
  }
  return new BacktestReport({ replayed, settings: resolved.settings, caution: feed?.caution });
}

const timeRule: Rule = { isGood: Number.isFinite, rule: "in milliseconds since 1970", isRequired: true };

function timeOf(feed: CandleFeed | undefined): number {
  if (typeof feed?.now !== "function") return systemClock.now();
  const now = feed.now();
  assertSubject("backtest", "the feed's now()", now, timeRule);
  return now;
}

/** The steps of its prices and amounts, which its figures hardly depend on: where they cannot be had, it does without. */
async function instrumentOf({ symbol }: Series, { source, signal }: ResolvedBacktest): Promise<Instrument> {
  if (!("feed" in source)) return {};
  try {
    return readInstrument(await source.feed.instrument?.({ symbol, signal })).instrument;
  } catch {
    return {};
  }
}

interface Play {
  readonly strategy: Strategy;
  readonly series: Series;
  readonly instrument: Instrument;
  readonly history: History;
}

async function played(
  { strategy, series, instrument, history }: Play,
  { source, settings, signal }: ResolvedBacktest,
): Promise<Replayed> {
  const { name, warmUp } = strategy;
  const { from } = spanOf(source);
  const candles = from === -Infinity
    ? history.candles
    : history.candles.slice(Math.max(0, history.first - beforeFirst(warmUp)));
  if (candles.length < warmUp) {
    throw new RangeError(
      `Cannot backtest as the strategy ${shown(name)} needs ${warmUp} candles (warmUp) of ${series.symbol} ` +
        `${series.timeframe} to begin: ${history.count}`,
    );
  }
  const { filled } = history;
  return await replay({ strategy, series, instrument, candles, filled, from, settings, signal });
}

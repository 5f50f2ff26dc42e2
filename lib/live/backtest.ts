/** Tries strategies on candles of the past: what subscribers would have got from their signals. */
import { type Candle, validateCandles } from "../signals/candle.ts";
import { systemClock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import { ConfigError, isObject, shown } from "../util/validate.ts";
import {
  type BacktestOptions,
  type CandleSource,
  resolveBacktest,
  type ResolvedBacktest,
  wants,
} from "./backtest/options.ts";
import { replay, type Replayed } from "./backtest/replay.ts";
import { BacktestReport } from "./backtest/report.ts";
import { candlesOfFile } from "./feeds/candle_file.ts";
import type { Instrument } from "./feed.ts";
import type { Series } from "./found.ts";
import type { Strategy } from "./strategy.ts";
import { timeframeMs, timeframes } from "./timeframe.ts";

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
  const now = typeof feed?.now === "function" ? feed.now() : systemClock.now();
  const resolved = resolveBacktest(options, now);
  const replayed: Replayed[] = [];
  for (const series of resolved.series) {
    const strategies = resolved.strategies.filter((strategy) => wants(strategy, series));
    const candles = await candlesOf(series, strategies, resolved, now);
    const instrument = await instrumentOf(series, resolved);
    for (const strategy of strategies) {
      replayed.push(await played({ strategy, series, instrument, all: candles }, resolved));
    }
  }
  return new BacktestReport({ replayed, settings: resolved.settings, caution: feed?.caution });
}

/** The series' candles, with those that warm each strategy up. */
async function candlesOf(
  series: Series,
  strategies: readonly Strategy[],
  { source, signal }: ResolvedBacktest,
  now: number,
): Promise<readonly Candle[]> {
  if ("candles" in source) {
    validateCandles(source.candles);
    assertTimeframe(source.candles, series);
    return source.candles;
  }
  const { from, to } = source;
  const lengthMs = timeframeMs(series.timeframe);
  if ("file" in source) {
    return candlesOfFile(source.file, series.timeframe).filter(({ time }) => time + lengthMs <= to);
  }
  const { feed } = source;
  const before = Math.max(...strategies.map(({ warmUp }) => beforeFirst(warmUp)));
  const count = before + Math.ceil((now - from) / lengthMs);
  try {
    const all = await feed.history({ ...series, count, signal });
    validateCandles(all);
    assertTimeframe(all, series);
    return all.filter(({ time }) => time + lengthMs <= to);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof ConfigError) throw cause;
    const name = `${series.symbol} ${series.timeframe}`;
    throw new Error(`The history of ${name} cannot be had from ${feed.name}: ${messageOf(cause)}`, { cause });
  }
}

/** The steps of its prices and amounts, which its figures hardly depend on: where they cannot be had, it does without. */
async function instrumentOf({ symbol }: Series, { source, signal }: ResolvedBacktest): Promise<Instrument> {
  if (!("feed" in source) || source.feed.instrument === undefined) return {};
  return await source.feed.instrument({ symbol, signal }).catch(() => ({}));
}

/** A live start plays the `warmUp` candles before its first new one, too, and each of them needs as many. */
const beforeFirst = (warmUp: number): number => 2 * warmUp - 1;

interface Play {
  readonly strategy: Strategy;
  readonly series: Series;
  readonly instrument: Instrument;
  readonly all: readonly Candle[];
}

async function played(
  { strategy, series, instrument, all }: Play,
  { source, settings, signal }: ResolvedBacktest,
): Promise<Replayed> {
  const from = firstTime(source);
  const first = all.findIndex(({ time }) => time >= from);
  const candles = from === -Infinity || first < 0
    ? all
    : all.slice(Math.max(0, first - beforeFirst(strategy.warmUp)));
  const last = candles.at(-1);
  if (candles.length < strategy.warmUp || last === undefined || last.time < from) {
    throw new RangeError(
      `Cannot backtest as the strategy ${
        shown(strategy.name)
      } needs ${strategy.warmUp} candles (warmUp) of ` +
        `${series.symbol} ${series.timeframe} to begin${
          first < 0 ? ", and one in the time that is tried" : ""
        }: ` +
        `here are ${candles.length}`,
    );
  }
  return await replay({ strategy, series, instrument, candles, from, settings, signal });
}

const firstTime = (source: CandleSource): number => "from" in source ? source.from : -Infinity;

/** Candles of another timeframe would end each trade at the wrong time. */
function assertTimeframe(candles: readonly Candle[], { symbol, timeframe }: Series): void {
  const gaps = candles.slice(1).map(({ time }, index) => time - (candles[index] as Candle).time);
  const shortest = gaps.reduce((least, gap) => Math.min(least, gap), Infinity);
  if (shortest === timeframeMs(timeframe)) return;
  const meant = timeframes.find((each) => timeframeMs(each) === shortest);
  throw new RangeError(
    `Cannot backtest as the candles of ${symbol} must be of ${timeframe}: they are ` +
      `${meant === undefined ? `${shortest / 1000} s apart` : `of ${meant}`}`,
  );
}

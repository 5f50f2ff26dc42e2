/** The candles that a backtest plays: where they come from, and what is refused of them. */
import { basename } from "node:path";
import { type Candle, frozenCandle, validateCandles } from "../../signals/candle.ts";
import { minuteOf, toIso } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import { ConfigError } from "../../util/validate.ts";
import type { CandleFeed } from "../feed.ts";
import { candlesOfFile } from "../feeds/candle_file.ts";
import type { Series } from "../found.ts";
import type { Strategy } from "../strategy.ts";
import { closeTime, timeframeMs, timeframes } from "../timeframe.ts";
import type { CandleSource, ResolvedBacktest } from "./options.ts";

/** The candles of a series up to the end of the test, with those that warm each strategy up. */
export interface History {
  /** Frozen: a strategy that changes one would change it for all that come later. */
  readonly candles: readonly Candle[];
  /** The index of the first that may give a signal, as far as the time decides. */
  readonly first: number;
  /** When those open that a file has no candle of, and that were filled. */
  readonly filled: ReadonlySet<number>;
  /** How many there are, for messages: `candles.csv has 3, made of 40 of 5m`. */
  readonly count: string;
}

interface Found {
  readonly all: readonly Candle[];
  /** Whose candles they are: `candles.csv`; `undefined` for the caller's own. */
  readonly owner?: string;
  /** What they are made of: `, made of 40 of 5m`. */
  readonly madeOf?: string;
  readonly filled?: ReadonlySet<number>;
}

/**
 * @param now The feed's time.
 * @throws {TypeError | RangeError} If a candle is none, or there is none in the time of the test.
 * @throws {ConfigError} If the feed does not know the symbol, or the file cannot be read.
 */
export async function historyOf(
  series: Series,
  strategies: readonly Strategy[],
  { source, signal }: Pick<ResolvedBacktest, "source" | "signal">,
  now: number,
): Promise<History> {
  const found = await candlesOf(series, strategies, { source, signal }, now);
  const { all, owner, madeOf = "", filled = new Set() } = found;
  const { from, to } = spanOf(source);
  const candles = all.filter((candle) => closeTime(candle, series.timeframe) <= to).map(frozenCandle);
  const first = candles.findIndex(({ time }) => time >= from);
  if (first < 0 && all.length > 0) throw outside(series, found, { from, to });
  const count = owner === undefined ? `here are ${candles.length}` : `${owner} has ${candles.length}`;
  const until = candles.length < all.length ? ` up to ${minuteOf(to)}` : "";
  return { candles, first, filled, count: count + until + madeOf };
}

/** A live start plays the `warmUp` candles before its first new one, too, and each of them needs as many. */
export const beforeFirst = (warmUp: number): number => 2 * warmUp - 1;

/** When the first candle opens that may give a signal, at the earliest, and when the last one closes, at the latest. */
export function spanOf(source: CandleSource): { readonly from: number; readonly to: number } {
  return "candles" in source ? { from: -Infinity, to: Infinity } : source;
}

async function candlesOf(
  series: Series,
  strategies: readonly Strategy[],
  { source, signal }: Pick<ResolvedBacktest, "source" | "signal">,
  now: number,
): Promise<Found> {
  if ("candles" in source) {
    validateCandles(source.candles);
    assertTimeframe(source.candles, series);
    return { all: source.candles };
  }
  if ("file" in source) {
    const { candles, own, count, filled } = candlesOfFile(source.file, series.timeframe);
    const madeOf = own === series.timeframe ? "" : `, made of ${count} of ${own}`;
    return { all: candles, owner: basename(source.file), madeOf, filled };
  }
  const { feed, from } = source;
  const before = Math.max(...strategies.map(({ warmUp }) => beforeFirst(warmUp)));
  const count = before + Math.ceil((now - from) / timeframeMs(series.timeframe));
  return { all: await readHistory(feed, series, count, signal), owner: feed.name };
}

async function readHistory(
  feed: CandleFeed,
  series: Series,
  count: number,
  signal: AbortSignal,
): Promise<readonly Candle[]> {
  const name = `${series.symbol} ${series.timeframe}`;
  let all: readonly Candle[];
  try {
    all = await feed.history({ ...series, count, signal });
    if (!(Array.isArray(all) && all.length === 0)) {
      validateCandles(all);
      assertTimeframe(all, series);
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof ConfigError) throw cause;
    throw new Error(`The history of ${name} cannot be had from ${feed.name}: ${messageOf(cause)}`, { cause });
  }
  if (all.length > 0) return all;
  throw new RangeError(
    `Cannot backtest as ${feed.name} has no history of ${name}: the candles of a file are played by ` +
      '{ file: "candles.csv" }, your own by { candles }, in place of the feed',
  );
}

function outside(
  { symbol, timeframe }: Series,
  { all, owner = "" }: Found,
  { from, to }: { readonly from: number; readonly to: number },
): RangeError {
  const [begin, end] = [from, to].map((time) => Number.isFinite(time) ? minuteOf(time) : undefined);
  const asked = begin === undefined
    ? `before ${end}`
    : end === undefined
    ? `after ${begin}`
    : `between ${begin} and ${end}`;
  const [oldest, newest] = [all[0] as Candle, all.at(-1) as Candle];
  return new RangeError(
    `Cannot backtest as no whole candle of ${symbol} ${timeframe} is ${asked}: the ${all.length} of ${owner} are ` +
      `from ${minuteOf(oldest.time)} to ${minuteOf(closeTime(newest, timeframe))}, in UTC`,
  );
}

/** Daylight saving moves candles that open by a place's clocks, such as days. */
const daylightMs = 3_600_000;

/** Candles of another timeframe would end each trade at the wrong time, and so would one between two others. */
function assertTimeframe(candles: readonly Candle[], { symbol, timeframe }: Series): void {
  const lengthMs = timeframeMs(timeframe);
  const playMs = lengthMs > daylightMs ? daylightMs : 0;
  const isMultiple = (gap: number): boolean =>
    gap >= lengthMs - playMs && Math.abs(gap - Math.round(gap / lengthMs) * lengthMs) <= playMs;
  const gaps = candles.slice(1).map(({ time }, index) => time - (candles[index] as Candle).time);
  const shortest = gaps.reduce((least, gap) => Math.min(least, gap), Infinity);
  const wrong = gaps.findIndex((gap) => !isMultiple(gap));
  if (wrong < 0 && Math.abs(shortest - lengthMs) <= playMs) return;
  const fitting = gaps.filter(isMultiple).length;
  if (wrong >= 0 && 2 * fitting >= gaps.length) {
    const [before, candle] = candles.slice(wrong, wrong + 2) as [Candle, Candle];
    throw new RangeError(
      `Cannot backtest as candles of ${timeframe} must open a multiple of ${timeframe} after the one before: at index ` +
        `${wrong + 1} of ${symbol} it is ${toIso(candle.time)}, after ${toIso(before.time)}`,
    );
  }
  const meant = timeframes.find((each) => timeframeMs(each) === shortest);
  throw new RangeError(
    `Cannot backtest as the candles of ${symbol} must be of ${timeframe}: they are ` +
      `${meant === undefined ? `${shortest / 1000} s apart` : `of ${meant}`}`,
  );
}

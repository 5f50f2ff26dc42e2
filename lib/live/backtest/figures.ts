/** The figures of a backtest, and its equity: pure functions of its trades. */
import { dayMs } from "../../util/clock.ts";
import type { BacktestSettings } from "./options.ts";
import type { BacktestTrade, Replayed } from "./replay.ts";

/**
 * The figures of trades, in R: units of what a trade risks, after costs. A trade that is open at the end counts by its value
 * in `totalR`, `averageR`, the equity and the drawdown, and not among wins and losses or in figures of these.
 */
export interface BacktestFigures {
  /** Signals, each of which is a trade. */
  readonly signals: number;
  /** Closed trades that gained, after costs. */
  readonly wins: number;
  /** Closed trades that did not. */
  readonly losses: number;
  /** Trades that are open at the end. */
  readonly open: number;
  /** The part of closed trades that are wins, 0 to 1; `undefined` where none is closed. */
  readonly winRate: number | undefined;
  /** The results of all trades. */
  readonly totalR: number;
  /** The average of all trades; `undefined` where there are none. */
  readonly averageR: number | undefined;
  /** The average of closed trades; `undefined` where there are none. */
  readonly expectancyR: number | undefined;
  /** What the wins gained, for each R that the losses lost; `Infinity` where nothing was lost, `undefined` where nothing was gained either. */
  readonly profitFactor: number | undefined;
  /** The equity at the end. */
  readonly finalEquity: number;
  /** The largest fall of the equity from its highest, in percent of that. Equity changes when trades end. */
  readonly maxDrawdownPercent: number;
  /** The same for the sum of results, in R. */
  readonly maxDrawdownR: number;
  /** The most losses in a row, in the order in which the trades ended. */
  readonly longestLosingStreak: number;
  /** The part of the time in which at least one trade was open, 0 to 1. */
  readonly exposure: number;
  /** Signals a day, over the whole time. */
  readonly signalsPerDay: number;
  /** When the first candle opened that could give a signal, in milliseconds since 1970. */
  readonly from: number;
  /** When the last candle closed. */
  readonly to: number;
  /** How many candles could give a signal: those of each strategy, symbol and timeframe. */
  readonly candles: number;
  /** How many of these a file has no candle of: there the last price stays. */
  readonly filled: number;
  /** Alerts that subscribers would have got. */
  readonly alerts: number;
  /** Candles at which the strategy threw, or gave what can be no signal. */
  readonly mistakes: number;
}

/** One strategy's part of a report. */
export interface StrategyFigures {
  /** The strategy's name. */
  readonly strategy: string;
  /** What came of its signals. */
  readonly figures: BacktestFigures;
}

/** The equity after the trades that ended at a time. */
export interface EquityPoint {
  /** In milliseconds since 1970. */
  readonly time: number;
  /** The equity then. */
  readonly equity: number;
  /** The results until then, in R. */
  readonly totalR: number;
  /** How far the equity is below its highest until then, in percent of that. */
  readonly drawdownPercent: number;
}

/** Trades in the order in which they were opened, whichever strategy was tried first. */
export function inOrder(trades: readonly BacktestTrade[]): BacktestTrade[] {
  return [...trades].sort((one, other) => one.openedAt - other.openedAt || byPlace(one, other));
}

function byPlace(one: BacktestTrade, other: BacktestTrade): number {
  for (const name of ["strategy", "symbol", "timeframe"] as const) {
    if (one[name] !== other[name]) return one[name] < other[name] ? -1 : 1;
  }
  return 0;
}

/**
 * The equity at the beginning, and after each time at which trades ended: each of them changes it by `riskPercent` for each R,
 * and it never falls below 0. What ends at one time is one point, so that no order within it makes a drawdown.
 */
export function equityOf(
  trades: readonly BacktestTrade[],
  from: number,
  { riskPercent, startingEquity }: Pick<BacktestSettings, "riskPercent" | "startingEquity">,
): EquityPoint[] {
  const points: EquityPoint[] = [{ time: from, equity: startingEquity, totalR: 0, drawdownPercent: 0 }];
  let [equity, totalR, highest] = [startingEquity, 0, startingEquity];
  for (const [time, ended] of byEnd(trades)) {
    for (const { r } of ended) {
      equity = Math.min(Number.MAX_VALUE, equity * Math.max(0, 1 + riskPercent / 100 * r));
      totalR += r;
    }
    highest = Math.max(highest, equity);
    points.push({ time, equity, totalR, drawdownPercent: 100 * (1 - equity / highest) });
  }
  return points;
}

function byEnd(trades: readonly BacktestTrade[]): [number, BacktestTrade[]][] {
  const ends = new Map<number, BacktestTrade[]>();
  for (const trade of trades) {
    const { time } = trade.exit;
    const others = ends.get(time);
    if (others === undefined) ends.set(time, [trade]);
    else others.push(trade);
  }
  return [...ends].sort(([one], [other]) => one - other);
}

/** @param parts What has come of each strategy and series, one or more. */
export function figuresOf(
  parts: readonly Replayed[],
  trades: readonly BacktestTrade[],
  equity: readonly EquityPoint[],
): BacktestFigures {
  const closed = byEnd(trades).flatMap(([, ended]) => ended).filter(({ exit }) => exit.reason !== "open");
  const gains = closed.map(({ r }) => r).filter((r) => r > 0);
  const losses = closed.map(({ r }) => r).filter((r) => !(r > 0));
  const [gained, lost] = [sum(gains), -sum(losses)];
  const totalR = equity.at(-1)?.totalR ?? 0;
  const [from, to] = spanOf(parts);
  const count = (countOf: (part: Replayed) => number): number => sum(parts.map(countOf));
  return {
    ...{ signals: trades.length, wins: gains.length, losses: losses.length },
    open: trades.length - closed.length,
    winRate: ratio(gains.length, closed.length),
    totalR,
    averageR: ratio(totalR, trades.length),
    expectancyR: ratio(gained - lost, closed.length),
    profitFactor: lost > 0 ? gained / lost : gained > 0 ? Infinity : undefined,
    finalEquity: equity.at(-1)?.equity ?? 0,
    maxDrawdownPercent: equity.reduce((most, point) => Math.max(most, point.drawdownPercent), 0),
    maxDrawdownR: deepest(equity.map((point) => point.totalR)),
    longestLosingStreak: longestRun(closed.map(({ r }) => !(r > 0))),
    exposure: coveredMs(trades) / (to - from),
    signalsPerDay: trades.length / ((to - from) / dayMs),
    ...{ from, to },
    candles: count((part) => part.candles),
    filled: count((part) => part.filled),
    alerts: count((part) => part.alerts.length),
    mistakes: count((part) => part.mistakes.length),
  };
}

/** From the first candle that could give a signal to the close of the last. */
export function spanOf(parts: readonly Replayed[]): [from: number, to: number] {
  return [Math.min(...parts.map(({ from }) => from)), Math.max(...parts.map(({ to }) => to))];
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const ratio = (part: number, whole: number): number | undefined => whole === 0 ? undefined : part / whole;

/** The largest fall from the highest value before it. */
function deepest(values: readonly number[]): number {
  let [highest, fall] = [-Infinity, 0];
  for (const value of values) {
    highest = Math.max(highest, value);
    fall = Math.max(fall, highest - value);
  }
  return fall;
}

function longestRun(flags: readonly boolean[]): number {
  let [longest, run] = [0, 0];
  for (const flag of flags) {
    run = flag ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

/** How long at least one trade was open; the trades come in the order in which they were opened. */
function coveredMs(trades: readonly BacktestTrade[]): number {
  let [covered, until] = [0, -Infinity];
  for (const { openedAt, exit } of trades) {
    covered += Math.max(0, exit.time - Math.max(openedAt, until));
    until = Math.max(until, exit.time);
  }
  return covered;
}

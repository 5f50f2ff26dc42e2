/** The options of a backtest, with their defaults and their checks. */
import type { Candle } from "../../signals/candle.ts";
import { secondsHint, toIso } from "../../util/clock.ts";
import {
  anything,
  assertNames,
  assertOptions,
  type Checks,
  isObject,
  methodsRule,
  numberRule,
  oneOfRule,
  type Rule,
  shown,
  textRule,
  valueHint,
} from "../../util/validate.ts";
import type { CandleFeed } from "../feed.ts";
import type { Series } from "../found.ts";
import type { SpanRule } from "../outcome.ts";
import { momentOf, noDayHint } from "../local_time.ts";
import { assertStrategies } from "../strategy_checks.ts";
import type { Strategy } from "../strategy.ts";
import { type Timeframe, timeframes } from "../timeframe.ts";

/** A strategy, or several; and the candles to try it on: your own, or a feed's history. */
export interface BacktestOptions {
  /** The strategy that is tried; or `strategies`. */
  readonly strategy?: Strategy | undefined;
  /** Several, in place of `strategy`: each is tried by itself, and the report has the figures of each, too. */
  readonly strategies?: readonly Strategy[] | undefined;
  /** Candles of one instrument and timeframe, ascending; the first `warmUp` of them come before the first signal. */
  readonly candles?: readonly Candle[] | undefined;
  /** A file of candles of one instrument, in place of `candles`: CSV or JSON lines, as `replayFeed()` reads them. */
  readonly file?: string | undefined;
  /** Of the candles; of a feed, the only one that is tried. Default: the strategy's, with a feed all of them. */
  readonly symbol?: string | undefined;
  /** The same for the timeframe. */
  readonly timeframe?: Timeframe | undefined;
  /** A market, in place of `candles`: every symbol and timeframe of the strategy is tried on its history. */
  readonly feed?: CandleFeed | undefined;
  /**
   * The first candle that may give a signal is the first that opens at this time or later; the feed is asked for what has to
   * come before it, too. Default: of a file, the first after the warm-up. A Date, milliseconds since 1970, or ISO 8601: a day (`"2026-01-05"`, in UTC), or with its zone.
   */
  readonly from?: Date | number | string | undefined;
  /** The last candle closes at this time or earlier. Default: the newest. */
  readonly to?: Date | number | string | undefined;
  /** Fees, in percent of the price, at the entry and again at the exit. Default: 0. */
  readonly costs?: { readonly percent: number } | undefined;
  /** How much worse than its price each entry and each exit is, in percent. Default: 0. */
  readonly slippage?: { readonly percent: number } | undefined;
  /** The part of the equity that a trade loses at its stop, before costs, in percent; compounding. Default: 1. */
  readonly riskPercent?: number | undefined;
  /** Default: 10000. */
  readonly startingEquity?: number | undefined;
  /** What counts where one candle spans both stop and target: `"worst"` is the stop. Default: `"worst"`. */
  readonly intrabar?: SpanRule | undefined;
  /** Ends the test: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What a report's figures were made with. */
export interface BacktestSettings {
  /** Fees of a side, in percent of its price. */
  readonly costsPercent: number;
  /** How much worse than its price a side is, in percent. */
  readonly slippagePercent: number;
  /** The part of the equity that each trade risks, in percent. */
  readonly riskPercent: number;
  /** The equity before the first trade. */
  readonly startingEquity: number;
  /** What counts where a candle spans both the stop and the target. */
  readonly intrabar: SpanRule;
}

/** Where the candles come from. */
export type CandleSource =
  | { readonly candles: readonly Candle[] }
  | { readonly file: string; readonly from: number; readonly to: number }
  | { readonly feed: CandleFeed; readonly from: number; readonly to: number };

/** The options, checked, with their defaults. */
export interface ResolvedBacktest {
  readonly strategies: readonly Strategy[];
  readonly settings: BacktestSettings;
  readonly source: CandleSource;
  /** What is tried: of candles one, of a feed each of any strategy. */
  readonly series: readonly Series[];
  readonly signal: AbortSignal;
}

const action = "backtest";

const momentRule: Rule = {
  isGood: (value) => timeOf(value) !== undefined,
  rule: 'a Date, milliseconds, or ISO 8601: a day ("2026-01-05") or with its zone ("…Z")',
  hint: (value) => secondsHint(value) + noDayHint(value),
};

/** At 50 percent of the price nothing is left of a trade, long before that nobody trades. */
const percentOfPrice = numberRule("from 0 to 50", (value) => value >= 0 && value <= 50, RangeError);
const percentChecks: Checks<{ readonly percent: number }> = {
  rules: { percent: { ...percentOfPrice, isRequired: true } },
  example: "{ percent: 0.1 }",
};
const percentObject: Rule = { isGood: isObject, rule: "an object such as { percent: 0.1 }" };

const checks: Checks<BacktestOptions> = {
  rules: {
    ...{ strategy: anything, strategies: { isGood: Array.isArray, rule: "a list of strategies" } },
    candles: { isGood: Array.isArray, rule: "a list of candles", isData: true },
    file: textRule('the path of a file such as "candles.csv"', /./),
    symbol: textRule('a symbol such as "BTC-USD"', /\S/),
    timeframe: oneOfRule(...timeframes),
    feed: methodsRule("a feed { name, history, live }", "history"),
    ...{ from: momentRule, to: momentRule },
    ...{ costs: percentObject, slippage: percentObject },
    riskPercent: numberRule("above 0 and at most 100", (value) => value > 0 && value <= 100, RangeError),
    startingEquity: numberRule(
      "a finite amount above 0",
      (value) => value > 0 && value < Infinity,
      RangeError,
    ),
    intrabar: oneOfRule("worst", "best"),
    signal: methodsRule("an AbortSignal", "throwIfAborted"),
  },
  synonyms: {
    costs: ["fee", "fees", "commission", "cost"],
    startingEquity: ["capital", "equity", "balance", "startequity"],
    riskPercent: ["risk", "riskpertrade"],
    candles: ["data", "bars", "ohlcv"],
    file: ["csv", "path"],
    feed: ["market", "exchange", "source"],
    from: ["start", "since"],
    to: ["end", "until"],
  },
  example: "{ strategy, candles }",
};

/**
 * Checks the options, and fills in their defaults.
 * @param now The feed's time.
 * @throws {TypeError | RangeError} Naming the option, its rule and the fix.
 */
export function resolveBacktest(options: BacktestOptions, now: number): ResolvedBacktest {
  assertNames(action, options, { ...checks, known: Object.keys(checks.rules) });
  assertOptions(action, options, checks, isObject(options) ? mistakesBetween(options) : []);
  const { strategy, riskPercent = 1, startingEquity = 10_000, intrabar = "worst" } = options;
  const strategies = options.strategies ?? [strategy as Strategy];
  assertStrategies(action, strategies);
  const settings = {
    costsPercent: percentOf("costs", options),
    slippagePercent: percentOf("slippage", options),
    ...{ riskPercent, startingEquity, intrabar },
  };
  const series = seriesOf(strategies, options);
  const signal = options.signal ?? new AbortController().signal;
  return { strategies, settings, series, signal, source: sourceOf(options, now) };
}

/** Options that exclude or need each other. */
function mistakesBetween(options: BacktestOptions): string[] {
  const has = (name: keyof BacktestOptions): boolean => options[name] !== undefined;
  const sources = (["candles", "file", "feed"] as const).filter(has).length;
  const isEmpty = Array.isArray(options.strategies) && options.strategies.length === 0;
  const rules: readonly (readonly [boolean, string])[] = [
    [has("strategy") === has("strategies"), `it needs "strategy" or "strategies", and one of them alone`],
    [isEmpty, '"strategies" must have one strategy or more: it is empty'],
    [sources !== 1, `it needs "candles", "file", or "feed" with "from", and one of them alone`],
    [has("feed") && !has("from"), '"from" is missing: it says when the test begins, as from: "2026-01-05"'],
    [
      has("candles") && sources === 1 && (has("from") || has("to")),
      '"from" and "to" are for a feed or a file: pass the candles between',
    ],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, mistake]) => mistake);
}

function percentOf(name: "costs" | "slippage", options: BacktestOptions): number {
  const given = options[name] ?? { percent: 0 };
  assertOptions(action, given, { ...percentChecks, subject: `"${name}"`, what: `a name in ${name}` });
  return given.percent;
}

function sourceOf({ candles, file, feed, from, to }: BacktestOptions, now: number): CandleSource {
  if (candles !== undefined) return { candles };
  // A file has a time of its own, a market has no candles of the future.
  const newest = feed === undefined ? Infinity : now;
  const [begin, end] = [timeOf(from) ?? -Infinity, timeOf(to) ?? newest];
  const last = Math.min(end, newest);
  if (begin >= last) {
    const limit = end < newest ? '"to"' : "now";
    throw new RangeError(
      `Cannot ${action} as "from" must be before ${limit}: it is ${toIso(begin)}, and ${limit} is ${
        toIso(last)
      }`,
    );
  }
  if (feed !== undefined) return { feed, from: begin, to: end };
  return { file: file as string, from: begin, to: end };
}

/** The series that are tried: of candles the one that they are of, of a file all timeframes, of a feed all that are wanted. */
function seriesOf(strategies: readonly Strategy[], options: BacktestOptions): Series[] {
  const isOne = options.feed === undefined;
  const symbols = chosen("symbol", strategies.flatMap((it) => it.symbols), options, isOne);
  const isOneLength = options.candles !== undefined;
  const lengths = chosen("timeframe", strategies.flatMap((it) => it.timeframes), options, isOneLength);
  const series = symbols.flatMap((symbol) => lengths.map((timeframe) => ({ symbol, timeframe })))
    .filter((each) => strategies.some((strategy) => wants(strategy, each)));
  const idle = strategies.find((strategy) => !series.some((each) => wants(strategy, each)));
  if (idle === undefined) return series;
  const one = [symbols.join(", "), lengths.join(", ")].join(" ");
  throw new TypeError(
    `Cannot ${action} as the strategy ${shown(idle.name)} wants no candles of ${one}: ` +
      `its symbols are ${idle.symbols.join(", ")}, its timeframes ${idle.timeframes.join(", ")}`,
  );
}

/** Whether a strategy is called with the candles of a series. */
export function wants({ symbols, timeframes }: Strategy, { symbol, timeframe }: Series): boolean {
  return symbols.includes(symbol) && timeframes.includes(timeframe);
}

const called = { symbol: "instrument", timeframe: "timeframe" } as const;

/** The one that was chosen; without a choice all, unless there can be but one. */
function chosen<T extends string>(
  name: "symbol" | "timeframe",
  all: readonly T[],
  options: BacktestOptions,
  isOne: boolean,
): T[] {
  const choice = options[name];
  const known = [...new Set(all)];
  if (choice === undefined && (!isOne || known.length === 1)) return known;
  if (known.includes(choice as T)) return [choice as T];
  if (choice === undefined) {
    throw new TypeError(
      `Cannot ${action} as "${name}" is missing: ${
        options.file === undefined ? "candles are" : "a file's candles are"
      } of one ${called[name]}, and it says which: ${known.join(", ")}`,
    );
  }
  throw new TypeError(
    `Cannot ${action} as "${name}" must be one that the strategy wants (${known.join(", ")}): ` +
      `current value is ${shown(choice)}${valueHint(choice, known)}`,
  );
}

function timeOf(value: unknown): number | undefined {
  const time = typeof value === "string" ? momentOf(value) : Number(value);
  const isTime = typeof value === "string" || typeof value === "number" || value instanceof Date;
  return !isTime || Number.isNaN(time) || secondsHint(time) !== "" ? undefined : time;
}

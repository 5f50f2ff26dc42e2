/** Refuses what can be no strategy, before its first candle. */
import {
  assertOptions,
  type Checks,
  functionRule,
  isObject,
  numberRule,
  type Rule,
  shown,
  textRule,
} from "../util/validate.ts";
import type { Strategy } from "./strategy.ts";
import { timeframes } from "./timeframe.ts";

const mostWarmUp = 5000;

const isSymbol = (value: unknown): boolean => typeof value === "string" && /\S/.test(value);
const listOf = (rule: string, isGood: (value: unknown) => boolean, known?: readonly string[]): Rule => ({
  // A list may have holes.
  isGood: (value) => Array.isArray(value) && value.length > 0 && Array.from(value).every(isGood),
  rule: `a list of ${rule}`,
  list: { isGood, ...known && { known } },
  isRequired: true,
});

const checks: Checks<Strategy> = {
  rules: {
    name: { ...textRule("a name of 1 to 60 characters", /^(?=.*\S).{1,60}$/u), isRequired: true },
    symbols: listOf('symbols such as "BTC-USD"', isSymbol),
    timeframes: listOf(
      `timeframes (${timeframes.join(", ")})`,
      (value) => (timeframes as readonly unknown[]).includes(value),
      timeframes,
    ),
    warmUp: {
      ...numberRule(
        `a whole number of candles from 1 to ${mostWarmUp}`,
        (value) => Number.isInteger(value) && value >= 1 && value <= mostWarmUp,
        RangeError,
      ),
      isRequired: true,
    },
    maxAgeMs: numberRule(
      "a finite number of milliseconds above 0",
      (value) => value > 0 && value < Infinity,
      RangeError,
    ),
    onCandle: { ...functionRule("a function of candles"), isRequired: true },
  },
  what: "a part of a strategy",
  synonyms: {
    symbols: ["symbol", "pairs", "instruments", "markets", "tickers"],
    timeframes: ["timeframe", "interval", "intervals"],
    warmUp: ["lookback", "candles", "window"],
    onCandle: ["oncandles", "next", "run", "onbar"],
  },
  isOpen: true,
  subject: "the strategy",
};

/**
 * Refuses strategies that are none, and two of one name.
 * @param action What cannot be done: `"backtest"`.
 * @throws {TypeError | RangeError} Naming the strategy, the part and its rule.
 */
export function assertStrategies(action: string, strategies: readonly Strategy[]): void {
  const names = new Set<string>();
  for (const strategy of strategies) {
    const name = isObject(strategy) && typeof strategy.name === "string" ? ` ${shown(strategy.name)}` : "";
    assertOptions(`${action} the strategy${name}`, strategy, checks);
    if (names.has(strategy.name)) {
      throw new TypeError(`Cannot ${action} as two strategies have the name${name}: give each its own`);
    }
    names.add(strategy.name);
  }
}

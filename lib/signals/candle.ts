/** Candles, and their validation. */
import { secondsHint } from "../util/clock.ts";
import { assertSubject, assertValue, isObject, type Rule } from "../util/validate.ts";

/** What an instrument did in an interval of time. */
export interface Candle {
  /** When it opens, in milliseconds since 1970. */
  readonly time: number;
  /** The first price. */
  readonly open: number;
  /** The highest price. */
  readonly high: number;
  /** The lowest price. */
  readonly low: number;
  /** The last price. */
  readonly close: number;
  /** How much was traded, in units of your own; 0 where nobody knows. */
  readonly volume: number;
}

const fields = "{ time, open, high, low, close, volume }";
const arrayHint =
  `, which is an array: candles.map(([${fields.slice(2, -2)}]) => (${fields})) makes objects of ` +
  "ccxt's arrays";

const listRule: Rule = { isGood: Array.isArray, rule: "a list", isRequired: true, isData: true };
const objectRule: Rule = { isGood: isObject, rule: "an object", isRequired: true };
const isNoArray = (candle: unknown): boolean => !Array.isArray(candle);
const fieldsRule: Rule = { isGood: isNoArray, rule: fields, isData: true, hint: () => arrayHint };
const numberRule: Rule = { isGood: Number.isFinite, rule: "a finite number", isRequired: true, isData: true };
const numberRules = Object.entries({
  time: { ...numberRule, hint: dateHint },
  ...{ open: numberRule, high: numberRule, low: numberRule, close: numberRule, volume: numberRule },
});
const timeRule: Rule = {
  isGood: (time) => secondsHint(time) === "",
  rule: "in milliseconds since 1970",
  hint: secondsHint,
  Refusal: RangeError,
};

/**
 * Checks candles before anything is made of them: two or more, in ascending order, each of them possible.
 * @param mayBeFew Whether there may be one, or none. Default: false.
 * @throws {TypeError | RangeError} Naming the candle by its index, the field, and the rule.
 */
export function validateCandles(candles: readonly Candle[], mayBeFew: boolean = false): void {
  assertSubject("use the candles", "they", candles, listRule);
  if (candles.length < 2 && !mayBeFew) {
    throw new RangeError(`Cannot use the candles as there must be two or more: here are ${candles.length}`);
  }
  let before = -Infinity;
  for (const [index, candle] of candles.entries()) {
    validateCandle(candle, `use the candle at index ${index}`);
    if (candle.time <= before) {
      throw new RangeError(
        `Cannot use the candles as "time" must rise from one to the next: at index ${index} it is ` +
          `${candle.time}, after ${before}`,
      );
    }
    before = candle.time;
  }
}

/** @throws {TypeError | RangeError} If it is no candle, naming the field and the rule. */
export function validateCandle(candle: Candle, action: string = "use the candle"): void {
  assertSubject(action, "it", candle, objectRule);
  assertSubject(action, "it", candle, fieldsRule);
  for (const [name, rule] of numberRules) assertValue(action, name, candle[name as keyof Candle], rule);
  const { time, open, high, low, close, volume } = candle;
  const assertRange = (name: string, value: number, rule: string, isGood: boolean): void =>
    assertValue(action, name, value, { isGood: () => isGood, rule, Refusal: RangeError });
  assertValue(action, "time", time, timeRule);
  assertRange("high", high, 'at least "open" and "close"', high >= Math.max(open, close));
  assertRange("low", low, 'at most "open" and "close"', low <= Math.min(open, close));
  assertRange("volume", volume, "0 or more", volume >= 0);
}

/** A copy that nobody can change. */
export function frozenCandle(candle: Candle): Candle {
  const { time, open, high, low, close, volume } = candle;
  const plain = { time, open, high, low, close, volume };
  // A spread costs more than all else here, and is of use only where a candle has fields of its own.
  return Object.freeze(Object.keys(candle).length === 6 ? plain : { ...candle, ...plain });
}

/** What makes milliseconds of a time in another form. */
function dateHint(time: unknown): string {
  if (time instanceof Date) return ": time.getTime() gives its milliseconds";
  const isDate = typeof time === "string" && !Number.isNaN(Date.parse(time));
  return isDate ? ": Date.parse(time) gives its milliseconds" : "";
}

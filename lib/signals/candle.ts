/** Candles: what they are, and what is wrong with those that are none. */
import { inspect } from "node:util";
import { secondsHint } from "../util/clock.ts";

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

const names = ["time", "open", "high", "low", "close", "volume"] as const;

const inBraces = `{ ${names.join(", ")} }`;
const fromArrays =
  `, which is an array: candles.map(([${names.join(", ")}]) => (${inBraces})) makes objects of ` +
  "ccxt's arrays";

/**
 * Checks candles before anything is made of them: at least two, in ascending order, each of them possible.
 * @throws {TypeError | RangeError} Naming the candle by its index, the field, and the rule.
 */
export function validateCandles(candles: readonly Candle[]): void {
  if (!Array.isArray(candles)) {
    throw new TypeError(`Cannot use the candles as they must be a list: current value is ${show(candles)}`);
  }
  if (candles.length < 2) {
    throw new RangeError(`Cannot use the candles as there must be two or more: here are ${candles.length}`);
  }
  let before = -Infinity;
  for (const [index, candle] of candles.entries()) {
    validateCandle(candle, index);
    if (candle.time <= before) {
      throw new RangeError(
        `Cannot use the candles as "time" must rise from one to the next: at index ${index} it is ` +
          `${candle.time}, after ${before}`,
      );
    }
    before = candle.time;
  }
}

function validateCandle(candle: Candle, index: number): void {
  if (typeof candle !== "object" || candle === null) {
    throw new TypeError(refusal(index, "it", "an object", candle));
  }
  if (Array.isArray(candle)) throw new TypeError(refusal(index, "it", inBraces, candle) + fromArrays);
  for (const name of names) {
    if (!Number.isFinite(candle[name])) {
      const hint = name === "time" ? dateHint(candle.time) : "";
      throw new TypeError(refusal(index, `"${name}"`, "a finite number", candle[name]) + hint);
    }
  }
  const { time, open, high, low, close, volume } = candle;
  const hint = secondsHint(time);
  if (hint !== "") throw new RangeError(refusal(index, '"time"', "in milliseconds since 1970", time) + hint);
  if (high < Math.max(open, close)) {
    throw new RangeError(refusal(index, '"high"', `at least "open" and "close"`, high));
  }
  if (low > Math.min(open, close)) {
    throw new RangeError(refusal(index, '"low"', `at most "open" and "close"`, low));
  }
  if (volume < 0) throw new RangeError(refusal(index, '"volume"', "0 or more", volume));
}

function refusal(index: number, name: string, rule: string, value: unknown): string {
  return `Cannot use the candle at index ${index} as ${name} must be ${rule}: current value is ${
    show(value)
  }`;
}

/** What makes milliseconds of a time in another form. */
function dateHint(time: unknown): string {
  if (time instanceof Date) return ": time.getTime() gives its milliseconds";
  const isDate = typeof time === "string" && !Number.isNaN(Date.parse(time));
  return isDate ? ": Date.parse(time) gives its milliseconds" : "";
}

function show(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity }).slice(0, 100);
}

/** Checks the fields of a candle that comes from a file or an exchange. */
import type { Candle } from "../../signals/candle.ts";
import { secondsHint } from "../../util/clock.ts";
import { shown } from "../../util/validate.ts";
import { momentOf, noDayHint } from "../local_time.ts";
import { type Timeframe, timeframeMs } from "../timeframe.ts";

/** The fields of a candle, not yet checked: numbers, or texts of numbers; `time` may be ISO 8601 with a zone. */
export type CandleFields = Readonly<Record<string, unknown>>;

/**
 * @param timeframe Where it is known. Candles of any open on a whole minute.
 * @throws {TypeError | RangeError} Naming the first field that is wrong, and the rule.
 */
export function readCandle(row: CandleFields, timeframe?: Timeframe): Candle {
  const [open, high, low, close] = [
    ...[price(row, "open"), price(row, "high"), price(row, "low"), price(row, "close")],
  ] as const;
  const [time, volume] = [opening(row["time"], timeframe), number(row, "volume")];
  if (high < Math.max(open, close)) throw new RangeError('"high" must be the highest price of its candle');
  if (low > Math.min(open, close)) throw new RangeError('"low" must be the lowest price of its candle');
  if (volume < 0) throw new RangeError(`"volume" must be 0 or more: current value is ${volume}`);
  return { time, open, high, low, close, volume };
}

function price(row: CandleFields, name: string): number {
  const value = number(row, name);
  if (value > 0) return value;
  throw new RangeError(`"${name}" must be above 0: current value is ${value}`);
}

/** JavaScript reads a number into an empty text, too, and into `0x62`. */
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function number(row: CandleFields, name: string): number {
  const value = row[name];
  const parsed = typeof value === "string" && decimal.test(value) ? Number(value) : value;
  if (typeof parsed === "number" && Number.isFinite(parsed)) return parsed;
  throw new TypeError(`"${name}" must be a number such as 59800.1: current value is ${shown(value)}`);
}

function opening(value: unknown, timeframe: Timeframe | undefined): number {
  const time = typeof value === "string" ? timeIn(value) : Number(value ?? NaN);
  const isInMs = Number.isInteger(time) && secondsHint(time) === "" && time > 0;
  if (isInMs && time % timeframeMs(timeframe ?? "1m") === 0) return time;
  const candle = timeframe === undefined ? "its candle, on a whole minute" : `a candle of ${timeframe}`;
  const rule = `the opening of ${candle}, in milliseconds since 1970 or as 2026-01-05T06:00:00Z`;
  const hint = secondsHint(time) + noDayHint(value);
  throw new RangeError(`"time" must be ${rule}: current value is ${shown(value)}${hint}`);
}

/** A time without a zone would be another one on another machine, and a day alone may be anybody's. */
function timeIn(text: string): number {
  if (decimal.test(text)) return Number(text);
  return /[T ]/i.test(text) ? momentOf(text) ?? NaN : NaN;
}

/** The candle of an interval without trades: the price stays, so that indicators keep their spacing. */
export function flatCandle({ close }: Candle, time: number): Candle {
  return { time, open: close, high: close, low: close, close, volume: 0 };
}

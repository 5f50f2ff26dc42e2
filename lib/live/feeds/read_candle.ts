/** Checks the fields of a candle that comes from a file or an exchange. */
import type { Candle } from "../../signals/candle.ts";
import { secondsHint } from "../../util/clock.ts";
import { shown } from "../../util/validate.ts";
import { type Timeframe, timeframeMs } from "../timeframe.ts";

/** The fields of a candle, not yet checked: numbers, or texts of numbers; `time` may be ISO 8601 with a zone. */
export type CandleFields = Readonly<Record<string, unknown>>;

/** @throws {TypeError | RangeError} Naming the first field that is wrong, and the rule. */
export function readCandle(row: CandleFields, timeframe: Timeframe): Candle {
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

function number(row: CandleFields, name: string): number {
  const value = row[name];
  // Number("") is 0, but an empty field is not a price.
  const parsed = typeof value === "string" && value !== "" ? Number(value) : value;
  if (typeof parsed === "number" && Number.isFinite(parsed)) return parsed;
  throw new TypeError(`"${name}" must be a number: current value is ${shown(value)}`);
}

/** A time without a zone would be another one on another machine. */
const zonedTime = /^\d{4}-\d\d-\d\d[T ].*(Z|[+-]\d\d:?\d\d)$/i;

function opening(value: unknown, timeframe: Timeframe): number {
  const isIso = typeof value === "string" && zonedTime.test(value);
  const time = isIso ? Date.parse(value) : number({ time: value }, "time");
  const isInMs = Number.isInteger(time) && secondsHint(time) === "" && time > 0;
  if (isInMs && time % timeframeMs(timeframe) === 0) return time;
  const rule =
    `the opening of a candle of ${timeframe}, in milliseconds since 1970 or as 2026-01-05T06:00:00Z`;
  throw new RangeError(`"time" must be ${rule}: current value is ${shown(value)}${secondsHint(time)}`);
}

/** The candle of an interval without trades: the price stays, so that indicators keep their spacing. */
export function flatCandle({ close }: Candle, time: number): Candle {
  return { time, open: close, high: close, low: close, close, volume: 0 };
}

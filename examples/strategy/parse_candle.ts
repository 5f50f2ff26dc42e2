/** Checks the fields of a candle that comes from a file or an exchange. */
import { type Candle, timeframeMs } from "./feed.ts";

/** The fields of a candle, not yet checked. */
export type CandleFields = Readonly<Record<string, unknown>>;

/** @throws {TypeError|RangeError} Naming the first field that is wrong, and the rule. */
export function parseCandle(row: CandleFields): Candle {
  const [open, high, low, close] = [
    price(row, "open"),
    price(row, "high"),
    price(row, "low"),
    price(row, "close"),
  ];
  const [time, volume] = [openingTime(row["time"]), number(row, "volume")];
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
  throw new TypeError(`"${name}" must be a number: current value is ${JSON.stringify(value)}`);
}

function openingTime(value: unknown): number {
  const iso = typeof value === "string" && /T.*(Z|[+-]\d\d:\d\d)$/.test(value);
  const time = iso ? Date.parse(value) : number({ time: value }, "time");
  if (Number.isInteger(time) && time >= 1e11 && time % timeframeMs === 0) return time;
  const rule = "the opening of a five-minute candle, in milliseconds since 1970 or as 2026-01-05T06:00:00Z";
  throw new RangeError(`"time" must be ${rule}: current value is ${JSON.stringify(value)}`);
}

/** What a strategy found: the facts of a trader's ticket. */
import { inspect } from "node:util";
import { assertNames, type Names, namesOf } from "../util/validate.ts";
import { secondsHint } from "../util/clock.ts";

/**
 * A price or an amount. A string keeps its digits exactly (`"1.0850"`); a number is printed in full, without an exponent,
 * and rounded to 12 significant digits where it is no whole number (`0.1 + 0.2` is `0.3`).
 */
export type Decimal = number | string;

/**
 * The facts of a trade; direction, symbol, entry, stop and target are required. Facts of your own may stand beside them;
 * one that is spelt nearly as one of these is refused.
 */
export interface TradingSignal {
  /** `long` buys and gains when the price rises, `short` sells. */
  readonly direction: "long" | "short";
  /** The instrument as your market names it: `"BTC-USD"`, `"EURUSD"`. */
  readonly symbol: string;
  /** The price at which the trade begins: above 0. */
  readonly entry: Decimal;
  /** The price that ends the trade at a loss: below `entry` for a long, above it for a short. */
  readonly stop: Decimal;
  /** The price that ends the trade at a gain: above `entry` for a long, below it for a short. */
  readonly target: Decimal;
  /**
   * The instrument's price step (`0.25`, `"0.0001"`): entry, stop and target that are numbers are rounded to it, and shown
   * with its decimals. Default: numbers are shown as they are.
   */
  readonly tickSize?: Decimal;
  /** Position size in units of the instrument (coins, lots, shares): above 0. */
  readonly size?: Decimal;
  /** Money lost if the stop is hit, in the account's currency: above 0. */
  readonly risk?: Decimal;
  /** The account's currency, shown behind `risk`: `"USD"`. */
  readonly currency?: string;
  /** The candles' timeframe: `"5m"`. */
  readonly timeframe?: string;
  /** The strategy's name. */
  readonly strategy?: string;
  /** The strategy's parameters, shown as they are: `{ "Bollinger": "20 × 2.0", "ATR stop": 1.5 }`. */
  readonly parameters?: Readonly<Record<string, string | number | boolean>>;
  /** Why, in a sentence of your own. */
  readonly note?: string;
  /** When the signal was found (a Date, or an ISO 8601 string with a zone); shown in UTC. Default: now. */
  readonly time?: Date | string;
}

/** A strategy may carry facts of its own beside these. */
const facts: Names = {
  known: namesOf<TradingSignal>({
    ...{ direction: true, symbol: true, entry: true, stop: true, target: true, tickSize: true, size: true },
    ...{
      risk: true,
      currency: true,
      timeframe: true,
      strategy: true,
      parameters: true,
      note: true,
      time: true,
    },
  }),
  what: "a fact of a signal",
  isOpen: true,
};

/** What a price has at most; a sum of two in floating point differs from theirs behind these. */
const significantDigits = 12;
const plainDecimal = /^-?\d+(\.\d+)?$/;

/**
 * A decimal in full, with the digits that it was given: `"1.0850"` stays, `1e-7` becomes `0.0000001`.
 * @throws {TypeError} If it is no finite decimal number; `name` says which one.
 */
export function decimalText(value: Decimal, name: string): string {
  const text = typeof value === "number" ? numberText(value) : value;
  if (typeof text === "string" && plainDecimal.test(text) && Number.isFinite(Number(text))) return text;
  throw new TypeError(
    `Cannot use the signal as "${name}" must be a finite number, or a string of plain digits such as "1.0850": ` +
      `current value is ${show(value)}`,
  );
}

/** Entry, stop or target as it is shown. */
export function priceText(signal: TradingSignal, name: "entry" | "stop" | "target"): string {
  const { [name]: price, tickSize } = signal;
  const text = decimalText(price, name);
  if (tickSize === undefined || typeof price !== "number") return text;
  const tick = decimalText(tickSize, "tickSize");
  const decimals = tick.split(".")[1]?.length ?? 0;
  const rounded = Math.round(price / Number(tick)) * Number(tick);
  // From there on JavaScript writes an exponent, and no step is to be seen.
  return Math.abs(rounded) < 1e21 ? rounded.toFixed(Math.min(decimals, 100)) : text;
}

/** A number without float noise, in full. */
export function numberText(value: number): string {
  const isWhole = Number.isInteger(value) || !Number.isFinite(value);
  return withoutExponent(isWhole ? value : Number(value.toPrecision(significantDigits)));
}

/** JavaScript prints numbers below 1e-6 and from 1e21 on with an exponent; a trader's ticket does not. */
function withoutExponent(value: number): string {
  const [mantissa = "", exponent] = String(value).split("e");
  if (exponent === undefined || !Number.isFinite(value)) return mantissa;
  const [, sign = "", whole = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(mantissa) ?? [];
  const shift = Number(exponent);
  if (shift < 0) return `${sign}0.${"0".repeat(-shift - 1)}${whole}${fraction}`;
  return sign + whole + fraction.padEnd(shift, "0");
}

/**
 * Checks a signal before anyone is written to. It may have facts of your own besides.
 * @throws {TypeError} If a fact is missing, misspelt or no finite number.
 * @throws {RangeError} If the stop or the target is on the wrong side of the entry, or a size is not above 0.
 */
export function validateSignal(signal: TradingSignal): void {
  if (typeof signal !== "object" || signal === null) {
    throw new TypeError(`Cannot use the signal as it must be an object: current value is ${show(signal)}`);
  }
  assertNames("use the signal", signal, facts);
  const { direction, symbol } = signal;
  if (direction !== "long" && direction !== "short") {
    throw new TypeError(refusal("direction", '"long" or "short"', direction));
  }
  if (typeof symbol !== "string" || symbol.trim() === "") {
    throw new TypeError(refusal("symbol", 'a name such as "BTC-USD"', symbol));
  }
  for (const name of ["tickSize", "size", "risk"] as const) {
    const value = signal[name];
    if (value !== undefined && Number(decimalText(value, name)) <= 0) {
      throw new RangeError(refusal(name, "above 0", value));
    }
  }
  validateSides(signal);
  validateWords(signal);
  signalTime(signal, 0);
}

/** Prices are compared as they are shown. */
function validateSides(signal: TradingSignal): void {
  const { direction, tickSize } = signal;
  const step = tickSize === undefined ? `${significantDigits} significant digits` : `tickSize ${tickSize}`;
  const shownEntry = priceText(signal, "entry");
  if (Number(shownEntry) <= 0) {
    const hint = Number(signal.entry) > 0 ? `, which rounding to ${step} makes ${shownEntry}` : "";
    throw new RangeError(refusal("entry", "above 0", signal.entry) + hint);
  }
  for (const name of ["stop", "target"] as const) {
    const isBelow = (direction === "long") === (name === "stop");
    const isRight = (price: Decimal, entry: Decimal): boolean =>
      isBelow ? Number(price) < Number(entry) : Number(price) > Number(entry);
    const shownPrice = priceText(signal, name);
    if (isRight(shownPrice, shownEntry)) continue;
    const rule = `${isBelow ? "below" : "above"} "entry" (${show(signal.entry)}) for a ${direction}`;
    const hint = isRight(signal[name], signal.entry)
      ? `, and after rounding to ${step} "${name}" is ${shownPrice} and "entry" ${shownEntry}`
      : "";
    throw new RangeError(refusal(name, rule, signal[name]) + hint);
  }
}

/** What stands on the ticket as it is. */
function validateWords(signal: TradingSignal): void {
  for (const name of ["currency", "timeframe", "strategy", "note"] as const) {
    const value = signal[name];
    if (value !== undefined && typeof value !== "string") throw new TypeError(refusal(name, "a text", value));
  }
  const { parameters = {} } = signal;
  const isPlain = (value: unknown): boolean =>
    ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
  const isRecord = typeof parameters === "object" && parameters !== null && !(Symbol.iterator in parameters);
  if (isRecord && Object.values(parameters).every(isPlain)) return;
  throw new TypeError(refusal("parameters", "texts, numbers and booleans by name", parameters));
}

/** When the signal was found; `now` (milliseconds) where it does not say. */
export function signalTime(signal: TradingSignal, now: number): Date {
  const time = signal.time === undefined ? new Date(now) : new Date(signal.time);
  const hasZone = typeof signal.time === "string" && /(Z|[+-]\d\d:?\d\d)$/i.test(signal.time);
  const isKnown = signal.time === undefined || signal.time instanceof Date || hasZone;
  const hint = signal.time instanceof Date ? secondsHint(time) : "";
  if (isKnown && !Number.isNaN(time.getTime()) && hint === "") return time;
  throw new TypeError(
    refusal("time", 'a Date, or an ISO 8601 string with its zone ("…Z")', signal.time) + hint,
  );
}

/** What is gained for each unit risked: |target − entry| / |entry − stop|. */
export function riskReward(signal: TradingSignal): number {
  const [entry = 0, stop = 0, target = 0] = (["entry", "stop", "target"] as const)
    .map((name) => Number(priceText(signal, name)));
  return Math.abs(target - entry) / Math.abs(entry - stop);
}

function refusal(name: string, rule: string, value: unknown): string {
  return `Cannot use the signal as "${name}" must be ${rule}: current value is ${show(value)}`;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return value instanceof Date ? String(value) : inspect(value, { depth: 1, breakLength: Infinity });
}

/**
 * Trading signals: facts of a trade, how they are validated, and how prices and amounts are written. This folder knows a
 * signal's data (here), its text (ticket.ts), candles (candle.ts) and its picture (chart/, loaded by chart_loader.ts).
 */
import { dayMs, isInSeconds, secondsHint, toIso } from "../util/clock.ts";
import {
  assertOptions,
  assertValue,
  type Checks,
  isObject,
  oneOfRule,
  type Rule,
  shown,
  textRule,
} from "../util/validate.ts";

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

/** Of a price, at most: noise of floating point is behind these. */
const significantDigits = 12;

// Validation.

const action = "use the signal";

const amountRule: Rule = {
  isGood: (value) => {
    const text = typeof value === "number" ? numberText(value) : value;
    return typeof text === "string" && /^-?\d+(\.\d+)?$/.test(text) && Number.isFinite(Number(text));
  },
  rule: 'a finite number, or a string of plain digits such as "1.0850"',
  isData: true,
};
const priceRule: Rule = { ...amountRule, isRequired: true };
const text = textRule("a text");
const aboveZero: Rule = { isGood: (value) => Number(value) > 0, rule: "above 0", Refusal: RangeError };

const dateHint = (time: unknown): string => time instanceof Date ? secondsHint(time) : "";
const timeRule: Rule = {
  isGood: (value) => {
    const hasZone = typeof value === "string" && /(Z|[+-]\d\d:?\d\d)$/i.test(value);
    if (!hasZone && !(value instanceof Date)) return false;
    return !Number.isNaN(new Date(value).getTime()) && dateHint(value) === "";
  },
  rule: 'a Date, or an ISO 8601 string with its zone ("…Z")',
  hint: timeHint,
};

/** Other languages count the time: what was meant is shown as it is written. */
function timeHint(time: unknown): string {
  const count = typeof time === "string" && /^\d+(\.\d+)?$/.test(time) ? Number(time) : time;
  if (typeof count !== "number") return dateHint(time);
  const [seconds, ms] = isInSeconds(count) ? [", which looks like seconds", 1000 * count] : ["", count];
  if (secondsHint(ms) !== "" || !(ms > dayMs)) return secondsHint(ms);
  return `${seconds} (did you mean ${JSON.stringify(toIso(ms))}?)`;
}

const parametersRule: Rule = {
  isGood: (value) =>
    isObject(value) && !(Symbol.iterator in value) &&
    Object.values(value).every((each) =>
      typeof each === "string" || typeof each === "boolean" || Number.isFinite(each)
    ),
  rule: "texts, numbers and booleans by name",
  isData: true,
};

/** A strategy may carry facts of its own beside these. */
const checks: Checks<TradingSignal> = {
  rules: {
    direction: { ...oneOfRule("long", "short"), isRequired: true },
    symbol: { ...textRule('a name such as "BTC-USD"', /\S/), isRequired: true },
    ...{ entry: priceRule, stop: priceRule, target: priceRule },
    ...{ tickSize: amountRule, size: amountRule, risk: amountRule },
    ...{ currency: text, timeframe: text, strategy: text, note: text },
    parameters: parametersRule,
    time: timeRule,
  },
  what: "a fact of a signal",
  synonyms: {
    direction: ["side"],
    symbol: ["ticker", "pair", "instrument", "market"],
    entry: ["price", "entryprice"],
    stop: ["stoploss", "stopprice", "sl"],
    target: ["takeprofit", "targetprice", "tp"],
  },
  isOpen: true,
  subject: "it",
};

/**
 * Checks a signal before anyone is written to. It may have facts of your own besides.
 * @throws {TypeError} If a fact is missing, misspelt or no finite number.
 * @throws {RangeError} If the stop or the target is on the wrong side of the entry, or a size is not above 0.
 */
export function validateSignal(signal: TradingSignal): void {
  assertOptions(action, signal, checks);
  for (const name of ["tickSize", "size", "risk"] as const) {
    assertValue(action, name, signal[name], aboveZero);
  }
  validateSides(signal);
}

/** Compares prices as they are shown. */
function validateSides(signal: TradingSignal): void {
  const { direction, tickSize } = signal;
  const step = tickSize === undefined ? `${significantDigits} significant digits` : `tickSize ${tickSize}`;
  const entry = priceText(signal, "entry");
  assertValue(action, "entry", signal.entry, {
    ...aboveZero,
    isGood: () => Number(entry) > 0,
    hint: () => Number(signal.entry) > 0 ? `, which rounding to ${step} makes ${entry}` : "",
  });
  for (const name of ["stop", "target"] as const) {
    const isBelow = (direction === "long") === (name === "stop");
    const isRight = (one: Decimal, other: Decimal): boolean =>
      isBelow ? Number(one) < Number(other) : Number(one) > Number(other);
    const price = priceText(signal, name);
    const rounded = `, and after rounding to ${step} "${name}" is ${price} and "entry" ${entry}`;
    assertValue(action, name, signal[name], {
      isGood: () => isRight(price, entry),
      get rule() {
        return `${isBelow ? "below" : "above"} "entry" (${shown(signal.entry)}) for a ${direction}`;
      },
      hint: () => isRight(signal[name], signal.entry) ? rounded : "",
      Refusal: RangeError,
    });
  }
}

// Values derived from a signal, and how they are written.

/** When the signal was found; `now` (milliseconds) where it does not say. */
export function signalTime(signal: TradingSignal, now: number): Date {
  assertValue(action, "time", signal.time, timeRule);
  return new Date(signal.time ?? now);
}

/**
 * What is gained for each unit risked: |target − entry| / |entry − stop|.
 * @throws {TypeError | RangeError} If the signal is not one; see `validateSignal`.
 */
export function riskReward(signal: TradingSignal): number {
  validateSignal(signal);
  const [entry = 0, stop = 0, target = 0] = (["entry", "stop", "target"] as const)
    .map((name) => Number(priceText(signal, name)));
  return Math.abs(target - entry) / Math.abs(entry - stop);
}

/**
 * A decimal in full, with the digits that it was given: `"1.0850"` stays, `1e-7` becomes `0.0000001`.
 * @throws {TypeError} If it is no finite decimal number; `name` says which one.
 */
export function decimalText(value: Decimal, name: string): string {
  assertValue(action, name, value, priceRule);
  return typeof value === "number" ? numberText(value) : value;
}

/** Entry, stop or target as it is shown: rounded to the tick size, if it is a number. */
export function priceText(signal: TradingSignal, name: "entry" | "stop" | "target"): string {
  const { [name]: price, tickSize } = signal;
  const text = decimalText(price, name);
  if (tickSize === undefined || typeof price !== "number") return text;
  const tick = decimalText(tickSize, "tickSize");
  const decimals = tick.split(".")[1]?.length ?? 0;
  const rounded = Math.round(price / Number(tick)) * Number(tick);
  // From 1e21 on JavaScript writes an exponent, and the step is too small to matter.
  return Math.abs(rounded) < 1e21 ? rounded.toFixed(Math.min(decimals, 100)) : text;
}

/** A number without float noise, in full. */
export function numberText(value: number): string {
  const isWhole = Number.isInteger(value) || !Number.isFinite(value);
  return withoutExponent(isWhole ? value : Number(value.toPrecision(significantDigits)));
}

/** JavaScript writes numbers below 1e-6 and from 1e21 on with an exponent; a trader's ticket does not. */
function withoutExponent(value: number): string {
  const [mantissa = "", exponent] = String(value).split("e");
  if (exponent === undefined || !Number.isFinite(value)) return mantissa;
  const [, sign = "", whole = "", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(mantissa) ?? [];
  const shift = Number(exponent);
  if (shift < 0) return `${sign}0.${"0".repeat(-shift - 1)}${whole}${fraction}`;
  return sign + whole + fraction.padEnd(shift, "0");
}

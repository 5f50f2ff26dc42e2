/** Prices and amounts in an instrument's steps, and the size of a position by its risk. */
import type { Decimal } from "../signals/signal.ts";
import { attempt } from "../util/async.ts";
import { assertOptions, numberRule, type Rule, type Rules, shown } from "../util/validate.ts";
import type { Instrument } from "./feed.ts";

/** What a position's size is computed from. */
export interface PositionSizeOptions {
  /** The account's value, in the currency that the instrument is priced in. */
  readonly account: number;
  /** The part of the account to lose at the stop, in percent. */
  readonly riskPercent: number;
  /** The price at which the trade begins: a number, or a text of plain digits. */
  readonly entry: Decimal;
  /** The price at which it is given up. */
  readonly stop: Decimal;
  /** The smallest step of an amount: `0.0001`, or in plain digits `"0.0001"`. */
  readonly sizeStep: Decimal;
}

/** How much is traded, and what it risks: both as a ticket shows them. */
export interface Position {
  /** In units of the instrument, a whole number of steps. */
  readonly size: string;
  /** What is lost at the stop with this size, which is no more than was asked for; to the nearest cent. */
  readonly risk: string;
}

/**
 * Account × risk % / |entry − stop|, rounded down to a whole step; `undefined` if not one step is affordable.
 * The position's value may exceed the account: leverage is not limited here, nor are fees and slippage counted.
 * @throws {RangeError} If a part is malformed: it is named, with its rule.
 *
 * ```ts
 * positionSize({ account: 10_000, riskPercent: 1, entry: 100, stop: 98, sizeStep: "0.01" }); // { size: "50.00", risk: "100.00" }
 * ```
 */
export function positionSize(options: PositionSizeOptions): Position | undefined {
  assertOptions("size the position", options, { rules: sizeRules, Refusal: RangeError });
  const { account, riskPercent, entry, stop } = options;
  const lossPerUnit = Math.abs(Number(entry) - Number(stop));
  const affordable = (account * riskPercent) / 100 / lossPerUnit;
  if (!Number.isFinite(affordable)) return undefined;
  const sizeStep = digitsOf(options.sizeStep) as string;
  let step = Number(sizeStep);
  // So many small steps cannot be counted; ten of them are a step, too.
  while (affordable / step > Number.MAX_SAFE_INTEGER) step *= 10;
  // 1e-9 makes up for binary fractions: 0.3 / 0.1 is below 3.
  const steps = Math.floor(affordable / step + 1e-9);
  const size = steps * step;
  const risk = (size * lossPerUnit).toFixed(2);
  if (size <= 0 || size >= mostSize || Number(risk) <= 0) return undefined;
  return { size: size.toFixed(decimalsOf(sizeStep)), risk };
}

/**
 * The nearest price that the market quotes, with as many decimals as its step has: `toTick(1.084996, "0.0001")` is
 * `"1.0850"`.
 * @param tickSize The smallest step of a price: `0.5`, or in plain digits `"0.50"`, whose decimals the price then has.
 * @throws {RangeError} If the price is no number below 1e15, or the step is none.
 */
export function toTick(price: number, tickSize: Decimal): string {
  assertOptions("round the price", { price, tickSize }, { rules: tickRules, Refusal: RangeError });
  const tick = digitsOf(tickSize) as string;
  return (Math.round(price / Number(tick)) * Number(tick)).toFixed(decimalsOf(tick));
}

/** Larger numbers have no plain digits. */
const mostSize = 1e21;

/** A step's digits: a text keeps its own. `undefined` where it is neither a number nor a text. */
function digitsOf(step: unknown): string | undefined {
  return typeof step === "string" ? step : stepText(step);
}

const isPositive = (digits: string | undefined): boolean => /^(?=.*[1-9])\d+(\.\d+)?$/.test(digits ?? "");

const stepRule: Rule = {
  isGood: (value) => isPositive(digitsOf(value)),
  rule: 'a step such as 0.01, or in plain digits "0.01"',
  isRequired: true,
};
const required = (rule: string, isGood: (value: number) => boolean): Rule => ({
  ...numberRule(rule, isGood),
  isRequired: true,
});
const priceRule: Rule = {
  isGood: (value) =>
    typeof value === "number"
      ? value > 0 && value < Infinity
      : typeof value === "string" && isPositive(value),
  rule: 'a price above 0, as a number or in plain digits such as "1.0850"',
  isRequired: true,
};
const sizeRules: Rules<PositionSizeOptions> = {
  account: required("an amount above 0", (value) => value > 0 && value < Infinity),
  riskPercent: required("above 0 and at most 100", (value) => value > 0 && value <= 100),
  ...{ entry: priceRule, stop: priceRule, sizeStep: stepRule },
};
const tickRules: Rules<{ price: number; tickSize: Decimal }> = {
  price: required("a number below 1e15", (value) => Math.abs(value) < 1e15),
  tickSize: stepRule,
};

function decimalsOf(step: string): number {
  return (step.split(".")[1] ?? "").length;
}

const mostDecimals = 18;

/** A step in plain digits, of a number or a text such as `1e-8`; `undefined` where it is no step. */
export function stepText(step: unknown): string | undefined {
  if (typeof step !== "string" && typeof step !== "number") return undefined;
  const number = Number(step);
  if (!(number >= 1e-12) || !Number.isFinite(number)) return undefined;
  // Fifteen digits are exact.
  const decimals = Math.min(mostDecimals, Math.max(0, 14 - Math.floor(Math.log10(number))));
  const digits = number.toFixed(decimals);
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

/** What is known of an instrument by a feed's answer, and what in the answer is none. Anything may come from a feed. */
export function readInstrument(
  answer: unknown,
): { readonly instrument: Instrument; readonly mistakes: readonly string[] } {
  const mistakes: string[] = [];
  const read = (name: keyof Instrument, as: (value: unknown) => string | undefined, rule: string) => {
    const value: unknown = attempt(() => (answer as Instrument | null | undefined)?.[name], undefined);
    const text = attempt(() => as(value), undefined);
    if (text === undefined && value !== undefined && value !== null) {
      mistakes.push(`"${name}" must be ${rule}: current value is ${shown(value)}`);
    }
    return text === undefined ? {} : { [name]: text };
  };
  const step = 'a step such as "0.01"';
  const instrument = Object.freeze({
    ...read("tickSize", stepText, step),
    ...read("sizeStep", stepText, step),
    ...read("currency", currencyText, 'a code such as "USD"'),
  });
  return { instrument, mistakes };
}

/** A currency's code as a market has it; `undefined` where it is none. */
export function currencyText(code: unknown): string | undefined {
  return typeof code === "string" && /^[\w.-]{1,20}$/.test(code) ? code : undefined;
}

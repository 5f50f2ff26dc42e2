/** Rules for the options of the test kit, besides those of lib/util/validate.ts. */
import { lettersBetween, nearest, numberRule, type Rule } from "../util/validate.ts";

export const millisecondsRule: Rule = numberRule(
  "a number of milliseconds from 0 on",
  (ms) => Number.isFinite(ms) && ms >= 0,
);

/** How long something is waited for: `Infinity` is for ever. */
export const timeoutRule: Rule = numberRule(
  "a number of milliseconds from 0 on, such as 1000",
  (ms) => ms >= 0,
);

export const rateRule: Rule = numberRule("a number above 0", (rate) => rate > 0);

export const portRule: Rule = numberRule(
  "a whole number from 0 to 65535",
  (port) => Number.isInteger(port) && port >= 0 && port <= 65_535,
);

export const countRule: Rule = numberRule(
  "a whole number from 0 on",
  (count) => Number.isInteger(count) && count >= 0,
);

export const timesRule: Rule = numberRule(
  "a whole number above 0, or Infinity",
  (times) => times === Infinity || (Number.isInteger(times) && times > 0),
  RangeError,
);

/** The rule for a value that must be given. */
export function required(rule: Rule): Rule {
  return { ...rule, isRequired: true };
}

/** Whether a name that is unknown was probably meant to be a known one: it differs in a letter or two. */
export function isTypoOf(name: string, known: readonly string[]): boolean {
  const meant = nearest(name, known);
  return meant !== undefined && lettersBetween(name, meant) <= (meant.length < 8 ? 1 : 2);
}

/** Whether the value is an object, and neither null nor a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

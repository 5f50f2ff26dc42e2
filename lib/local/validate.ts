/** Checks of the values that the test kit is given; lib/util/validate.ts checks their names. */
import { inspect } from "node:util";
import { redactTokens } from "../util/redact.ts";
import { lettersBetween, nearest, valueHint } from "../util/validate.ts";

/**
 * The message that refuses a value.
 * @param action What cannot be done: `"set a fault"`.
 * @param rule What the value must be: `"a whole number above 0"`.
 * @param known The texts that the value may be; the message offers the nearest.
 */
export function wrongValue(
  action: string,
  name: string,
  rule: string,
  value: unknown,
  known: readonly string[] = [],
): string {
  const hint = valueHint(value, known);
  return `Cannot ${action} as "${name}" must be ${rule}: current value is ${inspected(value)}${hint}`;
}

function inspected(value: unknown): string {
  const text = typeof value === "string"
    ? JSON.stringify(value)
    : inspect(value, { depth: 0, breakLength: Infinity });
  return redactTokens(text).slice(0, 100);
}

/** The texts as a rule lists them: `"a", "b" or "c"`. */
export function oneOf(texts: readonly string[]): string {
  const quoted = texts.map((text) => JSON.stringify(text));
  return `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
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

export function isMilliseconds(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

/** The rule that `isMilliseconds` checks. */
export const millisecondsRule = "a number of milliseconds from 0 on";

/** @throws {RangeError} If it is no whole number above 0. */
export function assertTimes(times: unknown): void {
  if (times === Infinity || (Number.isInteger(times) && times as number > 0)) return;
  throw new RangeError(wrongValue("set a fault", "times", "a whole number above 0, or Infinity", times));
}

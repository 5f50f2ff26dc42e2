/** The refusal of a value that the test kit is given: names the thing, the rule, and what was meant. */
import { inspect } from "node:util";
import { valueHint } from "../util/validate.ts";
import { redactTokens } from "../util/redact.ts";

/**
 * @param action What cannot be done: `"set a fault"`.
 * @param rule What the value must be: `"a whole number above 0"`.
 * @param known The texts that the value may be, of which the nearest is offered.
 */
export function wrongValue(
  action: string,
  name: string,
  rule: string,
  value: unknown,
  known: readonly string[] = [],
): string {
  return `Cannot ${action} as "${name}" must be ${rule}: current value is ${shown(value)}${
    valueHint(value, known)
  }`;
}

/** The texts as a rule lists them: `"a", "b" or "c"`. */
export function oneOf(texts: readonly string[]): string {
  const quoted = texts.map((text) => JSON.stringify(text));
  return `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}

function shown(value: unknown): string {
  const text = typeof value === "string"
    ? JSON.stringify(value)
    : inspect(value, { depth: 0, breakLength: Infinity });
  return redactTokens(text).slice(0, 100);
}

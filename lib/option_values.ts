/** What an option's value is, for a refusal of it: an object may hold keys to an account, so nothing of it is shown. */
import { valueHint } from "./option_names.ts";
import { withoutTokens } from "./secret.ts";

/** What each element of a list must be. */
export interface ListRule {
  readonly isGood: (element: unknown) => boolean;
  /** The texts that it may be. Default: it is a number. */
  readonly known?: readonly string[];
}

/** What was given, without what a user may have put into the wrong place. */
export function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) {
    return `an object (${value.constructor?.name ?? "of no class"})`;
  }
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return withoutTokens(text).slice(0, 200);
}

/** What stands in a refusal behind the rule; of a list it is the first element that breaks the rule. */
export function currentValue(value: unknown, list?: ListRule): string {
  if (list !== undefined && typeof value === "string") return currentText(value, list);
  if (list === undefined || !Array.isArray(value)) return `current value is ${shown(value)}`;
  const index = value.findIndex((element) => !list.isGood(element));
  if (index < 0) return "it is empty";
  const element: unknown = value[index];
  const meant = numberIn(element, list);
  const hint = meant === element ? valueHint(element, list.known ?? []) : ` (did you mean ${meant}?)`;
  return `at index ${index} it is ${shown(element)}${hint}`;
}

/** A text in a list's place, as the environment gives it, and as it is written by mistake. */
function currentText(text: string, list: ListRule): string {
  const current = `current value is ${shown(text)}`;
  const words = text.split(/[\s,;]+/).filter((word) => word !== "");
  const elements = words.map((word) => numberIn(word, list));
  const odd = elements.find((element) => !list.isGood(element));
  if (elements.length === 0) return current;
  if (odd === undefined) return `${current} (did you mean ${JSON.stringify(elements)}?)`;
  const hint = valueHint(odd, list.known ?? []);
  return words.length === 1 ? current + hint : `${current}, of which ${shown(odd)} is none${hint}`;
}

/** The number that a text is, where numbers are wanted, or whatever it is. */
function numberIn(element: unknown, { isGood, known }: ListRule): unknown {
  const isNumber = known === undefined && typeof element === "string" && /^-?\d+$/.test(element);
  return isNumber && isGood(Number(element)) ? Number(element) : element;
}

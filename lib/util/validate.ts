/** Names that are no option's: what is misspelt in JavaScript would be lost without a word. */
import { distance } from "fastest-levenshtein";
import { redactTokens } from "./redact.ts";

/** Which names an object may have. */
export interface Names {
  readonly known: readonly string[];
  /** What each of them is. Default: `"an option"`. */
  readonly what?: string;
  /** Names that are known in another place, by what that place is called. */
  readonly elsewhere?: Readonly<Record<string, readonly string[]>>;
  /** Whether further names are the user's own affair: then only those are refused that resemble a known one. */
  readonly isOpen?: boolean;
}

/** The names of a type, each of them: the compiler refuses the list that leaves one out, or has one too many. */
export function namesOf<T>(names: Readonly<Record<keyof T & string, true>>): readonly string[] {
  return Object.keys(names);
}

/**
 * What is wrong with the names of an object, without a full stop. A name whose value is undefined is none; an object of a
 * class may have fields of its own, as behind its getters.
 */
export function unknownNames(given: unknown, names: Names): string[] {
  if (typeof given !== "object" || given === null) return [];
  const object = given as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(object).filter((name) =>
    !names.known.includes(name) && object[name] !== undefined
  );
  const isOpen = names.isOpen === true || !isPlain(given);
  const isMeant = (name: string): boolean =>
    names.known.some((known) => object[known] === undefined && isMisspelt(plain(name), plain(known)));
  return unknown.filter((name) => !isOpen || isMeant(name)).map((name) => refusalOf(name, names));
}

/**
 * Refuses an object with names that are unknown.
 * @param action What cannot be done: `"start the server"`.
 */
export function assertNames(
  action: string,
  given: unknown,
  names: Names,
  Refusal: new (message: string) => Error = TypeError,
): void {
  const unknown = unknownNames(given, names);
  if (unknown.length === 0) return;
  throw new Refusal(unknown.map((each) => `Cannot ${action} as ${each}`).join("\n"));
}

/** The name that was meant, if one is near: spelt alike, or a part of it. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const given = plain(name);
  const near = known.map((each) => ({ each, meant: plain(each) }))
    .filter(({ meant }) => isNear(given, meant))
    .map(({ each, meant }) => ({ each, far: farness(given, meant) }));
  return near.sort((one, other) => one.far - other.far)[0]?.each;
}

/** What to say behind a value that is none of those there are: ` (did you mean "reset"?)`; empty where none is near. */
export function valueHint(value: unknown, known: readonly string[]): string {
  const meant = typeof value === "string" ? nearest(value, known) : undefined;
  return meant === undefined ? "" : ` (did you mean ${JSON.stringify(meant)}?)`;
}

/** How many letters differ; two that have changed places are one mistake. Neither case nor `-` and `_` count. */
export function lettersBetween(one: string, other: string): number {
  return farness(plain(one), plain(other));
}

function refusalOf(name: string, { known, what = "an option", elsewhere = {} }: Names): string {
  const [place] = Object.entries(elsewhere).find(([, names]) => names.includes(name)) ?? [];
  if (place !== undefined) return `${name} is not ${what} here: it belongs to ${place}`;
  const meant = nearest(name, known);
  const hint = meant === undefined ? `there are only ${known.join(", ")}` : `did you mean ${meant}?`;
  return `${shownName(name)} is not ${what}: ${hint}`;
}

/** A value that came into a name's place may be a secret. */
function shownName(name: string): string {
  if (name.length > longestShown) return `A name of ${name.length} characters, which is not shown,`;
  const text = redactTokens(name);
  return /^[\w$-]+$/.test(text) ? text : JSON.stringify(text);
}

const longestShown = 30;

const plain = (name: string): string => name.toLowerCase().replace(/[-_\s]/g, "");

function isPlain(object: object): boolean {
  const prototype = Object.getPrototypeOf(object);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function isNear(given: string, meant: string): boolean {
  const isPart = Math.min(given.length, meant.length) >= 4 &&
    (meant.includes(given) || given.includes(meant));
  return isPart || isMisspelt(given, meant) || given.replace(/ies$/, "y") === meant ||
    farness(given, meant) <= 0.4 * Math.max(given.length, meant.length);
}

/** Short words that differ in a letter are different words, as a side and a size; so is a word that goes on. */
function isMisspelt(given: string, meant: string): boolean {
  if (given === meant || given === `${meant}s`) return true;
  const far = farness(given, meant);
  if (far > 1 && given.includes(meant)) return false;
  if (meant.length < 5) return far === 1 && isSwapped(given, meant);
  return far <= (meant.length < 8 ? 1 : 2);
}

function farness(one: string, other: string): number {
  const letters = distance(one, other);
  return letters === 2 && isSwapped(one, other) ? 1 : letters;
}

const isSwapped = (one: string, other: string): boolean =>
  [...one].sort().join("") === [...other].sort().join("");

// What an option's value is, for a refusal of it: an object may hold keys to an account, so nothing of it is shown.

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
  return redactTokens(text).slice(0, 200);
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

/** Something in the configuration is to be put right; the message names it, the rule, and the fix. */
export class ConfigError extends Error {
  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "ConfigError";
}

const ended = (sentence: string): string => sentence.endsWith("?") ? sentence : `${sentence}.`;

/** The same of names alone. */
export function mistakesInNames(options: unknown, names: Names): string[] {
  return unknownNames(options, names).map(ended);
}

/**
 * Refuses the options of a class with names that are unknown.
 * @param isOpen For a class that extends ours, and may have options of its own.
 * @throws {ConfigError} If an option is unknown.
 */
export function assertOptionNames(options: object, names: Names, isOpen: boolean = false): void {
  assertNoMistakes(mistakesInNames(options, { ...names, isOpen }));
}

/** @throws {ConfigError} With every mistake, if there is one. */
export function assertNoMistakes(mistakes: readonly string[]): void {
  if (mistakes.length > 0) throw new ConfigError(mistakes.join("\n"));
}

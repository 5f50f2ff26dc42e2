/**
 * Checks what a caller passes in: the names in an options object, and the value of each by its rule. There are two kinds of
 * refusal. A `ConfigError` lists all mistakes of a configuration, a sentence each: `X must be RULE: current value is V.`
 * An action that cannot be done throws a TypeError or RangeError: `Cannot ACTION as "x" must be RULE: current value is V`.
 */
import { inspect } from "node:util";
import { distance } from "fastest-levenshtein";
import { redactTokens } from "./redact.ts";

type ErrorClass = new (message: string) => Error;

/** What a value must be. */
export interface Rule {
  readonly isGood: (value: unknown) => boolean;
  /** The same in words, which stand behind "must be". */
  readonly rule: string;
  /** Whether `undefined` breaks the rule, too. Default: false. */
  readonly isRequired?: boolean;
  /** Whether no message may show the value. Default: false. */
  readonly isSecret?: boolean;
  /** Whether messages show what is in an object; an options object may hold keys to an account. Default: false. */
  readonly isData?: boolean;
  /** The texts that the value may be: the nearest one is offered. */
  readonly known?: readonly string[];
  /** What each element must be, where the value is a list. */
  readonly list?: ListRule;
  /** What else a message says about the value, such as that it looks like seconds. */
  readonly hint?: (value: unknown) => string;
  /** The error that an action throws. Default: TypeError. */
  readonly Refusal?: ErrorClass;
}

/** What each element of a list must be. */
export interface ListRule {
  readonly isGood: (element: unknown) => boolean;
  /** The texts that it may be. Default: it is a number. */
  readonly known?: readonly string[];
}

/** A rule for each field of a type: the compiler refuses a table that leaves one out, or has one too many. */
export type Rules<T> = { readonly [Name in keyof T & string]-?: Rule };

/** All that is checked of an object. */
export interface Checks<T> extends Omit<Names, "known"> {
  readonly rules: Rules<T>;
  /** What the object is called in a message. Default: `"the options"`. */
  readonly subject?: string;
  /** Such an object, for a message. Default: none. */
  readonly example?: string;
  /** The error for a name that is unknown, and for a value whose rule names no other. Default: TypeError. */
  readonly Refusal?: ErrorClass;
}

// Rules that several tables share.

export const trueOrFalse: Rule = { isGood: (value) => typeof value === "boolean", rule: "true or false" };
/** For a value that is checked in another place. */
export const anything: Rule = { isGood: () => true, rule: "anything" };

/** A text of this form. */
export function textRule(rule: string, form: RegExp = /^/): Rule {
  return { isGood: (value) => typeof value === "string" && form.test(value), rule };
}

/** A number that passes the test; `NaN` passes no comparison. */
export function numberRule(rule: string, isGood: (value: number) => boolean, Refusal?: ErrorClass): Rule {
  return { isGood: (value) => typeof value === "number" && isGood(value), rule, ...Refusal && { Refusal } };
}

export function functionRule(rule: string = "a function"): Rule {
  return { isGood: (value) => typeof value === "function", rule };
}

export const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;

/** An object that has these methods. */
export function methodsRule(rule: string, ...methods: readonly string[]): Rule {
  const has = (value: unknown, name: string): boolean =>
    typeof (value as Readonly<Record<string, unknown>> | null)?.[name] === "function";
  return { isGood: (value) => methods.every((name) => has(value, name)), rule };
}

/** One of these texts. */
export function oneOfRule(...known: readonly string[]): Rule {
  const quoted = known.map((text) => JSON.stringify(text));
  const rule = `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
  return { isGood: (value) => known.includes(value as string), rule, known };
}

/** `x must be RULE: current value is V`, without a full stop. */
export function mistakeIn(name: string, value: unknown, rule: Rule): string {
  if (rule.isSecret) return `${name} must be ${rule.rule} (its value is not shown)`;
  const current = rule.isData ? `current value is ${shownData(value)}` : currentValue(value, rule.list);
  const hint = valueHint(value, rule.known ?? []) + (rule.hint?.(value) ?? "");
  return `${name} must be ${rule.rule}: ${current}${hint}`;
}

const breaks = (value: unknown, { isGood, isRequired = false }: Rule): boolean =>
  value === undefined ? isRequired : !isGood(value);

// Configuration: all mistakes in one ConfigError.

/** Something in the configuration is to be put right; the message names it, the rule, and the fix. */
export class ConfigError extends Error {
  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "ConfigError";
}

/** @throws {ConfigError} With every mistake, if there is one. */
export function assertNoMistakes(mistakes: readonly string[]): void {
  if (mistakes.length > 0) throw new ConfigError(mistakes.join("\n"));
}

/**
 * A sentence if the value breaks its rule. A required one is not set where it is `undefined` or empty.
 * @param remedy A sentence on where to set a required value.
 */
export function configMistakes(name: string, value: unknown, rule: Rule, remedy: string = ""): string[] {
  if (rule.isRequired && (value === undefined || value === "")) {
    return [`${name} is not set: it must be ${rule.rule}.${remedy}`];
  }
  return breaks(value, rule) ? [ended(mistakeIn(name, value, rule))] : [];
}

/** A sentence for each name that is unknown, or one if that is no object at all. `example` is one of its options. */
export function mistakesInNames(options: unknown, names: Names, example?: string): string[] {
  if (example !== undefined && !isObject(options)) {
    return [`The options must be an object such as { ${example} }: current value is ${shown(options)}.`];
  }
  return unknownNames(options, names).map(ended);
}

/**
 * Refuses the options of a class with names that are unknown.
 * @param isOpen For a class that extends ours, and may have options of its own.
 * @throws {ConfigError} If an option is unknown, or the options are no object.
 */
export function assertOptionNames(options: object, names: Names, isOpen: boolean = false): void {
  assertNoMistakes(mistakesInNames(options, { ...names, isOpen }, names.known[0]));
}

function ended(sentence: string): string {
  return sentence.endsWith("?") ? sentence : `${sentence}.`;
}

// Actions: a TypeError or RangeError.

/**
 * Refuses an object with names that are unknown, or values that break their rules.
 * @param action What cannot be done: `"clean up"`.
 * @param found Mistakes that were found besides, each as `mistakeIn` writes them.
 */
export function assertOptions<T>(
  action: string,
  given: unknown,
  { rules, subject = "the options", example, Refusal = TypeError, ...names }: Checks<T>,
  found: readonly string[] = [],
): void {
  const rule = `an object${example === undefined ? "" : ` such as ${example}`}`;
  assertSubject(action, subject, given, { isGood: isObject, rule, isRequired: true, Refusal });
  const object = given as Readonly<Record<string, unknown>>;
  const table = Object.entries<Rule>(rules);
  const unknown = [...found, ...unknownNames(given, { ...names, known: table.map(([name]) => name) })];
  // What is missing where a name is misspelt is there under the wrong name.
  const broken = table.filter(([name, rule]) =>
    breaks(object[name], rule) && (unknown.length === 0 || object[name] !== undefined)
  );
  const Kind = (unknown.length === 0 ? broken[0]?.[1].Refusal : undefined) ?? Refusal;
  const mistakes = [
    ...unknown,
    ...broken.map(([name, rule]) => mistakeIn(`"${name}"`, object[name], rule)),
  ];
  refuse(action, mistakes, Kind);
}

/** Refuses one value by its name. */
export function assertValue(action: string, name: string, value: unknown, rule: Rule): void {
  assertSubject(action, `"${name}"`, value, rule);
}

/** Refuses a value that has no name: `subject` is what the sentence calls it, such as `they`. */
export function assertSubject(action: string, subject: string, value: unknown, rule: Rule): void {
  if (breaks(value, rule)) refuse(action, [mistakeIn(subject, value, rule)], rule.Refusal);
}

/** Refuses an object with names that are unknown. */
export function assertNames(
  action: string,
  given: unknown,
  names: Names,
  Refusal: ErrorClass = TypeError,
): void {
  refuse(action, unknownNames(given, names), Refusal);
}

function refuse(action: string, mistakes: readonly string[], Refusal: ErrorClass = TypeError): void {
  if (mistakes.length === 0) return;
  throw new Refusal(mistakes.map((mistake) => `Cannot ${action} as ${mistake}`).join("\n"));
}

// Names: in JavaScript nothing else finds an option that is misspelt.

/** Which names an object may have. */
export interface Names {
  readonly known: readonly string[];
  /** What each of them is. Default: `"an option"`. */
  readonly what?: string;
  /** Names that are known in another place, by what that place is called. */
  readonly elsewhere?: Readonly<Record<string, readonly string[]>>;
  /** Other words for a name, in small letters: each means the name where that is missing. */
  readonly synonyms?: Readonly<Record<string, readonly string[]>>;
  /** Whether an object may have further names: then only a name that resembles a known one is refused. */
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
  if (!isObject(given)) return [];
  const object = given as Readonly<Record<string, unknown>>;
  const isOpen = names.isOpen === true || !isPlain(object);
  const missing = names.known.filter((known) => object[known] === undefined);
  const unknown = Object.keys(object).filter((name) =>
    !names.known.includes(name) && object[name] !== undefined
  );
  return unknown.flatMap((name) => {
    const synonymous = missing.find((known) => names.synonyms?.[known]?.includes(plain(name)));
    const isMeant = missing.some((known) => isMisspelt(plain(name), plain(known)));
    return !isOpen || isMeant || synonymous !== undefined ? [unknownName(name, names, synonymous)] : [];
  });
}

function unknownName(name: string, names: Names, synonymous: string | undefined): string {
  const { known, what = "an option", elsewhere = {} } = names;
  const [place] = Object.entries(elsewhere).find(([, others]) => others.includes(name)) ?? [];
  if (place !== undefined) return `${name} is not ${what} here: it belongs to ${place}`;
  const meant = synonymous ?? nearest(name, known);
  const hint = meant === undefined ? `there are only ${known.join(", ")}` : `did you mean ${meant}?`;
  return `${shownName(name)} is not ${what}: ${hint}`;
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

// Values as messages show them.

const longestName = 30;
const longestValue = 200;

/** A value that came into a name's place may be a secret. */
function shownName(name: string): string {
  if (name.length > longestName) return `A name of ${name.length} characters, which is not shown,`;
  const text = redactTokens(name);
  return /^[\w$-]+$/.test(text) ? text : JSON.stringify(text);
}

/** What was given, without what a user may have put into the wrong place: of an object only its class. */
export function shown(value: unknown): string {
  if (isObject(value) && !(value instanceof Date)) {
    return `an object (${value.constructor?.name ?? "of no class"})`;
  }
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return redactTokens(text).slice(0, longestValue);
}

/** Market data, which holds no secrets: of an object also what is in it. */
export function shownData(value: unknown): string {
  const isInspected = isObject(value) && !(value instanceof Date);
  return isInspected
    ? inspect(value, { depth: 1, breakLength: Infinity }).slice(0, longestValue)
    : shown(value);
}

/** What stands in a refusal behind the rule; of a list it is the first element that breaks the rule. */
function currentValue(value: unknown, list?: ListRule): string {
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

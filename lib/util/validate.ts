/**
 * Checks what a caller passes in: the names in an options object, and the value of each by its rule. There are two kinds of
 * refusal. A `ConfigError` lists all mistakes of a configuration, a sentence each: `X must be RULE: current value is V.`
 * An action that cannot be done throws a TypeError or RangeError: `Cannot ACTION as "x" must be RULE: current value is V`.
 */
import { distance } from "fastest-levenshtein";
import { attempt } from "./async.ts";
import { dataText } from "./data_text.ts";
import { hasName } from "./errors.ts";
import { safeOptions, safeText } from "./safe_text.ts";

type ErrorClass = new (message: string) => Error;

/** What a value must be. */
export interface Rule {
  readonly isGood: (value: unknown) => boolean;
  /** The same in words, which stand behind "must be". */
  readonly rule: string;
  /** Whether `undefined` breaks the rule, too. Default: false. */
  readonly isRequired?: boolean;
  /** Whether no message may show the value, or this one. Default: false. */
  readonly isSecret?: boolean | ((value: unknown) => boolean);
  /** Whether messages show what is in an object; an options object may hold keys to an account. Default: false. */
  readonly isData?: boolean;
  /** The texts that the value may be: the nearest one is offered. */
  readonly known?: readonly string[];
  readonly list?: ListRule;
  /** What else a message says about the value, such as that it looks like seconds. */
  readonly hint?: (value: unknown) => string;
  /** The error that an action throws. Default: TypeError. */
  readonly Refusal?: ErrorClass;
}

/** What each element of a list must be: one of the known texts, or without them a number. */
export type ListRule = Pick<Rule, "isGood" | "known">;

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

export function methodsRule(rule: string, ...methods: readonly string[]): Rule {
  const has = (value: unknown, name: string): boolean =>
    typeof (value as Readonly<Record<string, unknown>> | null)?.[name] === "function";
  return { isGood: (value) => methods.every((name) => has(value, name)), rule };
}

export function oneOfRule(...known: readonly string[]): Rule {
  const quoted = known.map((text) => JSON.stringify(text));
  const rule = `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
  return { isGood: (value) => known.includes(value as string), rule, known };
}

export const tableRule: Rule = textRule("3 to 255 letters, digits, _, . and -", /^[A-Za-z0-9_.-]{3,255}$/);
export const regionRule: Rule = textRule("an AWS region such as us-east-1", /^[a-z]{2,}(-[a-z0-9]+)+$/);
export const clientRule: Rule = methodsRule("a DynamoDBClient", "send");
export const fetchRule: Rule = functionRule("a fetch function");
export const loggerRule: Rule = methodsRule("{ info, warn, error }", "info", "warn", "error");
export const clockRule: Rule = methodsRule("{ now, sleep, random }", "now", "sleep", "random");

/** `x must be RULE: current value is V`, without a full stop. */
export function mistakeIn(name: string, value: unknown, rule: Rule): string {
  const { isSecret = false } = rule;
  if (isSecret === true || (isSecret && attempt(() => isSecret(value), true))) {
    return `${name} must be ${rule.rule} (its value is not shown)`;
  }
  const current = rule.list
    ? attempt(() => currentList(value, rule.list as ListRule), "it cannot be read")
    : `current value is ${shown(value, rule.isData)}`;
  const hint = valueHint(value, rule.known) + attempt(() => rule.hint?.(value) ?? "", "");
  return `${name} must be ${rule.rule}: ${current}${hint}`;
}

/** A value that cannot even be looked at breaks every rule. */
const breaks = (value: unknown, { isGood, isRequired = false }: Rule): boolean =>
  value === undefined ? isRequired : !attempt(() => isGood(value), false);

// Configuration: all mistakes in one ConfigError.

/** Something in the configuration is to be put right; the message names it, the rule, and the fix. */
export class ConfigError extends Error {
  /** By the name, as two copies of this class may be loaded: the package's and a subpath's. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasName(value, "ConfigError");
  }

  /** For telling it from other errors where two copies of this package are loaded. */
  override readonly name = "ConfigError";

  /** @ignore Thrown by the toolkit. */
  constructor(message: string, options?: ErrorOptions) {
    super(safeText(message), safeOptions(options));
  }
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

/** A sentence for each name that is unknown, or one if that is no object. `example` is one of its options. */
export function mistakesInNames(options: unknown, names: Names, example?: string): string[] {
  if (example !== undefined && !isObject(options)) {
    return [`The options must be an object such as { ${example} }: current value is ${shown(options)}.`];
  }
  return unknownNames(options, names).map(ended);
}

/**
 * Refuses the options of a class with names that are unknown, or values that break their rules.
 * @param isOpen For a class that extends ours, and may have options of its own.
 * @throws {ConfigError} If an option is unknown or malformed, or the options are no object.
 */
export function assertClassOptions<T>(
  options: unknown,
  { rules, ...names }: Pick<Checks<T>, "rules" | "elsewhere">,
  isOpen: boolean = false,
): void {
  const table = Object.entries<Rule>(rules);
  const known = table.map(([name]) => name);
  assertNoMistakes(mistakesInNames(options, { ...names, known, isOpen }, known[0]));
  const given = options as Readonly<Record<string, unknown>>;
  assertNoMistakes(table.flatMap(([name, rule]) => configMistakes(name, given[name], rule)));
}

const ended = (sentence: string): string => sentence.endsWith("?") ? sentence : `${sentence}.`;

// Actions: a TypeError or RangeError.

/**
 * Refuses an object with names that are unknown, or values that break their rules.
 * @param action What cannot be done: `"clean up"`.
 * @param found Mistakes that were found besides, each as `mistakeIn` writes them.
 */
export function assertOptions<T>(
  action: string,
  given: unknown,
  { rules, subject = "the options", example, Refusal, ...names }: Checks<T>,
  found: readonly string[] = [],
): void {
  if (!isObject(given)) {
    const rule = `an object${example === undefined ? "" : ` such as ${example}`}`;
    refuse(action, [mistakeIn(subject, given, { isGood: isObject, rule })], Refusal);
  }
  const object = given as Readonly<Record<string, unknown>>;
  assertReadable(action, subject, object, Object.keys(rules), Refusal);
  const table = Object.entries<Rule>(rules);
  const unknown = [...found, ...unknownNames(given, { ...names, known: Object.keys(rules) })];
  // What is missing where a name is misspelt is there under the wrong name.
  const broken = table.filter(([name, rule]) =>
    breaks(object[name], rule) && (unknown.length === 0 || object[name] !== undefined)
  );
  const Kind = (unknown.length === 0 ? broken[0]?.[1].Refusal : undefined) ?? Refusal;
  const mistakes = broken.map(([name, rule]) => mistakeIn(`"${name}"`, object[name], rule));
  refuse(action, [...unknown, ...mistakes], Kind);
}

/** Refuses an object whose properties cannot be read: one with getters that throw, or a Proxy. */
export function assertReadable(
  action: string,
  subject: string,
  given: object,
  names: readonly string[],
  Refusal?: ErrorClass,
): void {
  const object = given as Readonly<Record<string, unknown>>;
  const fails = (look: () => unknown): boolean => attempt(() => (look(), false), true);
  if (fails(() => Object.keys(object))) refuse(action, [`${subject} cannot be read`], Refusal);
  const name = [...names, ...Object.keys(object)].find((each) => fails(() => object[each]));
  if (name !== undefined) {
    refuse(action, [`${subject} cannot be read: its ${shownName(name)} fails`], Refusal);
  }
}

export function assertValue(action: string, name: string, value: unknown, rule: Rule): void {
  assertSubject(action, `"${name}"`, value, rule);
}

/** Refuses a value that has no name: `subject` is what the sentence calls it, such as `they`. */
export function assertSubject(action: string, subject: string, value: unknown, rule: Rule): void {
  if (breaks(value, rule)) refuse(action, [mistakeIn(subject, value, rule)], rule.Refusal);
}

/** Refuses an object with names that are unknown. */
export function assertNames(action: string, given: unknown, names: Names, Refusal?: ErrorClass): void {
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
  const prototype = Object.getPrototypeOf(object);
  const isOfClass = prototype !== null && Object.getPrototypeOf(prototype) !== null;
  const isOpen = names.isOpen === true || isOfClass;
  const missing = names.known.filter((known) => object[known] === undefined);
  const unknown = Object.keys(object).filter((name) => !names.known.includes(name));
  return unknown.filter((name) => object[name] !== undefined).flatMap((name) => {
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
  const near = known.filter((each) => isNear(plain(name), plain(each)));
  return near.sort((one, other) => lettersBetween(name, one) - lettersBetween(name, other))[0];
}

/** What to say behind a value that is none of those there are: ` (did you mean "reset"?)`; empty where none is near. */
export function valueHint(value: unknown, known: readonly string[] = []): string {
  const meant = typeof value === "string" ? nearest(value, known) : undefined;
  return meant === undefined ? "" : ` (did you mean ${JSON.stringify(meant)}?)`;
}

/** How many letters differ; two that have changed places are one mistake. Neither case nor `-` and `_` count. */
export function lettersBetween(one: string, other: string): number {
  const [given, meant] = [plain(one), plain(other)];
  const letters = distance(given, meant);
  return letters === 2 && isSwapped(given, meant) ? 1 : letters;
}

const plain = (name: string): string => name.toLowerCase().replace(/[-_\s]/g, "");

function isNear(given: string, meant: string): boolean {
  const isPart = Math.min(given.length, meant.length) >= 4 &&
    (meant.includes(given) || given.includes(meant));
  return isPart || isMisspelt(given, meant) || given.replace(/ies$/, "y") === meant ||
    lettersBetween(given, meant) <= 0.4 * Math.max(given.length, meant.length);
}

/** Short words that differ in a letter are different words, as a side and a size; so is a word that goes on. */
function isMisspelt(given: string, meant: string): boolean {
  if (given === meant || given === `${meant}s`) return true;
  const far = lettersBetween(given, meant);
  if (far > 1 && given.includes(meant)) return false;
  if (meant.length < 5) return far === 1 && isSwapped(given, meant);
  return far <= (meant.length < 8 ? 1 : 2);
}

const isSwapped = (one: string, other: string): boolean =>
  [...one].sort().join("") === [...other].sort().join("");

// Values as messages show them.

const longestName = 30;
const longestValue = 100;

/** A name as messages show it: a value that came into its place may be a secret. */
export function shownName(name: string): string {
  if (name.length > longestName) return `A name of ${name.length} characters, which is not shown,`;
  const text = safeText(name);
  return /^[\w$-]+$/.test(text) ? text : JSON.stringify(text);
}

/**
 * What was given, without what a user may have put into the wrong place: of an object only its class.
 * @param isData Market data holds no secrets: of an object it is shown what is in it, too.
 */
export function shown(value: unknown, isData: boolean = false): string {
  const text = attempt(() => textOf(value, isData), `a value that cannot be shown (${typeof value})`);
  return safeText(text).slice(0, longestValue);
}

function textOf(value: unknown, isData: boolean): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (!isObject(value) || value instanceof Date) return String(value);
  if (isData) return dataText(value);
  return `an object (${String(value.constructor?.name ?? "of no class")})`;
}

/** What stands behind the rule of a list: the first element that breaks it. Text may stand in the list's place. */
function currentList(value: unknown, list: ListRule): string {
  const current = `current value is ${shown(value)}`;
  if (typeof value !== "string" && !Array.isArray(value)) return current;
  const isText = typeof value === "string";
  const given: readonly unknown[] = isText ? value.split(/[\s,;]+/).filter((word) => word !== "") : value;
  const meant = given.map((element) => numberIn(element, list));
  const index = (isText ? meant : given).findIndex((element) => !list.isGood(element));
  const element = given[index];
  const isNumber = !Object.is(meant[index], element);
  const hint = isNumber ? ` (did you mean ${meant[index]}?)` : valueHint(element, list.known);
  if (!isText) return index < 0 ? "it is empty" : `at index ${index} it is ${shown(element)}${hint}`;
  if (given.length === 0) return current;
  if (index < 0) return `${current} (did you mean ${JSON.stringify(meant)}?)`;
  return given.length === 1 ? current + hint : `${current}, of which ${shown(element)} is none${hint}`;
}

/** The number that a text is, where numbers are wanted, or whatever it is. */
function numberIn(element: unknown, { isGood, known }: ListRule): unknown {
  const isNumber = known === undefined && typeof element === "string" && /^-?\d+$/.test(element);
  return isNumber && isGood(Number(element)) ? Number(element) : element;
}

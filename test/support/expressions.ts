/**
 * Evaluates DynamoDB's condition and update expressions, as far as the tested programs write them. A program's expressions
 * differ only in their values, so each text is parsed once.
 */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";

export type Item = Record<string, AttributeValue>;

/** What an expression is evaluated on. */
export interface Scope {
  readonly item: Item;
  readonly names: Readonly<Record<string, string>>;
  readonly values: Readonly<Item>;
}

type Condition = (scope: Scope) => boolean;
type Operand = (scope: Scope) => AttributeValue | undefined;
type Action = (after: Item, scope: Scope) => void;

export const conditionOf: (text: string) => Condition = once((text) => {
  const words = new Words(text);
  return words.toEnd(either(words));
});

/** Gives a changed copy. */
export const updateOf: (text: string) => (scope: Scope) => Item = once((text) => {
  const words = new Words(text);
  const actions: Action[] = [];
  while (!words.isAtEnd) {
    const verb = words.next();
    do actions.push(actionOf(verb, words)); while (words.takes(","));
  }
  return (scope) => {
    const after = { ...scope.item };
    for (const act of actions) act(after, scope);
    return after;
  };
});

function once<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const value = known.get(text) ?? read(text);
    known.set(text, value);
    return value;
  };
}

class Words {
  readonly #words: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#words = text.match(/[#:]?\w+|<=|>=|<>|\S/g) ?? [];
  }

  get isAtEnd(): boolean {
    return this.#at === this.#words.length;
  }

  next(): string {
    return this.#words[this.#at++] ?? "";
  }

  takes(word: string): boolean {
    const isNext = this.#words[this.#at] === word;
    if (isNext) this.#at++;
    return isNext;
  }

  must(word: string): void {
    if (!this.takes(word)) {
      throw new Error(`${word} expected before ${this.#words.slice(this.#at).join(" ")}`);
    }
  }

  toEnd<T>(value: T): T {
    if (!this.isAtEnd) throw new Error(`end expected before ${this.next()}`);
    return value;
  }
}

function either(words: Words): Condition {
  const parts = [both(words)];
  while (words.takes("OR")) parts.push(both(words));
  return (scope) => parts.some((part) => part(scope));
}

function both(words: Words): Condition {
  const parts = [single(words)];
  while (words.takes("AND")) parts.push(single(words));
  return (scope) => parts.every((part) => part(scope));
}

function single(words: Words): Condition {
  if (words.takes("NOT")) {
    const inner = single(words);
    return (scope) => !inner(scope);
  }
  if (words.takes("(")) {
    const inner = either(words);
    words.must(")");
    return inner;
  }
  const word = words.next();
  if (words.takes("(")) return callOf(word, words);
  const left = operandOf(word, words);
  const compare = comparisons[words.next()];
  if (compare === undefined) throw new Error(`no comparison after ${word}`);
  const right = operandOf(words.next(), words);
  return (scope) => {
    const order = orderOf(left(scope), right(scope));
    return order !== undefined && compare(order);
  };
}

function callOf(name: string, words: Words): Condition {
  const path = operandOf(words.next(), words);
  const type = name === "attribute_type" && words.takes(",") ? operandOf(words.next(), words) : undefined;
  words.must(")");
  if (type !== undefined) return (scope) => typeOf(path(scope)) === type(scope)?.S;
  if (name === "attribute_exists") return (scope) => path(scope) !== undefined;
  if (name === "attribute_not_exists") return (scope) => path(scope) === undefined;
  throw new Error(`${name} is not known here`);
}

/** A value, or a path as `#user.#name`. */
function operandOf(word: string, words: Words): Operand {
  if (word.startsWith(":")) return ({ values }) => values[word];
  const path = pathOf(word, words);
  return ({ item, names }) =>
    path.reduce<AttributeValue | undefined>((value, part) => value?.M?.[names[part] ?? part], { M: item });
}

function pathOf(word: string, words: Words): string[] {
  const path = [word];
  while (words.takes(".")) path.push(words.next());
  return path;
}

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  "=": (order) => order === 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

function typeOf(value: AttributeValue | undefined): string | undefined {
  return value && Object.keys(value)[0];
}

/** `undefined` where the two do not compare. */
function orderOf(left: AttributeValue | undefined, right: AttributeValue | undefined): number | undefined {
  if (left?.N !== undefined && right?.N !== undefined) return Number(left.N) - Number(right.N);
  if (left?.BOOL !== undefined && right?.BOOL !== undefined) return Number(left.BOOL) - Number(right.BOOL);
  if (left?.S === undefined || right?.S === undefined) return undefined;
  return left.S === right.S ? 0 : left.S < right.S ? -1 : 1;
}

function actionOf(verb: string, words: Words): Action {
  const path = pathOf(words.next(), words);
  if (verb === "REMOVE") return (after, { names }) => place(after, path, names, undefined);
  if (verb === "SET") words.must("=");
  const value = words.next();
  if (!value.startsWith(":")) throw new Error(`only values can be set here, not ${value}`);
  if (verb === "SET") return (after, { names, values }) => place(after, path, names, values[value]);
  if (verb !== "ADD") throw new Error(`${verb} is not known here`);
  return (after, { item, names, values }) => {
    const before = item[names[path[0] ?? ""] ?? path[0] ?? ""];
    place(after, path, names, sumOf(before, values[value]));
  };
}

/** Numbers are added up, sets of numbers joined. */
function sumOf(before: AttributeValue | undefined, value: AttributeValue | undefined): AttributeValue {
  if (value?.NS !== undefined && (before === undefined || before.NS !== undefined)) {
    return { NS: [...new Set([...before?.NS ?? [], ...value.NS])] };
  }
  if (value?.N === undefined || (before !== undefined && before.N === undefined)) {
    throw new Error("An operand in the update expression has an incorrect data type");
  }
  return { N: String(Number(before?.N ?? "0") + Number(value.N)) };
}

/** Copies the maps on the path, as the item before may be an answer. */
function place(
  after: Item,
  path: readonly string[],
  names: Scope["names"],
  value: AttributeValue | undefined,
): void {
  const [first = "", ...rest] = path;
  const name = names[first] ?? first;
  if (rest.length > 0) {
    const inner = after[name]?.M;
    if (inner === undefined) throw new Error(`${name} is no map`);
    const copy = { ...inner };
    after[name] = { M: copy };
    place(copy, rest, names, value);
  } else if (value === undefined) delete after[name];
  else after[name] = value;
}

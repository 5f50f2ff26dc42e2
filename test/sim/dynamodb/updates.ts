/** Update expressions, compiled to functions. */
import type { ValueCheck } from "./conditions.ts";
import { invalid } from "./errors.ts";
import { addNumbers, subtractNumbers } from "./numbers.ts";
import { assertDistinctPaths, type Path, type Tokens, valueAt } from "./tokens.ts";
import { type Item, type Type, typeOf, type Value } from "./values.ts";

/** What an update does to items. */
export interface Update {
  /** The paths that it changes. */
  readonly paths: readonly Path[];
  /** The types of attributes that it sets, where these do not depend on the item. */
  readonly types: (values: Item) => readonly (readonly [name: string, type: Type])[];
  /**
   * The item after it: a copy, which shares what did not change.
   * @throws {DynamoDBError} If the item has other types than the update needs.
   */
  readonly apply: (item: Item, values: Item) => Item;
}

/** Reads a whole update. `checks` gets what has to hold of the request's values. */
export function readUpdate(tokens: Tokens, checks: ValueCheck[]): Update {
  const reader = new UpdateReader(tokens, checks);
  reader.readSections();
  const { actions, removals, paths } = reader;
  assertDistinctPaths(paths);
  // Of a list the last members go first, as the others keep their places then.
  removals.sort(({ path: one }, { path: other }) => Number(other.at(-1)) - Number(one.at(-1)) || 0);
  const apply = (item: Item, values: Item): Item => {
    const after = { ...item };
    const given = actions.map(({ value }) => value(item, values));
    for (const [index, { path, combine }] of actions.entries()) {
      changeAt(after, path, (old) => combine(old, given[index] as Value));
    }
    for (const { path } of removals) changeAt(after, path, () => undefined);
    return after;
  };
  const typed = actions.filter(({ path, type }) => path.length === 1 && type !== undefined);
  const types: Update["types"] = (values) =>
    typed.map(({ path, type }) => [path[0] as string, type?.(values) as Type] as const);
  return { paths, types, apply };
}

/** What becomes of the value at a path. */
interface Action extends Operand {
  readonly path: Path;
  readonly combine: (old: Value | undefined, value: Value) => Value | undefined;
}

/** The type that a value will have, by the values of the request. */
type TypeOf = (values: Item) => Type;

interface Operand {
  /** The value by the item before the update. */
  readonly value: (item: Item, values: Item) => Value;
  readonly type?: TypeOf | undefined;
}

function valueOf(alias: string): Operand {
  return {
    value: (_item, values) => values[alias] as Value,
    type: (values) => typeOf(values[alias] as Value),
  };
}

class UpdateReader {
  readonly actions: Action[] = [];
  readonly removals: { readonly path: Path }[] = [];
  /** Of all actions, in the order of the text. */
  readonly paths: Path[] = [];
  readonly #tokens: Tokens;
  readonly #checks: ValueCheck[];

  constructor(tokens: Tokens, checks: ValueCheck[]) {
    this.#tokens = tokens;
    this.#checks = checks;
  }

  readSections(): void {
    const read = new Set<string>();
    while (!this.#tokens.isAtEnd) {
      const section = this.#tokens.peek().toUpperCase();
      if (!["SET", "REMOVE", "ADD", "DELETE"].includes(section)) throw this.#tokens.syntaxError();
      if (read.has(section)) {
        throw invalid(`The "${section}" section can only be used once in an update expression;`);
      }
      read.add(section);
      this.#tokens.next();
      do this.#readAction(section); while (this.#tokens.takes(","));
    }
  }

  #readAction(section: string): void {
    const path = this.#tokens.path();
    this.paths.push(path);
    if (section === "REMOVE") this.removals.push({ path });
    else if (section === "SET") this.#readSet(path);
    else this.#readMembers(path, section as "ADD" | "DELETE");
  }

  #readSet(path: Path): void {
    this.#tokens.expect("=");
    this.actions.push({ path, ...this.#sum(), combine: (_old, value) => value });
  }

  #readMembers(path: Path, operator: "ADD" | "DELETE"): void {
    const alias = this.#tokens.valueAlias();
    this.#checks.push((values) => assertMembers(operator, values[alias] as Value));
    this.actions.push({ path, ...valueOf(alias), combine: operator === "ADD" ? added : deleted });
  }

  #sum(): Operand {
    const left = this.#operand();
    const operator = this.#tokens.peek();
    if (operator !== "+" && operator !== "-") return left;
    this.#tokens.next();
    const right = this.#operand();
    const combine = operator === "+" ? addNumbers : subtractNumbers;
    return {
      type: () => "N",
      value: (item, values) => ({
        N: combine(numberIn(left.value(item, values)), numberIn(right.value(item, values))),
      }),
    };
  }

  #operand(): Operand {
    const tokens = this.#tokens;
    if (tokens.peek().startsWith(":")) return valueOf(tokens.valueAlias());
    if (tokens.peek(1) === "(" && !tokens.peek().startsWith("#")) return this.#call();
    const path = tokens.path();
    const value = (item: Item): Value => {
      const found = valueAt(item, path);
      if (found !== undefined) return found;
      throw invalid("The provided expression refers to an attribute that does not exist in the item");
    };
    return { value };
  }

  #call(): Operand {
    const tokens = this.#tokens;
    const name = tokens.next();
    tokens.expect("(");
    if (name === "if_not_exists") {
      const path = tokens.path();
      tokens.expect(",");
      const { value, type } = this.#operand();
      tokens.expect(")");
      return { type, value: (item, values) => valueAt(item, path) ?? value(item, values) };
    }
    if (name !== "list_append") throw invalid(`Invalid function name; function: ${name}`);
    const first = this.#operand();
    tokens.expect(",");
    const second = this.#operand();
    tokens.expect(")");
    return {
      type: () => "L",
      value: (item, values) => ({
        L: [...listIn(first.value(item, values)), ...listIn(second.value(item, values))],
      }),
    };
  }
}

const typeNames: Partial<Record<Type, string>> = {
  ...{ S: "STRING", N: "NUMBER", B: "BINARY", NULL: "NULL", BOOL: "BOOLEAN", L: "LIST", M: "MAP" },
};

function assertMembers(operator: "ADD" | "DELETE", value: Value): void {
  const type = typeOf(value);
  if (typeNames[type] === undefined || (operator === "ADD" && type === "N")) return;
  throw invalid(
    `Incorrect operand type for operator or function; operator: ${operator}, operand type: ${
      typeNames[type]
    }`,
  );
}

function wrongType(): Error {
  return invalid("An operand in the update expression has an incorrect data type");
}

function numberIn({ N }: Value): string {
  if (N === undefined) throw wrongType();
  return N;
}

function listIn({ L }: Value): readonly Value[] {
  if (L === undefined) throw wrongType();
  return L;
}

type SetType = "SS" | "NS" | "BS";

/** Numbers are added up, sets joined. */
function added(old: Value | undefined, value: Value): Value {
  if (old === undefined) return value;
  const type = typeOf(value);
  if (typeOf(old) !== type) throw wrongType();
  if (type === "N") return { N: addNumbers(numberIn(old), numberIn(value)) };
  return { [type]: [...new Set([...old[type as SetType] ?? [], ...value[type as SetType] ?? []])] };
}

/** A set without these members; `undefined` where none is left. */
function deleted(old: Value | undefined, value: Value): Value | undefined {
  if (old === undefined) return undefined;
  const type = typeOf(value) as SetType;
  if (typeOf(old) !== type) throw wrongType();
  const left = (old[type] ?? []).filter((member) => !value[type]?.includes(member));
  return left.length === 0 ? undefined : { [type]: left };
}

type Change = (old: Value | undefined) => Value | undefined;

/** Changes the value at the path, and copies the maps and lists on the way to it. */
function changeAt(after: Record<string, Value>, path: Path, change: Change): void {
  const name = path[0] as string;
  const old = after[name];
  const value = path.length === 1 ? change(old) : changeInside(old, path, 1, change);
  if (value === undefined) delete after[name];
  else after[name] = value;
}

function changeInside(parent: Value | undefined, path: Path, depth: number, change: Change): Value {
  const step = path[depth] as string | number;
  const old = parent && valueAt({ parent }, ["parent", step]);
  const isParent = typeof step === "number" ? parent?.L !== undefined : parent?.M !== undefined;
  if (!isParent) throw invalid("The document path provided in the update expression is invalid for update");
  const value = depth === path.length - 1 ? change(old) : changeInside(old, path, depth + 1, change);
  if (typeof step === "string") {
    const map = { ...parent?.M };
    if (value === undefined) delete map[step];
    else map[step] = value;
    return { M: map };
  }
  const list = [...parent?.L ?? []];
  if (value === undefined) list.splice(step, 1);
  else if (step < list.length) list[step] = value;
  else list.push(value);
  return { L: list };
}

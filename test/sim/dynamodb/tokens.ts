/** The tokens of an expression, and the paths in it, with the aliases of names replaced. */
import { invalid } from "./errors.ts";
import { isReserved } from "./reserved_words.ts";
import type { Item, Value } from "./values.ts";

export type Names = Readonly<Record<string, string>>;

/** The names of an attribute and of the maps' members below it, and the indexes of lists. */
export type Path = readonly (string | number)[];

const tokenPattern = /[#:]?[A-Za-z0-9_]+|<=|>=|<>|\S/g;

/** Reads an expression from left to right, and notes what it uses. */
export class Tokens {
  readonly #tokens: readonly string[];
  readonly #names: Names;
  #at = 0;
  /** Aliases of names, such as `#name`, that were read so far. */
  readonly usedNames: Set<string> = new Set();
  /** Aliases of values, such as `:value`, that were read so far. */
  readonly usedValues: Set<string> = new Set();

  /** @throws {DynamoDBError} If the text is empty. */
  constructor(text: string, names: Names) {
    this.#tokens = text.match(tokenPattern) ?? [];
    this.#names = names;
    if (this.#tokens.length === 0) throw invalid("The expression can not be empty;");
  }

  get isAtEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  /** The next token, or the one so many behind it; an empty text after the last one. */
  peek(ahead: number = 0): string {
    return this.#tokens[this.#at + ahead] ?? "";
  }

  next(): string {
    if (this.isAtEnd) throw this.syntaxError();
    return this.#tokens[this.#at++] as string;
  }

  /** Moves on where this token or, whatever its capitals, this keyword is next. */
  takes(token: string): boolean {
    const isNext = this.peek().toUpperCase() === token;
    if (isNext) this.#at++;
    return isNext;
  }

  expect(token: string): void {
    if (!this.takes(token)) throw this.syntaxError();
  }

  expectEnd(): void {
    if (!this.isAtEnd) throw this.syntaxError();
  }

  syntaxError(): Error {
    const token = this.isAtEnd ? "<EOF>" : this.peek();
    const near = this.#tokens.slice(Math.max(0, this.#at - 1), this.#at + 2).join(" ");
    return invalid(`Syntax error; token: "${token}", near: "${near}"`);
  }

  /** The alias of a value. */
  valueAlias(): string {
    if (!/^:\w/.test(this.peek())) throw this.syntaxError();
    const alias = this.next();
    this.usedValues.add(alias);
    return alias;
  }

  /** A path such as `#user.#name` or `list[0]`. */
  path(): Path {
    const path: (string | number)[] = [this.#name()];
    for (;;) {
      if (this.takes(".")) path.push(this.#name());
      else if (this.takes("[")) {
        if (!/^\d+$/.test(this.peek())) throw this.syntaxError();
        path.push(Number(this.next()));
        this.expect("]");
      } else return path;
    }
  }

  #name(): string {
    const token = this.peek();
    if (!/^(?:#\w|[A-Za-z_])/.test(token)) throw this.syntaxError();
    this.#at++;
    if (!token.startsWith("#")) {
      if (isReserved(token)) {
        throw invalid(`Attribute name is a reserved keyword; reserved keyword: ${token}`);
      }
      return token;
    }
    const name = this.#names[token];
    if (name === undefined) {
      throw invalid(
        `An expression attribute name used in the document path is not defined; attribute name: ${token}`,
      );
    }
    this.usedNames.add(token);
    return name;
  }
}

/** The value at the path; `undefined` where there is none. */
export function valueAt(item: Item, path: Path): Value | undefined {
  let value: Value | undefined = item[path[0] as string];
  for (let index = 1; index < path.length && value !== undefined; index++) {
    const step = path[index] as string | number;
    value = typeof step === "number" ? value.L?.[step] : value.M?.[step];
  }
  return value;
}

/** The path as errors have it: `[list, [0]]`. */
export function pathText(path: Path): string {
  return `[${path.map((step) => typeof step === "number" ? `[${step}]` : step).join(", ")}]`;
}

/** @throws {DynamoDBError} If a path leads to another's value or into it, or takes for a list what another takes for a map. */
export function assertDistinctPaths(paths: readonly Path[]): void {
  for (const [index, path] of paths.entries()) {
    for (const earlier of paths.slice(0, index)) {
      const problem = problemOf(earlier, path);
      if (problem === undefined) continue;
      throw invalid(
        `Two document paths ${problem} with each other; must remove or rewrite one of these paths; ` +
          `path one: ${pathText(earlier)}, path two: ${pathText(path)}`,
      );
    }
  }
}

function problemOf(one: Path, other: Path): "overlap" | "conflict" | undefined {
  for (let index = 0; index < Math.min(one.length, other.length); index++) {
    if (typeof one[index] !== typeof other[index]) return "conflict";
    if (one[index] !== other[index]) return undefined;
  }
  return "overlap";
}

/** The parts of an item at these paths, each in the maps and lists that hold it. */
export function project(item: Item, paths: readonly Path[]): Item {
  const parts: Record<string, Value> = {};
  const nested = new Map<string, Path[]>();
  for (const path of paths) {
    const [name, ...below] = path as [string, ...Path];
    const value = item[name];
    if (value === undefined) continue;
    if (below.length === 0) parts[name] = value;
    else nested.set(name, [...nested.get(name) ?? [], below]);
  }
  for (const [name, below] of nested) {
    const part = partOf(item[name] as Value, below);
    if (part !== undefined) parts[name] = part;
  }
  return parts;
}

function partOf(value: Value, paths: readonly Path[]): Value | undefined {
  if (paths.some((path) => path.length === 0)) return value;
  const steps = [...new Set(paths.map(([step]) => step as string | number))];
  const partAt = (step: string | number): Value | undefined => {
    const inner = valueAt({ value }, ["value", step]);
    return inner && partOf(inner, paths.filter(([first]) => first === step).map((path) => path.slice(1)));
  };
  const parts = steps.sort((one, other) => Number(one) - Number(other))
    .flatMap((step) => {
      const part = partAt(step);
      return part === undefined ? [] : [[step, part] as const];
    });
  if (parts.length === 0) return undefined;
  return value.L === undefined ? { M: Object.fromEntries(parts) } : { L: parts.map(([, part]) => part) };
}

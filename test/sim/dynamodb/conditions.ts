/** Condition and filter expressions, compiled to functions. */
import { Buffer } from "node:buffer";
import { invalid } from "./errors.ts";
import { type Path, pathText, type Tokens, valueAt } from "./tokens.ts";
import { areEqual, type Item, orderOf, scalarOf, type Type, typeOf, type Value } from "./values.ts";

/** Whether an item fulfils a condition. The values are those of the request. */
export type Condition = (item: Item, values: Item) => boolean;

/** Throws a `DynamoDBError` where the values of a request do not go with an expression. */
export type ValueCheck = (values: Item) => void;

/** A part of an expression that has a value: a path, a value's alias, or `size(path)`. */
interface Operand {
  readonly value: (item: Item, values: Item) => Value | undefined;
  readonly path?: Path;
  readonly alias?: string;
}

/** Reads a whole condition. `checks` gets what has to hold of the request's values. */
export function readCondition(tokens: Tokens, checks: ValueCheck[]): Condition {
  const { test } = new ConditionReader(tokens, checks).either();
  tokens.expectEnd();
  return test;
}

interface Read {
  readonly test: Condition;
  /** Whether it stands in parentheses of its own. */
  readonly isEnclosed?: boolean;
}

class ConditionReader {
  readonly #tokens: Tokens;
  readonly #checks: ValueCheck[];

  constructor(tokens: Tokens, checks: ValueCheck[]) {
    this.#tokens = tokens;
    this.#checks = checks;
  }

  either(): Read {
    const first = this.#both();
    if (this.#tokens.peek().toUpperCase() !== "OR") return first;
    const tests = [first.test];
    while (this.#tokens.takes("OR")) tests.push(this.#both().test);
    return { test: (item, values) => tests.some((test) => test(item, values)) };
  }

  #both(): Read {
    const first = this.#single();
    if (this.#tokens.peek().toUpperCase() !== "AND") return first;
    const tests = [first.test];
    while (this.#tokens.takes("AND")) tests.push(this.#single().test);
    return { test: (item, values) => tests.every((test) => test(item, values)) };
  }

  #single(): Read {
    const tokens = this.#tokens;
    if (tokens.takes("NOT")) {
      const { test } = this.#single();
      return { test: (item, values) => !test(item, values) };
    }
    if (tokens.takes("(")) {
      const { test, isEnclosed } = this.either();
      tokens.expect(")");
      if (isEnclosed) throw invalid("The expression has redundant parentheses;");
      return { test, isEnclosed: true };
    }
    const isCall = tokens.peek(1) === "(" && tokens.peek().toUpperCase() !== "IN" && tokens.peek() !== "size";
    return { test: isCall ? this.#call() : this.#comparison() };
  }

  #call(): Condition {
    const name = this.#tokens.next();
    const read = functions[name];
    if (read === undefined) throw invalid(`Invalid function name; function: ${name}`);
    const operands = this.#operands();
    if (operands.length !== read.operands) {
      throw invalid(
        `Incorrect number of operands for operator or function; operator or function: ${name}, ` +
          `number of operands: ${operands.length}`,
      );
    }
    if (this.#tokens.peek() in comparisons) throw misused(name);
    const [first, second = first] = operands as [Operand, Operand?];
    if (operands.length === 2) assertDistinct(name, first, second);
    return read.compile(first, second, this.#checks);
  }

  /** Operands in parentheses. */
  #operands(): Operand[] {
    this.#tokens.expect("(");
    const operands = [];
    do operands.push(this.#operand()); while (this.#tokens.takes(","));
    this.#tokens.expect(")");
    return operands;
  }

  #comparison(): Condition {
    const tokens = this.#tokens;
    const isSize = tokens.peek() === "size" && tokens.peek(1) === "(";
    const left = this.#operand();
    if (tokens.takes("BETWEEN")) return this.#between(left);
    if (tokens.takes("IN")) {
      const members = this.#operands();
      for (const member of members) assertDistinct("IN", left, member);
      return (item, values) =>
        members.some((each) => areEqual(left.value(item, values), each.value(item, values)));
    }
    if (!(tokens.peek() in comparisons)) throw isSize ? misused("size") : tokens.syntaxError();
    const operator = tokens.next();
    const compare = comparisons[operator] as Comparison;
    const right = this.#operand();
    assertDistinct(operator, left, right);
    if (operator !== "=" && operator !== "<>") this.#requireOrdered(operator, left, right);
    return (item, values) => compare(left.value(item, values), right.value(item, values));
  }

  #between(value: Operand): Condition {
    const lower = this.#operand();
    this.#tokens.expect("AND");
    const upper = this.#operand();
    this.#requireOrdered("BETWEEN", value, lower, upper);
    this.#checks.push((values) => assertRange(values[lower.alias ?? ""], values[upper.alias ?? ""]));
    const [isAbove, isBelow] = [comparisons[">="] as Comparison, comparisons["<="] as Comparison];
    return (item, values) => {
      const found = value.value(item, values);
      return isAbove(found, lower.value(item, values)) && isBelow(found, upper.value(item, values));
    };
  }

  /** Of the request's values only those of ordered types are taken. */
  #requireOrdered(operator: string, ...operands: readonly Operand[]): void {
    for (const { alias } of operands) {
      if (alias !== undefined) {
        this.#checks.push((values) => assertType(operator, values[alias], orderedTypes));
      }
    }
  }

  #operand(): Operand {
    const tokens = this.#tokens;
    if (tokens.peek().startsWith(":")) {
      const alias = tokens.valueAlias();
      return { alias, value: (_item, values) => values[alias] };
    }
    if (tokens.peek(1) === "(" && !tokens.peek().startsWith("#")) return this.#size();
    const path = tokens.path();
    const [name] = path as [string];
    // Most paths are names.
    return { path, value: path.length === 1 ? (item) => item[name] : (item) => valueAt(item, path) };
  }

  #size(): Operand {
    const name = this.#tokens.next();
    if (name !== "size") {
      throw name in functions ? misused(name) : invalid(`Invalid function name; function: ${name}`);
    }
    const [operand, more] = this.#operands();
    if (operand === undefined || more !== undefined) throw this.#tokens.syntaxError();
    return { value: (item, values) => sizeOf(operand.value(item, values)) };
  }
}

type Comparison = (left: Value | undefined, right: Value | undefined) => boolean;

function ordered(isRight: (order: number) => boolean): Comparison {
  return (left, right) => {
    const order = orderOf(left, right);
    return order !== undefined && isRight(order);
  };
}

const comparisons: Readonly<Record<string, Comparison>> = {
  "=": areEqual,
  "<>": (left, right) => !areEqual(left, right),
  "<": ordered((order) => order < 0),
  "<=": ordered((order) => order <= 0),
  ">": ordered((order) => order > 0),
  ">=": ordered((order) => order >= 0),
};

interface ConditionFunction {
  readonly operands: number;
  readonly compile: (first: Operand, second: Operand, checks: ValueCheck[]) => Condition;
}

const orderedTypes: readonly Type[] = ["S", "N", "B"];
const types: readonly string[] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];

const functions: Readonly<Record<string, ConditionFunction>> = {
  attribute_exists: {
    operands: 1,
    compile: ({ path, value }) => {
      if (path === undefined) throw pathRequired("attribute_exists");
      return (item, values) => value(item, values) !== undefined;
    },
  },
  attribute_not_exists: {
    operands: 1,
    compile: ({ path, value }) => {
      if (path === undefined) throw pathRequired("attribute_not_exists");
      return (item, values) => value(item, values) === undefined;
    },
  },
  attribute_type: {
    operands: 2,
    compile: (first, { alias = "" }, checks) => {
      checks.push((values) => {
        assertType("attribute_type", values[alias], ["S"]);
        const name = values[alias]?.S ?? "";
        if (types.includes(name)) return;
        throw invalid(`Invalid attribute type name found; type: ${name}, valid types: {${types.join(",")}}`);
      });
      return (item, values) => {
        const value = first.value(item, values);
        return value !== undefined && typeOf(value) === values[alias]?.S;
      };
    },
  },
  begins_with: {
    operands: 2,
    compile: (first, second, checks) => {
      for (const { alias } of [first, second]) {
        if (alias !== undefined) {
          checks.push((values) => assertType("begins_with", values[alias], ["S", "B"]));
        }
      }
      return (item, values) => beginsWith(first.value(item, values), second.value(item, values));
    },
  },
  contains: {
    operands: 2,
    compile: (first, second) => (item, values) =>
      contains(first.value(item, values), second.value(item, values)),
  },
};

export function beginsWith(value: Value | undefined, start: Value | undefined): boolean {
  if (value?.B !== undefined && start?.B !== undefined) return bytesOf(value.B).startsWith(bytesOf(start.B));
  return value?.S !== undefined && start?.S !== undefined && value.S.startsWith(start.S);
}

/** Whether a text has the other in it, or a set or a list has it as a member. */
function contains(value: Value | undefined, member: Value | undefined): boolean {
  if (value === undefined || member === undefined) return false;
  if (value.L !== undefined) return value.L.some((each) => areEqual(each, member));
  const type = typeOf(member);
  if (type === "B" && value.B !== undefined) return bytesOf(value.B).includes(bytesOf(member.B ?? ""));
  if (type === "S" && value.S !== undefined) return value.S.includes(member.S ?? "");
  const members = type === "S" ? value.SS : type === "N" ? value.NS : type === "B" ? value.BS : undefined;
  return members?.includes(scalarOf(member, type) ?? "") ?? false;
}

/** A byte is a character. */
const bytesOf = (base64: string): string => Buffer.from(base64, "base64").toString("latin1");

function sizeOf(value: Value | undefined): Value | undefined {
  const length = value?.S !== undefined
    ? value.S.length
    : value?.B !== undefined
    ? Buffer.byteLength(value.B, "base64")
    : (value?.SS ?? value?.NS ?? value?.BS ?? value?.L ?? (value?.M && Object.keys(value.M)))?.length;
  return length === undefined ? undefined : { N: String(length) };
}

function misused(name: string): Error {
  return invalid(`The function is not allowed to be used this way in an expression; function: ${name}`);
}

function pathRequired(name: string): Error {
  return invalid(`Operator or function requires a document path; operator or function: ${name}`);
}

function assertDistinct(operator: string, { path: one }: Operand, { path: other }: Operand): void {
  if (one === undefined || other === undefined || pathText(one) !== pathText(other)) return;
  throw invalid(
    "The first operand must be distinct from the remaining operands for this operator or function; " +
      `operator: ${operator}, first operand: ${pathText(one)}`,
  );
}

export function assertType(operator: string, value: Value | undefined, allowed: readonly Type[]): void {
  const type = value && typeOf(value);
  if (type !== undefined && allowed.includes(type)) return;
  throw invalid(
    `Incorrect operand type for operator or function; operator or function: ${operator}, operand type: ` +
      (type ?? "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
  );
}

/** @throws {DynamoDBError} If both ends of a range are given, and are of two types or in the wrong order. */
export function assertRange(lower: Value | undefined, upper: Value | undefined): void {
  if (lower === undefined || upper === undefined) return;
  const problem = typeOf(lower) !== typeOf(upper)
    ? "same data type for lower and upper bounds"
    : (orderOf(lower, upper) ?? 0) > 0
    ? "upper bound to be greater than or equal to lower bound"
    : undefined;
  if (problem === undefined) return;
  const text = (value: Value): string => `AttributeValue: {${typeOf(value)}:${Object.values(value)[0]}}`;
  throw invalid(
    `The BETWEEN operator requires ${problem}; lower bound operand: ${text(lower)}, upper bound operand: ${
      text(upper)
    }`,
  );
}

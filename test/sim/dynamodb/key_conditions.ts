/** Key condition expressions of queries: one partition and, where there is a sort key, a range of it. */
import { assertRange, assertType, beginsWith, type ValueCheck } from "./conditions.ts";
import { invalid } from "./errors.ts";
import type { Tokens } from "./tokens.ts";
import { type Item, orderOf, type Value } from "./values.ts";

type Operator = "=" | "<" | "<=" | ">" | ">=" | "BETWEEN" | "begins_with";

/** What is asked of one attribute of the key. */
export interface KeyCondition {
  readonly attribute: string;
  readonly operator: Operator;
  /** Aliases of the values that it is compared with. */
  readonly aliases: readonly string[];
}

/** Reads the condition of each attribute that the expression names. */
export function readKeyConditions(tokens: Tokens, checks: ValueCheck[]): KeyCondition[] {
  const conditions: KeyCondition[] = [];
  do {
    const condition = readCondition(tokens);
    if (conditions.some(({ attribute }) => attribute === condition.attribute)) {
      throw invalid("KeyConditionExpressions must only contain one condition per key");
    }
    const { operator, aliases } = condition;
    const [lower = "", upper = ""] = aliases;
    if (operator === "BETWEEN") checks.push((values) => assertRange(values[lower], values[upper]));
    const allowed = operator === "begins_with" ? ["S", "B"] as const : ["S", "N", "B"] as const;
    checks.push((values) => aliases.forEach((alias) => assertType(operator, values[alias], allowed)));
    conditions.push(condition);
  } while (tokens.takes("AND"));
  tokens.expectEnd();
  return conditions;
}

function readCondition(tokens: Tokens): KeyCondition {
  if (tokens.takes("(")) {
    const condition = readCondition(tokens);
    tokens.expect(")");
    return condition;
  }
  if (tokens.peek() === "begins_with" && tokens.peek(1) === "(") {
    tokens.next();
    tokens.next();
    const attribute = readAttribute(tokens);
    tokens.expect(",");
    const alias = tokens.valueAlias();
    tokens.expect(")");
    return { attribute, operator: "begins_with", aliases: [alias] };
  }
  const attribute = readAttribute(tokens);
  if (tokens.takes("BETWEEN")) {
    const lower = tokens.valueAlias();
    tokens.expect("AND");
    return { attribute, operator: "BETWEEN", aliases: [lower, tokens.valueAlias()] };
  }
  const operator = tokens.peek();
  if (operator === "<>") throw invalid("Invalid operator used in KeyConditionExpression: <>");
  if (!["=", "<", "<=", ">", ">="].includes(operator)) throw tokens.syntaxError();
  tokens.next();
  return { attribute, operator: operator as Operator, aliases: [tokens.valueAlias()] };
}

function readAttribute(tokens: Tokens): string {
  const path = tokens.path();
  if (path.length > 1) throw invalid("KeyConditionExpressions cannot have conditions on nested attributes");
  return path[0] as string;
}

/** Whether the value of the condition's attribute fulfils it. */
export function fulfils(
  value: Value | undefined,
  { operator, aliases }: KeyCondition,
  values: Item,
): boolean {
  const [first, second] = aliases.map((alias) => values[alias]);
  if (operator === "begins_with") return beginsWith(value, first);
  const order = orderOf(value, first);
  if (order === undefined) return false;
  switch (operator) {
    case "=":
      return order === 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    case "BETWEEN":
      return order >= 0 && (orderOf(value, second) ?? 1) <= 0;
  }
}

/**
 * The expressions of a request, compiled. A program's expressions differ in their values only, so each combination of
 * texts and names is compiled once.
 */
import { type Condition, readCondition, type ValueCheck } from "./conditions.ts";
import { DynamoDBError, invalid } from "./errors.ts";
import { type KeyCondition, readKeyConditions } from "./key_conditions.ts";
import { assertDistinctPaths, type Names, type Path, Tokens } from "./tokens.ts";
import { readUpdate, type Update } from "./updates.ts";
import { checkedItem, checkedValue, type Item, type Value } from "./values.ts";

/** The texts of a request, and their names and values. */
export interface ExpressionInput {
  readonly UpdateExpression?: string | undefined;
  readonly ConditionExpression?: string | undefined;
  readonly KeyConditionExpression?: string | undefined;
  readonly FilterExpression?: string | undefined;
  readonly ProjectionExpression?: string | undefined;
  readonly ExpressionAttributeNames?: Names | undefined;
  readonly ExpressionAttributeValues?: Item | undefined;
}

interface Compiled {
  readonly update?: Update;
  readonly condition?: Condition;
  readonly key?: readonly KeyCondition[];
  readonly filter?: Condition;
  readonly projection?: readonly Path[];
}

/** The expressions of a request, and its values by their aliases, numbers in normal form. */
export interface Expressions {
  readonly plan: Plan;
  readonly values: Item;
}

/** The compiled expressions of all requests that have these texts and names. */
export interface Plan extends Compiled {
  readonly texts: Texts;
  readonly names: NameList;
  /** By the expression, in the order in which they are checked. */
  readonly uses: readonly Use[];
  readonly usedValues: ReadonlySet<string>;
}

type NameList = readonly (readonly [alias: string, name: string])[] | undefined;
type Texts = Readonly<Partial<Record<Label, string | undefined>>>;

/** The values that one expression needs. */
interface Use {
  readonly label: Label;
  readonly aliases: readonly string[];
  readonly checks: readonly ValueCheck[];
}

/** Programs have a few hundred; random ones in a test may be many. */
const plansAtMost = 10_000;
/** By the first text of a request; of one text there are few. */
const plans = new Map<string, Plan[]>();
let planCount = 0;
const noValues: Item = {};
const labels = [
  "UpdateExpression",
  "ConditionExpression",
  "KeyConditionExpression",
  "FilterExpression",
  "ProjectionExpression",
] as const;
type Label = typeof labels[number];

/** @throws {DynamoDBError} If one cannot be read, does not go with its names or values, or any of these is not used. */
export function expressionsOf(input: ExpressionInput): Expressions {
  const plan = planFor(input);
  const given = input.ExpressionAttributeValues;
  const values = given === undefined ? noValues : checkedValues(given);
  for (const use of plan.uses) assertValues(use, values);
  assertUsed(given, plan.usedValues, "ExpressionAttributeValues", plan.uses);
  return { plan, values };
}

function planFor(input: ExpressionInput): Plan {
  const text = input.UpdateExpression ?? input.FilterExpression ?? input.ProjectionExpression ??
    input.ConditionExpression ?? input.KeyConditionExpression ?? "";
  const known = plans.get(text);
  if (known !== undefined) {
    for (const plan of known) if (isPlanOf(plan, input)) return plan;
  }
  const plan = planOf(input, input.ExpressionAttributeNames);
  if (planCount++ >= plansAtMost) {
    plans.clear();
    planCount = 1;
  }
  plans.set(text, [...plans.get(text) ?? [], plan]);
  return plan;
}

function isPlanOf({ texts, names }: Plan, input: ExpressionInput): boolean {
  return texts.UpdateExpression === input.UpdateExpression &&
    texts.ConditionExpression === input.ConditionExpression &&
    texts.KeyConditionExpression === input.KeyConditionExpression &&
    texts.FilterExpression === input.FilterExpression &&
    texts.ProjectionExpression === input.ProjectionExpression &&
    areSameNames(names, input.ExpressionAttributeNames);
}

function areSameNames(one: NameList, other: Names | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  for (const [alias, name] of one) if (other[alias] !== name) return false;
  return one.length === Object.keys(other).length;
}

function checkedValues(given: Item): Item {
  try {
    return checkedItem(given);
  } catch {
    for (const alias of Object.keys(given)) {
      labelled(
        () => checkedValue(given[alias] as Value),
        (message) => `ExpressionAttributeValues contains invalid value: ${message} for key ${alias}`,
      );
    }
    throw new Error("unreachable: one of the values is invalid");
  }
}

function planOf(input: ExpressionInput, names: Names | undefined): Plan {
  const usedNames = new Set<string>();
  const usedValues = new Set<string>();
  const uses: Use[] = [];
  const read = <T>(
    label: Label,
    reader: (tokens: Tokens, checks: ValueCheck[]) => T,
  ): T | undefined => {
    const text = input[label];
    if (text === undefined) return undefined;
    return labelled(() => {
      const tokens = new Tokens(text, names ?? {});
      const checks: ValueCheck[] = [];
      const result = reader(tokens, checks);
      for (const name of tokens.usedNames) usedNames.add(name);
      for (const alias of tokens.usedValues) usedValues.add(alias);
      uses.push({ label, aliases: [...tokens.usedValues], checks });
      return result;
    }, (message) => `Invalid ${label}: ${message}`);
  };
  const compiled = {
    update: read("UpdateExpression", readUpdate),
    condition: read("ConditionExpression", readCondition),
    key: read("KeyConditionExpression", readKeyConditions),
    filter: read("FilterExpression", readCondition),
    projection: read("ProjectionExpression", readProjection),
  };
  assertUsed(names, usedNames, "ExpressionAttributeNames", uses);
  const texts = Object.fromEntries(labels.map((label) => [label, input[label]]));
  return { ...compiled as Compiled, texts, names: names && Object.entries(names), uses, usedValues };
}

function assertValues({ label, aliases, checks }: Use, values: Item): void {
  try {
    for (const alias of aliases) {
      if (values[alias] !== undefined) continue;
      throw invalid(
        `An expression attribute value used in expression is not defined; attribute value: ${alias}`,
      );
    }
    for (const check of checks) check(values);
  } catch (error) {
    throw error instanceof DynamoDBError ? invalid(`Invalid ${label}: ${error.message}`) : error;
  }
}

/** @param uses The request's expressions. */
function assertUsed(
  given: object | undefined,
  used: ReadonlySet<string>,
  label: string,
  uses: readonly Use[],
): void {
  if (given === undefined) return;
  const aliases = Object.keys(given);
  if (uses.length === 0) throw invalid(`${label} can only be specified when using expressions`);
  if (aliases.length === 0) throw invalid(`${label} must not be empty`);
  for (const alias of aliases) if (!used.has(alias)) throw unused(aliases, used, label);
}

function unused(aliases: readonly string[], used: ReadonlySet<string>, label: string): Error {
  const wrong = aliases.find((alias) => !/^[#:]\w+$/.test(alias));
  if (wrong !== undefined) return invalid(`${label} contains invalid key: Syntax error; key: "${wrong}"`);
  const without = aliases.filter((alias) => !used.has(alias));
  return invalid(`Value provided in ${label} unused in expressions: keys: {${without.join(", ")}}`);
}

function readProjection(tokens: Tokens): Path[] {
  const paths: Path[] = [];
  do paths.push(tokens.path()); while (tokens.takes(","));
  tokens.expectEnd();
  assertDistinctPaths(paths);
  return paths;
}

/** Runs a task whose errors get another message. */
function labelled<T>(task: () => T, label: (message: string) => string): T {
  try {
    return task();
  } catch (error) {
    throw error instanceof DynamoDBError ? invalid(label(error.message)) : error;
  }
}

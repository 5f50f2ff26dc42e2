/** Builds the expressions of a conditional UpdateItem. */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { marshalling, type UpdateExpression } from "./client.ts";

/** Collects clauses and conditions. Every name and value gets an alias, as many names are reserved. */
export class UpdateExpressionBuilder {
  readonly #names = new Map<string, string>();
  readonly #values: Record<string, AttributeValue> = {};
  readonly #clauses = { SET: [] as string[], REMOVE: [] as string[], ADD: [] as string[] };
  readonly #conditions: string[] = [];

  get isEmpty(): boolean {
    return Object.values(this.#clauses).every((parts) => parts.length === 0);
  }

  set(path: readonly string[], value: unknown): void {
    const name = path.map((part) => this.#name(part)).join(".");
    this.#clauses.SET.push(`${name} = ${this.#value(value)}`);
  }

  remove(attribute: string): void {
    this.#clauses.REMOVE.push(this.#name(attribute));
  }

  /** Adds to a number, or adds members to a set. */
  add(attribute: string, value: number | ReadonlySet<number>): void {
    this.#clauses.ADD.push(`${this.#name(attribute)} ${this.#value(value)}`);
  }

  requireAbsent(attribute: string): void {
    this.#conditions.push(`attribute_not_exists(${this.#name(attribute)})`);
  }

  requireValue(attribute: string, value: AttributeValue): void {
    // A map or a list in this place is another program's, with unknown content that decides nothing.
    const type = value.NULL ? "NULL" : value.M ? "M" : value.L ? "L" : undefined;
    if (type !== undefined) this.requireType(attribute, type);
    else this.#conditions.push(`${this.#name(attribute)} = ${this.#raw(value)}`);
  }

  requireType(attribute: string, type: string): void {
    this.#conditions.push(`attribute_type(${this.#name(attribute)}, ${this.#value(type)})`);
  }

  /** Also holds where there is no attribute. */
  requireTypeIfAny(attribute: string, type: string): void {
    const name = this.#name(attribute);
    this.#conditions.push(`(attribute_not_exists(${name}) OR attribute_type(${name}, ${this.#value(type)}))`);
  }

  /** Also holds where there is no attribute. */
  requireNotType(attribute: string, type: string): void {
    this.#conditions.push(`NOT attribute_type(${this.#name(attribute)}, ${this.#value(type)})`);
  }

  /** Also holds where there is no attribute, or one of another type. */
  requireNotAtLeast(attribute: string, value: unknown): void {
    this.#conditions.push(`NOT ${this.#name(attribute)} >= ${this.#value(value)}`);
  }

  /** Also holds where there is no attribute. */
  requireBelowIfAny(attribute: string, operator: "<" | "<=", value: unknown): void {
    const name = this.#name(attribute);
    this.#conditions.push(`(attribute_not_exists(${name}) OR ${name} ${operator} ${this.#value(value)})`);
  }

  build(): UpdateExpression {
    const clauses = Object.entries(this.#clauses).filter(([, parts]) => parts.length > 0);
    const condition = this.#conditions.join(" AND ");
    return {
      UpdateExpression: clauses.map(([verb, parts]) => `${verb} ${parts.join(", ")}`).join(" "),
      ...(condition === "" ? {} : { ConditionExpression: condition }),
      ExpressionAttributeNames: Object.fromEntries([...this.#names].map(([name, alias]) => [alias, name])),
      ExpressionAttributeValues: this.#values,
      ReturnValues: "ALL_OLD",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    };
  }

  #name(attribute: string): string {
    const alias = this.#names.get(attribute) ?? `#${this.#names.size}`;
    this.#names.set(attribute, alias);
    return alias;
  }

  #value(value: unknown): string {
    return this.#raw(attributeOf(value));
  }

  #raw(value: AttributeValue): string {
    const alias = `:${Object.keys(this.#values).length}`;
    this.#values[alias] = value;
    return alias;
  }
}

// Values as attributes.

const options = { removeUndefinedValues: true, convertTopLevelContainer: true };

/**
 * A value as an attribute. The SDK's marshalling makes it, but of maps: it would take a member called `__proto__` for a map's
 * prototype, and one called `constructor` for its class.
 */
function attributeOf(value: unknown): AttributeValue {
  if (typeof value === "string") return { S: value };
  if (Array.isArray(value)) return { L: value.filter(isKept).map(attributeOf) };
  if (!isMap(value)) return marshalling().convertToAttr(value, options);
  const members = Object.entries(value).filter(([, member]) => isKept(member));
  return { M: Object.fromEntries(members.map(([name, member]) => [name, attributeOf(member)])) };
}

const isKept = (value: unknown): boolean => value !== undefined && typeof value !== "function";

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !(value instanceof Set) && !ArrayBuffer.isView(value);
}

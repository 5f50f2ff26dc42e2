/** An UpdateItem's expressions. */
import type { AttributeValue, UpdateItemCommandInput } from "@aws-sdk/client-dynamodb";
import { marshalling } from "./client.ts";

export type UpdateExpression = Omit<UpdateItemCommandInput, "TableName" | "Key">;

const options = { removeUndefinedValues: true, convertTopLevelContainer: true };

/** An UpdateItem's expressions while they grow. Every name and value gets an alias, as many names are reserved. */
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

  /** Counts on, or puts members into a set. */
  add(attribute: string, value: number | ReadonlySet<number>): void {
    this.#clauses.ADD.push(`${this.#name(attribute)} ${this.#value(value)}`);
  }

  requireAbsent(attribute: string): void {
    this.#conditions.push(`attribute_not_exists(${this.#name(attribute)})`);
  }

  requireValue(attribute: string, value: AttributeValue): void {
    // Nothing is known of what a map or a list may hold where none belongs, and it decides nothing.
    const type = value.NULL ? "NULL" : value.M ? "M" : value.L ? "L" : undefined;
    if (type !== undefined) this.requireType(attribute, type);
    else this.#conditions.push(`${this.#name(attribute)} = ${this.#raw(value)}`);
  }

  requireType(attribute: string, type: string): void {
    this.#conditions.push(`attribute_type(${this.#name(attribute)}, ${this.#value(type)})`);
  }

  requireTypeIfAny(attribute: string, type: string): void {
    const name = this.#name(attribute);
    this.#conditions.push(`(attribute_not_exists(${name}) OR attribute_type(${name}, ${this.#value(type)}))`);
  }

  /** An attribute that is missing is of no type. */
  requireNotType(attribute: string, type: string): void {
    this.#conditions.push(`NOT attribute_type(${this.#name(attribute)}, ${this.#value(type)})`);
  }

  /** Holds, too, where there is nothing to compare with: no attribute, or one of another type. */
  requireNotAtLeast(attribute: string, value: unknown): void {
    this.#conditions.push(`NOT ${this.#name(attribute)} >= ${this.#value(value)}`);
  }

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
    return this.#raw(typeof value === "string" ? { S: value } : marshalling().convertToAttr(value, options));
  }

  #raw(value: AttributeValue): string {
    const alias = `:${Object.keys(this.#values).length}`;
    this.#values[alias] = value;
    return alias;
  }
}

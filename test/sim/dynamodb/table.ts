/** A table: its keys, its items, and its secondary indexes, which follow later. */
import { invalid } from "./errors.ts";
import { hashOf, type Row, Rows } from "./rows.ts";
import { type Item, scalarOf, type Type, typeOf } from "./values.ts";

export interface AttributeDefinition {
  readonly AttributeName: string;
  readonly AttributeType: "S" | "N" | "B";
}

export interface KeyElement {
  readonly AttributeName: string;
  readonly KeyType: "HASH" | "RANGE";
}

export interface SecondaryIndex {
  readonly IndexName: string;
  readonly KeySchema: readonly KeyElement[];
  readonly Projection: {
    readonly ProjectionType: "ALL" | "KEYS_ONLY" | "INCLUDE";
    readonly NonKeyAttributes?: readonly string[];
  };
}

/** What CreateTable says of a table. */
export interface TableSchema {
  readonly TableName: string;
  readonly AttributeDefinitions: readonly AttributeDefinition[];
  readonly KeySchema: readonly KeyElement[];
  readonly GlobalSecondaryIndexes?: readonly SecondaryIndex[];
}

/** An attribute of a key. */
interface KeyAttribute {
  readonly name: string;
  readonly type: "S" | "N" | "B";
}

/** A partition key and, where there is one, a sort key. */
export class Key {
  readonly attributes: readonly KeyAttribute[];
  readonly names: readonly string[];

  constructor(schema: TableSchema, elements: readonly KeyElement[]) {
    this.names = elements.map(({ AttributeName }) => AttributeName);
    this.attributes = this.names.map((name) => {
      const definition = schema.AttributeDefinitions.find(({ AttributeName }) => AttributeName === name);
      if (definition === undefined) {
        throw invalid(
          "One or more parameter values were invalid: Some index key attributes are not defined in " +
            `AttributeDefinitions. Keys: [${this.names.join(", ")}]`,
        );
      }
      return { name, type: definition.AttributeType };
    });
  }

  /** The text of the key in an item; `undefined` where the item lacks an attribute of it. */
  textIn(item: Item): string | undefined {
    let text = "";
    for (const { name, type } of this.attributes) {
      const part = scalarOf(item[name], type);
      if (part === undefined) return undefined;
      text += text === "" ? part : `\u0000${part}`;
    }
    return text;
  }

  /** The row of an item that has the key. `key` is the item's key in its table. */
  rowOf(key: string, item: Item): Row {
    const [first, second] = this.attributes;
    const partition = scalarOf(item[first?.name ?? ""], first?.type ?? "S") ?? "";
    const sort = second && item[second.name];
    return { key, partition, hash: hashOf(partition), sort, item };
  }
}

/** Has a task of an index done when the index has caught up. */
export type CatchUp = (task: () => void) => void;

class Index {
  readonly schema: SecondaryIndex;
  readonly key: Key;
  readonly rows: Rows = new Rows();
  /** The attributes that it holds; `undefined` for all. */
  readonly #projected: ReadonlySet<string> | undefined;
  /** The number of the last write of each item that has arrived. */
  readonly #writes = new Map<string, number>();

  constructor(schema: TableSchema, index: SecondaryIndex, tableKey: Key) {
    this.schema = index;
    this.key = new Key(schema, index.KeySchema);
    const { ProjectionType, NonKeyAttributes = [] } = index.Projection;
    if (ProjectionType !== "ALL") {
      this.#projected = new Set([...tableKey.names, ...this.key.names, ...NonKeyAttributes]);
    }
  }

  /** Takes over what a write has left of an item, unless a later write has arrived before. */
  follow(write: number, key: string, item: Item | undefined): void {
    if ((this.#writes.get(key) ?? 0) > write) return;
    this.#writes.set(key, write);
    if (item === undefined || this.key.textIn(item) === undefined) return this.rows.delete(key);
    const projected = this.#projected;
    const entries = Object.entries(item);
    const held = projected ? Object.fromEntries(entries.filter(([name]) => projected.has(name))) : item;
    this.rows.set(this.key.rowOf(key, held));
  }
}

export type { Index };

const hashKeyBytesAtMost = 2048;
const sortKeyBytesAtMost = 1024;

export class Table {
  readonly schema: TableSchema;
  readonly key: Key;
  readonly rows: Rows = new Rows();
  readonly indexes: readonly Index[];
  readonly #activeAt: number;
  #isActive = false;
  readonly #catchUp: CatchUp;
  #writes = 0;

  /** @param activeAt From this time on it takes requests. */
  constructor(schema: TableSchema, activeAt: number, catchUp: CatchUp) {
    this.schema = schema;
    this.#activeAt = activeAt;
    this.#catchUp = catchUp;
    this.key = new Key(schema, schema.KeySchema);
    this.indexes = (schema.GlobalSecondaryIndexes ?? []).map((index) => new Index(schema, index, this.key));
  }

  /** Whether it takes requests. Once it does, it always does. */
  isActive(now: number): boolean {
    return this.#isActive ||= this.#activeAt <= now;
  }

  /** Replaces an item, or removes it; the indexes follow by `catchUp`. */
  write(key: string, item: Item | undefined, catchUp: CatchUp = this.#catchUp): void {
    if (item === undefined) this.rows.delete(key);
    else {
      const row = this.rows.get(key);
      if (row === undefined) this.rows.set(this.key.rowOf(key, item));
      else row.item = item;
    }
    const write = ++this.#writes;
    for (const index of this.indexes) catchUp(() => index.follow(write, key, item));
  }

  /**
   * The text of a key that a request gives.
   * @throws {DynamoDBError} If it has other attributes than the table's key, or others of its types.
   */
  keyOf(given: Item): string {
    const text = this.key.textIn(given);
    if (text === undefined || Object.keys(given).length !== this.key.names.length) {
      throw invalid("The provided key element does not match the schema");
    }
    this.#assertKeyValues(given, "were invalid:");
    return text;
  }

  /**
   * The text of the key in a whole item.
   * @throws {DynamoDBError} If the item lacks it, or has a key of an index of another type.
   */
  keyIn(item: Item): string {
    const problem = "One or more parameter values were invalid:";
    for (const { name, type } of this.key.attributes) {
      const value = item[name];
      if (value === undefined) throw invalid(`${problem} Missing the key ${name} in the item`);
      if (scalarOf(value, type) === undefined) {
        throw invalid(`${problem} Type mismatch for key ${name} expected: ${type} actual: ${typeOf(value)}`);
      }
    }
    this.#assertKeyValues(item, "are not valid.");
    this.assertIndexKeys(item);
    return this.key.textIn(item) as string;
  }

  /** @throws {DynamoDBError} If an item has a key of an index that is of another type or empty. */
  assertIndexKeys(item: Item): void {
    for (const { key, schema: { IndexName } } of this.indexes) {
      for (const { name, type } of key.attributes) {
        const value = item[name];
        if (value === undefined) continue;
        assertIndexKeyType(name, type, typeOf(value), IndexName);
        if (scalarOf(value, type) === "") {
          throw emptyKey(`${name}, IndexName: ${IndexName}`, "are not valid.");
        }
      }
    }
  }

  /** @throws {DynamoDBError} If one of these attributes is a key of an index, and of another type. */
  assertIndexKeyTypes(types: readonly (readonly [name: string, type: Type])[]): void {
    for (const { key, schema: { IndexName } } of this.indexes) {
      for (const { name, type } of key.attributes) {
        for (const [given, actual] of types) {
          if (given === name) assertIndexKeyType(name, type, actual, IndexName);
        }
      }
    }
  }

  #assertKeyValues(item: Item, verdict: string): void {
    for (const [index, { name, type }] of this.key.attributes.entries()) {
      const text = scalarOf(item[name], type) ?? "";
      if (text === "") throw emptyKey(name, verdict);
      // A number is never too long, and a text of so few characters is not either.
      const most = index === 0 ? hashKeyBytesAtMost : sortKeyBytesAtMost;
      if (type === "N" || text.length * 3 <= most) continue;
      if (new TextEncoder().encode(type === "B" ? atob(text) : text).length > most) throw longKey(index);
    }
  }
}

function assertIndexKeyType(name: string, expected: Type, actual: Type, index: string): void {
  if (actual === expected) return;
  throw invalid(
    `One or more parameter values were invalid: Type mismatch for Index Key ${name} Expected: ${expected} ` +
      `Actual: ${actual} IndexName: ${index}`,
  );
}

function emptyKey(key: string, verdict: string): Error {
  return invalid(
    `One or more parameter values ${verdict} The AttributeValue for a key attribute cannot contain an empty ` +
      `string value. Key: ${key}`,
  );
}

function longKey(index: number): Error {
  const what = index === 0
    ? `Size of hashkey has exceeded the maximum size limit of${hashKeyBytesAtMost} bytes`
    : `Aggregated size of all range keys has exceeded the size limit of ${sortKeyBytesAtMost} bytes`;
  return invalid(`One or more parameter values were invalid: ${what}`);
}

/** DynamoDB in memory: the actions that the toolkit and its tests use, with DynamoDB's own answers and errors. */
import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";
import type { Service, ServiceRequest, ServiceResponse } from "../service.ts";
import { type Answer, DynamoDBError, invalid, notFound, refusal } from "./errors.ts";
import { expressionsOf } from "./expressions.ts";
import { queryPage, scanPage } from "./pages.ts";
import {
  assertKnown,
  type BatchGetInput,
  type BatchWrite,
  type BatchWriteInput,
  type GetInput,
  type KeyedInput,
  type PutInput,
  type WriteInput,
} from "./requests.ts";
import { type CatchUp, Table, type TableSchema } from "./table.ts";
import { type Path, project } from "./tokens.ts";
import { checkedItem, isTooLarge, type Item } from "./values.ts";

export type { Answer } from "./errors.ts";
export { type Item, type SdkItem, sdkItem, type Value, wireItem } from "./values.ts";

/** How a simulated DynamoDB behaves. */
export interface SimulatedDynamoDBOptions {
  /** Milliseconds since 1970, for how long a table is CREATING. Default: always 0. */
  readonly now?: () => number;
  /** How many milliseconds a new table is CREATING, and takes no requests. Default: 0. */
  readonly createMs?: number;
  /** How many items a page of a scan or of a query has at most. Default: as many as fit into 1 MB. */
  readonly pageItems?: number;
  /** Runs the task when a secondary index has caught up with a write. Default: at once. */
  readonly catchUp?: CatchUp;
  /** Is told of every write of a request: the item before it, and after it. Both must stay as they are. */
  readonly onWrite?: OnWrite;
}

/** The parts of a CreateTable that the model knows. */
export type CreateTableInput = Pick<
  CreateTableCommandInput,
  "TableName" | "AttributeDefinitions" | "KeySchema" | "GlobalSecondaryIndexes"
>;

export type OnWrite = (tableName: string, before: Item | undefined, after: Item | undefined) => void;

const actions = {
  CreateTable: (db, input) => db.createTable(input as TableSchema),
  DescribeTable: (db, input) => db.describeTable(input.TableName),
  DeleteTable: (db, input) => db.deleteTable(input.TableName),
  ListTables: (db) => db.listTables(),
  GetItem: (db, input) => db.getItem(input as GetInput),
  PutItem: (db, input) => db.putItem(input as PutInput),
  UpdateItem: (db, input) => db.updateItem(input as KeyedInput),
  DeleteItem: (db, input) => db.deleteItem(input as KeyedInput),
  BatchGetItem: (db, input) => db.batchGetItem(input as unknown as BatchGetInput),
  BatchWriteItem: (db, input) => db.batchWriteItem(input as unknown as BatchWriteInput),
  Query: (db, input) => db.query(input),
  Scan: (db, input) => db.scan(input),
} satisfies Record<string, (db: Engine, input: { readonly TableName: string }) => Answer>;

/**
 * A DynamoDB whose answers depend on nothing but the requests and its options: it has no clock, no chance and no network
 * of its own. Capacity is not counted, credentials are not looked at, and there are no transactions.
 */
export class SimulatedDynamoDB implements Service {
  readonly #engine: Engine;
  #requests = 0;

  constructor(options: SimulatedDynamoDBOptions = {}) {
    this.#engine = new Engine(options);
  }

  /** Answers a request of DynamoDB's protocol: JSON, and the action in the header `x-amz-target`. */
  handle({ headers, body }: ServiceRequest): Promise<ServiceResponse> {
    const [version, action = ""] = (headers.get("x-amz-target") ?? "").split(".");
    const answer = version === "DynamoDB_20120810"
      ? this.answer(action, JSON.parse(new TextDecoder().decode(body)))
      : refusal("UnknownOperationException", "");
    return Promise.resolve({
      status: answer.status,
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amzn-requestid": `REQUEST${String(++this.#requests).padStart(10, "0")}`,
      },
      body: JSON.stringify(answer.body),
    });
  }

  /**
   * Applies a request. The input and the answer's body are what JSON has of them: binary is in Base64. Neither is copied.
   * @throws {Error} If the request has a parameter that the model does not know.
   */
  answer(action: string, input: unknown): Answer {
    const apply = Object.hasOwn(actions, action) ? actions[action as keyof typeof actions] : undefined;
    if (apply === undefined) return refusal("UnknownOperationException", "");
    assertKnown(action, input as object);
    try {
      return apply(this.#engine, input as { readonly TableName: string });
    } catch (error) {
      if (error instanceof DynamoDBError) return refusal(error.type, error.message);
      throw error;
    }
  }

  /** Makes a table that is there from the start; it replaces one of this name. */
  create(schema: CreateTableInput): void {
    this.#engine.create(schema as TableSchema);
  }

  /** All items of a table, in the order in which they came; none where there is no table. */
  items(tableName: string): Item[] {
    return [...this.#engine.find(tableName)?.rows.values() ?? []].map(({ item }) => item);
  }

  /** The item of this key, or `undefined`. */
  item(tableName: string, key: Item): Item | undefined {
    const table = this.#engine.find(tableName);
    return table?.rows.get(table.key.textIn(key) ?? "")?.item;
  }

  /**
   * Puts an item past everything: no condition, no `onWrite`, and the indexes have it at once.
   * @throws {Error} If there is no such table, or the item lacks its key.
   */
  put(tableName: string, item: Item): void {
    const table = this.#engine.find(tableName);
    if (table === undefined) throw new Error(`There is no table ${tableName}`);
    table.write(table.keyIn(item), item, (task) => task());
  }
}

const ok = (body: unknown): Answer => ({ status: 200, body });

/** The tables, and a method for each action. */
class Engine {
  readonly #tables = new Map<string, Table>();
  readonly #now: () => number;
  readonly #createMs: number;
  readonly #pageItems: number;
  readonly #catchUp: CatchUp;
  readonly #onWrite: OnWrite;

  constructor(options: SimulatedDynamoDBOptions) {
    const { now = () => 0, createMs = 0, pageItems = Infinity } = options;
    this.#now = now;
    this.#createMs = createMs;
    this.#pageItems = pageItems;
    this.#catchUp = options.catchUp ?? ((task) => task());
    this.#onWrite = options.onWrite ?? (() => {});
  }

  find(name: string): Table | undefined {
    return this.#tables.get(name);
  }

  create(schema: TableSchema, activeAt: number = -Infinity): Table {
    const table = new Table(schema, activeAt, this.#catchUp);
    this.#tables.set(schema.TableName, table);
    return table;
  }

  createTable(schema: TableSchema): Answer {
    const { TableName } = schema;
    if (this.#tables.has(TableName)) {
      throw new DynamoDBError("ResourceInUseException", `Table already exists: ${TableName}`);
    }
    const table = this.create(schema, this.#now() + this.#createMs);
    return ok({ TableDescription: describe(table, "CREATING") });
  }

  describeTable(name: string): Answer {
    const table = this.#existing(name);
    return ok({ Table: describe(table, table.isActive(this.#now()) ? "ACTIVE" : "CREATING") });
  }

  deleteTable(name: string): Answer {
    const table = this.#existing(name);
    if (!table.isActive(this.#now())) {
      throw new DynamoDBError(
        "ResourceInUseException",
        `Attempt to change a resource which is still in use: Table is being created: ${name}`,
      );
    }
    this.#tables.delete(name);
    return ok({ TableDescription: describe(table, "DELETING") });
  }

  listTables(): Answer {
    return ok({ TableNames: [...this.#tables.keys()].sort() });
  }

  getItem(input: GetInput): Answer {
    const { plan: { projection } } = expressionsOf(input);
    const table = this.#active(input.TableName);
    const item = this.#itemAt(table, input.Key);
    return ok(item === undefined ? {} : { Item: projected(item, projection) });
  }

  putItem(input: PutInput): Answer {
    const { plan: { condition }, values } = expressionsOf(input);
    const item = checkedItem(input.Item);
    assertSize(item, "Item size has exceeded the maximum allowed size");
    const table = this.#active(input.TableName);
    const key = table.keyIn(item);
    const before = table.rows.get(key)?.item;
    if (condition?.(before ?? {}, values) === false) return conditionFailed(input, before);
    this.#write(table, key, before, item);
    return ok(input.ReturnValues === "ALL_OLD" && before ? { Attributes: before } : {});
  }

  updateItem(input: KeyedInput): Answer {
    const { plan: { condition, update }, values } = expressionsOf(input);
    const table = this.#active(input.TableName);
    const given = checkedItem(input.Key);
    const key = table.keyOf(given);
    if (update !== undefined) {
      assertKeeps(table, update.paths);
      table.assertIndexKeyTypes(update.types(values));
    }
    const before = table.rows.get(key)?.item;
    if (condition?.(before ?? {}, values) === false) return conditionFailed(input, before);
    const after = update?.apply(before ?? given, values) ?? before ?? given;
    table.assertIndexKeys(after);
    assertSize(after, "Item size to update has exceeded the maximum allowed size");
    this.#write(table, key, before, after);
    return ok(returned(input, before, after, update?.paths ?? []));
  }

  deleteItem(input: KeyedInput): Answer {
    const { plan: { condition }, values } = expressionsOf(input);
    const table = this.#active(input.TableName);
    const key = table.keyOf(checkedItem(input.Key));
    const before = table.rows.get(key)?.item;
    if (condition?.(before ?? {}, values) === false) return conditionFailed(input, before);
    if (before !== undefined) this.#write(table, key, before, undefined);
    return ok(input.ReturnValues === "ALL_OLD" && before ? { Attributes: before } : {});
  }

  batchGetItem({ RequestItems }: BatchGetInput): Answer {
    const Responses: Record<string, Item[]> = {};
    for (const [name, { Keys, ...expressions }] of Object.entries(RequestItems)) {
      const { plan: { projection } } = expressionsOf(expressions);
      if (Keys.length > 100) throw invalid("Too many items requested for the BatchGetItem call");
      const table = this.#active(name);
      assertDistinct(Keys.map((key) => table.keyOf(checkedItem(key))));
      const items = Keys.map((key) => this.#itemAt(table, key)).filter((item) => item !== undefined);
      Responses[name] = items.map((item) => projected(item, projection));
    }
    return ok({ Responses, UnprocessedKeys: {} });
  }

  /** Refuses all of it, or writes all of it. */
  batchWriteItem({ RequestItems }: BatchWriteInput): Answer {
    const requests = Object.entries(RequestItems);
    if (requests.flatMap(([, writes]) => writes).length > 25) {
      throw invalid("Too many items requested for the BatchWriteItem call");
    }
    const writes = requests.flatMap(([name, batch]) => this.#batchOf(this.#active(name), batch));
    for (const [table, key, item] of writes) {
      const before = table.rows.get(key)?.item;
      if (before !== undefined || item !== undefined) this.#write(table, key, before, item);
    }
    return ok({ UnprocessedItems: {} });
  }

  #batchOf(table: Table, batch: readonly BatchWrite[]): (readonly [Table, string, Item | undefined])[] {
    const writes = batch.map(({ PutRequest, DeleteRequest }) => {
      if (PutRequest === undefined) {
        return [table, table.keyOf(checkedItem(DeleteRequest?.Key ?? {})), undefined] as const;
      }
      const item = checkedItem(PutRequest.Item);
      assertSize(item, "Item size has exceeded the maximum allowed size");
      if (table.key.textIn(item) === undefined) {
        throw invalid("The provided key element does not match the schema");
      }
      return [table, table.keyIn(item), item] as const;
    });
    assertDistinct(writes.map(([, key]) => key));
    return writes;
  }

  scan(input: Parameters<typeof scanPage>[1]): Answer {
    return ok(scanPage(this.#active(input.TableName), input, this.#pageItems));
  }

  query(input: Parameters<typeof queryPage>[1]): Answer {
    return ok(queryPage(this.#active(input.TableName), input, this.#pageItems));
  }

  #itemAt(table: Table, key: Item): Item | undefined {
    return table.rows.get(table.keyOf(checkedItem(key)))?.item;
  }

  #write(table: Table, key: string, before: Item | undefined, after: Item | undefined): void {
    table.write(key, after);
    this.#onWrite(table.schema.TableName, before, after);
  }

  #existing(name: string): Table {
    const table = this.#tables.get(name);
    if (table === undefined) throw notFound(`: Table: ${name} not found`);
    return table;
  }

  /** The table, where it takes requests for items. */
  #active(name: string): Table {
    const table = this.#tables.get(name);
    if (table === undefined || !table.isActive(this.#now())) throw notFound();
    return table;
  }
}

function describe({ schema, rows }: Table, TableStatus: string): object {
  const { TableName, AttributeDefinitions, KeySchema, GlobalSecondaryIndexes } = schema;
  const indexes = GlobalSecondaryIndexes?.map(({ IndexName, KeySchema, Projection }) => ({
    ...{ IndexName, KeySchema, Projection },
    IndexStatus: TableStatus,
  }));
  return {
    ...{ TableName, TableStatus, AttributeDefinitions, KeySchema },
    // DynamoDB counts the items every six hours.
    ItemCount: rows.size,
    ...indexes && { GlobalSecondaryIndexes: indexes },
  };
}

function projected(item: Item, paths: readonly Path[] | undefined): Item {
  return paths === undefined ? item : project(item, paths);
}

function returned(
  { ReturnValues }: WriteInput,
  before: Item | undefined,
  after: Item,
  paths: readonly Path[],
): object {
  switch (ReturnValues) {
    case "ALL_OLD":
      return before ? { Attributes: before } : {};
    case "ALL_NEW":
      return { Attributes: after };
    case "UPDATED_OLD":
      return before ? { Attributes: project(before, paths) } : {};
    case "UPDATED_NEW":
      return { Attributes: project(after, paths) };
  }
  return {};
}

function conditionFailed(
  { ReturnValuesOnConditionCheckFailure: asked }: WriteInput,
  before: Item | undefined,
): Answer {
  const fields = asked === "ALL_OLD" && before ? { Item: before } : {};
  return refusal("ConditionalCheckFailedException", "The conditional request failed", fields);
}

function assertSize(item: Item, problem: string): void {
  if (isTooLarge(item)) throw invalid(problem);
}

function assertKeeps({ key }: Table, paths: readonly Path[]): void {
  for (const name of key.names) {
    if (!paths.some(([first]) => first === name)) continue;
    throw invalid(
      `One or more parameter values were invalid: Cannot update attribute ${name}. This attribute is part of the key`,
    );
  }
}

function assertDistinct(keys: readonly string[]): void {
  if (new Set(keys).size < keys.length) throw invalid("Provided list of item keys contains duplicates");
}

/** A table on an embedded DynamoDB behind a gate that lets pass what the toolkit's IAM policy allows, and no more. */
import process from "node:process";
import {
  type AttributeValue,
  BatchWriteItemCommand,
  DeleteTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import { type DynamoDBStorageOptions, TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { FaultGate, type FaultGateOptions, type GateEntry } from "../../lib/local/dynamodb/fault_gate.ts";
import { startFaultGate } from "../../lib/local/dynamodb/fault_proxy.ts";
import { iamActions, ledgerActions } from "../../lib/local/dynamodb/iam.ts";
import { type LocalDynamoDB, startDynamoDB } from "../../lib/local/dynamodb/server.ts";
import { systemClock } from "../../lib/util/clock.ts";
import type { Logger } from "../../lib/util/log.ts";
import { assert } from "../harness.ts";
import { currentHosts, currentWorld } from "../sim/world.ts";
import { clientAt, type Keys, testKeys } from "./client.ts";
import { SleepyClock, TestClock } from "./clocks.ts";
import { engineVariable } from "./dynamodb_local.ts";
import { searchText } from "./leaks.ts";

export type RawItem = Record<string, AttributeValue>;

export const TableName = "telegram-chats";
export const LedgerName = "telegram-broadcasts";

export { clientAt, type Keys, SleepyClock, TestClock, testKeys };

const { handle } = FaultGate.prototype;
const decoder = new TextDecoder();

/** What is written to tables goes by a gate, whoever has started it. */
FaultGate.prototype.handle = function (request): ReturnType<typeof handle> {
  searchText(decoder.decode(request.body), "a table");
  return handle.call(this, request);
};

/** Keeps what was logged. */
export class TestLogger implements Logger {
  readonly lines: string[] = [];

  info(message: string): void {
    searchText(message, "the log");
    this.lines.push(message);
  }

  warn(message: string): void {
    this.info(message);
  }

  error(message: string): void {
    this.info(message);
  }
}

export interface FixtureOptions {
  readonly random?: () => number;
  readonly createTableMs?: number;
  /** Whether it is the embedded engine, on sockets. @default false */
  readonly isOverHttp?: boolean;
  /** Without the table, as before the first start. */
  readonly isEmpty?: boolean;
  /** With the policy's second statement, for broadcasts with an id. */
  readonly hasLedger?: boolean;
}

export interface GatedEngineOptions {
  readonly createTableMs?: number | undefined;
  /** Whether it is the embedded engine, on sockets. @default false */
  readonly isOverHttp?: boolean | undefined;
  readonly allow?: FaultGateOptions["allow"];
  readonly random?: (() => number) | undefined;
}

/** Whether a new table is CREATING for a while: not on AWS's engine for development. */
export const tablesTakeTime: boolean = process.env[engineVariable] === undefined;

/** A simulated DynamoDB, or the engine that the environment names, and a gate before it. */
export async function startGatedEngine(
  { createTableMs, isOverHttp = false, allow, random }: GatedEngineOptions,
  tables: readonly string[] = [],
): Promise<{ readonly db: LocalDynamoDB; readonly gate: FaultGate }> {
  const gateOptions = { ...allow && { allow }, ...random && { random } };
  const endpoint = process.env[engineVariable];
  if (endpoint !== undefined || isOverHttp) {
    const db = endpoint === undefined
      ? await startDynamoDB(createTableMs === undefined ? {} : { createTableMs })
      : await withoutTables(endpoint, tables);
    return { db, gate: await startFaultGate({ target: db.endpoint, ...gateOptions }) };
  }
  const { now, sleep, random: chance } = currentWorld()?.botOptions.clock ?? systemClock;
  const options = { now, ...createTableMs !== undefined && { createMs: createTableMs } };
  return currentHosts().startDynamoDB(options, { ...gateOptions, clock: { now, sleep, random: chance } });
}

/** The engine without the tables of the file before. */
async function withoutTables(endpoint: string, tables: readonly string[]): Promise<LocalDynamoDB> {
  const client = clientAt(endpoint);
  for (const table of tables) {
    await client.send(new DeleteTableCommand({ TableName: table })).catch((error: Error) => {
      if (error.name !== "ResourceNotFoundException") throw error;
    });
  }
  client.destroy();
  const close = (): Promise<void> => Promise.resolve();
  const credentials = { accessKeyId: testKeys.accessKeyId, secretAccessKey: testKeys.secretAccessKey };
  return { endpoint, region: "us-east-1", credentials, close, [Symbol.asyncDispose]: close };
}

/** Starts a DynamoDB, the gate and, unless told otherwise, creates the table through the storage. */
export async function startTable(options: FixtureOptions = {}): Promise<TableFixture> {
  const { random, createTableMs, isOverHttp, isEmpty = false, hasLedger = false } = options;
  const chats = { actions: iamActions, table: TableName };
  const allow = [chats, ...hasLedger ? [{ actions: ledgerActions, table: LedgerName }] : []];
  const { db, gate } = await startGatedEngine({ createTableMs, isOverHttp, allow, random }, [TableName]);
  const fixture = new TableFixture(db, gate, hasLedger);
  if (!isEmpty) await fixture.storage({ clock: new TestClock(0) }).createTableIfNotExists();
  gate.resetCounts();
  return fixture;
}

export class TableFixture {
  readonly db: LocalDynamoDB;
  readonly gate: FaultGate;
  /** Past the gate: for other programs' writes, and to look at the table. */
  readonly direct: DynamoDBClient;
  readonly hasLedger: boolean;
  /** Behind the gate, by their keys. */
  readonly #gated = new Map<Keys, DynamoDBClient>();

  constructor(db: LocalDynamoDB, gate: FaultGate, hasLedger: boolean = false) {
    this.hasLedger = hasLedger;
    this.db = db;
    this.gate = gate;
    this.direct = clientAt(db.endpoint);
  }

  /** A storage behind the gate. Storages with the same keys share a client, which takes milliseconds to make. */
  storage(options: DynamoDBStorageOptions & { readonly keys?: Keys } = {}): TelegramDynamoDBStorage {
    const { keys = testKeys, ...rest } = options;
    const client = this.#gated.get(keys) ?? clientAt(this.gate.endpoint, keys);
    this.#gated.set(keys, client);
    return new TelegramDynamoDBStorage({ tableName: TableName, regionName: "us-east-1", client, ...rest });
  }

  /** Puts an item there as another program would. */
  async put(item: RawItem): Promise<void> {
    await this.direct.send(new PutItemCommand({ TableName, Item: item }));
  }

  /** Puts many there, a few at a time: all at once are more than a slow machine answers in time. */
  async plant(items: readonly RawItem[]): Promise<void> {
    for (let from = 0; from < items.length; from += 25) {
      const puts = items.slice(from, from + 25).map((Item) => ({ PutRequest: { Item } }));
      await this.direct.send(new BatchWriteItemCommand({ RequestItems: { [TableName]: puts } }));
    }
  }

  /** The item as it stands in the table. */
  async item(chatId: number): Promise<RawItem | undefined> {
    const Key = { chat_id: { N: String(chatId) } };
    const { Item } = await this.direct.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }));
    return Item;
  }

  /** How many items of chats there are; for small tables. */
  async size(): Promise<number> {
    const scan = new ScanCommand({
      TableName,
      Select: "COUNT",
      FilterExpression: "chat_id <> :own",
      ExpressionAttributeValues: { ":own": { N: "0" } },
    });
    return (await this.direct.send(scan)).Count ?? 0;
  }

  async empty(): Promise<void> {
    for (;;) {
      const { Items = [] } = await this.direct.send(
        new ScanCommand({ TableName, ProjectionExpression: "chat_id" }),
      );
      if (Items.length === 0) return;
      for (let from = 0; from < Items.length; from += 25) {
        const deletes = Items.slice(from, from + 25)
          .map(({ chat_id }) => ({ DeleteRequest: { Key: { chat_id: chat_id as AttributeValue } } }));
        await this.direct.send(new BatchWriteItemCommand({ RequestItems: { [TableName]: deletes } }));
      }
    }
  }

  /** Which requests did what the policy does not allow. What names no action is another program's. A start queries the ledger's table, and takes a refusal for "no ledger". */
  trespasses(): GateEntry[] {
    return this.gate.log.filter(({ action, table }) =>
      action !== "" && (!iamActions.includes(action) || table !== TableName) &&
      !(table === LedgerName && (action === "Query" || this.hasLedger))
    );
  }

  async close(): Promise<void> {
    for (const client of [this.direct, ...this.#gated.values()]) client.destroy();
    await this.gate.close();
    await this.db.close();
  }
}

/** The error that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}

export interface SharedTable {
  /** The table, emptied, without faults and with its counts at zero. */
  freshTable(): Promise<TableFixture>;
  /** Fails if any request since the start was one that the policy does not allow. */
  expectNoTrespass(): Promise<void>;
  closeTable(): Promise<void>;
}

/** One table for all tests of a file, started when it is first asked for. */
export function sharedTable(options: FixtureOptions = {}): SharedTable {
  let shared: Promise<TableFixture> | undefined;
  return {
    async freshTable() {
      const table = await (shared ??= startTable(options));
      table.gate.clear();
      await table.empty();
      table.gate.resetCounts();
      return table;
    },
    async expectNoTrespass() {
      assert.equal((await shared)?.trespasses(), []);
    },
    async closeTable() {
      await (await shared)?.close();
    },
  };
}

/** An item as the Python bot writes it: its own form of times, keys of its own, none of our attributes. */
export function pythonItem(more: RawItem = {}): RawItem {
  return {
    chat_id: { N: "123456789" },
    is_active: { BOOL: true },
    added_at: { S: "2026-01-15T10:30:00.123456+00:00" },
    last_active: { S: "2026-11-20T11:16:54.224392+00:00" },
    message_count: { N: "42" },
    user_info: {
      M: {
        username: { S: "johndoe" },
        first_name: { S: "John" },
        last_name: { NULL: true },
        user_id: { N: "123456789" },
        chat_type: { S: "private" },
        tags: { L: [{ S: "vip" }, { N: "7" }] },
        groups: { SS: ["a", "b"] },
      },
    },
    plan: { M: { tier: { S: "gold" }, since: { N: "2024" } } },
    big: { N: "12345678901234567890123456789" },
    bytes: { B: new Uint8Array([1, 2, 3]) },
    ...more,
  };
}
export const pythonId: number = 123456789;

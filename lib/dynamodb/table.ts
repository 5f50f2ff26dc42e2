/** The tables: their schemas, and how one is found, or created and waited for. */
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  type TableDescription,
} from "@aws-sdk/client-dynamodb";
import { type LoadOptions, StorageError } from "../chats/storage.ts";
import { type Clock, steady } from "../util/clock.ts";
import type { Table, TableHints } from "./client.ts";
import { causeName } from "./errors.ts";

/** What makes a table ours. */
export interface Schema {
  readonly AttributeDefinitions: NonNullable<CreateTableCommandInput["AttributeDefinitions"]>;
  readonly KeySchema: NonNullable<CreateTableCommandInput["KeySchema"]>;
  readonly GlobalSecondaryIndexes?: NonNullable<CreateTableCommandInput["GlobalSecondaryIndexes"]>;
  /** The key in words, for errors: `chats need chat_id (N, HASH) alone`. */
  readonly need: string;
  /** The variable or option that chooses another table. */
  readonly setting: string;
}

export const chatSchema: Schema = {
  AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
  KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
  need: "chats need chat_id (N, HASH) alone",
  setting: "TELEGRAM_CHATS_TABLE",
};

const ledgerSetting = "TELEGRAM_BROADCASTS_TABLE (or broadcastsTableName)";

export const ledgerSchema: Schema = {
  AttributeDefinitions: [
    { AttributeName: "broadcast_id", AttributeType: "S" },
    { AttributeName: "record", AttributeType: "S" },
    { AttributeName: "open", AttributeType: "S" },
  ],
  KeySchema: [
    { AttributeName: "broadcast_id", KeyType: "HASH" },
    { AttributeName: "record", KeyType: "RANGE" },
  ],
  GlobalSecondaryIndexes: [{
    IndexName: "open",
    KeySchema: [{ AttributeName: "open", KeyType: "HASH" }],
    Projection: { ProjectionType: "KEYS_ONLY" },
  }],
  need: 'broadcasts need broadcast_id (S, HASH) + record (S, RANGE), and an index "open" on open (S, HASH)',
  setting: ledgerSetting,
};

/** What errors say of the ledger's table. */
export function ledgerHints(tableName: string): TableHints {
  const advice =
    `Check ${ledgerSetting} and AWS_REGION: the first broadcast with a broadcastId creates the table.`;
  return { advice, resources: { Query: `${tableName}/index/*` } };
}

const pollMs = 1000;
const createWithinMs = 60_000;

/** Resolves once the table is there, is ours by its key, and takes writes. */
export async function ensureTable(
  table: Table,
  schema: Schema,
  clock: Clock,
  work: LoadOptions = {},
): Promise<void> {
  const found = await describe(table, work.signal) ?? await create(table, schema, work);
  await untilActive(found, table, schema, clock, work);
}

/** Why the table has not our schema; `undefined` if it has, or there is no table. */
export async function schemaMismatch(table: Table, schema: Schema): Promise<StorageError | undefined> {
  const found = await describe(table);
  return found && mismatchIn(found, table.tableName, schema);
}

async function describe(
  { tableName, send }: Table,
  signal?: AbortSignal,
): Promise<TableDescription | undefined> {
  try {
    const command = new DescribeTableCommand({ TableName: tableName });
    return (await send("DescribeTable", command, signal)).Table;
  } catch (error) {
    if (causeName(error) === "ResourceNotFoundException") return undefined;
    throw error;
  }
}

/** A creation by another process at the same moment, or our own whose answer was lost, counts as success. */
async function create(
  { tableName, send }: Table,
  schema: Schema,
  { signal, onProgress }: LoadOptions,
): Promise<TableDescription> {
  try {
    const command = new CreateTableCommand(creationOf(tableName, schema));
    const { TableDescription } = await send("CreateTable", command, signal);
    onProgress?.();
    return TableDescription ?? schema;
  } catch (error) {
    if (causeName(error) === "ResourceInUseException") return schema;
    throw error;
  }
}

/** Without tags, encryption key and time-to-live: each of them would need a further IAM action. */
function creationOf(TableName: string, schema: Schema): CreateTableCommandInput {
  const { AttributeDefinitions, KeySchema, GlobalSecondaryIndexes } = schema;
  const indexes = GlobalSecondaryIndexes && { GlobalSecondaryIndexes };
  return { TableName, AttributeDefinitions, KeySchema, ...indexes, BillingMode: "PAY_PER_REQUEST" };
}

/** The SDK's own waiter sleeps 20 seconds, and repeats even what is denied. */
async function untilActive(
  found: TableDescription | undefined,
  table: Table,
  schema: Schema,
  clock: Clock,
  { signal, onProgress }: LoadOptions,
): Promise<void> {
  const elapsed = steady(clock);
  const endsAt = elapsed() + createWithinMs;
  for (let now = found;; now = await describe(table, signal)) {
    const mismatch = now && mismatchIn(now, table.tableName, schema);
    if (mismatch !== undefined) throw mismatch;
    // A table that was just created may not be visible yet: then it has no status.
    const status = now?.TableStatus ?? "CREATING";
    if (status === "ACTIVE" || status === "UPDATING") return;
    if (status !== "CREATING" || elapsed() >= endsAt) throw takesNoWrites(table, now?.TableStatus);
    onProgress?.();
    await clock.sleep(pollMs, signal);
  }
}

function takesNoWrites({ tableName }: Table, status: string = "not there"): StorageError {
  const message = `The table "${tableName}" is ${status} and takes no writes. Check it in the AWS console.`;
  return new StorageError("table", message);
}

function mismatchIn(found: TableDescription, tableName: string, schema: Schema): StorageError | undefined {
  const key = keyOf(found);
  const names = (found.GlobalSecondaryIndexes ?? []).map(({ IndexName }) => IndexName);
  const missing = schema.GlobalSecondaryIndexes?.find(({ IndexName }) => !names.includes(IndexName));
  if (key === keyOf(schema) && missing === undefined) return undefined;
  const what = key === keyOf(schema) ? `lacks the index "${missing?.IndexName}"` : `has the key ${key}`;
  return new StorageError(
    "table",
    `The table "${tableName}" ${what}, but ${schema.need}. ` +
      `Choose another table by ${schema.setting}; this one is left as it is.`,
  );
}

function keyOf({ KeySchema = [], AttributeDefinitions = [] }: TableDescription): string {
  const typeOf = (name = ""): string =>
    AttributeDefinitions.find((each) => each.AttributeName === name)?.AttributeType ?? "?";
  return KeySchema.map(({ AttributeName, KeyType }) =>
    `${AttributeName} (${typeOf(AttributeName)}, ${KeyType})`
  )
    .join(" + ");
}

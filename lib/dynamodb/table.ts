/** A table: found, or created and awaited. */
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  type TableDescription,
} from "@aws-sdk/client-dynamodb";
import { type LoadOptions, StorageError } from "../chats/storage.ts";
import { type Clock, steady } from "../util/clock.ts";
import type { Table, TableHints } from "./client.ts";
import { errorName } from "./errors.ts";

const pollMs = 1000;
const createWithinMs = 60_000;

/** What makes a table ours. */
export interface Schema {
  readonly AttributeDefinitions: NonNullable<CreateTableCommandInput["AttributeDefinitions"]>;
  readonly KeySchema: NonNullable<CreateTableCommandInput["KeySchema"]>;
  readonly GlobalSecondaryIndexes?: NonNullable<CreateTableCommandInput["GlobalSecondaryIndexes"]>;
  /** The key in words, and who needs it: `chats need chat_id (N, HASH) alone`. */
  readonly need: string;
  /** The variable or option that chooses another table. */
  readonly setting: string;
}

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

/** Why the table that is there is not ours; undefined where it is, or there is none. */
export async function misfitOf(table: Table, schema: Schema): Promise<StorageError | undefined> {
  const found = await describe(table);
  return found && misfit(found, table.tableName, schema);
}

async function describe(
  { tableName, send }: Table,
  signal?: AbortSignal,
): Promise<TableDescription | undefined> {
  try {
    const command = new DescribeTableCommand({ TableName: tableName });
    const { Table } = await send(
      "DescribeTable",
      (client, options) => client.send(command, options as undefined),
      signal,
    );
    return Table;
  } catch (error) {
    if (errorName((error as Error).cause) === "ResourceNotFoundException") return undefined;
    throw error;
  }
}

/** Somebody else's creation at the same moment, or our own whose answer was lost, is as good as this one. */
async function create(
  { tableName, send }: Table,
  schema: Schema,
  { signal, onProgress }: LoadOptions,
): Promise<TableDescription> {
  try {
    const command = new CreateTableCommand(creationOf(tableName, schema));
    const { TableDescription } = await send(
      "CreateTable",
      (client, options) => client.send(command, options as undefined),
      signal,
    );
    onProgress?.();
    return TableDescription ?? schema;
  } catch (error) {
    if (errorName((error as Error).cause) === "ResourceInUseException") return schema;
    throw error;
  }
}

/** No tags, no encryption key, no time-to-live: each of them would need an IAM action more. */
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
  const deadline = elapsed() + createWithinMs;
  for (let now = found;; now = await describe(table, signal)) {
    const unfit = now && misfit(now, table.tableName, schema);
    if (unfit !== undefined) throw unfit;
    // A table that was just made may not be seen yet, and has no status then.
    const status = now?.TableStatus ?? "CREATING";
    if (status === "ACTIVE" || status === "UPDATING") return;
    if (status !== "CREATING" || elapsed() >= deadline) throw takesNoWrites(table, now?.TableStatus);
    onProgress?.();
    await clock.sleep(pollMs, signal);
  }
}

function takesNoWrites({ tableName }: Table, status: string = "not there"): StorageError {
  const message = `The table "${tableName}" is ${status} and takes no writes. Check it in the AWS console.`;
  return new StorageError("table", message);
}

function misfit(found: TableDescription, tableName: string, schema: Schema): StorageError | undefined {
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

// The table of chats.

export const chatSchema: Schema = {
  AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
  KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
  need: "chats need chat_id (N, HASH) alone",
  setting: "TELEGRAM_CHATS_TABLE",
};

/** Resolves once the table is there, is ours by its key, and takes writes. */
export async function ensureChatTable(table: Table, clock: Clock, work: LoadOptions): Promise<void> {
  await ensureTable(table, chatSchema, clock, work);
}

// The ledger's table.

const setting = "TELEGRAM_BROADCASTS_TABLE (or broadcastsTableName)";

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
  setting,
};

/** What errors say of the table. */
export function ledgerWords(tableName: string): TableHints {
  const advice = `Check ${setting} and AWS_REGION: the first broadcast with a broadcastId creates the table.`;
  return { advice, resources: { Query: `${tableName}/index/*` } };
}

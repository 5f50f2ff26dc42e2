/** The table: found, or created and awaited. */
import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  type TableDescription,
} from "@aws-sdk/client-dynamodb";
import type { Clock } from "../clock.ts";
import type { Work } from "./chat_storage.ts";
import type { Table } from "./client.ts";
import { errorName, StorageError } from "./storage_error.ts";

const pollMs = 1000;
const createWithinMs = 60_000;

/** No tags, no encryption key, no time-to-live: each of them would need an IAM action more. */
const schema = {
  AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
  KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
  BillingMode: "PAY_PER_REQUEST",
} satisfies Partial<CreateTableCommandInput>;

/** Resolves once the table is there, is ours by its key, and takes writes. */
export async function ensureTable(table: Table, clock: Clock, work: Work): Promise<void> {
  const found = await describe(table, work.signal) ?? await create(table, work);
  await untilActive(found, table, clock, work);
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
async function create({ tableName, send }: Table, { signal, onProgress }: Work): Promise<TableDescription> {
  try {
    const command = new CreateTableCommand({ TableName: tableName, ...schema });
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

/** The SDK's own waiter sleeps 20 seconds, and repeats even what is denied. */
async function untilActive(
  found: TableDescription | undefined,
  table: Table,
  clock: Clock,
  { signal, onProgress }: Work,
): Promise<void> {
  const deadline = clock.now() + createWithinMs;
  for (let now = found;; now = await describe(table, signal)) {
    if (now !== undefined) assertKey(now, table.tableName);
    // A table that was just made may not be seen yet, and has no status then.
    const status = now?.TableStatus ?? "CREATING";
    if (status === "ACTIVE" || status === "UPDATING") return;
    if (status !== "CREATING" || clock.now() >= deadline) throw takesNoWrites(table, now?.TableStatus);
    onProgress?.();
    await clock.sleep(pollMs, signal);
  }
}

function takesNoWrites({ tableName }: Table, status: string = "not there"): StorageError {
  const message = `The table "${tableName}" is ${status} and takes no writes. Check it in the AWS console.`;
  return new StorageError("table", message);
}

function assertKey({ KeySchema = [], AttributeDefinitions = [] }: TableDescription, tableName: string): void {
  const typeOf = (name = ""): string =>
    AttributeDefinitions.find((each) => each.AttributeName === name)?.AttributeType ?? "?";
  const key = KeySchema.map(({ AttributeName, KeyType }) =>
    `${AttributeName} (${typeOf(AttributeName)}, ${KeyType})`
  ).join(" + ");
  if (key === "chat_id (N, HASH)") return;
  throw new StorageError(
    "table",
    `The table "${tableName}" has the key ${key}, but chats need chat_id (N, HASH) alone. ` +
      `Choose another table by TELEGRAM_CHATS_TABLE; this one is left as it is.`,
  );
}

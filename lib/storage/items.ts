/** One item of the table of chats, by its number: read consistently, or updated. */
import { GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { Item } from "./chat_item.ts";
import type { Table } from "./client.ts";
import type { ChatUpdate } from "./expressions.ts";

/** The item; `undefined` where there is none. */
export async function getItem(table: Table, id: number, signal?: AbortSignal): Promise<Item | undefined> {
  const command = new GetItemCommand({ ...keyOf(table, id), ConsistentRead: true });
  const answer = table.send(
    "GetItem",
    (client, options) => client.send(command, options as undefined),
    signal,
  );
  return (await answer).Item;
}

/** What the update asks to have returned. */
export async function updateItem(
  table: Table,
  id: number,
  update: ChatUpdate,
  signal?: AbortSignal,
): Promise<Item | undefined> {
  const command = new UpdateItemCommand({ ...keyOf(table, id), ...update });
  const answer = table.send(
    "UpdateItem",
    (client, options) => client.send(command, options as undefined),
    signal,
  );
  return (await answer).Attributes;
}

/** What DynamoDB says where a write's condition does not hold. */
export interface ConditionError extends Error {
  /** The item as it is, where the engine sends it. */
  readonly Item?: Item;
  readonly $metadata?: { readonly attempts?: number };
}

function keyOf({ tableName }: Table, id: number): { TableName: string; Key: Item } {
  return { TableName: tableName, Key: { chat_id: { N: String(id) } } };
}

/** The table of chats. */
import type { Clock } from "../clock.ts";
import type { Work } from "./chat_storage.ts";
import type { Table } from "./client.ts";
import { ensureTable, type Schema } from "./table.ts";

export const chatSchema: Schema = {
  AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
  KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
  need: "chats need chat_id (N, HASH) alone",
  setting: "TELEGRAM_CHATS_TABLE",
};

/** Resolves once the table is there, is ours by its key, and takes writes. */
export async function ensureChatTable(table: Table, clock: Clock, work: Work): Promise<void> {
  await ensureTable(table, chatSchema, clock, work);
}

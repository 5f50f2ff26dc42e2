/** Fills a table with active chats, as registration leaves them. */
import { type AttributeValue, BatchWriteItemCommand } from "@aws-sdk/client-dynamodb";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { clientAt } from "../support/client.ts";
import { chatIdAt } from "./chat_ids.ts";
import { inParallel } from "./traffic.ts";

const chatsARequest = 25;
const atOnce = 8;

export async function seed(endpoint: string, tableName: string, chats: number): Promise<void> {
  const client = clientAt(endpoint);
  await new TelegramDynamoDBStorage({ client, tableName }).createTableIfNotExists();
  await inParallel(Math.ceil(chats / chatsARequest), atOnce, async (batch) => {
    const first = batch * chatsARequest;
    const indexes = Array.from(
      { length: Math.min(chatsARequest, chats - first) },
      (_, index) => first + index,
    );
    const requests = indexes.map((index) => ({ PutRequest: { Item: itemOf(chatIdAt(index, chats)) } }));
    await client.send(new BatchWriteItemCommand({ RequestItems: { [tableName]: requests } }));
  });
  client.destroy();
}

/** An active chat, as registration leaves it. */
export function itemOf(chatId: number): Record<string, AttributeValue> {
  const registered = { S: "2026-11-19T12:00:00.000Z" };
  return {
    chat_id: { N: String(chatId) },
    is_active: { BOOL: true },
    added_at: registered,
    last_active: registered,
    message_count: { N: "1" },
    user_info: { M: { username: { S: `user_${chatId}` }, first_name: { S: "Ada" } } },
    removed_at: { NULL: true },
    last_update_id: { N: "800000000" },
    last_word_update_id: { N: "800000000" },
  };
}

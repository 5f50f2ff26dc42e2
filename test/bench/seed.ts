/** Fills a table with active chats, as registration leaves them. */
import { BatchWriteItemCommand, type WriteRequest } from "@aws-sdk/client-dynamodb";
import { TelegramDynamoDBStorage } from "../../lib/storage/dynamodb.ts";
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
    const requests = indexes.map((index) => putOf(chatIdAt(index, chats)));
    await client.send(new BatchWriteItemCommand({ RequestItems: { [tableName]: requests } }));
  });
  client.destroy();
}

function putOf(chatId: number): WriteRequest {
  const registered = { S: "2026-11-20T12:00:00.000Z" };
  const Item = {
    chat_id: { N: String(chatId) },
    is_active: { BOOL: true },
    added_at: registered,
    last_active: registered,
    message_count: { N: "1" },
    user_info: { M: { username: { S: `user_${chatId}` }, first_name: { S: "Ada" } } },
    removed_at: { NULL: true },
    last_update_id: { N: "800000000" },
  };
  return { PutRequest: { Item } };
}

/** People who are subscribed since before a history begins. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { plantedEntry } from "../crash/model.ts";
import type { SimulatedUsers } from "../crash/simulated_users.ts";
import type { SimulatedDynamoDB } from "./dynamodb/dynamodb.ts";
import { TableName } from "./plan.ts";
import { epoch } from "./scheduler.ts";
import type { SimulatedTelegram } from "./telegram.ts";

/** Makes the table with so many of them; none where there are none. */
export function plantReaders(
  count: number,
  { server }: SimulatedTelegram,
  dynamodb: SimulatedDynamoDB,
  { model }: SimulatedUsers,
): LocalUser[] {
  if (count === 0) return [];
  dynamodb.create({
    TableName,
    AttributeDefinitions: [{ AttributeName: "chat_id", AttributeType: "N" }],
    KeySchema: [{ AttributeName: "chat_id", KeyType: "HASH" }],
  });
  const date = new Date(epoch - 3_600_000).toISOString();
  return Array.from({ length: count }, () => {
    const reader = server.user({ opened: true });
    model.entries.set(reader.chatId, plantedEntry(date));
    dynamodb.put(TableName, {
      ...{ chat_id: { N: String(reader.chatId) }, is_active: { BOOL: true }, added_at: { S: date } },
      ...{ last_active: { S: date }, message_count: { N: "1" }, user_info: { M: {} } },
      removed_at: { NULL: true },
    });
    return reader;
  });
}

/** A table of chats, its own item, and what they cost. */
import type { ChatEvent } from "../../lib/chats/events.ts";
import type { ChatStorage } from "../../lib/chats/storage.ts";
import type { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { noon } from "./chats.ts";
import { type RawItem, type TableFixture, TestClock, TestLogger } from "./storage.ts";

/** The key of the table's own item. */
export const chat_id = { N: "0" } as const;

let lastId = 0;

/** What a chat says next. */
export function say(kind: "message" | "start" | "stop"): ChatEvent {
  return { kind, at: noon, updateId: ++lastId, registers: true };
}

/** Reads and writes of one item since the counts were reset. */
export function requestsOf({ gate }: TableFixture): number[] {
  return [gate.count("GetItem"), gate.count("UpdateItem")];
}

/** A storage whose clock stands at noon. */
export function storageAtNoon(
  table: TableFixture,
): { readonly clock: TestClock; readonly storage: TelegramDynamoDBStorage } {
  const clock = new TestClock(noon);
  return { clock, storage: table.storage({ clock, logger: new TestLogger() }) };
}

/** Whether the request is about the table's own item. */
export function isOwnItem(body: Record<string, unknown>): boolean {
  return (body["Key"] as RawItem)["chat_id"]?.N === "0";
}

/** So many writes of the table's own item fail. */
export function failOwnItem({ gate }: TableFixture, times: number): { clear(): void } {
  return gate.before("UpdateItem", (body) => {
    if (isOwnItem(body) && times-- > 0) throw new Error("broken");
  });
}

/** The log of /stops, its chats in ascending order. */
export async function stopsIn(
  storage: ChatStorage,
): Promise<{ readonly count: number; readonly since: number; readonly chats: readonly number[] }> {
  const { count = NaN, since = NaN, chats = new Set<number>() } = await storage.readStopLog() ?? {};
  return { count, since, chats: [...chats].sort((a, b) => a - b) };
}

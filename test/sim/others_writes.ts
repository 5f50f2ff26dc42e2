/**
 * What others write to the table of chats while the bots run: an operator in DynamoDB's console, another program, and the
 * Python bot, which writes items in its own form. A write that drops the ids of a chat's updates makes each of these updates
 * new: so it meets only chats of which the bots have nothing left to write.
 */
import { unmarshall } from "@aws-sdk/util-dynamodb";
import type { Entry } from "../crash/model.ts";
import type { SimulatedUsers } from "../crash/simulated_users.ts";
import type { Random } from "../support/histories.ts";
import { type Item, sdkItem, type SimulatedDynamoDB } from "./dynamodb/dynamodb.ts";
import { pick, TableName } from "./plan.ts";
import type { Scheduler } from "./scheduler.ts";

export interface OthersWritesOptions {
  readonly scheduler: Scheduler;
  readonly dynamodb: SimulatedDynamoDB;
  readonly users: SimulatedUsers;
  /** Called with each chat whose standing was changed: whether it is active now. */
  readonly onChange: (chatId: number, isActive: boolean) => void;
}

/** No request about an update is under way any more after so long, in milliseconds. */
const overAfterMs = 60_000;

export class OthersWrites {
  readonly #options: OthersWritesOptions;
  /** How many there were. */
  count = 0;

  constructor(options: OthersWritesOptions) {
    this.#options = options;
  }

  /** Adds an attribute, and a key to `user_info`, to a chat that the table has. */
  addAttribute(random: Random): void {
    const { dynamodb, users: { model } } = this.#options;
    const known = dynamodb.items(TableName).filter((item) => chatIdOf(item) > 0);
    const item = known[Math.floor(random() * known.length)];
    if (item === undefined) return;
    const name = `plan_${Math.floor(random() * 1e6)}`;
    const { status } = dynamodb.answer("UpdateItem", {
      TableName,
      Key: { chat_id: item["chat_id"] },
      UpdateExpression: "SET #name = :value, user_info.#name = :value",
      ExpressionAttributeNames: { "#name": name },
      ExpressionAttributeValues: { ":value": { S: "gold" } },
    });
    const chatId = chatIdOf(item);
    if (status === 200 && model.entries.has(chatId)) model.foreign(chatId, name, "gold");
  }

  /** Changes, replaces or deletes the item of a person. */
  changeChat(random: Random): void {
    const { dynamodb, users: { model }, scheduler, onChange } = this.#options;
    const items = dynamodb.items(TableName).filter((item) => this.#isAtRest(item));
    const item = items[Math.floor(random() * items.length)];
    if (item === undefined) return;
    const chatId = chatIdOf(item);
    this.count++;
    const after = changed(item, scheduler.now, random);
    scheduler.trace(`! others write ${chatId}: ${JSON.stringify(after)}`);
    if (after === undefined) {
      dynamodb.answer("DeleteItem", { TableName, Key: { chat_id: item["chat_id"] } });
      model.entries.delete(chatId);
      return onChange(chatId, true);
    }
    dynamodb.put(TableName, after);
    const { chat_id: _key, ...entry } = unmarshall(sdkItem(after));
    model.entries.set(chatId, entry as Entry);
    onChange(chatId, entry["is_active"] === true);
  }

  /** Whether it is a person's who has not blocked the bot, and all that the person has said is written and confirmed. */
  #isAtRest(item: Item): boolean {
    const { scheduler, users } = this.#options;
    const entry = users.model.entries.get(chatIdOf(item));
    if (chatIdOf(item) <= 0 || entry === undefined || users.hasBlocked(chatIdOf(item))) return false;
    const { last_update_id = 0, last_member_update_id = 0 } = entry as Record<string, unknown>;
    return Number(item["last_update_id"]?.N ?? 0) === last_update_id &&
      Math.max(last_update_id as number, last_member_update_id as number) < users.firstPending() &&
      Date.parse(entry.last_active) < scheduler.now - overAfterMs;
  }
}

/** The item afterwards; `undefined` where it is deleted. */
function changed(item: Item, now: number, random: Random): Item | undefined {
  const isActive = item["is_active"]?.BOOL === true;
  return pick<() => Item | undefined>(
    random,
    () => undefined,
    () => ({ ...item, is_active: { BOOL: !isActive } }),
    () => ({ ...item, is_active: { BOOL: !isActive } }),
    () => ({ ...item, is_active: { BOOL: false }, removed_at: { S: pythonTime(now) } }),
    () => pythonItem(item, now - overAfterMs),
  )();
}

/** The item that the Python bot saves of a chat: whole, in its own form, and with none of our attributes. */
function pythonItem({ chat_id, user_info }: Item, at: number): Item {
  const { username = { S: "ada" }, first_name = { S: "Ada" } } = user_info?.M ?? {};
  return {
    ...{ chat_id: chat_id as Item[string], is_active: { BOOL: true }, message_count: { N: "0" } },
    ...{ added_at: { S: pythonTime(at) }, last_active: { S: pythonTime(at) } },
    user_info: {
      M: {
        ...{ username, first_name, last_name: { NULL: true }, user_id: chat_id as Item[string] },
        ...{ chat_type: { S: "private" }, groups: { SS: ["a", "b"] } },
      },
    },
  };
}

/** `2026-11-25T12:00:00.123456+00:00` */
function pythonTime(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "456+00:00");
}

function chatIdOf(item: Item): number {
  return Number(item["chat_id"]?.N);
}

/**
 * An item of the table as a chat. Other programs write to the table too, so every attribute may be missing, of
 * another type, or in another form; what cannot be read is taken as absent, and never as a reason to fail.
 */
import { type AttributeValue, GetItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { chatOf } from "../chats/chat.ts";
import type { Chat, ChatState, RemovedReason, UserInfo } from "../chats/events.ts";
import { isChatId, isThreadId } from "../telegram/chat_id.ts";
import { marshalling, type Table } from "./client.ts";
import type { UpdateExpression } from "./expressions.ts";

export type Item = Record<string, AttributeValue>;

const reasons: readonly string[] = ["stopped", "blocked", "left", "gone", "inactive", "migrated"];

/** What the item says of its chat. */
export function itemToState(item: Item): ChatState {
  const raw: Record<string, unknown> = marshalling().unmarshall(item, { wrapNumbers: exactNumber });
  const is_active = raw["is_active"] === true;
  const removed_at = timeOf(raw["removed_at"]) ?? null;
  return {
    is_active,
    added_at: timeOf(raw["added_at"]),
    last_active: timeOf(raw["last_active"]),
    message_count: Math.floor(numberOf(item["message_count"]) ?? 0),
    user_info: isMap(raw["user_info"]) ? raw["user_info"] as UserInfo : {},
    removed_at,
    removed_reason: is_active ? undefined : messageOf(raw["removed_reason"], removed_at),
    strikes: strikesOf(item),
    added_by: adderOf(item),
    thread_id: threadOf(item),
    migrated_to: idOf(item["migrated_to"]),
    migrated_from: numberOf(item["migrated_from"]),
    last_update_id: numberOf(item["last_update_id"]),
    last_word_update_id: numberOf(item["last_word_update_id"]),
    last_member_update_id: numberOf(item["last_member_update_id"]),
  };
}

/** A number; its digits where JavaScript's numbers cannot hold them. */
function exactNumber(digits: string): number | string {
  const number = Number(digits);
  const isExact = Number.isSafeInteger(number) || /^[^e]{1,16}$/i.test(digits);
  return isExact ? number : digits;
}

/** The item's key, where it can be a chat's id. */
export function chatIdOf(item: Item): number | undefined {
  return idOf(item["chat_id"]);
}

/** The item's strikes; what is no whole number above 0 is none. */
export function strikesOf(item: Item): number | undefined {
  const strikes = numberOf(item["strikes"]);
  return Number.isInteger(strikes) && strikes as number > 0 ? strikes : undefined;
}

/** Who has brought the item's chat in. */
export function adderOf(item: Item): number | undefined {
  return idOf(item["added_by"]);
}

/** The topic to which the item's broadcasts go. */
export function threadOf(item: Item): number | undefined {
  const threadId = numberOf(item["thread_id"]);
  return isThreadId(threadId) ? threadId : undefined;
}

/** A chat's id; not a number of more digits, which JavaScript would round to that of another chat. */
function idOf(value: AttributeValue | undefined): number | undefined {
  const id = /^-?\d{1,16}$/.test(value?.N ?? "") ? Number(value?.N) : NaN;
  return isChatId(id) ? id : undefined;
}

/** The items as chats; one whose key can be no chat's id is none. */
export function chatsOf(items: readonly Item[]): Chat[] {
  return items.flatMap((item) => {
    const chatId = chatIdOf(item);
    return chatId === undefined ? [] : [chatOf(chatId, itemToState(item))];
  });
}

/**
 * The Python bot sets its own `removed_at` (`…+00:00`) and leaves our reason behind, so the reason counts only
 * beside a time in our form.
 */
function messageOf(value: unknown, removedAt: string | null): RemovedReason | undefined {
  const isOurs = removedAt?.endsWith("Z") === true && reasons.includes(value as string);
  return isOurs ? value as RemovedReason : undefined;
}

const longestTime = 64;

/** A text that may be a time, in whatever form; a longer one is none, and would be told in replies. */
function timeOf(value: unknown): string | undefined {
  return typeof value === "string" && value.length <= longestTime ? value : undefined;
}

function numberOf(value: AttributeValue | undefined): number | undefined {
  const number = Number(value?.N ?? NaN);
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : undefined;
}

function isMap(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Set) && !(value instanceof Uint8Array);
}

// One item of the table of chats, by its number: read consistently, or updated.

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
  update: UpdateExpression,
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

/** The difference that events make to a chat, as one conditional UpdateItem. Pure. */
import type { AttributeValue, UpdateItemCommandInput } from "@aws-sdk/client-dynamodb";
import { convertToAttr } from "@aws-sdk/util-dynamodb";
import {
  type ChatEvent,
  type ChatState,
  isMessage,
  iso,
  type MemberEvent,
  type UserInfo,
  wholeSecond,
} from "../chat.ts";
import { type Item, stateOf } from "./chat_item.ts";

/** What an update builds on: a guess (`absent`, `active`) or the item as it was read. */
export type Ground =
  | { readonly kind: "absent"; readonly isRead: boolean; readonly state: undefined }
  | { readonly kind: "active"; readonly isRead: false; readonly state: ChatState }
  | { readonly kind: "item"; readonly isRead: true; readonly state: ChatState; readonly item: Item };

export const guessAbsent: Ground = { kind: "absent", isRead: false, state: undefined };

/** Of a chat taken to be active nothing else is known: the condition makes sure that nothing else matters. */
export const guessActive: Ground = {
  kind: "active",
  isRead: false,
  state: { is_active: true, message_count: 0, user_info: {}, removed_at: null },
};

/** The ground under an update after a read; `undefined` means that there is no such item. */
export function groundOf(item: Item | undefined): Ground {
  return item === undefined
    ? { ...guessAbsent, isRead: true } as Ground
    : { kind: "item", isRead: true, state: stateOf(item), item };
}

/** Whether "active" is all that one must know of a chat to say what these events do to it. */
export function activeSuffices(events: readonly ChatEvent[]): boolean {
  return events.every(({ kind }) => kind !== "stale" && kind !== "inherited" && kind !== "migrated");
}

/** The attributes that decide what an event does, and nothing but them. */
const deciding = [
  "is_active",
  "last_active",
  "removed_at",
  "removed_reason",
  "migrated_from",
  "last_update_id",
  "last_member_update_id",
] as const;
const plain = [...deciding, "added_at", "migrated_to"] as const;

/**
 * Sets what changed from the ground to `after`, on condition that the ground still holds; `undefined` where there
 * is nothing to set.
 */
export function updateOf(
  ground: Ground,
  after: ChatState,
  events: readonly ChatEvent[],
): ChatUpdate | undefined {
  const update = new Expressions();
  setPlainAttributes(update, ground, after);
  setMessageCount(update, ground, after);
  setUserInfo(update, ground, after.user_info);
  if (update.isEmpty) return undefined;
  if (ground.kind === "absent") update.requireAbsent("chat_id");
  if (ground.kind === "active") requireActive(update, events);
  if (ground.kind === "item") requireUnchanged(update, ground.item);
  return update.build();
}

/** Whether the chat reads now as the update from this ground was to leave it. */
export function isWritten(now: ChatState | undefined, after: ChatState, { kind, state }: Ground): boolean {
  if (now === undefined || now.is_active !== after.is_active) return false;
  const changed = plain.filter((key) => state?.[key] !== after[key]);
  const told = Object.entries(after.user_info).filter(([key, value]) => state?.user_info[key] !== value);
  return changed.every((key) => now[key] === after[key]) &&
    told.every(([key, value]) => JSON.stringify(now.user_info[key]) === JSON.stringify(value)) &&
    (kind === "active" || now.message_count === after.message_count);
}

export type ChatUpdate = Omit<UpdateItemCommandInput, "TableName" | "Key">;

function setPlainAttributes(update: Expressions, ground: Ground, after: ChatState): void {
  for (const key of plain) {
    const isOdd = key === "is_active" && ground.kind === "item" && ground.item[key]?.BOOL === undefined;
    if (ground.state !== undefined && ground.state[key] === after[key] && !isOdd) continue;
    if (after[key] !== undefined) update.set([key], after[key]);
    else if (ground.kind === "item" && ground.item[key] !== undefined) update.remove(key);
  }
}

function setMessageCount(update: Expressions, ground: Ground, after: ChatState): void {
  if (ground.kind === "absent") return update.set(["message_count"], after.message_count);
  const difference = after.message_count - ground.state.message_count;
  if (difference === 0) return;
  const present = ground.kind === "item" ? ground.item["message_count"] : undefined;
  if (present !== undefined && present.N === undefined) {
    return update.set(["message_count"], after.message_count);
  }
  update.add("message_count", difference);
  update.requireTypeIfAny("message_count", "N");
}

/** Sets the members that changed, so that what another program keeps in the map stays. */
function setUserInfo(update: Expressions, ground: Ground, userInfo: UserInfo): void {
  const known = ground.state?.user_info;
  if (known === userInfo) return;
  const hasMap = ground.kind === "active" || (ground.kind === "item" && ground.item["user_info"]?.M);
  if (!hasMap) return update.set(["user_info"], userInfo);
  update.requireType("user_info", "M");
  for (const [key, value] of Object.entries(userInfo)) {
    if (known?.[key] !== value) update.set(["user_info", key], value);
  }
}

/** An active chat that holds none of the events yet, and has not been heard of since the first of them. */
function requireActive(update: Expressions, events: readonly ChatEvent[]): void {
  update.requireValue("is_active", { BOOL: true });
  const ids = events.flatMap((event) => "updateId" in event ? event.updateId ?? [] : []);
  const memberIds = events.flatMap((event) => isMembership(event) ? event.updateId ?? [] : []);
  const times = events.flatMap((event) => {
    if (isMembership(event)) return wholeSecond(event.at) * 1000 + 999;
    return isMessage(event) ? event.at : [];
  });
  if (ids.length > 0) update.requireBelowIfAny("last_update_id", "<", Math.min(...ids));
  if (memberIds.length > 0) update.requireBelowIfAny("last_member_update_id", "<", Math.min(...memberIds));
  if (times.length > 0) update.requireBelowIfAny("last_active", "<=", iso(Math.min(...times)));
}

function isMembership(event: ChatEvent): event is MemberEvent {
  return event.kind === "removed" || event.kind === "returned";
}

function requireUnchanged(update: Expressions, item: Item): void {
  for (const key of deciding) {
    const value = item[key];
    if (value === undefined) update.requireAbsent(key);
    else update.requireValue(key, value);
  }
}

const marshalling = { removeUndefinedValues: true, convertTopLevelContainer: true };

/** An UpdateItem's expressions while they grow. Every name and value gets an alias, as many names are reserved. */
class Expressions {
  readonly #names = new Map<string, string>();
  readonly #values: Record<string, AttributeValue> = {};
  readonly #clauses = { SET: [] as string[], REMOVE: [] as string[], ADD: [] as string[] };
  readonly #conditions: string[] = [];

  get isEmpty(): boolean {
    return Object.values(this.#clauses).every((parts) => parts.length === 0);
  }

  set(path: readonly string[], value: unknown): void {
    const name = path.map((part) => this.#name(part)).join(".");
    this.#clauses.SET.push(`${name} = ${this.#value(value)}`);
  }

  remove(attribute: string): void {
    this.#clauses.REMOVE.push(this.#name(attribute));
  }

  add(attribute: string, value: number): void {
    this.#clauses.ADD.push(`${this.#name(attribute)} ${this.#value(value)}`);
  }

  requireAbsent(attribute: string): void {
    this.#conditions.push(`attribute_not_exists(${this.#name(attribute)})`);
  }

  requireValue(attribute: string, value: AttributeValue): void {
    // Nothing is known of what a map or a list may hold where none belongs, and it decides nothing.
    const type = value.NULL ? "NULL" : value.M ? "M" : value.L ? "L" : undefined;
    if (type !== undefined) this.requireType(attribute, type);
    else this.#conditions.push(`${this.#name(attribute)} = ${this.#raw(value)}`);
  }

  requireType(attribute: string, type: string): void {
    this.#conditions.push(`attribute_type(${this.#name(attribute)}, ${this.#value(type)})`);
  }

  requireTypeIfAny(attribute: string, type: string): void {
    const name = this.#name(attribute);
    this.#conditions.push(`(attribute_not_exists(${name}) OR attribute_type(${name}, ${this.#value(type)}))`);
  }

  requireBelowIfAny(attribute: string, operator: "<" | "<=", value: unknown): void {
    const name = this.#name(attribute);
    this.#conditions.push(`(attribute_not_exists(${name}) OR ${name} ${operator} ${this.#value(value)})`);
  }

  build(): ChatUpdate {
    const clauses = Object.entries(this.#clauses).filter(([, parts]) => parts.length > 0);
    return {
      UpdateExpression: clauses.map(([verb, parts]) => `${verb} ${parts.join(", ")}`).join(" "),
      ConditionExpression: this.#conditions.join(" AND "),
      ExpressionAttributeNames: Object.fromEntries([...this.#names].map(([name, alias]) => [alias, name])),
      ExpressionAttributeValues: this.#values,
      ReturnValues: "ALL_OLD",
      ReturnValuesOnConditionCheckFailure: "ALL_OLD",
    };
  }

  #name(attribute: string): string {
    const alias = this.#names.get(attribute) ?? `#${this.#names.size}`;
    this.#names.set(attribute, alias);
    return alias;
  }

  #value(value: unknown): string {
    return this.#raw(typeof value === "string" ? { S: value } : convertToAttr(value, marshalling));
  }

  #raw(value: AttributeValue): string {
    const alias = `:${Object.keys(this.#values).length}`;
    this.#values[alias] = value;
    return alias;
  }
}

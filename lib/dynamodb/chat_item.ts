/**
 * A chat as an item of the table: read from one, and written to one as a conditional UpdateItem. Pure.
 *
 * Other programs write to the table too, so every attribute may be missing, of another type, or in another form; what
 * cannot be read is taken as absent, and never as a reason to fail.
 */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";
import { chatOf, isMessage, isStartOrStop, updateIdOf } from "../chats/chat.ts";
import type { Chat, ChatEvent, ChatState, MemberEvent, RemovedReason, UserInfo } from "../chats/events.ts";
import type { ApplyResult, ExpectedState } from "../chats/storage.ts";
import { isChatId, isThreadId } from "../telegram/chat_id.ts";
import { toIso, wholeSecond } from "../util/clock.ts";
import { type Item, marshalling, type UpdateExpression } from "./client.ts";
import { UpdateExpressionBuilder } from "./expressions.ts";

// From an item to a chat.

const reasons: readonly string[] = ["stopped", "blocked", "left", "gone", "inactive", "migrated"];

/** The state of the item's chat. */
export function itemToState(item: Item): ChatState {
  const is_active = item["is_active"]?.BOOL === true;
  const removed_at = timeOf(item["removed_at"]) ?? null;
  return {
    is_active,
    added_at: timeOf(item["added_at"]),
    last_active: timeOf(item["last_active"]),
    message_count: Math.floor(numberOf(item["message_count"]) ?? 0),
    user_info: membersOf(item["user_info"]?.M ?? {}) as UserInfo,
    removed_at,
    removed_reason: is_active ? undefined : reasonOf(item["removed_reason"], removed_at),
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

/** The key of a chat's item. */
export function keyOf(chatId: number): Item {
  return { chat_id: { N: String(chatId) } };
}

/** The item's key, if it can be the id of a chat. */
export function chatIdOf(item: Item): number | undefined {
  return idOf(item["chat_id"]);
}

/** The item's strikes; anything but a whole number above 0 counts as none. */
export function strikesOf(item: Item): number | undefined {
  const strikes = numberOf(item["strikes"]);
  return Number.isInteger(strikes) && strikes as number > 0 ? strikes : undefined;
}

/** The person who has brought the item's chat in. */
export function adderOf(item: Item): number | undefined {
  return idOf(item["added_by"]);
}

/** The topic to which the item's broadcasts go. */
export function threadOf(item: Item): number | undefined {
  const threadId = numberOf(item["thread_id"]);
  return isThreadId(threadId) ? threadId : undefined;
}

/** An attribute as a chat's id. A number of more digits counts as absent: JavaScript would round it to another chat's. */
function idOf(value: AttributeValue | undefined): number | undefined {
  const id = /^-?\d{1,16}$/.test(value?.N ?? "") ? Number(value?.N) : NaN;
  return isChatId(id) ? id : undefined;
}

/** The items as chats, without those whose key cannot be a chat's id. */
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
function reasonOf(value: AttributeValue | undefined, removedAt: string | null): RemovedReason | undefined {
  const reason = value?.S ?? "";
  return removedAt?.endsWith("Z") === true && reasons.includes(reason) ? reason as RemovedReason : undefined;
}

const longestTime = 64;

/** A text that may be a time, in whatever form. A longer one counts as absent, as replies quote it. */
function timeOf(value: AttributeValue | undefined): string | undefined {
  return value?.S !== undefined && value.S.length <= longestTime ? value.S : undefined;
}

function numberOf(value: AttributeValue | undefined): number | undefined {
  const number = Number(value?.N ?? NaN);
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : undefined;
}

// From a change of a chat to an update.

/** The item that an update expects: a guess (`absent`, `active`) or the item as it was read. */
export type ExpectedItem =
  | { readonly kind: "absent"; readonly isRead: boolean; readonly state: undefined }
  | { readonly kind: "active"; readonly isRead: false; readonly state: ChatState }
  | { readonly kind: "item"; readonly isRead: true; readonly state: ChatState; readonly item: Item };

const guessAbsent: ExpectedItem = { kind: "absent", isRead: false, state: undefined };

/**
 * Of a chat that is guessed to be active nothing else is known: the condition makes sure that nothing else matters. The
 * guess has strikes, so that an event that clears them removes the attribute; an event that depends on their number needs
 * the item. Its topic is an impossible one, so that each /start writes its own; its `added_at` is, too, so that none is written.
 */
const guessActive: ExpectedItem = {
  kind: "active",
  isRead: false,
  state: {
    ...{ is_active: true, added_at: "", message_count: 0, user_info: {} },
    ...{ removed_at: null, strikes: 1, thread_id: 0 },
  },
};

/** The expectation after a read; `undefined` means that there is no such item. */
export function expectedItemOf(item: Item | undefined): ExpectedItem {
  return item === undefined
    ? { ...guessAbsent, isRead: true } as ExpectedItem
    : { kind: "item", isRead: true, state: itemToState(item), item };
}

/** The guess with which the events can be written without a read; `undefined` if the item has to be read first. */
export function guessFor(
  expected: ExpectedState | undefined,
  events: readonly ChatEvent[],
): ExpectedItem | undefined {
  if (expected === "absent") return guessAbsent;
  return expected === "active" && activeSuffices(events) ? guessActive : undefined;
}

const needItem: readonly ChatEvent["kind"][] = ["stale", "inherited", "migrated", "unreached", "reached"];

/** Whether the effect of these events on a chat follows from its being active alone. */
function activeSuffices(events: readonly ChatEvent[]): boolean {
  return events.every(({ kind }) => !needItem.includes(kind)) && !isOvertaken(events);
}

/** Whether a /start or /stop follows a message of a higher id: only the item tells whether the chat holds it. */
function isOvertaken(events: readonly ChatEvent[]): boolean {
  let last = -Infinity;
  return events.filter(isMessage).some((event) => {
    const updateId = updateIdOf(event) ?? Infinity;
    const isBehind = isStartOrStop(event) && updateId < last;
    if (updateId < Infinity) last = Math.max(last, updateId);
    return isBehind;
  });
}

/** The attributes that decide what an event does, and nothing but them. */
const decidingAttributes = [
  "is_active",
  "last_active",
  "removed_at",
  "removed_reason",
  "strikes",
  "migrated_from",
  "last_update_id",
  "last_word_update_id",
  "last_member_update_id",
] as const;
const plainAttributes = [...decidingAttributes, "added_at", "added_by", "thread_id", "migrated_to"] as const;

/**
 * Sets what differs between the expected item and `after`, on condition that the item is still the expected one;
 * `undefined` if nothing differs.
 */
export function updateOf(
  expected: ExpectedItem,
  after: ChatState,
  events: readonly ChatEvent[],
): UpdateExpression | undefined {
  const update = new UpdateExpressionBuilder();
  setPlainAttributes(update, expected, after);
  setMessageCount(update, expected, after);
  setUserInfo(update, expected, after.user_info);
  if (update.isEmpty) return undefined;
  if (expected.kind === "absent") update.requireAbsent("chat_id");
  if (expected.kind === "active") requireActive(update, events);
  if (expected.kind === "item") requireUnchanged(update, expected.item);
  return update.build();
}

/** A part of a change whose whole the item refuses. */
export interface MinimalUpdate {
  /** The chat after it. */
  readonly after: ChatState;
  /** `undefined` if there is nothing to write. */
  readonly update?: UpdateExpression | undefined;
}

/**
 * The part of a change that fits into an item without room for more (400 KB), or whose other attributes refuse the rest:
 * whether the chat is active. An inactive chat without a reason counts as stopped. A new item is created without the
 * names. `undefined` if nothing is left to try.
 */
export function minimalUpdateOf(
  expected: ExpectedItem,
  after: ChatState,
  events: readonly ChatEvent[],
): MinimalUpdate | undefined {
  if (!expected.isRead) return undefined;
  if (expected.kind === "absent") {
    const nameless = { ...after, user_info: {} };
    const hasNames = Object.keys(after.user_info).length > 0;
    return hasNames ? { after: nameless, update: updateOf(expected, nameless, events) } : undefined;
  }
  const { item, state } = expected;
  if (state.is_active === after.is_active) return { after: state };
  const update = new UpdateExpressionBuilder();
  update.set(["is_active"], after.is_active);
  for (const key of ["removed_reason", "strikes"]) if (item[key] !== undefined) update.remove(key);
  requireUnchanged(update, item);
  return {
    after: { ...state, is_active: after.is_active, removed_reason: undefined, strikes: undefined },
    update: update.build(),
  };
}

/** Whether the chat is now as an update of the expected item was to leave it. */
export function isWritten(
  now: ChatState | undefined,
  after: ChatState,
  { kind, state }: ExpectedItem,
): boolean {
  if (now === undefined || now.is_active !== after.is_active) return false;
  const changed = plainAttributes.filter((key) => state?.[key] !== after[key]);
  const changedInfo = Object.entries(after.user_info).filter(([key, value]) =>
    state?.user_info[key] !== value
  );
  return changed.every((key) => now[key] === after[key]) &&
    changedInfo.every(([key, value]) => JSON.stringify(now.user_info[key]) === JSON.stringify(value)) &&
    (kind === "active" || now.message_count === after.message_count);
}

/** The result of a write whose answer was lost. The state before is derived from the item now, as it may have been a guess. */
export function resultOfLostAnswer(
  now: ChatState | undefined,
  after: ChatState,
  { kind, state }: ExpectedItem,
): ApplyResult {
  if (state === undefined || now === undefined) return { before: state, after };
  const counted = after.message_count - state.message_count;
  const { last_update_id, last_word_update_id, last_member_update_id } = state;
  const ids = { last_update_id, last_word_update_id, last_member_update_id };
  const held = { message_count: now.message_count - counted, ...ids };
  const { added_at, strikes, thread_id } = now;
  const guessed = kind === "active" ? { added_at, strikes, thread_id } : {};
  return { before: { ...now, ...state, ...held, ...guessed }, after: now };
}

function setPlainAttributes(update: UpdateExpressionBuilder, expected: ExpectedItem, after: ChatState): void {
  for (const key of plainAttributes) {
    const isWrongType = key === "is_active" && expected.kind === "item" &&
      expected.item[key]?.BOOL === undefined;
    // A reason that does not belong to the item's removed_at counts as none, and is there all the same.
    const isLeftOver = key === "removed_reason" && after.is_active && expected.kind === "item" &&
      expected.item[key] !== undefined;
    const isSame = expected.state !== undefined && expected.state[key] === after[key];
    if (isSame && !isWrongType && !isLeftOver) continue;
    if (after[key] !== undefined) update.set([key], after[key]);
    else if (expected.kind === "active" || (expected.kind === "item" && expected.item[key] !== undefined)) {
      update.remove(key);
    }
  }
}

function setMessageCount(update: UpdateExpressionBuilder, expected: ExpectedItem, after: ChatState): void {
  if (expected.kind === "absent") return update.set(["message_count"], after.message_count);
  const difference = after.message_count - expected.state.message_count;
  if (difference === 0) return;
  const present = expected.kind === "item" ? expected.item["message_count"] : undefined;
  // A value that is no count, or has too many digits for one more, starts anew.
  if (present !== undefined && !Number.isSafeInteger(Number(present.N))) {
    return update.set(["message_count"], after.message_count);
  }
  update.add("message_count", difference);
  update.requireTypeIfAny("message_count", "N");
}

/** A change of more members than this writes the whole map: an expression has room for 4 KB only. */
const membersAtMost = 50;

/** Sets the members that changed, so that members of another program stay. */
function setUserInfo(update: UpdateExpressionBuilder, expected: ExpectedItem, userInfo: UserInfo): void {
  const known = expected.state?.user_info;
  if (known === userInfo) return;
  const hasMap = expected.kind === "active" || (expected.kind === "item" && expected.item["user_info"]?.M);
  if (!hasMap) return update.set(["user_info"], userInfo);
  const changes = Object.entries(userInfo).filter(([key, value]) => known?.[key] !== value);
  if (changes.length > membersAtMost) return update.set(["user_info"], userInfo);
  update.requireType("user_info", "M");
  for (const [key, value] of changes) update.set(["user_info", key], value);
}

/** Requires an active chat that holds none of the events yet, and none that is newer than the first of them. */
function requireActive(update: UpdateExpressionBuilder, events: readonly ChatEvent[]): void {
  update.requireValue("is_active", { BOOL: true });
  const ids = events.flatMap((event) => updateIdOf(event) ?? []);
  const memberIds = events.flatMap((event) => isMembership(event) ? updateIdOf(event) ?? [] : []);
  const times = events.flatMap((event) => {
    if (isMembership(event)) return wholeSecond(event.at) * 1000 + 999;
    return isMessage(event) ? event.at : [];
  });
  if (ids.length > 0) update.requireBelowIfAny("last_update_id", "<", Math.min(...ids));
  if (memberIds.length > 0) update.requireBelowIfAny("last_member_update_id", "<", Math.min(...memberIds));
  if (times.length > 0) update.requireBelowIfAny("last_active", "<=", toIso(Math.min(...times)));
}

function isMembership(event: ChatEvent): event is MemberEvent {
  return event.kind === "removed" || event.kind === "returned";
}

function requireUnchanged(update: UpdateExpressionBuilder, item: Item): void {
  for (const key of decidingAttributes) {
    const value = item[key];
    if (value === undefined) update.requireAbsent(key);
    else update.requireValue(key, value);
  }
}

// Attributes as values, by the SDK's marshalling but for maps: a member of theirs may have any name.

/** The members of a map, without those of a type that is not known here. */
function membersOf(map: Item): Record<string, unknown> {
  const members = Object.entries(map).map(([name, attribute]) => [name, valueOf(attribute)] as const);
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

/** @param attribute `undefined` is what the SDK makes of an item's attribute `__proto__`. */
function valueOf(attribute: AttributeValue | undefined): unknown {
  if (attribute?.M !== undefined) return membersOf(attribute.M);
  if (attribute?.L !== undefined) return attribute.L.map(valueOf);
  try {
    return attribute && marshalling().convertToNative(attribute, { wrapNumbers: exactNumber });
  } catch {
    return undefined;
  }
}

/** A number; its digits as a text where JavaScript's numbers cannot hold them. */
function exactNumber(digits: string): number | string {
  const number = Number(digits);
  const isExact = Number.isSafeInteger(number) || /^[^e]{1,16}$/i.test(digits);
  return isExact ? number : digits;
}

/** The difference that events make to a chat, as one conditional UpdateItem. Pure. */
import { isMessage, isWord, updateIdOf } from "../chats/chat.ts";
import type { ChatEvent, ChatState, MemberEvent, UserInfo } from "../chats/events.ts";
import type { ApplyResult, ExpectedState } from "../chats/storage.ts";
import { toIso, wholeSecond } from "../util/clock.ts";
import { type Item, itemToState } from "./chat_item.ts";
import { type UpdateExpression, UpdateExpressionBuilder } from "./expressions.ts";

/** What an update builds on: a guess (`absent`, `active`) or the item as it was read. */
export type ExpectedItem =
  | { readonly kind: "absent"; readonly isRead: boolean; readonly state: undefined }
  | { readonly kind: "active"; readonly isRead: false; readonly state: ChatState }
  | { readonly kind: "item"; readonly isRead: true; readonly state: ChatState; readonly item: Item };

const guessAbsent: ExpectedItem = { kind: "absent", isRead: false, state: undefined };

/**
 * Of a chat taken to be active nothing else is known: the condition makes sure that nothing else matters. It is taken
 * to have strikes, so that what clears them removes the attribute; what depends on their number needs the item. Its
 * topic is one that there cannot be, so that each /start writes its own.
 */
const guessActive: ExpectedItem = {
  kind: "active",
  isRead: false,
  state: { is_active: true, message_count: 0, user_info: {}, removed_at: null, strikes: 1, thread_id: 0 },
};

/** The ground under an update after a read; `undefined` means that there is no such item. */
export function expectedItemOf(item: Item | undefined): ExpectedItem {
  return item === undefined
    ? { ...guessAbsent, isRead: true } as ExpectedItem
    : { kind: "item", isRead: true, state: itemToState(item), item };
}

/** What can be written upon without a read; `undefined` where nothing is believed, or that does not suffice. */
export function believed(
  belief: ExpectedState | undefined,
  events: readonly ChatEvent[],
): ExpectedItem | undefined {
  if (belief === "absent") return guessAbsent;
  return belief === "active" && activeSuffices(events) ? guessActive : undefined;
}

/** Whether "active" is all that one must know of a chat to say what these events do to it. */
function activeSuffices(events: readonly ChatEvent[]): boolean {
  return events.every(({ kind }) => !needItem.includes(kind)) && !isOvertaken(events);
}

/** A /start or /stop behind a message of a higher id: whether the chat holds it, only its item says. */
function isOvertaken(events: readonly ChatEvent[]): boolean {
  let last = -Infinity;
  return events.filter(isMessage).some((event) => {
    const updateId = updateIdOf(event) ?? Infinity;
    const isBehind = isWord(event) && updateId < last;
    if (updateId < Infinity) last = Math.max(last, updateId);
    return isBehind;
  });
}

const needItem: readonly ChatEvent["kind"][] = ["stale", "inherited", "migrated", "unreached", "reached"];

/** The attributes that decide what an event does, and nothing but them. */
const deciding = [
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
const plain = [...deciding, "added_at", "added_by", "thread_id", "migrated_to"] as const;

/**
 * Sets what changed from the ground to `after`, on condition that the ground still holds; `undefined` where there
 * is nothing to set.
 */
export function updateOf(
  ground: ExpectedItem,
  after: ChatState,
  events: readonly ChatEvent[],
): UpdateExpression | undefined {
  const update = new UpdateExpressionBuilder();
  setPlainAttributes(update, ground, after);
  setMessageCount(update, ground, after);
  setUserInfo(update, ground, after.user_info);
  if (update.isEmpty) return undefined;
  if (ground.kind === "absent") update.requireAbsent("chat_id");
  if (ground.kind === "active") requireActive(update, events);
  if (ground.kind === "item") requireUnchanged(update, ground.item);
  return update.build();
}

/** What is kept of a change that the item as it was read refuses, and how. */
export interface LeanUpdate {
  readonly after: ChatState;
  /** `undefined` where there is nothing to write. */
  readonly update?: UpdateExpression | undefined;
}

/**
 * The part of a change that is taken by an item which has no room for more (400 KB), or whose other attributes refuse
 * the rest: whether the chat is active. Without a reason, an inactive chat counts as stopped. A new item is made
 * without the names. `undefined` where nothing is left to try.
 */
export function minimalUpdateOf(
  ground: ExpectedItem,
  after: ChatState,
  events: readonly ChatEvent[],
): LeanUpdate | undefined {
  if (!ground.isRead) return undefined;
  if (ground.kind === "absent") {
    const nameless = { ...after, user_info: {} };
    const hasNames = Object.keys(after.user_info).length > 0;
    return hasNames ? { after: nameless, update: updateOf(ground, nameless, events) } : undefined;
  }
  const { item, state } = ground;
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

/** Whether the chat reads now as the update from this ground was to leave it. */
export function isWritten(
  now: ChatState | undefined,
  after: ChatState,
  { kind, state }: ExpectedItem,
): boolean {
  if (now === undefined || now.is_active !== after.is_active) return false;
  const changed = plain.filter((key) => state?.[key] !== after[key]);
  const told = Object.entries(after.user_info).filter(([key, value]) => state?.user_info[key] !== value);
  return changed.every((key) => now[key] === after[key]) &&
    told.every(([key, value]) => JSON.stringify(now.user_info[key]) === JSON.stringify(value)) &&
    (kind === "active" || now.message_count === after.message_count);
}

/** What a write did whose answer was lost; what it counted is taken back, as its ground may be a guess. */
export function beforeLostAnswer(
  now: ChatState | undefined,
  after: ChatState,
  { kind, state }: ExpectedItem,
): ApplyResult {
  if (state === undefined || now === undefined) return { before: state, after };
  const counted = after.message_count - state.message_count;
  const { last_update_id, last_word_update_id, last_member_update_id } = state;
  const ids = { last_update_id, last_word_update_id, last_member_update_id };
  const held = { message_count: now.message_count - counted, ...ids };
  const guessed = kind === "active" ? { strikes: now.strikes, thread_id: now.thread_id } : {};
  return { before: { ...now, ...state, ...held, ...guessed }, after: now };
}

function setPlainAttributes(update: UpdateExpressionBuilder, ground: ExpectedItem, after: ChatState): void {
  for (const key of plain) {
    const isOdd = key === "is_active" && ground.kind === "item" && ground.item[key]?.BOOL === undefined;
    if (ground.state !== undefined && ground.state[key] === after[key] && !isOdd) continue;
    if (after[key] !== undefined) update.set([key], after[key]);
    else if (ground.kind === "active" || (ground.kind === "item" && ground.item[key] !== undefined)) {
      update.remove(key);
    }
  }
}

function setMessageCount(update: UpdateExpressionBuilder, ground: ExpectedItem, after: ChatState): void {
  if (ground.kind === "absent") return update.set(["message_count"], after.message_count);
  const difference = after.message_count - ground.state.message_count;
  if (difference === 0) return;
  const present = ground.kind === "item" ? ground.item["message_count"] : undefined;
  // What is no count, or has too many digits for one more, is counted anew.
  if (present !== undefined && !Number.isSafeInteger(Number(present.N))) {
    return update.set(["message_count"], after.message_count);
  }
  update.add("message_count", difference);
  update.requireTypeIfAny("message_count", "N");
}

/** Sets the members that changed, so that what another program keeps in the map stays. */
function setUserInfo(update: UpdateExpressionBuilder, ground: ExpectedItem, userInfo: UserInfo): void {
  const known = ground.state?.user_info;
  if (known === userInfo) return;
  const hasMap = ground.kind === "active" || (ground.kind === "item" && ground.item["user_info"]?.M);
  if (!hasMap) return update.set(["user_info"], userInfo);
  const changes = Object.entries(userInfo).filter(([key, value]) => known?.[key] !== value);
  // An expression has room for 4 KB only; a group's map of that size moves to its supergroup whole.
  if (changes.length > membersAtMost) return update.set(["user_info"], userInfo);
  update.requireType("user_info", "M");
  for (const [key, value] of changes) update.set(["user_info", key], value);
}

const membersAtMost = 50;

/** An active chat that holds none of the events yet, and has not been heard of since the first of them. */
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
  for (const key of deciding) {
    const value = item[key];
    if (value === undefined) update.requireAbsent(key);
    else update.requireValue(key, value);
  }
}

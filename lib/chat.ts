/**
 * The consent rule, written once: what each fact does to a chat.
 *
 * Facts are events; {@link transition} says what the chat is afterwards. It is pure, and nothing else in the
 * project knows the rule: storages fold it, commands look at what it changed.
 */

import type {
  Chat,
  ChatEvent,
  ChatState,
  InheritedEvent,
  MemberEvent,
  MessageEvent,
  MigratedEvent,
  OperatorEvent,
  ReachEvent,
  RemovedReason,
  UserInfo,
} from "./chat_event.ts";
import {
  isMemberHeld,
  isMessageHeld,
  isOlderThanLastMessage,
  lastHeard,
  messageIds,
  updateIdOf,
} from "./held.ts";
import { isChatId, isThreadId } from "./chat_id.ts";
import { iso } from "./time.ts";

export type * from "./chat_event.ts";
export { assertChatId, isChatId, isThreadId } from "./chat_id.ts";
export { isWord, updateIdOf } from "./held.ts";
export { iso, time, wholeSecond } from "./time.ts";

/** So many broadcasts in a row that do not find the chat end it. */
const strikesAtMost = 3;

/** The chat after the event; the very same value where nothing changes. `undefined` is a chat nobody knows. */
export function transition(chat: ChatState | undefined, event: ChatEvent): ChatState | undefined {
  switch (event.kind) {
    case "start":
    case "stop":
    case "message":
      return onMessage(chat, event);
    case "removed":
    case "returned":
      return onMembership(chat, event);
    case "saved":
      return chat === undefined ? registered(event, 0) : activated(withUserInfo(chat, event.userInfo));
    case "deactivated":
      return chat?.is_active ? deactivated(chat, "stopped", event.at) : chat;
    case "reactivated":
      return chat && activated(chat);
    case "stale":
      return chat?.is_active && chat.last_active === event.lastActive
        ? deactivated(chat, "inactive", event.at)
        : chat;
    case "unreached":
      return chat && onUnreached(chat, event);
    case "reached":
      return chat && withoutStrikes(chat);
    case "inherited":
      return onInherited(chat, event);
    case "migrated":
      return chat && onMigrated(chat, event);
  }
}

/** The chat after all of them, in order. */
export function fold(chat: ChatState | undefined, events: readonly ChatEvent[]): ChatState | undefined {
  return events.reduce(transition, chat);
}

/** Whether the event is a message from the chat. */
export function isMessage(event: ChatEvent): event is MessageEvent {
  return event.kind === "start" || event.kind === "stop" || event.kind === "message";
}

/** The chat as users see it: a copy, without what is not known of it. */
export function chatOf(chatId: number, state: ChatState): Chat {
  const known = Object.entries(state).filter(([, value]) => value !== undefined);
  return structuredClone({ chat_id: chatId, ...Object.fromEntries(known) }) as Chat;
}

/** Whether the chat is out of its own will, so that only /start or the operator may bring it back. */
export function isStopped(chat: ChatState): boolean {
  return !chat.is_active && (chat.removed_reason === undefined || chat.removed_reason === "stopped");
}

/** Whether the chat is a channel, as far as is known. */
export function isChannel({ user_info }: ChatState): boolean {
  return user_info.type === "channel";
}

function onMessage(chat: ChatState | undefined, event: MessageEvent): ChatState | undefined {
  if (chat === undefined) {
    return event.kind === "start" || (event.kind === "message" && event.registers)
      ? registered(event, 1)
      : undefined;
  }
  if (isMessageHeld(chat, event)) return chat;
  const counted = {
    ...withUserInfo(withoutStrikes(chat), event.userInfo),
    message_count: chat.message_count + 1,
    last_active: iso(Math.max(event.at, lastHeard(chat, event) ?? event.at)),
    ...messageIds(chat, event),
  };
  if (event.kind === "start") return activated(inThread(counted, threadOf(event)));
  if (event.kind === "stop") return isStopped(counted) ? counted : deactivated(counted, "stopped", event.at);
  return event.registers && !isStopped(counted) ? activated(counted) : counted;
}

function onMembership(chat: ChatState | undefined, event: MemberEvent): ChatState | undefined {
  if (chat === undefined) {
    return event.kind === "returned" && event.registers ? registered(event, 0) : undefined;
  }
  if (isMemberHeld(chat, event) || isOlderThanLastMessage(chat, event)) return chat;
  const updateId = updateIdOf(event);
  const noted = updateId === undefined ? chat : { ...chat, last_member_update_id: updateId };
  if (event.kind === "removed") {
    return chat.is_active ? deactivated(noted, event.reason ?? "gone", event.at) : noted;
  }
  if (!event.registers || isStopped(chat)) return noted;
  const returned = activated(withUserInfo(noted, event.userInfo));
  const added_by = adderOf(event);
  return chat.is_active || added_by === undefined ? returned : { ...returned, added_by };
}

/** A strike: Telegram says "chat not found" of chats that are there, too, so once is not enough. */
function onUnreached(chat: ChatState, event: ReachEvent): ChatState {
  if (!chat.is_active || isOlderThanLastMessage(chat, event)) return chat;
  const strikes = (chat.strikes ?? 0) + 1;
  return strikes < strikesAtMost ? { ...chat, strikes } : deactivated(chat, "gone", event.at);
}

function withoutStrikes(chat: ChatState): ChatState {
  return chat.strikes === undefined ? chat : { ...chat, strikes: undefined };
}

/**
 * The supergroup takes over its group's standing, counts and `added_at`, once. Where messages have made it known
 * before, its own standing holds, except that a /stop said in either chat holds in both.
 */
function onInherited(chat: ChatState | undefined, { from, at }: InheritedEvent): ChatState {
  const { is_active, removed_at, removed_reason, added_at, last_active, message_count, user_info } = from;
  const inherited = { migrated_from: from.chat_id, added_at };
  if (chat === undefined) {
    // What the group holds, it holds as the supergroup, too.
    const { last_update_id, last_word_update_id } = from;
    const standing = { is_active, removed_at, removed_reason, last_active, message_count, user_info };
    return { ...standing, added_by: from.added_by, last_update_id, last_word_update_id, ...inherited };
  }
  if (chat.migrated_from !== undefined) return chat;
  const merged = {
    ...chat,
    ...inherited,
    added_at: added_at ?? chat.added_at,
    added_by: chat.added_by ?? from.added_by,
    message_count: chat.message_count + message_count,
    user_info: { ...user_info, ...chat.user_info },
  };
  return isStopped(from) && chat.is_active ? deactivated(merged, "stopped", at) : merged;
}

function onMigrated(chat: ChatState, { to, at }: MigratedEvent): ChatState {
  if (!chat.is_active && chat.removed_reason === "migrated" && chat.migrated_to === to) return chat;
  return { ...deactivated(chat, "migrated", at), migrated_to: to };
}

function registered(event: MessageEvent | MemberEvent | OperatorEvent, messageCount: number): ChatState {
  const updateId = updateIdOf(event);
  const isMember = event.kind === "removed" || event.kind === "returned";
  return {
    is_active: true,
    added_at: iso(event.at),
    last_active: iso(event.at),
    message_count: messageCount,
    user_info: merged({}, event.userInfo),
    removed_at: null,
    added_by: adderOf(event),
    thread_id: threadOf(event),
    last_update_id: isMember ? undefined : updateId,
    last_word_update_id: updateId,
    last_member_update_id: isMember ? updateId : undefined,
  };
}

/** The person who brings the chat in; what can be nobody's id is none. */
function adderOf(event: ChatEvent): number | undefined {
  const addedBy = "addedBy" in event ? event.addedBy : undefined;
  return isChatId(addedBy) ? addedBy : undefined;
}

/** The topic in which it was said; what can be no topic's id is none. */
function threadOf(event: ChatEvent): number | undefined {
  const threadId = "threadId" in event ? event.threadId : undefined;
  return isThreadId(threadId) ? threadId : undefined;
}

function inThread(chat: ChatState, threadId: number | undefined): ChatState {
  return chat.thread_id === threadId ? chat : { ...chat, thread_id: threadId };
}

function activated(chat: ChatState): ChatState {
  if (chat.is_active) return chat;
  return {
    ...withoutStrikes(chat),
    is_active: true,
    removed_at: null,
    removed_reason: undefined,
    migrated_to: undefined,
  };
}

function deactivated(chat: ChatState, reason: RemovedReason, at: number): ChatState {
  return { ...withoutStrikes(chat), is_active: false, removed_at: iso(at), removed_reason: reason };
}

function withUserInfo(chat: ChatState, userInfo: UserInfo | undefined): ChatState {
  const user_info = merged(chat.user_info, userInfo);
  return user_info === chat.user_info ? chat : { ...chat, user_info };
}

/** What is known stays where the news has nothing to say; the same object where there is no news. */
function merged(known: UserInfo, news: UserInfo = {}): UserInfo {
  const changes = Object.entries(news).filter(([key, value]) =>
    value !== undefined && value !== null && value !== "" && known[key] !== value
  );
  return changes.length === 0 ? known : { ...known, ...Object.fromEntries(changes) };
}

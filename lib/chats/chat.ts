/**
 * Which updates a chat's item holds already. Telegram delivers updates again, and two programs that poll for the same bot
 * may write them out of order. Part of the consent rule; pure.
 */
import { isChatId, isThreadId } from "../telegram/chat_id.ts";
import { parseTime, toIso, wholeSecond } from "../util/clock.ts";
import type {
  BaseEvent,
  Chat,
  ChatEvent,
  ChatState,
  DeliveryEvent,
  InheritedEvent,
  MemberEvent,
  MessageEvent,
  MigratedEvent,
  OperatorEvent,
  RemovedReason,
  UserInfo,
} from "./events.ts";

/** The id of the event's update; `undefined` where it is no whole number that can be kept. */
export function updateIdOf(event: ChatEvent): number | undefined {
  const updateId = "updateId" in event ? event.updateId : undefined;
  return Number.isSafeInteger(updateId) ? updateId : undefined;
}

/** Whether the message is a /start or a /stop. */
export function isWord({ kind }: ChatEvent): boolean {
  return kind === "start" || kind === "stop";
}

/**
 * Whether the chat holds the message already. A /start or /stop may come behind a later message that another poller
 * has heard, so it is held by the last of its own kind; where that is not known, by the last message.
 */
export function isMessageHeld(chat: ChatState, event: MessageEvent): boolean {
  const { last_update_id: last, last_word_update_id: lastWord = Infinity } = chat;
  return isHeld(last !== undefined && isWord(event) ? Math.min(lastWord, last) : last, chat, event);
}

/** Whether the chat holds the `my_chat_member` already. */
export function isMemberHeld(chat: ChatState, event: MemberEvent): boolean {
  return isHeld(chat.last_member_update_id, chat, event);
}

/** The ids that the chat holds once it holds this message, too. */
export function messageIds(
  chat: ChatState,
  event: MessageEvent,
): Pick<ChatState, "last_update_id" | "last_word_update_id"> {
  const { last_update_id, last_word_update_id } = chat;
  const updateId = updateIdOf(event);
  if (updateId === undefined) return { last_update_id, last_word_update_id };
  if (isHeld(last_update_id, chat, event)) return { last_update_id, last_word_update_id: updateId };
  // Where the ids have restarted, the id of the last word says nothing any more.
  const isRestarted = last_update_id !== undefined && updateId < last_update_id;
  const isNews = isRestarted || isWord(event);
  return { last_update_id: updateId, last_word_update_id: isNews ? updateId : last_word_update_id };
}

/** Whether the chat holds this event already, by the last id of the event's own stream. */
function isHeld(lastId: number | undefined, chat: ChatState, event: ChatEvent): boolean {
  const updateId = updateIdOf(event);
  return updateId !== undefined && lastId !== undefined && updateId <= lastId &&
    lastId - updateId < updatesAtMost && !idsMayHaveRestarted(chat, event) && !isLaterWord(chat, event);
}

/** Telegram's ids have 31 bits: one that is further ahead was not given by it, and holds nothing. */
const updatesAtMost = 2 ** 31;

/** A /stop or /start that is later than all that the chat has said is new, whatever its id: neither is passed over. */
function isLaterWord(chat: ChatState, event: ChatEvent): boolean {
  const heardAt = lastHeard(chat, event);
  return isWord(event) && (heardAt === undefined || event.at > heardAt);
}

const sixDaysMs = 6 * 24 * 60 * 60 * 1000;

/**
 * When the chat last wrote. A time that is days ahead of what happens now is somebody's mistake, and none: heeded, it
 * would make everything old until then. What is told twice, or late, is told within less.
 */
export function lastHeard(chat: ChatState, { at }: BaseEvent): number | undefined {
  const lastActive = parseTime(chat.last_active);
  return lastActive !== undefined && lastActive - at > sixDaysMs ? undefined : lastActive;
}

/** After a week without updates Telegram chooses the next id at random (Bot API, `Update.update_id`). */
function idsMayHaveRestarted(chat: ChatState, event: BaseEvent): boolean {
  const lastActive = parseTime(chat.last_active);
  return lastActive !== undefined && event.at - lastActive > sixDaysMs;
}

/** Telegram dates messages in whole seconds, so only a whole second tells; ids tell within one. */
export function isOlderThanLastMessage(chat: ChatState, event: ChatEvent): boolean {
  if (isHeld(chat.last_update_id, chat, event)) return true;
  const heardAt = lastHeard(chat, event);
  return heardAt !== undefined && wholeSecond(event.at) < wholeSecond(heardAt);
}

// The consent rule, written once: what each fact does to a chat.
// Facts are events; {@link transition} says what the chat is afterwards. It is pure, and nothing else in the
// project knows the rule: storages fold it, commands look at what it changed.

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
    last_active: toIso(Math.max(event.at, lastHeard(chat, event) ?? event.at)),
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
function onUnreached(chat: ChatState, event: DeliveryEvent): ChatState {
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
    added_at: toIso(event.at),
    last_active: toIso(event.at),
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
  return { ...withoutStrikes(chat), is_active: false, removed_at: toIso(at), removed_reason: reason };
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

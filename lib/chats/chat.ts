/**
 * The folder `chats`: who is subscribed, and how an update changes that. The other folders use `ChatStorage` (the port behind
 * which chats are kept), `ChatRegistry` (the subscribed chats in memory) and the types of `events.ts`; the bot puts the
 * update processor, the write queue and the replies together.
 *
 * This file is the consent rule: {@link transition} says what an event does to a chat. It is pure, and the only place that
 * knows the rule: storages fold it over events, and replies depend on what it changed.
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

/** After so many broadcasts in a row that do not find the chat, it is deactivated. */
const strikesAtMost = 3;

/** The chat after the event; the same object if nothing changes. `undefined` is an unknown chat. */
export function transition(chat: ChatState | undefined, event: ChatEvent): ChatState | undefined {
  const removal = chat && event.kind !== "removed" ? earlyRemovalOf(chat) : undefined;
  if (removal === undefined) return changed(chat, event);
  const begun = changed(undefined, event);
  // The removal is applied again, after the event that registers the chat: the ids tell which was first.
  if (begun !== undefined) return changed(begun, removal);
  const isEarlier = (updateIdOf(event) ?? Infinity) < (updateIdOf(removal) ?? 0);
  return isEarlier ? chat : changed(chat, event);
}

function changed(chat: ChatState | undefined, event: ChatEvent): ChatState | undefined {
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

/** The chat after all the events, in their order. */
export function fold(chat: ChatState | undefined, events: readonly ChatEvent[]): ChatState | undefined {
  return events.reduce(transition, chat);
}

/** Whether the event is a message from the chat. */
export function isMessage(event: ChatEvent): event is MessageEvent {
  return event.kind === "start" || event.kind === "stop" || event.kind === "message";
}

/** The chat as users of the library see it: a copy without its undefined fields. */
export function chatOf(chatId: number, state: ChatState): Chat {
  const known = Object.entries(state).filter(([, value]) => value !== undefined);
  return structuredClone({ chat_id: chatId, ...Object.fromEntries(known) }) as Chat;
}

/** Whether the chat has unsubscribed itself, so that only /start or the operator may activate it. */
export function isStopped(chat: ChatState): boolean {
  return !chat.is_active && (chat.removed_reason === undefined || chat.removed_reason === "stopped");
}

/** False of a chat of which only its removal has arrived. */
export function isRegistered(chat: ChatState): boolean {
  return chat.added_at !== undefined || chat.last_active !== undefined;
}

/** Whether the chat is a channel, as far as is known. */
export function isChannel({ user_info }: ChatState): boolean {
  return user_info.type === "channel";
}

function onMessage(chat: ChatState | undefined, event: MessageEvent): ChatState | undefined {
  if (chat === undefined) {
    if (event.kind === "stop") return event.isKept ? stoppedUnknown(event) : undefined;
    return event.kind === "start" || event.registers ? registered(event, 1) : undefined;
  }
  if (isMessageApplied(chat, event)) return chat;
  const counted = {
    ...withUserInfo(withoutStrikes(chat), event.userInfo),
    message_count: chat.message_count + 1,
    last_active: toIso(Math.max(event.at, lastMessageAt(chat, event) ?? event.at)),
    ...messageIds(chat, event),
  };
  if (event.kind !== "stop" && isBeforeRemoval(chat, counted)) return counted;
  if (event.kind === "start") return reopened(inThread(counted, threadOf(event)));
  if (event.kind === "stop") return isStopped(counted) ? counted : deactivated(counted, "stopped", event.at);
  return event.registers && !isStopped(counted) ? reopened(counted) : counted;
}

function onMembership(chat: ChatState | undefined, event: MemberEvent): ChatState | undefined {
  if (chat === undefined) {
    if (event.kind === "removed") return event.isKept ? removedUnknown(event) : undefined;
    return event.registers ? registered(event, 0) : undefined;
  }
  if (isMemberApplied(chat, event) || isOlderThanLastMessage(chat, event)) return chat;
  const updateId = updateIdOf(event);
  const marked = updateId === undefined ? chat : { ...chat, last_member_update_id: updateId };
  if (event.kind === "removed") {
    return chat.is_active ? deactivated(marked, event.reason ?? "gone", event.at) : marked;
  }
  if (!event.registers || isStopped(chat)) return marked;
  const returned = activated(withUserInfo(marked, event.userInfo));
  const added_by = adderOf(event);
  return chat.is_active || added_by === undefined ? returned : { ...returned, added_by };
}

/** A strike: Telegram says "chat not found" of chats that exist, too, so that one is not enough. */
function onUnreached(chat: ChatState, event: DeliveryEvent): ChatState {
  if (!chat.is_active || isOlderThanLastMessage(chat, event)) return chat;
  const strikes = (chat.strikes ?? 0) + 1;
  return strikes < strikesAtMost ? { ...chat, strikes } : deactivated(chat, "gone", event.at);
}

function withoutStrikes(chat: ChatState): ChatState {
  return chat.strikes === undefined ? chat : { ...chat, strikes: undefined };
}

/**
 * The supergroup takes over its group's state, counts and `added_at`, once. If messages have registered it before, its own
 * state holds, except that a /stop in either chat holds in both. An update that the group has, the supergroup has, too.
 */
function onInherited(chat: ChatState | undefined, event: InheritedEvent): ChatState {
  const { from, at } = event;
  const { is_active, removed_at, removed_reason, added_at, last_active, message_count, user_info } = from;
  const inherited = { migrated_from: from.chat_id, added_at };
  if (chat === undefined) {
    const { last_update_id, last_word_update_id } = from;
    const standing = { is_active, removed_at, removed_reason, last_active, message_count, user_info };
    return { ...standing, added_by: from.added_by, last_update_id, last_word_update_id, ...inherited };
  }
  if (chat.migrated_from !== undefined) {
    return hasStoppedSince(chat, from) ? stoppedWith(chat, from, at) : chat;
  }
  const merged = {
    ...chat,
    ...inherited,
    ...idsWithGroups(chat, event),
    added_at: added_at ?? chat.added_at,
    added_by: chat.added_by ?? from.added_by,
    message_count: chat.message_count + message_count,
    user_info: { ...user_info, ...chat.user_info },
  };
  return isStopped(from) && chat.is_active ? stoppedWith(merged, from, at) : merged;
}

/** The last ids of a supergroup with those of its group: a /start or /stop that the move has counted may come again. */
function idsWithGroups(chat: ChatState, event: InheritedEvent): LastIds {
  const { last_update_id, last_word_update_id } = chat;
  const { last_update_id: groupsLast, last_word_update_id: groupsWord = 0 } = event.from;
  // What was said so long ago does not come again, and ids before a restart say nothing of those after it.
  if (idsMayHaveRestarted(event.from, event)) return { last_update_id, last_word_update_id };
  return {
    last_update_id: last_update_id ?? groupsLast,
    last_word_update_id: last_word_update_id === undefined
      ? undefined
      : Math.max(last_word_update_id, groupsWord),
  };
}

/** The supergroup after its group's /stop. */
function stoppedWith(chat: ChatState, { last_word_update_id: word = 0 }: Chat, at: number): ChatState {
  const last_word_update_id = Math.max(word, chat.last_word_update_id ?? 0) || undefined;
  return { ...deactivated(chat, "stopped", at), last_word_update_id };
}

/** Whether the group has said /stop after the supergroup took over its state, as the move was broken off, and goes on. */
function hasStoppedSince(chat: ChatState, from: Chat): boolean {
  const isLater = (from.last_word_update_id ?? 0) > (chat.last_word_update_id ?? 0);
  return chat.is_active && chat.migrated_from === from.chat_id && isStopped(from) && isLater;
}

function onMigrated(chat: ChatState, { to, at }: MigratedEvent): ChatState {
  if (!chat.is_active && chat.removed_reason === "migrated" && chat.migrated_to === to) return chat;
  return { ...deactivated(chat, "migrated", at), migrated_to: to };
}

function registered(event: MessageEvent | MemberEvent | OperatorEvent, messageCount: number): ChatState {
  const updateId = updateIdOf(event);
  const isMember = event.kind === "removed" || event.kind === "returned";
  // After a supergroup's message or return its group's /stop may still be under way, and holds.
  const mayStopLate = (event.kind === "message" || event.kind === "returned") && event.isKept;
  return {
    is_active: true,
    added_at: toIso(event.at),
    last_active: toIso(event.at),
    message_count: messageCount,
    user_info: mergedInfo({}, event.userInfo),
    removed_at: null,
    added_by: adderOf(event),
    thread_id: threadOf(event),
    last_update_id: isMember ? undefined : updateId,
    last_word_update_id: mayStopLate ? updateId && 0 : updateId,
    last_member_update_id: isMember ? updateId : undefined,
  };
}

/** A supergroup whose /stop has overtaken its group's move. */
function stoppedUnknown(event: MessageEvent): ChatState {
  const { addedBy: _addedBy, threadId: _threadId, ...stop } = event;
  return deactivated(registered(stop, 1), "stopped", event.at);
}

/** A chat whose removal has overtaken its messages: without the times of a registration, as `earlyRemovalOf` knows it. */
function removedUnknown(event: MemberEvent): ChatState {
  return {
    is_active: false,
    message_count: 0,
    user_info: mergedInfo({}, event.userInfo),
    removed_at: toIso(event.at),
    removed_reason: event.reason ?? "gone",
    last_member_update_id: updateIdOf(event),
  };
}

/** The removal of a chat of which nothing else has arrived yet. */
function earlyRemovalOf(chat: ChatState): MemberEvent | undefined {
  return isRegistered(chat) ? undefined : removalOf(chat);
}

/** The removal that has ended the subscription, if Telegram has reported it. */
function removalOf(chat: ChatState): MemberEvent | undefined {
  const { is_active, removed_at, removed_reason: reason, last_member_update_id: updateId } = chat;
  const at = parseTime(removed_at ?? undefined);
  const isRemoval = !is_active && (reason === "blocked" || reason === "left");
  return isRemoval && updateId !== undefined && at !== undefined
    ? { kind: "removed", at, updateId, reason }
    : undefined;
}

/** Whether a message, which `counted` has, was sent before the removal that has ended the chat's subscription. */
function isBeforeRemoval(chat: ChatState, counted: ChatState): boolean {
  const removal = removalOf(chat);
  return removal !== undefined && !isOlderThanLastMessage(counted, removal);
}

/** The person who adds the bot to the chat, if the id is valid. */
function adderOf(event: ChatEvent): number | undefined {
  const addedBy = "addedBy" in event ? event.addedBy : undefined;
  return isChatId(addedBy) ? addedBy : undefined;
}

/** The topic of the message, if the id is valid. */
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

/**
 * The chat after a message that activates it. A group's message may arrive after its move: the group keeps the address of its
 * supergroup, to which its next /stop belongs, too.
 */
function reopened(chat: ChatState): ChatState {
  if (chat.is_active) return chat;
  const { migrated_to, added_at = chat.last_active } = chat;
  return { ...activated(chat), added_at, migrated_to };
}

function deactivated(chat: ChatState, reason: RemovedReason, at: number): ChatState {
  return { ...withoutStrikes(chat), is_active: false, removed_at: toIso(at), removed_reason: reason };
}

function withUserInfo(chat: ChatState, userInfo: UserInfo | undefined): ChatState {
  const user_info = mergedInfo(chat.user_info, userInfo);
  return user_info === chat.user_info ? chat : { ...chat, user_info };
}

/** The known fields with the new ones that are not empty; the same object if nothing changes. */
function mergedInfo(known: UserInfo, update: UserInfo = {}): UserInfo {
  const changes = Object.entries(update).filter(([key, value]) =>
    value !== undefined && value !== null && value !== "" && known[key] !== value
  );
  return changes.length === 0 ? known : { ...known, ...Object.fromEntries(changes) };
}

// Redelivery: Telegram may deliver an update again, and two programs that poll for the same bot may write out of order.

/** The id of the event's update, if it is a safe integer. */
export function updateIdOf(event: ChatEvent): number | undefined {
  const updateId = "updateId" in event ? event.updateId : undefined;
  return Number.isSafeInteger(updateId) ? updateId : undefined;
}

/** Whether the message is a /start or a /stop. */
export function isStartOrStop({ kind }: ChatEvent): boolean {
  return kind === "start" || kind === "stop";
}

/**
 * Whether the chat has the message already. A /start or /stop may arrive after a later message that another poller
 * has received, so it is compared with the last /start or /stop; if that is not known, with the last message.
 */
function isMessageApplied(chat: ChatState, event: MessageEvent): boolean {
  const { last_update_id: last, last_word_update_id: lastWord = Infinity } = chat;
  return isApplied(last !== undefined && isStartOrStop(event) ? Math.min(lastWord, last) : last, chat, event);
}

/** Whether the chat has the `my_chat_member` already. */
function isMemberApplied(chat: ChatState, event: MemberEvent): boolean {
  return isApplied(chat.last_member_update_id, chat, event);
}

type LastIds = Pick<ChatState, "last_update_id" | "last_word_update_id">;

/** The last ids of the chat with this message. */
function messageIds(chat: ChatState, event: MessageEvent): LastIds {
  const { last_update_id, last_word_update_id } = chat;
  const updateId = updateIdOf(event);
  if (updateId === undefined) return { last_update_id, last_word_update_id };
  if (isApplied(last_update_id, chat, event)) return { last_update_id, last_word_update_id: updateId };
  // After a restart of the ids, the id of the last /start or /stop is meaningless.
  const isRestarted = last_update_id !== undefined && updateId < last_update_id;
  const isLatest = isRestarted || isStartOrStop(event);
  return { last_update_id: updateId, last_word_update_id: isLatest ? updateId : last_word_update_id };
}

/** Whether the chat has the event already, by the last id of the event's own stream. */
function isApplied(lastId: number | undefined, chat: ChatState, event: ChatEvent): boolean {
  const updateId = updateIdOf(event);
  return updateId !== undefined && lastId !== undefined && updateId <= lastId &&
    lastId - updateId < updatesAtMost && !idsMayHaveRestarted(chat, event) && !isLaterWord(chat, event);
}

/** Telegram's ids have 31 bits: a last id that is further ahead is not Telegram's, and is ignored. */
const updatesAtMost = 2 ** 31;

/** A /stop or /start that is later than the chat's last message is new, whatever its id. */
function isLaterWord(chat: ChatState, event: ChatEvent): boolean {
  const lastAt = lastMessageAt(chat, event);
  return isStartOrStop(event) && (lastAt === undefined || event.at > lastAt);
}

const sixDaysMs = 6 * 24 * 60 * 60 * 1000;

/**
 * When the chat last wrote. A time that is days after the event is a mistake, and is ignored: it would make every event
 * until then an old one. Updates that are repeated, or late, are so by less.
 */
function lastMessageAt(chat: ChatState, { at }: BaseEvent): number | undefined {
  const lastActive = parseTime(chat.last_active);
  return lastActive !== undefined && lastActive - at > sixDaysMs ? undefined : lastActive;
}

/** After a week without updates Telegram chooses the next id at random (Bot API, `Update.update_id`). */
function idsMayHaveRestarted(chat: ChatState, event: BaseEvent): boolean {
  const lastActive = parseTime(chat.last_active);
  return lastActive !== undefined && event.at - lastActive > sixDaysMs;
}

/** Telegram dates messages in whole seconds, so that times are compared in seconds; ids decide within one. */
function isOlderThanLastMessage(chat: ChatState, event: ChatEvent): boolean {
  if (isApplied(chat.last_update_id, chat, event)) return true;
  const lastAt = lastMessageAt(chat, event);
  return lastAt !== undefined && wholeSecond(event.at) < wholeSecond(lastAt);
}

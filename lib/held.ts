/**
 * Which updates a chat's item holds already. Telegram delivers updates again, and two programs that poll for the same bot
 * may write them out of order. Part of the consent rule; pure.
 */
import type { ChatEvent, ChatState, Fact, MemberEvent, MessageEvent } from "./chat_event.ts";
import { time, wholeSecond } from "./time.ts";

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
export function lastHeard(chat: ChatState, { at }: Fact): number | undefined {
  const lastActive = time(chat.last_active);
  return lastActive !== undefined && lastActive - at > sixDaysMs ? undefined : lastActive;
}

/** After a week without updates Telegram chooses the next id at random (Bot API, `Update.update_id`). */
function idsMayHaveRestarted(chat: ChatState, event: Fact): boolean {
  const lastActive = time(chat.last_active);
  return lastActive !== undefined && event.at - lastActive > sixDaysMs;
}

/** Telegram dates messages in whole seconds, so only a whole second tells; ids tell within one. */
export function isOlderThanLastMessage(chat: ChatState, event: ChatEvent): boolean {
  if (isHeld(chat.last_update_id, chat, event)) return true;
  const heardAt = lastHeard(chat, event);
  return heardAt !== undefined && wholeSecond(event.at) < wholeSecond(heardAt);
}

/** What an update of Telegram says about a chat, in the words of the consent rule. Pure. */
import type {
  Chat as TelegramChat,
  ChatMember,
  ChatMemberUpdated,
  Message,
  Update,
  User,
} from "grammy/types";
import { isChatId, isThreadId, type UserInfo } from "./chat.ts";
import { wellFormed } from "./text.ts";

/** One fact about one chat; anything else that an update may hold is no concern of ours. */
export type UpdateFact =
  | { readonly kind: "message"; readonly message: Message; readonly command: string | undefined }
  | { readonly kind: "membership"; readonly member: ChatMemberUpdated; readonly isPresent: boolean }
  | { readonly kind: "migration"; readonly from: number; readonly to: number };

/**
 * What makes a message one that somebody wrote, in contrast to a service message. Listed one by one, because
 * Telegram adds kinds of service messages far more often than kinds of content.
 */
const contents = [
  "text",
  "rich_message",
  "animation",
  "audio",
  "checklist",
  "contact",
  "dice",
  "document",
  "game",
  "giveaway",
  "invoice",
  "live_photo",
  "location",
  "paid_media",
  "photo",
  "poll",
  "sticker",
  "story",
  "venue",
  "video",
  "video_note",
  "voice",
] as const satisfies readonly (keyof Message)[];

/**
 * The fact in an update; `undefined` where it holds none (edits, business and guest messages, queries...), and where
 * it is not of the form that Telegram gives it: nothing in it is taken on trust.
 */
export function factOf(update: Update, botUsername: string): UpdateFact | undefined {
  const message = update.message ?? update.channel_post;
  if (isOfChat(message)) return move(message) ?? said(message, botUsername);
  const member = update.my_chat_member;
  return isOfChat(member) ? membership(member) : undefined;
}

/** The person behind the update, where it is one: an anonymous administrator and a channel speak by bots of Telegram's. */
export function personOf({ from }: { readonly from?: User | undefined }): number | undefined {
  return isObject(from) && from["is_bot"] !== true && isChatId(from["id"]) ? from["id"] : undefined;
}

/**
 * The topic in which the update's message stands. In a group without topics an answer has a `message_thread_id`, too, and so
 * has one in General: neither is a topic's.
 */
export function threadOf({ message }: Update): number | undefined {
  const { is_topic_message: isInTopic, message_thread_id: threadId } = message ?? {};
  return isInTopic === true && isThreadId(threadId) ? threadId : undefined;
}

/** The language of whoever has sent the update. */
export function languageCodeOf(update: Update): string | undefined {
  const { from } = update.message ?? update.channel_post ?? update.my_chat_member ?? {};
  const { language_code: languageCode } = from ?? {};
  return typeof languageCode === "string" ? languageCode : undefined;
}

function move(message: Message): UpdateFact | undefined {
  const moved = moveOf(message);
  return moved && { kind: "migration", ...moved };
}

function said(message: Message, botUsername: string): UpdateFact | undefined {
  if (!contents.some((content) => (message[content] ?? undefined) !== undefined)) return undefined;
  const { text } = message;
  return {
    kind: "message",
    message,
    command: typeof text === "string" ? commandOf(text, botUsername) : undefined,
  };
}

function membership(member: ChatMemberUpdated): UpdateFact | undefined {
  const now: unknown = member.new_chat_member;
  const isKnown = isObject(now) && typeof now["status"] === "string";
  return isKnown ? { kind: "membership", member, isPresent: isPresent(member.new_chat_member) } : undefined;
}

/**
 * Whether the part of an update names a chat that there can be, and that can subscribe. What people write to a channel
 * goes to a room with a topic for each of them, and no message can be sent there without naming one.
 */
function isOfChat<T extends Message | ChatMemberUpdated>(part: T | undefined): part is T {
  return isObject(part) && isObject(part.chat) && isChatId(part.chat.id) &&
    part.chat["is_direct_messages"] !== true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** A group's move to its supergroup, of which Telegram tells in both chats. */
function moveOf(message: Message): { from: number; to: number } | undefined {
  if (!isOfChat(message)) return undefined;
  const { chat: { id }, migrate_to_chat_id: to = id, migrate_from_chat_id: from = id } = message;
  const move = to === id ? { from, to: id } : { from: id, to };
  return isGroupId(move.from) && isGroupId(move.to) && move.from !== move.to ? move : undefined;
}

function isGroupId(value: unknown): boolean {
  return isChatId(value) && value < 0;
}

/**
 * `/stop`, `/STOP now`, `/stop!` and `/stop@this_bot` alike, as Telegram marks commands; `/stop@other_bot` is said to
 * another bot.
 */
function commandOf(text: string, botUsername: string): string | undefined {
  const [, name, target] = /^\/(\w{1,64})(?:@(\w{3,32}))?(?![\p{L}\p{N}_/<>])/u.exec(text) ?? [];
  if (target !== undefined && target.toLowerCase() !== botUsername.toLowerCase()) return undefined;
  return name?.toLowerCase();
}

function isPresent(member: ChatMember): boolean {
  if (member.status === "restricted") return member.is_member === true;
  return member.status !== "left" && member.status !== "kicked";
}

/** Who is behind the chat: the person of a private chat, the name of any other, and whether that is a channel. */
export function userInfoOf(chat: TelegramChat): UserInfo {
  const username = nameOf(chat.username);
  if (chat.type !== "private") {
    const names = { title: nameOf(chat.title), username };
    return chat.type === "channel" ? { ...names, type: chat.type } : names;
  }
  const { first_name, last_name, id } = chat;
  return { username, first_name: nameOf(first_name), last_name: nameOf(last_name), user_id: id };
}

/** Telegram's own limits are 64 characters for each of a person's names, and 128 for a title. */
const nameAtMost = 256;

/** A name in Unicode: half an emoji would come back from the table as another text, and be news for ever. */
function nameOf(name: unknown): string | undefined {
  if (typeof name !== "string") return undefined;
  return wellFormed(Array.from(name.slice(0, 2 * nameAtMost)).slice(0, nameAtMost).join(""));
}

/** Telegram's `date` (seconds) in milliseconds; `now` where it is none. */
export function dateMs(date: number, now: number): number {
  const lastYear = 253_402_300_800;
  return Number.isFinite(date) && date > 0 && date < lastYear ? Math.floor(date) * 1000 : now;
}

/** By what each of the updates is to be handled in order: its chat; a group and the supergroup it becomes are one. */
export function sequenceKeysOf(updates: readonly Update[]): number[] {
  const moves = updates.flatMap(({ message }) => (message && moveOf(message)) ?? []);
  const groups = new Map(moves.map(({ from, to }) => [to, from]));
  return updates.map((update) => {
    const key = sequenceKey(update);
    return groups.get(key) ?? key;
  });
}

/** The chat of an update, else the person. */
export function sequenceKey(update: Update): number {
  for (const part of Object.values(update) as (number | Addressed)[]) {
    if (typeof part !== "object" || part === null) continue;
    const id = part.chat?.id ?? part.message?.chat?.id ?? part.from?.id;
    if (typeof id === "number") return id;
  }
  return update.update_id;
}

interface Addressed {
  readonly chat?: { readonly id?: number };
  readonly message?: { readonly chat?: { readonly id?: number } };
  readonly from?: { readonly id?: number };
}

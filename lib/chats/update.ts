/** What an update of Telegram says about a chat, in the words of the consent rule. Pure. */
import type {
  Chat as TelegramChat,
  ChatMember,
  ChatMemberUpdated,
  Message,
  Update,
  User,
} from "grammy/types";
import type { Api } from "grammy/web";
import { isChatId, isThreadId } from "../telegram/chat_id.ts";
import { asGrammySignal } from "../telegram/client.ts";
import { outcomeOf } from "../telegram/outcome.ts";
import { wellFormed } from "../telegram/text.ts";
import { type Clock, monotonic } from "../util/clock.ts";
import { BoundedMap } from "../util/collections.ts";
import type { ChatType, MessageEvent, UserInfo } from "./events.ts";
import type { ChatWrite } from "./writer.ts";

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
export function parseUpdate(update: Update, botUsername: string): UpdateFact | undefined {
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
export function chatKeysOf(updates: readonly Update[]): number[] {
  const moves = updates.flatMap(({ message }) => (message && moveOf(message)) ?? []);
  const groups = new Map(moves.map(({ from, to }) => [to, from]));
  return updates.map((update) => {
    const key = chatKeyOf(update);
    return groups.get(key) ?? key;
  });
}

/** The chat of an update, else the person. */
export function chatKeyOf(update: Update): number {
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

// Who may speak for a chat: its administrators, asked of Telegram and remembered for a minute.

/** Whether the message's author may /start and /stop its chat; `unknown` where Telegram could not be asked. */
export type AdministratorCheck = (api: Api, message: Message) => Promise<"yes" | "no" | "unknown">;

const rememberedMs = 60_000;
/** One chat's question must not hold back what others have to say. */
const administratorsWithinMs = 5000;
const chatsAtMost = 10_000;

export function createAdministratorCheck(clock: Clock): AdministratorCheck {
  const now = monotonic(clock);
  const known = new BoundedMap<number, { readonly until: number; readonly ids: ReadonlySet<number> }>(
    chatsAtMost,
  );

  const administratorsOf = async (api: Api, chatId: number): Promise<ReadonlySet<number>> => {
    const remembered = known.get(chatId);
    if (remembered !== undefined && now() < remembered.until) return remembered.ids;
    const ids = await ask(api, chatId);
    known.set(chatId, { until: now() + rememberedMs, ids });
    return ids;
  };

  return async (api, { chat, from, sender_chat }) => {
    // Only administrators can post in a channel; an anonymous one speaks as the group itself.
    if (chat.type === "private" || chat.type === "channel" || sender_chat?.id === chat.id) return "yes";
    if (sender_chat !== undefined || from === undefined) return "no";
    try {
      return (await administratorsOf(api, chat.id)).has(from.id) ? "yes" : "no";
    } catch {
      return "unknown";
    }
  };
}

/** What was said in a group may be heard when it is a supergroup already: then that one knows. */
async function ask(api: Api, chatId: number): Promise<ReadonlySet<number>> {
  try {
    const signal = asGrammySignal(AbortSignal.timeout(administratorsWithinMs));
    const members = await api.raw.getChatAdministrators({ chat_id: chatId }, signal);
    return new Set(members.map(({ user }) => user.id));
  } catch (error) {
    const outcome = outcomeOf(error);
    if (outcome.kind === "moved" && outcome.to !== chatId) return await ask(api, outcome.to);
    throw error;
  }
}

// What an update says to the bot: what is to be kept of it, and what it asks for.

/**
 * What there may be to answer: one of the commands; a command by whom it is not allowed (`refused`) or of whom that is
 * not known (`undecided`); a chat that may not use the bot (`stranger`), or may not be registered; or nothing but a
 * greeting.
 */
export type Intent =
  | "start"
  | "stop"
  | "help"
  | "status"
  | "refused"
  | "undecided"
  | "stranger"
  | "nothing"
  | RegistrationRefusal;

export interface ParsedUpdate {
  readonly chatId: number;
  readonly intent: Intent;
  /** What is to be kept of it; `undefined` where nothing is. */
  readonly write: ChatWrite | undefined;
  /** Absent where it is not known, as of a group's move. */
  readonly chatType?: ChatType;
  /** The language of the person who has written, as Telegram tells it. */
  readonly languageCode?: string | undefined;
  /** The topic in which it was said. */
  readonly threadId?: number | undefined;
}

export interface UpdateParserOptions {
  /** Whether any message registers its chat, or only /start. */
  readonly registers: boolean;
  readonly clock: Clock;
}

/** Which bot an update was sent to, and what is known of its chat. */
export interface UpdateContext {
  readonly api: Api;
  readonly botUsername: string;
  /** Whether the chat may use the bot; default: true. One that may not can still end what it has. */
  readonly isAllowed?: boolean;
  /** Whether a chat that is not allowed may be registered all the same. Default: each may. */
  readonly mayBeActive?: (chatId: number) => boolean;
}

/** `undefined` where the update holds nothing that concerns a chat's subscription. */
export type UpdateParser = (update: Update, surroundings: UpdateContext) => Promise<ParsedUpdate | undefined>;

export function createUpdateParser({ registers, clock }: UpdateParserOptions): UpdateParser {
  const maySpeak = createAdministratorCheck(clock);

  const messageOf = (
    update: Update,
    { chat, from, date }: Message,
    kind: MessageEvent["kind"],
    mayRegister: boolean,
  ): ChatWrite => ({
    kind: "event",
    chatId: chat.id,
    event: {
      kind,
      at: dateMs(date, clock.now()),
      updateId: update.update_id,
      userInfo: userInfoOf(chat),
      registers: mayRegister,
      ...(chat.type === "private" ? {} : { addedBy: personOf({ from }) }),
      ...inThread(update),
    },
  });

  const hearMessage = async (
    update: Update,
    message: Message,
    command: string | undefined,
    { api, isAllowed = true, mayBeActive = () => true }: UpdateContext,
  ): Promise<ParsedUpdate | undefined> => {
    const { id: chatId, type: chatType } = message.chat;
    const parsed = (
      intent: Intent,
      kind: MessageEvent["kind"],
      mayRegister: boolean = registers,
    ): ParsedUpdate => {
      return { chatId, chatType, intent, write: messageOf(update, message, kind, mayRegister) };
    };
    // Telegram is asked who may speak for a group only where there is something to end.
    const mayEnd = command === "stop" && (chatType === "private" || mayBeActive(chatId));
    if (!isAllowed && !mayEnd) {
      // What people say among themselves in a group is not said to the bot.
      const isSaidToBot = command !== undefined || chatType === "private";
      return isSaidToBot ? { chatId, intent: "stranger", write: undefined } : undefined;
    }
    if (command === "help" || command === "status") return parsed(command, "message");
    if (command !== "start" && command !== "stop") return parsed("nothing", "message");
    const may = await maySpeak(api, message);
    if (may === "yes") return parsed(command, command);
    // It counts as a message, and registers nobody.
    return may === "no"
      ? parsed("refused", "message", false)
      : { chatId, intent: "undecided", write: undefined };
  };

  const hearMembership = (
    { update_id }: Update,
    { chat, from, date }: ChatMemberUpdated,
    isPresent: boolean,
    isAllowed: boolean = true,
  ): ParsedUpdate | undefined => {
    const chatId = chat.id;
    if (isPresent && !isAllowed) {
      // A channel is told once it asks, as all its subscribers read the answer.
      return chat.type === "channel" ? undefined : { chatId, intent: "stranger", write: undefined };
    }
    const event = {
      kind: isPresent ? "returned" : "removed",
      reason: chat.type === "private" ? "blocked" : "left",
      at: dateMs(date, clock.now()),
      updateId: update_id,
      userInfo: userInfoOf(chat),
      registers,
      ...(chat.type === "private" ? {} : { addedBy: personOf({ from }) }),
    } as const;
    return { chatId, chatType: chat.type, intent: "nothing", write: { kind: "event", chatId, event } };
  };

  const hear: UpdateParser = async (update, surroundings) => {
    const fact = parseUpdate(update, surroundings.botUsername);
    if (fact === undefined) return undefined;
    if (fact.kind === "message") return await hearMessage(update, fact.message, fact.command, surroundings);
    if (fact.kind === "membership") {
      return hearMembership(update, fact.member, fact.isPresent, surroundings.isAllowed);
    }
    const chatWrite = { ...fact, at: clock.now() };
    return { chatId: fact.to, intent: "nothing", write: chatWrite };
  };

  return async (update, surroundings) => {
    const parsed = await hear(update, surroundings);
    return parsed && { ...parsed, languageCode: languageCodeOf(update), ...inThread(update) };
  };
}

function inThread(update: Update): { readonly threadId?: number } {
  const threadId = threadOf(update);
  return threadId === undefined ? {} : { threadId };
}

/** Why a chat is not registered, by the name of the message that says so. */
export type RegistrationRefusal = "chatTypeNotAllowed" | "tooManyChats";

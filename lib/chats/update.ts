/**
 * Parses an update: what it asks of the bot, and what is to be written of it. Nothing in an update is taken on trust: a part
 * that does not have Telegram's form is ignored.
 */
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
import { wellFormed } from "../telegram/text.ts";
import type { Clock } from "../util/clock.ts";
import { type AdministratorCheck, createAdministratorCheck } from "./administrators.ts";
import type { ChatType, MessageEvent, UserInfo } from "./events.ts";
import type { ChatWrite } from "./writer.ts";

/** Why a chat is not registered, by the name of the message that says so. */
export type RegistrationRefusal = "chatTypeNotAllowed" | "tooManyChats";

/**
 * What there may be to answer: one of the commands; a command by somebody who is not an administrator (`refused`), or may
 * not be one (`undecided`); a chat that may not use the bot (`stranger`), or may not be registered; or nothing but a
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
  /** What is to be written; `undefined` if nothing is. */
  readonly write: ChatWrite | undefined;
  /** Absent if it is not known, as of a group's move. */
  readonly chatType?: ChatType;
  /** The language of the person who has written, by Telegram. */
  readonly languageCode?: string | undefined;
  /** The topic of the message. */
  readonly threadId?: number | undefined;
}

export interface UpdateParserOptions {
  /** Whether any message registers its chat, or only /start. */
  readonly registers: boolean;
  readonly clock: Clock;
  /** Told of each command in a group of which Telegram does not say whether it counts. Default: nobody is. */
  readonly warn?: ((message: string) => void) | undefined;
}

/** Which bot an update was sent to, and what is known of its chat. */
export interface UpdateContext {
  readonly api: Api;
  readonly botUsername: string;
  /** Whether the chat may use the bot; default: true. One that may not can still end its subscription. */
  readonly isAllowed?: boolean;
  /** Whether updates may overtake each other, as on their way to a webhook. Default: false. */
  readonly mayOvertake?: boolean;
  /** Whether a chat that is not allowed may have a subscription all the same. Default: each may. */
  readonly mayBeActive?: (chatId: number) => boolean;
}

export class UpdateParser {
  readonly #registers: boolean;
  readonly #clock: Clock;
  readonly #isAdministrator: AdministratorCheck;

  constructor({ registers, clock, warn }: UpdateParserOptions) {
    this.#registers = registers;
    this.#clock = clock;
    this.#isAdministrator = createAdministratorCheck(clock, warn);
  }

  /** Gives `undefined` if the update does not concern a subscription: edits, business and guest messages, queries... */
  async parse(update: Update, context: UpdateContext): Promise<ParsedUpdate | undefined> {
    const parsed = await this.#parse(update, context);
    return parsed && { ...parsed, languageCode: languageCodeOf(update), ...inThread(update) };
  }

  async #parse(update: Update, context: UpdateContext): Promise<ParsedUpdate | undefined> {
    const { my_chat_member: member } = update;
    const message = update.message ?? update.channel_post;
    if (!isOfChat(message)) {
      return isOfChat(member) && hasStatus(member)
        ? this.#parseMembership(update, member, context)
        : undefined;
    }
    const move = moveOf(message);
    if (move === undefined) {
      return isWritten(message) ? await this.#parseMessage(update, message, context) : undefined;
    }
    return {
      chatId: move.to,
      intent: "nothing",
      write: { kind: "migration", ...move, at: this.#clock.now() },
    };
  }

  async #parseMessage(
    update: Update,
    message: Message,
    { api, botUsername, isAllowed = true, mayBeActive = () => true }: UpdateContext,
  ): Promise<ParsedUpdate | undefined> {
    const { id: chatId, type: chatType } = message.chat;
    const command = commandOf(message.text, botUsername);
    // Of a group's commands only an administrator's /start subscribes it.
    const isGroup = chatType === "group" || chatType === "supergroup";
    const mayRegister = this.#registers && !(isGroup && isCommand(message.text));
    const parsed = (
      intent: Intent,
      kind: MessageEvent["kind"] = "message",
      registers: boolean = mayRegister,
    ): ParsedUpdate => {
      // Only a supergroup can have a group before it.
      const isKept = kind !== "start" && chatType === "supergroup" ? { isKept: true } : {};
      const event = { kind, ...this.#commonOf(update, message, registers), ...inThread(update), ...isKept };
      return { chatId, chatType, intent, write: { kind: "event", chatId, event } };
    };
    // Telegram is asked for a group's administrators only where there is a subscription to end.
    const mayEnd = command === "stop" && (chatType === "private" || mayBeActive(chatId));
    if (!isAllowed && !mayEnd) {
      // People's messages to each other in a group are not meant for the bot.
      const isToBot = command !== undefined || chatType === "private";
      return isToBot ? { chatId, intent: "stranger", write: undefined } : undefined;
    }
    if (command === "help" || command === "status") return parsed(command);
    if (command !== "start" && command !== "stop") return parsed("nothing");
    const may = chatType === "private" ? "yes" : await this.#isAdministrator(api, message);
    // A /stop of an unknown chat is kept, too, so that no later message subscribes it.
    if (may === "yes") return parsed(command, command, this.#registers);
    // A refused command counts as a message.
    return may === "no" ? parsed("refused") : { chatId, intent: "undecided", write: undefined };
  }

  #parseMembership(
    update: Update,
    member: ChatMemberUpdated,
    { isAllowed = true, mayOvertake = false }: UpdateContext,
  ): ParsedUpdate | undefined {
    const { id: chatId, type: chatType } = member.chat;
    const isMember = isPresent(member.new_chat_member);
    if (isMember && !isAllowed) {
      // All subscribers of a channel read the answer: it is told when it asks.
      return chatType === "channel" ? undefined : { chatId, intent: "stranger", write: undefined };
    }
    const isKept = isMember ? chatType === "supergroup" : mayOvertake && isAllowed;
    const event = {
      kind: isMember ? "returned" : "removed",
      reason: chatType === "private" ? "blocked" : "left",
      ...this.#commonOf(update, member, this.#registers),
      ...(isKept ? { isKept } : {}),
    } as const;
    return { chatId, chatType, intent: "nothing", write: { kind: "event", chatId, event } };
  }

  /** What the events of messages and memberships have in common. */
  #commonOf({ update_id }: Update, { chat, from, date }: Message | ChatMemberUpdated, registers: boolean) {
    return {
      at: dateMs(date, this.#clock.now()),
      updateId: update_id,
      userInfo: userInfoOf(chat),
      registers,
      ...(chat.type === "private" ? {} : { addedBy: personOf({ from }) }),
    };
  }
}

// The parts of an update.

/**
 * The fields that only a written message has, in contrast to a service message. They are listed, as Telegram adds kinds of
 * service messages far more often than kinds of content.
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

function isWritten(message: Message): boolean {
  return contents.some((content) => (message[content] ?? undefined) !== undefined);
}

/**
 * Whether the part of an update names a valid chat that can subscribe. People's direct messages to a channel are in a chat
 * of their own with a topic for each person, and no message can be sent there without a topic.
 */
function isOfChat<T extends Message | ChatMemberUpdated>(part: T | undefined): part is T {
  return isObject(part) && isObject(part.chat) && isChatId(part.chat.id) &&
    part.chat["is_direct_messages"] !== true;
}

/** A group's move to its supergroup, which Telegram reports in both chats. */
function moveOf(message: Message): { from: number; to: number } | undefined {
  if (!isOfChat(message)) return undefined;
  const { chat: { id }, migrate_to_chat_id: to = id, migrate_from_chat_id: from = id } = message;
  const move = to === id ? { from, to: id } : { from: id, to };
  return isGroupId(move.from) && isGroupId(move.to) && move.from !== move.to ? move : undefined;
}

function isGroupId(value: unknown): boolean {
  return isChatId(value) && value < 0;
}

function hasStatus({ new_chat_member: now }: { readonly new_chat_member?: unknown }): boolean {
  return isObject(now) && typeof now["status"] === "string";
}

function isPresent(member: ChatMember): boolean {
  if (member.status === "restricted") return member.is_member === true;
  return member.status !== "left" && member.status !== "kicked";
}

/** Accepts `/stop`, `/STOP now`, `/stop!` and `/stop@this_bot`, as Telegram marks commands; not `/stop@other_bot`. */
export function commandOf(text: unknown, botUsername: string): string | undefined {
  if (typeof text !== "string") return undefined;
  const [, name, target] = /^\/(\w{1,64})(?:@(\w{3,32}))?(?![\p{L}\p{N}_/<>])/u.exec(text) ?? [];
  if (target !== undefined && target.toLowerCase() !== botUsername.toLowerCase()) return undefined;
  return name?.toLowerCase();
}

/** Whether it is a command, of this bot or of another one. */
function isCommand(text: unknown): boolean {
  return typeof text === "string" && /^\/\w/.test(text);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** The person behind the update, if it is one: anonymous administrators and channels write by bots of Telegram. */
export function personOf({ from }: { readonly from?: User | undefined }): number | undefined {
  return isObject(from) && from["is_bot"] !== true && isChatId(from["id"]) ? from["id"] : undefined;
}

/**
 * The topic of the update's message. In a group without topics, and in General, an answer has a `message_thread_id`, too,
 * which is not a topic's.
 */
function inThread({ message }: Update): { readonly threadId?: number } {
  const { is_topic_message: isInTopic, message_thread_id: threadId } = message ?? {};
  return isInTopic === true && isThreadId(threadId) ? { threadId } : {};
}

/** The language of the sender. */
function languageCodeOf(update: Update): string | undefined {
  const { from } = update.message ?? update.channel_post ?? update.my_chat_member ?? {};
  const { language_code: languageCode } = from ?? {};
  return typeof languageCode === "string" ? languageCode : undefined;
}

/** The person of a private chat; of any other chat its name, and whether it is a channel. */
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

/** A well-formed name: half an emoji would come back from the table as another text, and count as a change for ever. */
function nameOf(name: unknown): string | undefined {
  if (typeof name !== "string") return undefined;
  return wellFormed(Array.from(name.slice(0, 2 * nameAtMost)).slice(0, nameAtMost).join(""));
}

/** Telegram's `date` (seconds) in milliseconds; `now` if it is not valid. */
export function dateMs(date: number, now: number): number {
  const lastYear = 253_402_300_800;
  return Number.isFinite(date) && date > 0 && date < lastYear ? Math.floor(date) * 1000 : now;
}

/** The chat of each update, by which updates are handled in order; a group and the supergroup it becomes are one. */
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
  for (const part of Object.values(update) as (number | UpdatePart)[]) {
    if (typeof part !== "object" || part === null) continue;
    const id = part.chat?.id ?? part.message?.chat?.id ?? part.from?.id;
    if (typeof id === "number") return id;
  }
  return update.update_id;
}

interface UpdatePart {
  readonly chat?: { readonly id?: number };
  readonly message?: { readonly chat?: { readonly id?: number } };
  readonly from?: { readonly id?: number };
}

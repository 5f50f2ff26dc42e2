/** The state behind a server: the bot, the people, the chats, the files, the updates. */
import type { BotCommand, Chat, Message, User, UserFromGetMe } from "grammy/types";
import { type Clock, wholeSecond } from "../../util/clock.ts";
import type { BotApiRequest } from "./call.ts";
import { badRequest } from "./errors.ts";
import { FileStore } from "./files.ts";
import type { BotApiHooks } from "./hooks.ts";
import { CallbackQueries } from "./keyboards.ts";
import { ChatQuota, type ChatQuotaOptions } from "./rate_limit.ts";
import type { Payload } from "./request_body.ts";
import {
  type ChatAccess,
  chatMember,
  isMember,
  type MemberStatus,
  requireAccess,
  ServerChat,
} from "./server_chat.ts";
import { UpdateQueue } from "./updates.ts";
import type { WebhookTransport } from "./webhook.ts";

export interface ServerStateOptions {
  readonly bot: UserFromGetMe;
  readonly clock: Clock;
  /** The clock of the machine that the server runs on. */
  readonly hostClock: Clock;
  readonly transport: WebhookTransport;
  readonly firstUpdateId: number;
  readonly quotas: ChatQuotaOptions;
  readonly hooks: BotApiHooks;
}

export class ServerState {
  readonly bot: UserFromGetMe;
  readonly clock: Clock;
  /** For time-outs of those who wait for the bot, which a test that holds `clock` does not want to end. */
  readonly hostClock: Clock;
  readonly updates: UpdateQueue;
  readonly #quotas: ChatQuotaOptions;
  readonly #hooks: BotApiHooks;
  readonly chats: Map<number, ServerChat> = new Map();
  readonly people: Map<number, User> = new Map();
  /** The bot's command lists by scope and language. */
  readonly commands: Map<string, BotCommand[]> = new Map();
  readonly files: FileStore = new FileStore();
  readonly callbackQueries: CallbackQueries;
  /** The request whose method runs now. */
  #handled: BotApiRequest | undefined;
  #lastPersonId = 100_000_000;
  #lastGroupId = 500_000_000;

  constructor(options: ServerStateOptions) {
    const { bot, clock, hostClock, transport, firstUpdateId, quotas, hooks } = options;
    this.bot = bot;
    this.clock = clock;
    this.hostClock = hostClock;
    this.updates = new UpdateQueue({
      ...{ firstId: firstUpdateId, clock, hostClock, transport },
      onConfirmed: (update, by) => hooks.onConfirmed?.({ update, by, request: this.#handled }),
    });
    this.#quotas = quotas;
    this.#hooks = hooks;
    this.callbackQueries = new CallbackQueries(clock, hostClock);
    this.people.set(bot.id, bot);
  }

  /** Runs a method of the API. What it does before it returns counts as brought by the request. */
  handle<T>(request: BotApiRequest, method: () => T): T {
    this.#handled = request;
    try {
      return method();
    } finally {
      this.#handled = undefined;
    }
  }

  /** The date of what happens now, in seconds since 1970. */
  get date(): number {
    return wholeSecond(this.clock.now());
  }

  newPersonId(): number {
    return ++this.#lastPersonId;
  }

  /** Group ids are negative; those of supergroups and channels begin with -100. */
  newGroupId(type: Chat["type"]): number {
    const id = ++this.#lastGroupId;
    return type === "group" ? -id : -(1_000_000_000_000 + 1_000_000_000 + id);
  }

  /** @throws {RangeError} If there is a chat of this id. */
  addChat(info: Chat, botStatus: MemberStatus): ServerChat {
    if (this.chats.has(info.id)) {
      throw new RangeError(`Cannot add the chat as "id" must be new: current value is ${info.id}`);
    }
    const isGroup = info.type === "group" || info.type === "supergroup";
    const quota = new ChatQuota(this.#quotas, isGroup, () => this.clock.now());
    const chat = new ServerChat(info, botStatus, quota);
    chat.messageListeners.add((message, isEdit) =>
      this.#hooks.onMessage?.({ chatId: info.id, message, isEdit, request: this.#handled })
    );
    this.chats.set(info.id, chat);
    return chat;
  }

  /** The chat of an id or a `@username`. */
  findChat(chatId: unknown): ServerChat | undefined {
    return this.chats.get(Number(chatId)) ?? this.#findPublicChat(String(chatId));
  }

  /** Adds a message that somebody writes, and queues an update about it. */
  addPersonMessage(chat: ServerChat, kind: string, fields: object): Message {
    const message = chat.addMessage({ chat: chat.info, date: this.date, ...fields });
    this.emitMessage(chat, kind, message);
    return message;
  }

  /** Queues an update about a message, if the bot is in the chat. */
  emitMessage(chat: ServerChat, kind: string, message: Message): void {
    if (isMember(chat.botStatus)) this.updates.emit(kind, message);
  }

  /** Changes the bot's status in a chat and queues a `my_chat_member` update. */
  setBotStatus(chat: ServerChat, from: User, now: MemberStatus, before: MemberStatus = chat.botStatus): void {
    chat.botStatus = now;
    this.updates.emit("my_chat_member", {
      chat: chat.info,
      from,
      date: this.date,
      old_chat_member: chatMember(this.bot, before, chat.info),
      new_chat_member: chatMember(this.bot, now, chat.info),
    });
  }

  #findPublicChat(name: string): ServerChat | undefined {
    if (!name.startsWith("@")) return undefined;
    const wanted = name.slice(1).toLowerCase();
    return [...this.chats.values()].find(({ info }) =>
      info.type !== "private" && info.username?.toLowerCase() === wanted
    );
  }
}

/**
 * The chat that a call addresses.
 * @throws {ApiError} What keeps the bot from it.
 */
export function accessibleChat(
  server: ServerState,
  payload: Payload,
  access: ChatAccess,
): ServerChat {
  const chatId = payload["chat_id"];
  if (chatId === undefined || chatId === "") throw badRequest("chat_id is empty");
  const chat = server.findChat(chatId);
  if (chat === undefined) throw badRequest("chat not found");
  requireAccess(chat, access);
  return chat;
}

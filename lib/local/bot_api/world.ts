/** Everything that exists on the server's side of the wire: the bot, the people, the chats, the files. */
import type { BotCommand, Chat, Message, User, UserFromGetMe } from "grammy/types";
import type { Clock } from "../../clock.ts";
import { CallbackQueries } from "./callback_queries.ts";
import { type ChatLimitOptions, ChatLimits } from "./chat_limits.ts";
import { badRequest } from "./errors.ts";
import { FileStore } from "./files.ts";
import { chatMember, isMember, type MemberStatus } from "./members.ts";
import { Room } from "./room.ts";
import type { UpdateQueue } from "./updates.ts";

export class World {
  readonly bot: UserFromGetMe;
  readonly clock: Clock;
  readonly updates: UpdateQueue;
  readonly #chatLimits: ChatLimitOptions;
  readonly rooms: Map<number, Room> = new Map();
  readonly people: Map<number, User> = new Map();
  /** The bot's command lists by scope and language. */
  readonly commands: Map<string, BotCommand[]> = new Map();
  readonly files: FileStore = new FileStore();
  readonly callbackQueries: CallbackQueries;
  #lastPersonId = 100_000_000;
  #lastGroupId = 500_000_000;

  constructor(bot: UserFromGetMe, clock: Clock, updates: UpdateQueue, chatLimits: ChatLimitOptions = {}) {
    this.bot = bot;
    this.clock = clock;
    this.updates = updates;
    this.#chatLimits = chatLimits;
    this.callbackQueries = new CallbackQueries(clock);
    this.people.set(bot.id, bot);
  }

  /** Now, as Telegram dates things: whole seconds. */
  get date(): number {
    return Math.floor(this.clock.now() / 1000);
  }

  newPersonId(): number {
    return ++this.#lastPersonId;
  }

  /** Group ids are negative; those of supergroups and channels begin with -100. */
  newGroupId(type: Chat["type"]): number {
    const id = ++this.#lastGroupId;
    return type === "group" ? -id : -(1_000_000_000_000 + 1_000_000_000 + id);
  }

  addRoom(chat: Chat, bot: MemberStatus): Room {
    if (this.rooms.has(chat.id)) {
      throw new RangeError(`Cannot add the chat as "id" must be new: current value is ${chat.id}`);
    }
    const isGroup = chat.type === "group" || chat.type === "supergroup";
    const room = new Room(chat, bot, new ChatLimits(this.#chatLimits, isGroup, () => this.clock.now()));
    this.rooms.set(chat.id, room);
    return room;
  }

  /**
   * The chat that a call addresses, by id or by `@username`.
   * @throws {ApiError} 400 if there is none.
   */
  room(chatId: unknown): Room {
    if (chatId === undefined || chatId === "") throw badRequest("chat_id is empty");
    const room = this.find(chatId);
    if (room === undefined) throw badRequest("chat not found");
    return room;
  }

  find(chatId: unknown): Room | undefined {
    return this.rooms.get(Number(chatId)) ?? this.#publicRoom(String(chatId));
  }

  /** Tells the bot of a message, if it is there to see it. */
  tell(room: Room, kind: string, message: Message): void {
    if (isMember(room.bot)) this.updates.emit(kind, message);
  }

  /** Changes what the bot is in a chat and tells it so. */
  changeBot(room: Room, from: User, now: MemberStatus, before: MemberStatus = room.bot): void {
    room.bot = now;
    this.updates.emit("my_chat_member", {
      chat: room.chat,
      from,
      date: this.date,
      old_chat_member: chatMember(this.bot, before, room.chat),
      new_chat_member: chatMember(this.bot, now, room.chat),
    });
  }

  #publicRoom(name: string): Room | undefined {
    if (!name.startsWith("@")) return undefined;
    const wanted = name.slice(1).toLowerCase();
    return [...this.rooms.values()].find(({ chat }) =>
      chat.type !== "private" && chat.username?.toLowerCase() === wanted
    );
  }
}

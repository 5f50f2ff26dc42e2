/** Everything that exists on the server's side of the wire: the bot, the people, the chats, the files. */
import type { BotCommand, Chat, Message, PhotoSize, User, UserFromGetMe } from "grammy/types";
import type { Clock } from "../../clock.ts";
import { type ChatLimitOptions, ChatLimits } from "./chat_limits.ts";
import { badRequest } from "./errors.ts";
import { chatMember, isMember, type MemberStatus } from "./members.ts";
import { Room } from "./room.ts";
import type { UpdateQueue } from "./updates.ts";

/** Telegram keeps a photo in several widths. */
const photoSides = [90, 320, 1280];

export class World {
  readonly bot: UserFromGetMe;
  readonly clock: Clock;
  readonly updates: UpdateQueue;
  readonly #chatLimits: ChatLimitOptions;
  readonly rooms: Map<number, Room> = new Map();
  readonly people: Map<number, User> = new Map();
  /** The bot's command lists by scope and language. */
  readonly commands: Map<string, BotCommand[]> = new Map();
  /** Every photo, in all its sizes, by the file_id of each. */
  readonly photos: Map<string, PhotoSize[]> = new Map();
  /** The bytes of the photos that the bot uploaded, by each file_id. */
  readonly files: Map<string, Uint8Array> = new Map();
  /** Each file once, as a call that is held is tried again. */
  readonly #uploaded: WeakSet<Uint8Array> = new WeakSet();
  uploads = 0;
  #lastPersonId = 100_000_000;
  #lastGroupId = 500_000_000;

  constructor(bot: UserFromGetMe, clock: Clock, updates: UpdateQueue, chatLimits: ChatLimitOptions = {}) {
    this.bot = bot;
    this.clock = clock;
    this.updates = updates;
    this.#chatLimits = chatLimits;
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

  countUpload(file: Uint8Array): void {
    if (!this.#uploaded.has(file)) this.uploads += 1;
    this.#uploaded.add(file);
  }

  /** Makes a photo's sizes, smallest first, each with a file_id of its own. */
  addPhoto(bytes?: Uint8Array): PhotoSize[] {
    const number = this.photos.size.toString(36).padStart(8, "0");
    const sizes = photoSides.map((side) => ({
      file_id: `AgACAgIAAxkBAAIB${number}QADNgQ${side}`,
      file_unique_id: `AQAD${number}${side}`,
      width: side,
      height: Math.round(side * 0.5625),
      file_size: bytes?.length ?? side * 50,
    }));
    for (const { file_id } of sizes) {
      this.photos.set(file_id, sizes);
      if (bytes) this.files.set(file_id, bytes);
    }
    return sizes;
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

/** Who is what in a chat, in the shapes of the Bot API. */
import type { BotCommand, Chat, ChatMember, Message, ReactionType, User, UserFromGetMe } from "grammy/types";
import type { Clock } from "../../util/clock.ts";
import { type ApiError, badRequest, forbidden } from "./errors.ts";
import { messageInOrder } from "./field_order.ts";
import { FileStore } from "./files.ts";
import { CallbackQueries } from "./keyboards.ts";
import { type ChatLimitOptions, ChatLimits, FloodWaits } from "./rate_limit.ts";
import type { Payload } from "./request.ts";
import type { UpdateQueue } from "./updates.ts";

/** What the bot or a person is in a chat. */
export type MemberStatus = "administrator" | "creator" | "kicked" | "left" | "member";

/** Telegram's own accounts: they stand in for an anonymous administrator and for a channel that writes. */
export const groupAnonymousBot: User = {
  id: 1087968824,
  is_bot: true,
  first_name: "Group",
  username: "GroupAnonymousBot",
};
export const channelBot: User = {
  id: 136817688,
  is_bot: true,
  first_name: "Channel",
  username: "Channel_Bot",
};

const administratorRights = {
  can_be_edited: false,
  can_manage_chat: true,
  can_change_info: true,
  can_delete_messages: true,
  can_invite_users: true,
  can_restrict_members: true,
  can_promote_members: false,
  can_manage_video_chats: true,
  can_post_stories: false,
  can_edit_stories: false,
  can_delete_stories: false,
  is_anonymous: false,
};

/** A ChatMember of this status. */
export function chatMember(user: User, status: MemberStatus, chat: Chat): ChatMember {
  return { user, status, ...details(status, chat) } as ChatMember;
}

function details(status: MemberStatus, chat: Chat): object {
  switch (status) {
    case "administrator":
      return {
        ...administratorRights,
        ...(chat.type === "channel"
          ? { can_post_messages: true, can_edit_messages: true }
          : { can_pin_messages: true, can_manage_topics: false }),
      };
    case "creator":
      return { is_anonymous: false };
    case "kicked":
      return { until_date: 0 };
    default:
      return {};
  }
}

export function isAdministrator(status: MemberStatus): boolean {
  return status === "creator" || status === "administrator";
}

export function isMember(status: MemberStatus): boolean {
  return status !== "left" && status !== "kicked";
}

// Where in a chat a message of the bot goes: a topic of a forum or a private chat, or a person's part of a channel's direct messages.

/** The own id of a forum's General topic, which no message carries and no call may name. */
export const generalTopicId = 1;

export interface Topic {
  readonly name: string;
  /** The service message that the topic began with: its id is the topic's, and what stands in it answers it. */
  readonly opening: Message;
  isClosed: boolean;
}

/** The topics of a forum, or of a private chat. */
export class Topics {
  readonly byId: Map<number, Topic> = new Map();
  isGeneralClosed = false;
}

/** What a message in this topic has besides its content. */
export function topicFields({ opening }: Topic): object {
  return {
    message_thread_id: opening.message_id,
    is_topic_message: true,
    reply_to_message: withoutReply(opening),
  };
}

/** A message as it stands in one that answers it. */
export function withoutReply({ reply_to_message: _nested, ...message }: Message): object {
  return message;
}

/**
 * What the place that a call names adds to its message. An answer goes where the answered message is, if no topic is
 * named. Nobody may write in a closed topic without the right to manage topics, which the bot never has.
 * @throws {ApiError} 400, if there is no such place, or if it is closed.
 */
export function placeOf(room: Room, payload: Payload, answered: Message | undefined): object {
  const named = integer(payload["message_thread_id"]);
  if (room.parent) return directMessagesTopic(room, integer(payload["direct_messages_topic_id"]), named);
  if (room.topics === undefined) {
    // A private chat could have topics, and knows that it has none.
    if (room.chat.type === "private" && named !== 0) throw notFound();
    return {};
  }
  if (named === generalTopicId && room.chat.is_forum) throw notFound();
  return forumTopic(room.topics, named === 0 ? answered?.message_thread_id ?? 0 : named);
}

function forumTopic(topics: Topics, threadId: number): object {
  if (threadId === 0) {
    if (topics.isGeneralClosed) throw badRequest("TOPIC_CLOSED");
    return {};
  }
  const topic = topics.byId.get(threadId);
  if (topic === undefined) throw notFound();
  if (topic.isClosed) throw badRequest("TOPIC_CLOSED");
  return topicFields(topic);
}

function directMessagesTopic(room: Room, topicId: number, threadId: number): object {
  if (topicId === 0 && threadId === 0) throw badRequest("channel direct messages topic must be specified");
  const user = room.members.get(topicId)?.user;
  if (user === undefined) throw badRequest("topic not found");
  return { direct_messages_topic: { topic_id: topicId, user } };
}

const notFound = (): Error => badRequest("message thread not found");

/** Telegram takes what is no number for 0. */
function integer(value: unknown): number {
  const number = Number(value ?? 0);
  return Number.isInteger(number) ? number : 0;
}

// One chat as the server sees it: its state, its messages, and what the bot may do in it.

/** `members` is what the methods about members need; `write` is what sending and editing need. */
export type Access = "read" | "members" | "write";

export interface Waiter {
  readonly matches: (message: Message) => boolean;
  readonly resolve: (message: Message) => void;
}

export class Room {
  readonly chat: Chat;
  /** What the bot is here. In a private chat: `kicked` while it is blocked. */
  bot: MemberStatus;
  /** Whether the bot was removed by somebody, which Telegram words differently from leaving. */
  botWasRemoved = false;
  /** A private chat that its person has opened; other chats always are. */
  opened: boolean;
  fate: "alive" | "deleted" | "deactivated" | { readonly migratedTo: number } = "alive";
  readonly members: Map<number, { readonly user: User; readonly status: MemberStatus }> = new Map();
  readonly messages: Map<number, Message> = new Map();
  /** What the bot has sent here, as it looks now. */
  readonly inbox: Message[] = [];
  readonly waiters: Set<Waiter> = new Set();
  /** Called with every message of the bot, new or edited. */
  readonly listeners: Set<(message: Message) => void> = new Set();
  readonly limits: ChatLimits;
  readonly floods: FloodWaits = new FloodWaits();
  /** What every message to the chat is refused with. */
  refusal: ApiError | undefined;
  /** Those of a forum. */
  topics: Topics | undefined;
  /** The channel, in the chat of its direct messages. */
  parent: Chat | undefined;
  /** The ids of what is pinned, the latest last. */
  pinned: number[] = [];
  /** The bot's own, by the ids of the messages. */
  readonly reactions: Map<number, readonly ReactionType[]> = new Map();
  /** How many messages the bot has tried to send here. */
  attempts = 0;
  #lastMessageId = 0;

  constructor(chat: Chat, bot: MemberStatus, limits: ChatLimits) {
    this.chat = chat;
    this.bot = bot;
    this.limits = limits;
    this.opened = chat.type !== "private";
    // The id of a forum's first message is that of its General topic.
    if (chat.is_forum) this.#lastMessageId = generalTopicId;
  }

  /** Whoever is not known yet becomes a member. */
  enter(user: User): void {
    if (!this.members.has(user.id)) this.members.set(user.id, { user, status: "member" });
  }

  /** Adds a message with the next id of this chat. */
  add(fields: object): Message {
    const message = messageInOrder({ message_id: ++this.#lastMessageId, ...fields } as Message);
    this.messages.set(message.message_id, message);
    return message;
  }

  /** Takes a message away from everybody. */
  remove(messageId: number): void {
    this.messages.delete(messageId);
    this.reactions.delete(messageId);
    this.pinned = this.pinned.filter((id) => id !== messageId);
    const index = this.inbox.findIndex(({ message_id }) => message_id === messageId);
    if (index >= 0) this.inbox.splice(index, 1);
  }

  /** Puts a message of the bot, new or edited, before the people of the chat. */
  show(message: Message): void {
    this.messages.set(message.message_id, message);
    const index = this.inbox.findIndex(({ message_id }) => message_id === message.message_id);
    if (index < 0) this.inbox.push(message);
    else this.inbox[index] = message;
    for (const waiter of this.waiters) if (waiter.matches(message)) waiter.resolve(message);
    for (const listener of this.listeners) listener(message);
  }
}

/**
 * Refuses what Telegram refuses: first the chat's fate, then the bot's standing.
 * @throws {ApiError} 400 or 403, in Telegram's words.
 */
export function requireAccess(room: Room, access: Access): void {
  switch (room.chat.type) {
    case "private":
      return requirePrivate(room, access);
    case "group":
      return requireGroup(room, access);
    default:
      return requireSupergroup(room, access);
  }
}

function requirePrivate(room: Room, access: Access): void {
  if (access !== "write") {
    if (!room.opened) throw badRequest("chat not found");
    return;
  }
  if (room.fate === "deactivated") throw forbidden("user is deactivated");
  if (!room.opened) throw forbidden("bot can't initiate conversation with a user");
  if (room.bot === "kicked") throw forbidden("bot was blocked by the user");
}

/** Anything but reading needs a basic group that lives and has the bot in it. */
function requireGroup(room: Room, access: Access): void {
  if (access === "read") return;
  if (typeof room.fate === "object") {
    throw badRequest("group chat was upgraded to a supergroup chat", {
      migrate_to_chat_id: room.fate.migratedTo,
    });
  }
  if (room.fate === "deleted") throw forbidden("the group chat was deleted");
  requireMembership(room, "group");
}

/** A private supergroup or channel shows nothing to those who are not in it. */
function requireSupergroup(room: Room, access: Access): void {
  const { type } = room.chat;
  // To a bot, a deleted supergroup looks like one that has banned it.
  if (room.fate === "deleted") throw forbidden(`bot was kicked from the ${type} chat`);
  requireMembership(room, type);
  if (type === "channel" && access === "write" && room.bot !== "administrator") {
    throw badRequest("need administrator rights in the channel chat");
  }
}

function requireMembership(room: Room, kind: string): void {
  if (isMember(room.bot)) return;
  const kicked = room.bot === "kicked" || (kind === "group" && room.botWasRemoved);
  if (kicked) throw forbidden(`bot was kicked from the ${kind} chat`);
  throw forbidden(`bot is not a member of the ${kind} chat`);
}

// Everything that exists on the server's side of the wire: the bot, the people, the chats, the files.

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

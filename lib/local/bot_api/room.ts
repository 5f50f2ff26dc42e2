/** One chat as the server sees it: its state, its messages, and what the bot may do in it. */
import type { Chat, Message, ReactionType, User } from "grammy/types";
import type { ChatLimits } from "./chat_limits.ts";
import { type ApiError, badRequest, forbidden } from "./errors.ts";
import { messageInOrder } from "./field_order.ts";
import { FloodWaits } from "./flood_waits.ts";
import { isMember, type MemberStatus } from "./members.ts";
import { generalTopicId, type Topics } from "./topics.ts";

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

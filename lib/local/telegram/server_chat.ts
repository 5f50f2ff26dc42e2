/** `ServerChat`: one chat on the server with its members, topics and messages, and the access that the bot has to it. */
import type { Chat, ChatMember, Message, ReactionType, User } from "grammy/types";
import { type ApiError, badRequest, forbidden } from "./errors.ts";
import { type ChatQuota, FloodList } from "./rate_limit.ts";

/** A chat as the server sees it: its members, its messages, and what the bot has done in it. */
export class ServerChat {
  /** The chat as the Bot API describes it. */
  readonly info: Chat;
  /** In a private chat: `kicked` while the bot is blocked. */
  botStatus: MemberStatus;
  /** Whether somebody removed the bot, which Telegram words differently from leaving. */
  botWasRemoved = false;
  /** Whether the person of a private chat has opened it; other chats always are open. */
  opened: boolean;
  lifecycle: "alive" | "deleted" | "deactivated" | { readonly migratedTo: number } = "alive";
  readonly members: Map<number, { readonly user: User; readonly status: MemberStatus }> = new Map();
  readonly messages: Map<number, Message> = new Map();
  /** What the bot has sent here, each message as it looks now. */
  readonly inbox: Message[] = [];
  /** Called with every message of the bot, new or edited. */
  readonly messageListeners: Set<(message: Message, isEdit: boolean) => void> = new Set();
  readonly quota: ChatQuota;
  readonly floods: FloodList = new FloodList();
  /** The error that every message to the chat gets. */
  refusal: ApiError | undefined;
  /** Only of a forum, or of a private chat with topics. */
  topics: Topics | undefined;
  /** Only of a chat of direct messages: its channel. */
  parentChannel: Chat | undefined;
  /** The ids of the pinned messages, the latest last. */
  pinned: number[] = [];
  /** The reactions of the bot, by message id. */
  readonly reactions: Map<number, readonly ReactionType[]> = new Map();
  /** How many messages the bot has tried to send here. */
  attempts = 0;
  #lastMessageId = 0;

  constructor(info: Chat, botStatus: MemberStatus, quota: ChatQuota) {
    this.info = info;
    this.botStatus = botStatus;
    this.quota = quota;
    this.opened = info.type !== "private";
    // A forum's first message has the id of its General topic.
    if (info.is_forum) this.#lastMessageId = generalTopicId;
  }

  /** Makes a person a member who is not known here yet. */
  addMember(user: User): void {
    if (!this.members.has(user.id)) this.members.set(user.id, { user, status: "member" });
  }

  /** Adds a message with the next id of this chat. */
  addMessage(fields: object): Message {
    const message = messageInOrder({ message_id: ++this.#lastMessageId, ...fields } as Message);
    this.messages.set(message.message_id, message);
    return message;
  }

  /** Removes a message for everybody. */
  removeMessage(messageId: number): void {
    this.messages.delete(messageId);
    this.reactions.delete(messageId);
    this.pinned = this.pinned.filter((id) => id !== messageId);
    const index = this.inbox.findIndex(({ message_id }) => message_id === messageId);
    if (index >= 0) this.inbox.splice(index, 1);
  }

  /** Keeps a message of the bot, new or edited, and shows it to the listeners. */
  putBotMessage(message: Message): void {
    this.messages.set(message.message_id, message);
    const index = this.inbox.findIndex(({ message_id }) => message_id === message.message_id);
    if (index < 0) this.inbox.push(message);
    else this.inbox[index] = message;
    for (const listener of this.messageListeners) listener(message, index >= 0);
  }
}

// Access.

/** What a method needs of a chat: `members` for those about members, `write` for sending and editing. */
export type ChatAccess = "read" | "members" | "write";

/**
 * Checks that the bot may use the chat: first that the chat is alive, then the bot's status.
 * @throws {ApiError} 400 or 403, in Telegram's words.
 */
export function requireAccess(chat: ServerChat, access: ChatAccess): void {
  switch (chat.info.type) {
    case "private":
      return requirePrivate(chat, access);
    case "group":
      return requireGroup(chat, access);
    default:
      return requireSupergroup(chat, access);
  }
}

function requirePrivate(chat: ServerChat, access: ChatAccess): void {
  if (access !== "write") {
    if (!chat.opened) throw badRequest("chat not found");
    return;
  }
  if (chat.lifecycle === "deactivated") throw forbidden("user is deactivated");
  if (!chat.opened) throw forbidden("bot can't initiate conversation with a user");
  if (chat.botStatus === "kicked") throw forbidden("bot was blocked by the user");
}

/** A basic group can be read even if it is dead or the bot is not in it. */
function requireGroup(chat: ServerChat, access: ChatAccess): void {
  if (access === "read") return;
  if (typeof chat.lifecycle === "object") {
    throw badRequest("group chat was upgraded to a supergroup chat", {
      migrate_to_chat_id: chat.lifecycle.migratedTo,
    });
  }
  if (chat.lifecycle === "deleted") throw forbidden("the group chat was deleted");
  requireMembership(chat, "group");
}

/** A bot that is not a member cannot even read a supergroup or a channel. */
function requireSupergroup(chat: ServerChat, access: ChatAccess): void {
  const { type } = chat.info;
  // Telegram answers for a deleted supergroup as for one that has banned the bot.
  if (chat.lifecycle === "deleted") throw forbidden(`bot was kicked from the ${type} chat`);
  requireMembership(chat, type);
  if (type === "channel" && access === "write" && chat.botStatus !== "administrator") {
    throw badRequest("need administrator rights in the channel chat");
  }
}

function requireMembership(chat: ServerChat, kind: string): void {
  if (isMember(chat.botStatus)) return;
  const kicked = chat.botStatus === "kicked" || (kind === "group" && chat.botWasRemoved);
  if (kicked) throw forbidden(`bot was kicked from the ${kind} chat`);
  throw forbidden(`bot is not a member of the ${kind} chat`);
}

// Members.

/** What the bot or a person is in a chat. */
export type MemberStatus = "administrator" | "creator" | "kicked" | "left" | "member";

/** Telegram's own accounts: the senders of anonymous administrators, and of channels that write in groups. */
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
  return { user, status, ...statusFields(status, chat) } as ChatMember;
}

function statusFields(status: MemberStatus, chat: Chat): object {
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

// Topics.

/** The id of a forum's General topic, which no message carries and no call may name. */
export const generalTopicId = 1;

export interface Topic {
  readonly name: string;
  /** The service message that the topic begins with: its id is the topic's id, and messages in the topic reply to it. */
  readonly opening: Message;
  isClosed: boolean;
}

/** The topics of a forum, or of a private chat. */
export class Topics {
  readonly byId: Map<number, Topic> = new Map();
  isGeneralClosed = false;
}

/** The fields that a message in this topic has besides its content. */
export function topicFields({ opening }: Topic): object {
  return {
    message_thread_id: opening.message_id,
    is_topic_message: true,
    reply_to_message: withoutReply(opening),
  };
}

/** A message as `reply_to_message` holds it. */
export function withoutReply({ reply_to_message: _nested, ...message }: Message): object {
  return message;
}

// The order of a message's fields, which some clients rely on: head, content, tail.

const messageHead = [
  ...["message_id", "from", "author_signature", "sender_chat", "chat", "date", "edit_date"],
  ...["message_thread_id", "forward_origin", "forward_from", "forward_from_chat"],
  ...["forward_from_message_id", "forward_date", "reply_to_message", "media_group_id"],
];

const messageTail = [
  ...["caption", "caption_entities", "reply_markup", "is_topic_message", "direct_messages_topic"],
];

const headAndTail: ReadonlySet<string> = new Set([...messageHead, ...messageTail]);

/** Puts the fields of a message into the order of the Bot API; fields without a value are left out. */
export function messageInOrder<T extends object>(message: T): T {
  const fields = message as Record<string, unknown>;
  const content = Object.keys(fields).filter((name) => !headAndTail.has(name));
  const present = [...messageHead, ...content, ...messageTail].filter((name) => fields[name] !== undefined);
  return Object.fromEntries(present.map((name) => [name, fields[name]])) as T;
}

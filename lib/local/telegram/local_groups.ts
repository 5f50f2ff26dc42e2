/** The handles of groups, forums, channels and a channel's direct messages: `LocalGroup`, `LocalForum` and so on. */
import type { Chat, Message, User } from "grammy/types";
import {
  anything,
  assertNames,
  assertOptions,
  namesOf,
  oneOfRule,
  type Rule,
  type Rules,
  textRule,
} from "../../util/validate.ts";
import { required } from "../validate.ts";
import { LocalChat, type MessageFields } from "./local_chat.ts";
import { createTopic, type LocalTopic, type LocalUser, requireAdministrator } from "./local_user.ts";
import {
  channelBot,
  groupAnonymousBot,
  isMember,
  type MemberStatus,
  type ServerChat,
  Topics,
} from "./server_chat.ts";
import type { ServerState } from "./server_state.ts";
import { textFields } from "./text.ts";

/** A group at its beginning. */
export interface LocalGroupOptions {
  /** Its name. */
  readonly title: string;
  /** A basic group, which may migrate, or a supergroup. @default "group" */
  readonly kind?: "group" | "supergroup";
  /** Negative. Default: a new one of the kind's range. */
  readonly id?: number;
  /** Ordinary members. Default: none. */
  readonly members?: readonly LocalUser[];
  /** The first one owns the group. */
  readonly administrators?: readonly LocalUser[];
  /** The bot's status in it. @default "member" */
  readonly bot?: "administrator" | "left" | "member";
}

/** A forum, which is a supergroup with topics, at its beginning. */
export type LocalForumOptions = Omit<LocalGroupOptions, "kind">;

/** A channel at its beginning. */
export interface LocalChannelOptions {
  /** Its name. */
  readonly title: string;
  /** Negative. Default: a new one. */
  readonly id?: number;
  /** Makes it public. Without the @. Default: none. */
  readonly username?: string;
  /** The first one owns the channel. Default: none. */
  readonly administrators?: readonly LocalUser[];
  /** The bot's status in it. @default "administrator" */
  readonly bot?: "administrator" | "left";
}

/** How the bot is removed. Default: as Telegram's apps do it, `left` in groups and `kicked` elsewhere. */
export interface RemoveOptions {
  /** The bot's status afterwards. */
  readonly as?: "kicked" | "left";
}

const removeNames = { known: namesOf<RemoveOptions>({ as: true }) };

/** A chat to which bots are added and from which they are removed. */
export class SharedChat extends LocalChat {
  /** Deletes the chat. Telegram then answers as if the chat had removed the bot, except for a basic group. */
  delete(): void {
    this.state.lifecycle = "deleted";
  }

  /** Adds the bot, which gets a `my_chat_member` update, and in a group the service message too. */
  addBot(by: LocalUser, as: "administrator" | "member" = "member"): void {
    const before = isMember(this.state.botStatus) ? "left" : this.state.botStatus;
    this.state.botWasRemoved = false;
    const isChannel = this.state.info.type === "channel";
    this.server.setBotStatus(this.state, by.user, isChannel ? "administrator" : as, before);
    if (isChannel) return;
    this.send("message", { from: by.user, new_chat_members: [this.server.bot] });
  }

  /** Removes the bot, which gets a `my_chat_member` update, and in a group the service message too. */
  removeBot(by: LocalUser, options: RemoveOptions = {}): void {
    assertNames("remove the bot", options, removeNames);
    const { as } = options;
    const { type } = this.state.info;
    if (!isMember(this.state.botStatus)) {
      throw new Error(`Chat ${this.chatId} cannot remove the bot: it is not in it`);
    }
    this.state.botWasRemoved = true;
    this.server.setBotStatus(this.state, by.user, as ?? (type === "group" ? "left" : "kicked"));
    if (type === "channel") return;
    const farewell = this.send("message", { from: by.user, left_chat_member: this.server.bot });
    this.server.updates.emit("message", farewell);
  }

  /** Makes the bot an administrator, or an ordinary member again; it gets a `my_chat_member` update. */
  setBot(by: LocalUser, status: "administrator" | "member"): void {
    this.server.setBotStatus(this.state, by.user, status);
  }
}

/** A group or a supergroup. */
export class LocalGroup extends SharedChat {
  /** Somebody writes, and becomes a member if they were none. */
  say({ user }: LocalUser, text: string, extra: MessageFields = {}): Message {
    this.state.addMember(user);
    return this.#write({ from: user, ...textFields(text) }, extra);
  }

  /** An administrator writes in the group's name. */
  sayAnonymously(text: string, extra: MessageFields = {}): Message {
    return this.#write({ from: groupAnonymousBot, sender_chat: this.chat, ...textFields(text) }, extra);
  }

  /** Somebody writes in a channel's name. */
  sayAsChannel(channel: LocalChannel, text: string, extra: MessageFields = {}): Message {
    return this.#write({ from: channelBot, sender_chat: channel.chat, ...textFields(text) }, extra);
  }

  /** Somebody joins; the bot gets the service message. */
  join(user: LocalUser): Message {
    this.state.members.set(user.user.id, { user: user.user, status: "member" });
    return this.#write({ from: user.user, new_chat_members: [user.user] });
  }

  /** Somebody leaves; the bot gets the service message. */
  leave(user: LocalUser): Message {
    this.state.members.set(user.user.id, { user: user.user, status: "left" });
    return this.#write({ from: user.user, left_chat_member: user.user });
  }

  /** Makes somebody an administrator, or an ordinary member again. */
  setMember(user: LocalUser, status: "administrator" | "creator" | "member"): void {
    this.state.members.set(user.user.id, { user: user.user, status });
  }

  /**
   * From now on everybody but administrators, the bot too, may write once in so many seconds; 0 ends it. A message of the
   * bot that comes too early is refused with a 429.
   * @throws {Error} If it is a basic group, which has no slow mode.
   * @throws {RangeError} If it is no whole number of seconds.
   */
  slowMode(seconds: number): void {
    if (this.state.info.type === "group") {
      throw new Error(
        `Chat ${this.chatId} cannot be in slow mode: it is a basic group; make it with kind: "supergroup", or migrate it`,
      );
    }
    if (!Number.isInteger(seconds) || seconds < 0) {
      throw new RangeError(
        `Cannot set the slow mode as "seconds" must be a whole number from 0: current value is ${seconds}`,
      );
    }
    this.state.quota.slowModeSeconds = seconds;
  }

  /** Becomes a supergroup of another id, which is returned; both chats get their service message. */
  migrate(id: number = this.server.newGroupId("supergroup")): LocalGroup {
    const { info, botStatus } = this.state;
    if (info.type !== "group") throw new Error(`Chat ${info.id} cannot migrate: it is a ${info.type}`);
    const state = this.server.addChat({ id, type: "supergroup", title: info.title }, botStatus);
    for (const [userId, member] of this.state.members) state.members.set(userId, member);
    const supergroup = new LocalGroup(this.server, state);
    this.#write({ from: this.#owner(), migrate_to_chat_id: id });
    this.state.lifecycle = { migratedTo: id };
    supergroup.#write({ from: groupAnonymousBot, sender_chat: state.info, migrate_from_chat_id: info.id });
    return supergroup;
  }

  #owner(): User {
    const members = [...this.state.members.values()];
    return (members.find(({ status }) => status === "creator") ?? members[0])?.user ?? groupAnonymousBot;
  }

  #write(fields: object, extra: MessageFields = {}): Message {
    if (this.state.lifecycle === "alive") return this.send("message", fields, extra);
    throw new Error(`Nobody can write in chat ${this.chatId}: it was deleted or upgraded`);
  }
}

/** A forum. Messages without a topic are in the General topic. */
export class LocalForum extends LocalGroup {
  readonly #topics: Topics;

  /** @ignore Forums are made by `server.forum()`. */
  constructor(server: ServerState, state: ServerChat) {
    super(server, state);
    this.#topics = state.topics ??= new Topics();
  }

  /**
   * Somebody writes in the General topic.
   * @throws {Error} If it is closed and the person is no administrator.
   */
  override say(user: LocalUser, text: string, extra: MessageFields = {}): Message {
    if (this.#topics.isGeneralClosed) requireAdministrator(this.state, user, "the General topic");
    return super.say(user, text, extra);
  }

  /** Somebody creates a topic; the bot gets the service message that it begins with. */
  createTopic(by: LocalUser, name: string): LocalTopic {
    return createTopic(this.server, this.state, by.user, name);
  }

  /** Somebody closes the General topic; the bot gets the service message. */
  closeGeneral(by: LocalUser): Message {
    this.#topics.isGeneralClosed = true;
    return this.send("message", { from: by.user, forum_topic_closed: {} });
  }

  /** Somebody opens the General topic again; the bot gets the service message. */
  reopenGeneral(by: LocalUser): Message {
    this.#topics.isGeneralClosed = false;
    return this.send("message", { from: by.user, forum_topic_reopened: {} });
  }
}

/** A channel. Its posts are in its own name. */
export class LocalChannel extends SharedChat {
  /** Opens the chat in which people write to the channel. The bot's status there is the one that it has in the channel now. */
  openDirectMessages(): LocalDirectMessages {
    const { title } = this.state.info as Chat.ChannelChat;
    const id = this.server.newGroupId("supergroup");
    const info: Chat = { id, type: "supergroup", title, is_direct_messages: true };
    const state = this.server.addChat(info, this.state.botStatus);
    state.parentChannel = this.state.info;
    return new LocalDirectMessages(this.server, state);
  }

  /** Publishes a post, which the bot sees as `channel_post`. */
  post(text: string, extra: MessageFields = {}): Message {
    return this.send("channel_post", { sender_chat: this.chat, ...textFields(text) }, extra);
  }
}

/**
 * The chat in which people write to a channel: a supergroup with `is_direct_messages`, in which each person has a topic. A
 * reply has to name the topic by `direct_messages_topic_id`.
 */
export class LocalDirectMessages extends LocalChat {
  /** Somebody writes to the channel; the bot gets the message, if it is in the channel. */
  say({ user }: LocalUser, text: string, extra: MessageFields = {}): Message {
    this.state.addMember(user);
    const direct_messages_topic = { topic_id: user.id, user };
    return this.send("message", { from: user, direct_messages_topic, ...textFields(text) }, extra);
  }
}

// Options.

const isPerson = (value: unknown): boolean =>
  (value as Partial<LocalUser> | null | undefined)?.user?.id !== undefined;
const people: Rule = {
  isGood: (value) => Array.isArray(value) && value.every(isPerson),
  rule: "a list of people, as server.user() gives them",
  list: { isGood: isPerson },
};

const title = required(textRule("a text, its name"));
const forumRules: Rules<LocalForumOptions> = {
  ...{ title, id: anything, members: people, administrators: people },
  bot: oneOfRule("administrator", "left", "member"),
};
const groupRules: Rules<LocalGroupOptions> = { ...forumRules, kind: oneOfRule("group", "supergroup") };
const channelRules: Rules<LocalChannelOptions> = {
  ...{ title, id: anything, username: anything, administrators: people },
  bot: oneOfRule("administrator", "left"),
};
const chatRules: Readonly<Record<"group" | "forum" | "channel", Rules<object>>> = {
  group: groupRules,
  forum: forumRules,
  channel: channelRules,
};

/** @throws {TypeError} If an option is unknown, or its value not one that it may have. */
export function assertChatOptions(
  kind: "group" | "forum" | "channel",
  options: LocalGroupOptions | LocalChannelOptions,
): void {
  assertOptions(`add the ${kind}`, options ?? {}, { rules: chatRules[kind] });
}

/** Adds a chat with its people; the first administrator owns it. */
export function addSharedChat(
  server: ServerState,
  info: Omit<Chat.SupergroupChat, "id" | "type"> & { readonly type: "group" | "supergroup" | "channel" },
  bot: MemberStatus,
  { id = server.newGroupId(info.type), administrators = [], members = [] }: Pick<
    LocalGroupOptions,
    "id" | "administrators" | "members"
  >,
): ServerChat {
  const chat = server.addChat({ id, ...info } as Chat, bot);
  const join = (user: User, status: MemberStatus): void => void chat.members.set(user.id, { user, status });
  for (const { user } of members) join(user, "member");
  administrators.forEach(({ user }, index) => join(user, index === 0 ? "creator" : "administrator"));
  return chat;
}

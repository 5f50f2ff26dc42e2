/** The handle of a channel's direct messages, which are a chat of their own. */
import type { Chat, Message, User } from "grammy/types";
import { assertNames, namesOf } from "../../util/validate.ts";
import { LocalChat, type MessageFields, textFields } from "./actors.ts";
import { createTopic, type LocalTopic, type LocalUser, requireAdministrator } from "./people.ts";
import {
  channelBot,
  groupAnonymousBot,
  isMember,
  type MemberStatus,
  type Room,
  Topics,
  type World,
} from "./state.ts";

/**
 * Where people write to a channel: a supergroup with `is_direct_messages`, in which each person has a topic. An answer has
 * to name the topic by `direct_messages_topic_id`.
 */
export class LocalDirectMessages extends LocalChat {
  /** Somebody writes to the channel; the bot sees it, if it is in the channel. */
  say({ user }: LocalUser, text: string, extra: MessageFields = {}): Message {
    this.room.enter(user);
    const direct_messages_topic = { topic_id: user.id, user };
    return this.send("message", { from: user, direct_messages_topic, ...textFields(text) }, extra);
  }
}

// The handles of groups, supergroups and channels.

/** How the bot is removed; by default as Telegram's apps do it: `left` in groups, `kicked` elsewhere. */
export interface RemoveOptions {
  /** The bot's status afterwards. */
  readonly as?: "kicked" | "left";
}

const removeNames = { known: namesOf<RemoveOptions>({ as: true }) };

/** A chat to which bots are added and from which they are removed. */
export class SharedChat extends LocalChat {
  /** Deletes the chat. Only a basic group is then told from one that has removed the bot. */
  delete(): void {
    this.room.fate = "deleted";
  }

  /** The bot is added: it hears of its new standing, and in a group of the service message too. */
  addBot(by: LocalUser, as: "administrator" | "member" = "member"): void {
    const before = isMember(this.room.bot) ? "left" : this.room.bot;
    this.room.botWasRemoved = false;
    this.world.changeBot(
      this.room,
      by.user,
      this.room.chat.type === "channel" ? "administrator" : as,
      before,
    );
    if (this.room.chat.type === "channel") return;
    this.send("message", { from: by.user, new_chat_members: [this.world.bot] });
  }

  /** The bot is removed: it hears of it, and in a group still sees the service message about itself. */
  removeBot(by: LocalUser, options: RemoveOptions = {}): void {
    assertNames("remove the bot", options, removeNames);
    const { as } = options;
    const { type } = this.room.chat;
    if (!isMember(this.room.bot)) {
      throw new Error(`Chat ${this.chatId} cannot remove the bot: it is not in it`);
    }
    this.room.botWasRemoved = true;
    this.world.changeBot(this.room, by.user, as ?? (type === "group" ? "left" : "kicked"));
    if (type === "channel") return;
    const farewell = this.send("message", { from: by.user, left_chat_member: this.world.bot });
    this.world.updates.emit("message", farewell);
  }

  /** The bot becomes an administrator, or an ordinary member again. */
  setBot(by: LocalUser, status: "administrator" | "member"): void {
    this.world.changeBot(this.room, by.user, status);
  }
}

/** A group or a supergroup. */
export class LocalGroup extends SharedChat {
  /** Somebody writes; who was not known to be a member is one from now on. */
  say({ user }: LocalUser, text: string, extra: MessageFields = {}): Message {
    this.room.enter(user);
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

  /** Somebody joins; the bot sees the service message. */
  join(user: LocalUser): Message {
    this.room.members.set(user.user.id, { user: user.user, status: "member" });
    return this.#write({ from: user.user, new_chat_members: [user.user] });
  }

  /** Somebody leaves; the bot sees the service message. */
  leave(user: LocalUser): Message {
    this.room.members.set(user.user.id, { user: user.user, status: "left" });
    return this.#write({ from: user.user, left_chat_member: user.user });
  }

  /** Makes somebody an administrator, or an ordinary member again. */
  setMember(user: LocalUser, status: "administrator" | "creator" | "member"): void {
    this.room.members.set(user.user.id, { user: user.user, status });
  }

  /**
   * From now on everybody but administrators, the bot too, may write once in so many seconds; 0 ends it. What the bot
   * sends too early is refused with a 429.
   * @throws {Error} If it is a basic group, which has no slow mode.
   * @throws {RangeError} If it is no whole number of seconds.
   */
  slowMode(seconds: number): void {
    if (this.room.chat.type === "group") {
      throw new Error(
        `Chat ${this.chatId} cannot be in slow mode: it is a basic group; make it with kind: "supergroup", or migrate it`,
      );
    }
    if (!Number.isInteger(seconds) || seconds < 0) {
      throw new RangeError(
        `Cannot set the slow mode as "seconds" must be a whole number from 0: current value is ${seconds}`,
      );
    }
    this.room.limits.slowModeSeconds = seconds;
  }

  /** Becomes a supergroup, by default of a new id, which is returned: both chats get their service message. */
  migrate(id: number = this.world.newGroupId("supergroup")): LocalGroup {
    const { chat } = this.room;
    if (chat.type !== "group") throw new Error(`Chat ${chat.id} cannot migrate: it is a ${chat.type}`);
    const room = this.world.addRoom({ id, type: "supergroup", title: chat.title }, this.room.bot);
    for (const [userId, member] of this.room.members) room.members.set(userId, member);
    const supergroup = new LocalGroup(this.world, room);
    this.#write({ from: this.#owner(), migrate_to_chat_id: id });
    this.room.fate = { migratedTo: id };
    supergroup.#write({ from: groupAnonymousBot, sender_chat: room.chat, migrate_from_chat_id: chat.id });
    return supergroup;
  }

  #owner(): User {
    const members = [...this.room.members.values()];
    return (members.find(({ status }) => status === "creator") ?? members[0])?.user ?? groupAnonymousBot;
  }

  #write(fields: object, extra: MessageFields = {}): Message {
    if (this.room.fate === "alive") return this.send("message", fields, extra);
    throw new Error(`Nobody can write in chat ${this.chatId}: it was deleted or upgraded`);
  }
}

/** A channel: nobody's name stands under its posts. */
export class LocalChannel extends SharedChat {
  /** Opens the chat in which people write to the channel. The bot has the same standing there as in the channel now. */
  openDirectMessages(): LocalDirectMessages {
    const { title } = this.room.chat as Chat.ChannelChat;
    const id = this.world.newGroupId("supergroup");
    const chat: Chat = { id, type: "supergroup", title, is_direct_messages: true };
    const room = this.world.addRoom(chat, this.room.bot);
    room.parent = this.room.chat;
    return new LocalDirectMessages(this.world, room);
  }

  /** Publishes a post, which the bot sees as `channel_post`. */
  post(text: string, extra: MessageFields = {}): Message {
    return this.send("channel_post", { sender_chat: this.chat, ...textFields(text) }, extra);
  }
}

interface Settlers {
  readonly administrators?: readonly LocalUser[];
  readonly members?: readonly LocalUser[];
}

/** Puts people into a new group: the first administrator owns it. */
export function settle(room: Room, { administrators = [], members = [] }: Settlers): void {
  const join = (user: User, status: MemberStatus): void => void room.members.set(user.id, { user, status });
  for (const { user } of members) join(user, "member");
  administrators.forEach(({ user }, index) => join(user, index === 0 ? "creator" : "administrator"));
}

// The handles of forums, which are supergroups with topics.

/** A forum. What is said without a topic stands in the General one. */
export class LocalForum extends LocalGroup {
  readonly #topics: Topics;

  /** @ignore Forums are made by `server.forum()`. */
  constructor(world: World, room: Room) {
    super(world, room);
    this.#topics = room.topics ??= new Topics();
  }

  /**
   * Somebody writes in the General topic.
   * @throws {Error} If it is closed and the person is no administrator.
   */
  override say(user: LocalUser, text: string, extra: MessageFields = {}): Message {
    if (this.#topics.isGeneralClosed) requireAdministrator(this.room, user, "the General topic");
    return super.say(user, text, extra);
  }

  /** Somebody creates a topic; the bot sees the service message that it begins with. */
  createTopic(by: LocalUser, name: string): LocalTopic {
    return createTopic(this.world, this.room, by.user, name);
  }

  /** Somebody closes the General topic; the bot sees the service message. */
  closeGeneral(by: LocalUser): Message {
    this.#topics.isGeneralClosed = true;
    return this.send("message", { from: by.user, forum_topic_closed: {} });
  }

  /** Somebody opens the General topic again; the bot sees the service message. */
  reopenGeneral(by: LocalUser): Message {
    this.#topics.isGeneralClosed = false;
    return this.send("message", { from: by.user, forum_topic_reopened: {} });
  }
}

/** The handles of forums, which are supergroups with topics. */
import type { Message } from "grammy/types";
import { addMessage, type MessageFields, textFields } from "./chats.ts";
import { messageInOrder } from "./field_order.ts";
import { LocalGroup } from "./groups.ts";
import { isAdministrator } from "./members.ts";
import type { LocalUser } from "./people.ts";
import type { Room } from "./room.ts";
import { type Topic, topicFields, Topics } from "./topics.ts";
import type { World } from "./world.ts";

const iconColor = 0x6fb9f0;

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
    const fields = { from: by.user, forum_topic_created: { name, icon_color: iconColor } };
    const created = this.room.add({ chat: this.chat, date: this.world.date, ...fields });
    const place = { message_thread_id: created.message_id, is_topic_message: true };
    const opening = messageInOrder({ ...created, ...place }) as Message;
    this.room.messages.set(opening.message_id, opening);
    this.world.tell(this.room, "message", opening);
    const topic: Topic = { name, opening, isClosed: false };
    this.#topics.byId.set(opening.message_id, topic);
    return new LocalTopic(this.world, this.room, topic);
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

/** A topic of a forum. */
export class LocalTopic {
  readonly #world: World;
  readonly #room: Room;
  readonly #topic: Topic;

  /** @ignore Topics are made by `forum.createTopic()`. */
  constructor(world: World, room: Room, topic: Topic) {
    this.#world = world;
    this.#room = room;
    this.#topic = topic;
  }

  /** Its `message_thread_id`. */
  get threadId(): number {
    return this.#topic.opening.message_id;
  }

  /** What it is called. */
  get name(): string {
    return this.#topic.name;
  }

  /** What the bot has delivered in this topic, oldest first, each message as it looks now. */
  get inbox(): readonly Message[] {
    return this.#room.inbox.filter(({ message_thread_id }) => message_thread_id === this.threadId);
  }

  /**
   * Somebody writes; who was not known to be a member is one from now on.
   * @throws {Error} If the topic was deleted, or is closed and the person is no administrator.
   */
  say(user: LocalUser, text: string, extra: MessageFields = {}): Message {
    if (this.#topic.isClosed) requireAdministrator(this.#room, user, `topic ${this.threadId}`);
    this.#room.enter(user.user);
    return this.#write(user, { ...textFields(text), ...extra });
  }

  /** Somebody closes the topic; the bot sees the service message. */
  close(by: LocalUser): Message {
    this.#topic.isClosed = true;
    return this.#write(by, { forum_topic_closed: {} });
  }

  /** Somebody opens the topic again; the bot sees the service message. */
  reopen(by: LocalUser): Message {
    this.#topic.isClosed = false;
    return this.#write(by, { forum_topic_reopened: {} });
  }

  /** Deletes the topic with all its messages; Telegram tells the bot nothing. */
  delete(): void {
    this.#room.topics?.byId.delete(this.threadId);
    for (const { message_id, message_thread_id } of [...this.#room.messages.values()]) {
      if (message_thread_id === this.threadId) this.#room.messages.delete(message_id);
    }
  }

  #write({ user }: LocalUser, fields: object): Message {
    if (this.#room.topics?.byId.get(this.threadId) !== this.#topic) {
      throw new Error(
        `Nobody can write in topic ${this.threadId} of chat ${this.#room.chat.id}: it was deleted`,
      );
    }
    return addMessage(this.#world, this.#room, "message", {
      from: user,
      ...topicFields(this.#topic),
      ...fields,
    });
  }
}

function requireAdministrator({ chat, members }: Room, { user }: LocalUser, where: string): void {
  const status = members.get(user.id)?.status ?? "member";
  if (isAdministrator(status)) return;
  throw new Error(`Person ${user.id} cannot write in ${where} of chat ${chat.id}: it is closed`);
}

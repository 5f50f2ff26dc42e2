/** The handle of a topic. */
import type { Message, User } from "grammy/types";
import type { MessageFields } from "./chats.ts";
import { messageInOrder } from "./field_order.ts";
import { isAdministrator } from "./members.ts";
import type { LocalUser } from "./people.ts";
import type { Room } from "./room.ts";
import { type Topic, topicFields, Topics } from "./topics.ts";
import type { World } from "./world.ts";
import { addMessage, textFields } from "./writing.ts";

const iconColor = 0x6fb9f0;

/** Creates a topic of a chat, and tells the bot of the service message that it begins with. */
export function createTopic(world: World, room: Room, by: User, name: string): LocalTopic {
  const fields = { from: by, forum_topic_created: { name, icon_color: iconColor } };
  const created = room.add({ chat: room.chat, date: world.date, ...fields });
  const place = { message_thread_id: created.message_id, is_topic_message: true };
  const opening = messageInOrder({ ...created, ...place }) as Message;
  room.messages.set(opening.message_id, opening);
  world.tell(room, "message", opening);
  const topic: Topic = { name, opening, isClosed: false };
  room.topics ??= new Topics();
  room.topics.byId.set(opening.message_id, topic);
  return new LocalTopic(world, room, topic);
}

/** A topic of a forum, or of a private chat. */
export class LocalTopic {
  readonly #world: World;
  readonly #room: Room;
  readonly #topic: Topic;

  /** @ignore Topics are made by `createTopic()` of a forum or a person. */
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

/** @throws {Error} If the person is no administrator. */
export function requireAdministrator({ chat, members }: Room, { user }: LocalUser, where: string): void {
  const status = members.get(user.id)?.status ?? "member";
  if (isAdministrator(status)) return;
  throw new Error(`Person ${user.id} cannot write in ${where} of chat ${chat.id}: it is closed`);
}

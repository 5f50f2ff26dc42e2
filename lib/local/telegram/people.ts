/** The handles of people, each with a private chat with the bot. */
import type { InlineKeyboardButton, Message, PhotoSize, User } from "grammy/types";
import { addMessage, LocalChat, type MessageFields, textFields } from "./actors.ts";
import { messageInOrder } from "./field_order.ts";
import { type ButtonPress, buttonsOf } from "./keyboards.ts";
import { detailsOf } from "./media.ts";
import {
  isAdministrator,
  isMember,
  type Room,
  type Topic,
  topicFields,
  Topics,
  type World,
} from "./state.ts";

/** A person with a private chat, which opens with the first word. */
export class LocalUser extends LocalChat {
  /** The person as it appears in updates. */
  readonly user: User;

  /** @ignore People are made by `server.user()`. */
  constructor(world: World, room: Room, user: User) {
    super(world, room);
    this.user = user;
  }

  /** Writes to the bot. */
  say(text: string, extra: MessageFields = {}): Message {
    return this.#write(textFields(text), extra);
  }

  /**
   * Creates a topic in the private chat, which has a General one besides from then on; the bot sees the service message
   * that it begins with.
   */
  createTopic(name: string): LocalTopic {
    this.room.opened = true;
    return createTopic(this.world, this.room, this.user, name);
  }

  /** Sends a photo, which the bot can download; without bytes of one, it consists of zeros. */
  photo(caption?: string, bytes?: Uint8Array): Message {
    const photo: PhotoSize[] = this.world.files.addPhoto(bytes);
    return this.#write({ photo, ...(caption === undefined ? {} : { caption }) });
  }

  /** Sends a file, which the bot can download; without bytes of one, it consists of zeros. */
  document(fileName: string, bytes?: Uint8Array, caption?: string): Message {
    const file = { fileName, ...bytes && { bytes } };
    const document = this.world.files.add("document", detailsOf("document", {}, file), file);
    return this.#write({ document, ...(caption === undefined ? {} : { caption }) });
  }

  /** Sends a sticker. */
  sticker(): Message {
    const details = detailsOf("sticker", { emoji: "👋" }, {});
    return this.#write({ sticker: this.world.files.add("sticker", details) });
  }

  /**
   * Presses an inline button of a message that the bot has sent to this person, or to a group. The button is named by its
   * `callback_data`, or else by its text; the bot gets a `callback_query`.
   * @throws {Error} If the message is gone, belongs to somebody else, or has no such button, or if the bot is blocked.
   */
  press({ chat, message_id }: Message, button: string): ButtonPress {
    const room = this.world.rooms.get(chat.id);
    const message = room?.messages.get(message_id);
    const where = `Person ${this.user.id} cannot press a button of message ${message_id} in chat ${chat.id}`;
    if (room === undefined || message === undefined) throw new Error(`${where}: it is not there any more`);
    if (room.chat.type === "private" && room !== this.room) throw new Error(`${where}: it is another's chat`);
    this.#requireUnblocked("press a button");
    const buttons = buttonsOf(message.reply_markup);
    const found = buttons.find((each) => dataOf(each) === button) ??
      buttons.find(({ text }) => text === button);
    if (found === undefined) {
      throw new Error(`${where}: no button is ${JSON.stringify(button)}, only ${namesOf(buttons)}`);
    }
    const data = dataOf(found);
    if (data === undefined) {
      throw new Error(
        `${where}: ${JSON.stringify(button)} has no callback_data, so that the bot hears nothing of it`,
      );
    }
    const press = this.world.callbackQueries.add(data);
    const chat_instance = String(-(2n ** 60n) - BigInt(chat.id));
    this.world.updates.emit("callback_query", {
      id: press.id,
      from: this.user,
      message,
      chat_instance,
      data,
    });
    return press;
  }

  /** Changes a text that this person wrote. */
  edit(message: Message, text: string): Message {
    const { entities: _entities, ...kept } = message;
    const edited = messageInOrder({ ...kept, ...textFields(text), edit_date: this.world.date }) as Message;
    this.room.messages.set(message.message_id, edited);
    this.world.tell(this.room, "edited_message", edited);
    return edited;
  }

  /** Stops the bot: it hears of it, and every later message to this person is refused. */
  block(): void {
    if (isMember(this.room.bot)) this.world.changeBot(this.room, this.user, "kicked");
  }

  /** Takes the bot back: it hears of it, and may write again. */
  unblock(): void {
    if (!isMember(this.room.bot)) this.world.changeBot(this.room, this.user, "member");
  }

  /** Deletes the account; Telegram tells the bot nothing. */
  deactivate(): void {
    this.room.fate = "deactivated";
  }

  #write(fields: object, extra: MessageFields = {}): Message {
    this.#requireUnblocked("write");
    this.room.opened = true;
    return this.send("message", { from: this.user, ...fields }, extra);
  }

  #requireUnblocked(what: string): void {
    const { fate, bot } = this.room;
    if (fate !== "alive") throw new Error(`Person ${this.user.id} cannot ${what}: deactivated`);
    if (isMember(bot)) return;
    throw new Error(`Person ${this.user.id} cannot ${what}: has blocked the bot; call unblock() first`);
  }
}

function dataOf(button: InlineKeyboardButton): string | undefined {
  return "callback_data" in button ? button.callback_data : undefined;
}

/** The buttons of a message, for an error that says which there are. */
function namesOf(buttons: readonly InlineKeyboardButton[]): string {
  const names = buttons.map((button) => {
    const data = dataOf(button);
    return JSON.stringify(button.text) + (data === undefined ? "" : ` with the data ${JSON.stringify(data)}`);
  });
  return names.join(", ") || "none at all";
}

// The handle of a topic.

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

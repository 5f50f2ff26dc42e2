/** `LocalUser` and `LocalTopic`: the handles of a person with a private chat, and of a topic. */
import type { InlineKeyboardButton, Message, PhotoSize, User } from "grammy/types";
import { type Checks, numberRule, textRule, trueOrFalse } from "../../util/validate.ts";
import { detailsOf } from "./files.ts";
import { type ButtonPress, buttonsOf } from "./keyboards.ts";
import { LocalChat, type MessageFields } from "./local_chat.ts";
import {
  isAdministrator,
  isMember,
  messageInOrder,
  type ServerChat,
  type Topic,
  topicFields,
  Topics,
} from "./server_chat.ts";
import type { ServerState } from "./server_state.ts";
import { textFields } from "./text.ts";

/** What a person is called; what is left out is made up or absent. */
export interface LocalUserOptions {
  /** Default: a new one. */
  readonly id?: number;
  /** How the person is greeted. @default "Test" */
  readonly first_name?: string;
  /** Default: none. */
  readonly last_name?: string;
  /** Without the @. Default: none. */
  readonly username?: string;
  /** An IETF tag. @default "en" */
  readonly language_code?: string;
  /** Whether the person has written to the bot before. @default false */
  readonly opened?: boolean;
}

const word = textRule("a text");
export const userChecks: Checks<LocalUserOptions> = {
  rules: {
    id: numberRule("a whole number", Number.isSafeInteger),
    ...{ first_name: word, last_name: word, username: word, language_code: word, opened: trueOrFalse },
  },
};

/** A person with a private chat, which opens with their first message. */
export class LocalUser extends LocalChat {
  /** The person as updates show it. */
  readonly user: User;

  /** @ignore People are made by `server.user()`. */
  constructor(server: ServerState, chat: ServerChat, user: User) {
    super(server, chat);
    this.user = user;
  }

  /** Writes to the bot. */
  say(text: string, extra: MessageFields = {}): Message {
    return this.#write(textFields(text), extra);
  }

  /**
   * Creates a topic in the private chat, which also has a General topic from then on. The bot gets the service message that
   * the topic begins with.
   */
  createTopic(name: string): LocalTopic {
    this.state.opened = true;
    return createTopic(this.server, this.state, this.user, name);
  }

  /** Sends a photo, which the bot can download; without bytes of one, it consists of zeros. */
  photo(caption?: string, bytes?: Uint8Array): Message {
    const photo: PhotoSize[] = this.server.files.addPhoto(bytes);
    return this.#write({ photo, ...(caption === undefined ? {} : { caption }) });
  }

  /** Sends a file, which the bot can download; without bytes of one, it consists of zeros. */
  document(fileName: string, bytes?: Uint8Array, caption?: string): Message {
    const file = { fileName, ...bytes && { bytes } };
    const document = this.server.files.add("document", detailsOf("document", {}, file), file);
    return this.#write({ document, ...(caption === undefined ? {} : { caption }) });
  }

  /** Sends a sticker. */
  sticker(): Message {
    const details = detailsOf("sticker", { emoji: "👋" }, {});
    return this.#write({ sticker: this.server.files.add("sticker", details) });
  }

  /**
   * Presses an inline button of a message that the bot has sent to this person, or to a group; the bot gets a
   * `callback_query`.
   * @param button Its `callback_data`, or else its text.
   * @throws {Error} If the message is gone, belongs to somebody else, or has no such button, or if the bot is blocked.
   */
  press({ chat: { id: chatId }, message_id }: Message, button: string): ButtonPress {
    const where = `Person ${this.user.id} cannot press a button of message ${message_id} in chat ${chatId}`;
    const chat = this.server.chats.get(chatId);
    const message = chat?.messages.get(message_id);
    if (chat === undefined || message === undefined) throw new Error(`${where}: it is not there any more`);
    if (chat.info.type === "private" && chat !== this.state) {
      throw new Error(`${where}: it is another's chat`);
    }
    this.#requireUnblocked("press a button");
    const data = callbackDataOf(message, button, where);
    const press = this.server.callbackQueries.add(data);
    const chat_instance = String(-(2n ** 60n) - BigInt(chatId));
    const query = { id: press.id, from: this.user, message, chat_instance, data };
    this.server.updates.emit("callback_query", query);
    return press;
  }

  /** Changes a text that this person wrote. */
  edit(message: Message, text: string): Message {
    const { entities: _entities, ...kept } = message;
    const edited = messageInOrder({ ...kept, ...textFields(text), edit_date: this.server.date }) as Message;
    this.state.messages.set(message.message_id, edited);
    this.server.emitMessage(this.state, "edited_message", edited);
    return edited;
  }

  /** Blocks the bot, which gets a `my_chat_member` update; every later message to this person is refused. */
  block(): void {
    if (isMember(this.state.botStatus)) this.server.setBotStatus(this.state, this.user, "kicked");
  }

  /** Unblocks the bot, which gets a `my_chat_member` update and may write again. */
  unblock(): void {
    if (!isMember(this.state.botStatus)) this.server.setBotStatus(this.state, this.user, "member");
  }

  /** Deletes the account; the bot gets no update. */
  deactivate(): void {
    this.state.lifecycle = "deactivated";
  }

  #write(fields: object, extra: MessageFields = {}): Message {
    this.#requireUnblocked("write");
    this.state.opened = true;
    return this.send("message", { from: this.user, ...fields }, extra);
  }

  #requireUnblocked(what: string): void {
    const { lifecycle, botStatus } = this.state;
    if (lifecycle !== "alive") throw new Error(`Person ${this.user.id} cannot ${what}: deactivated`);
    if (isMember(botStatus)) return;
    throw new Error(`Person ${this.user.id} cannot ${what}: has blocked the bot; call unblock() first`);
  }
}

/**
 * The `callback_data` of the button that is named by it, or by its text.
 * @throws {Error} If there is no such button, or it has no data.
 */
function callbackDataOf(message: Message, button: string, where: string): string {
  const buttons = buttonsOf(message.reply_markup);
  const found = buttons.find((each) => dataOf(each) === button) ??
    buttons.find(({ text }) => text === button);
  const name = JSON.stringify(button);
  if (found === undefined) throw new Error(`${where}: no button is ${name}, only ${listed(buttons)}`);
  const data = dataOf(found);
  if (data !== undefined) return data;
  throw new Error(`${where}: ${name} has no callback_data, so that the bot hears nothing of it`);
}

function dataOf(button: InlineKeyboardButton): string | undefined {
  return "callback_data" in button ? button.callback_data : undefined;
}

/** The buttons of a message, for an error that says which there are. */
function listed(buttons: readonly InlineKeyboardButton[]): string {
  const names = buttons.map((button) => {
    const data = dataOf(button);
    return JSON.stringify(button.text) + (data === undefined ? "" : ` with the data ${JSON.stringify(data)}`);
  });
  return names.join(", ") || "none at all";
}

// Topics.

const iconColor = 0x6fb9f0;

/** Creates a topic of a chat, and queues an update about the service message that it begins with. */
export function createTopic(server: ServerState, chat: ServerChat, by: User, name: string): LocalTopic {
  const fields = { from: by, forum_topic_created: { name, icon_color: iconColor } };
  const created = chat.addMessage({ chat: chat.info, date: server.date, ...fields });
  const place = { message_thread_id: created.message_id, is_topic_message: true };
  const opening = messageInOrder({ ...created, ...place }) as Message;
  chat.messages.set(opening.message_id, opening);
  server.emitMessage(chat, "message", opening);
  const topic: Topic = { name, opening, isClosed: false };
  chat.topics ??= new Topics();
  chat.topics.byId.set(opening.message_id, topic);
  return new LocalTopic(server, chat, topic);
}

/** A topic of a forum, or of a private chat. */
export class LocalTopic {
  readonly #server: ServerState;
  readonly #chat: ServerChat;
  readonly #topic: Topic;

  /** @ignore Topics are made by `createTopic()` of a forum or a person. */
  constructor(server: ServerState, chat: ServerChat, topic: Topic) {
    this.#server = server;
    this.#chat = chat;
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
    return this.#chat.inbox.filter(({ message_thread_id }) => message_thread_id === this.threadId);
  }

  /**
   * Somebody writes, and becomes a member if they were none.
   * @throws {Error} If the topic was deleted, or is closed and the person is no administrator.
   */
  say(user: LocalUser, text: string, extra: MessageFields = {}): Message {
    if (this.#topic.isClosed) requireAdministrator(this.#chat, user, `topic ${this.threadId}`);
    this.#chat.addMember(user.user);
    return this.#write(user, { ...textFields(text), ...extra });
  }

  /** Somebody closes the topic; the bot gets the service message. */
  close(by: LocalUser): Message {
    this.#topic.isClosed = true;
    return this.#write(by, { forum_topic_closed: {} });
  }

  /** Somebody opens the topic again; the bot gets the service message. */
  reopen(by: LocalUser): Message {
    this.#topic.isClosed = false;
    return this.#write(by, { forum_topic_reopened: {} });
  }

  /** Deletes the topic with all its messages; the bot gets no update. */
  delete(): void {
    this.#chat.topics?.byId.delete(this.threadId);
    for (const { message_id, message_thread_id } of [...this.#chat.messages.values()]) {
      if (message_thread_id === this.threadId) this.#chat.messages.delete(message_id);
    }
  }

  #write({ user }: LocalUser, fields: object): Message {
    if (this.#chat.topics?.byId.get(this.threadId) !== this.#topic) {
      throw new Error(
        `Nobody can write in topic ${this.threadId} of chat ${this.#chat.info.id}: it was deleted`,
      );
    }
    const place = topicFields(this.#topic);
    return this.#server.addPersonMessage(this.#chat, "message", { from: user, ...place, ...fields });
  }
}

/** @throws {Error} If the person is no administrator. */
export function requireAdministrator(
  { info, members }: ServerChat,
  { user }: LocalUser,
  where: string,
): void {
  const status = members.get(user.id)?.status ?? "member";
  if (isAdministrator(status)) return;
  throw new Error(`Person ${user.id} cannot write in ${where} of chat ${info.id}: it is closed`);
}

/** What people write, as a message of their chat. */
import type { Chat, Message, ReactionType } from "grammy/types";
import { ApiError } from "./errors.ts";
import { assertRefusal, type BotApiRefusal } from "./faults.ts";
import type { BotApiFlood, BotApiFloodOptions } from "./rate_limit.ts";
import type { Room, Waiter, World } from "./state.ts";
import { commandEntities } from "./text.ts";

/** Adds a message of the chat's people and tells the bot of it. */
export function addMessage(world: World, room: Room, kind: string, fields: object): Message {
  const message = room.add({ chat: room.chat, date: world.date, ...fields });
  world.tell(room, kind, message);
  return message;
}

/** The text of a message and, where there are any, its `bot_command` entities. */
export function textFields(text: string): object {
  const entities = commandEntities(text);
  return entities.length > 0 ? { text, entities } : { text };
}

// The handles by which a test or a sandbox plays the people of a chat.

/** Further fields for a message, as Telegram would send them: `{ message_thread_id: 5 }`. */
export type MessageFields = Readonly<Record<string, unknown>>;

/** What all chats have: an id, what the bot has sent there, and patience for what it will send. */
export class LocalChat {
  /** @ignore Where everything happens. */
  protected readonly world: World;
  /** @ignore The server's side of this chat. */
  protected readonly room: Room;

  /** @ignore Chats are made by the server. */
  constructor(world: World, room: Room) {
    this.world = world;
    this.room = room;
  }

  /** The chat's id; a person's own in a private chat. */
  get chatId(): number {
    return this.room.chat.id;
  }

  /** The chat as it appears in updates. */
  get chat(): Chat {
    return this.room.chat;
  }

  /** What the bot has delivered here, oldest first, each message as it looks now. */
  get inbox(): readonly Message[] {
    return this.room.inbox;
  }

  /** What the bot shows under a message of this chat by setMessageReaction. */
  reactionsTo({ message_id }: Message): readonly ReactionType[] {
    return this.room.reactions.get(message_id) ?? [];
  }

  /** How many messages the bot has tried to send here, with or without success; edits do not count. */
  get attempts(): number {
    return this.room.attempts;
  }

  /**
   * Refuses every message and edit from now on in these words, until `accept()`. A chat without the bot keeps its own.
   * @throws {TypeError} If Telegram could not refuse in these words.
   */
  refuse(refusal: BotApiRefusal): void {
    assertRefusal(refusal);
    const { error_code, description, parameters } = refusal;
    this.room.refusal = new ApiError(error_code, description, parameters);
  }

  /** Ends what `refuse()` began. */
  accept(): void {
    this.room.refusal = undefined;
  }

  /**
   * Refuses every message and edit with a 429, for so many seconds; each says how many are left.
   * @throws {RangeError} If it is no number of seconds, or shorter than a second.
   */
  flood(retryAfterSeconds: number, options: BotApiFloodOptions = {}): BotApiFlood {
    return this.room.floods.start(retryAfterSeconds, options, this.world.clock.now());
  }

  /**
   * The first message from the bot that contains the text (in its text or caption) or satisfies the predicate:
   * one that has come already, or else the next to come or to be edited so.
   * @throws {Error} If none comes in time. @default timeoutMs 10000
   */
  received(wanted: string | ((message: Message) => boolean), timeoutMs: number = 10_000): Promise<Message> {
    const matches = typeof wanted === "string" ? contains(wanted) : wanted;
    const present = this.room.inbox.find(matches);
    if (present) return Promise.resolve(present);
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        matches,
        resolve: (message) => {
          clearTimeout(timer);
          this.room.waiters.delete(waiter);
          resolve(message);
        },
      };
      const timer = setTimeout(() => {
        this.room.waiters.delete(waiter);
        reject(new Error(this.#missing(wanted, timeoutMs)));
      }, timeoutMs);
      this.room.waiters.add(waiter);
    });
  }

  /** Calls back with every message that the bot sends or edits here from now on. Returns what ends it. */
  onMessage(listener: (message: Message) => void): () => void {
    this.room.listeners.add(listener);
    return () => void this.room.listeners.delete(listener);
  }

  /** Adds a message of this chat and tells the bot of it. */
  protected send(kind: string, fields: object, extra: MessageFields = {}): Message {
    return addMessage(this.world, this.room, kind, { ...fields, ...extra });
  }

  #missing(wanted: unknown, timeoutMs: number): string {
    const { inbox } = this.room;
    const what = typeof wanted === "string" ? `with ${JSON.stringify(wanted)}` : "that was waited for";
    const last = inbox.at(-1);
    const seen = last
      ? `the last of ${inbox.length} is ${JSON.stringify(wordsOf(last))}`
      : "it got none at all";
    return `No message ${what} came to chat ${this.chatId} within ${timeoutMs} ms: ${seen}`;
  }
}

function contains(part: string): (message: Message) => boolean {
  return (message) => wordsOf(message).includes(part);
}

function wordsOf(message: Message): string {
  return message.text ?? message.caption ?? richWords(message.rich_message?.blocks);
}

const partsWithWords = new Set(["blocks", "caption", "cells", "items", "label", "summary", "text"]);

/** The texts of blocks, of what is in them, and so on, one after the other. */
function richWords(part: unknown): string {
  if (typeof part === "string") return part;
  if (Array.isArray(part)) return part.map(richWords).join("");
  if (typeof part !== "object" || part === null) return "";
  return Object.entries(part).map(([name, value]) => partsWithWords.has(name) ? richWords(value) : "").join(
    "",
  );
}

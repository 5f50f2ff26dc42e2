/** `LocalChat`: the handle of a chat, with which a test or a sandbox sees what the bot does there. */
import type { Chat, Message, ReactionType } from "grammy/types";
import { deadline, DeadlineError } from "../../util/async.ts";
import { assertValue, functionRule, type Rule } from "../../util/validate.ts";
import { required, timeoutRule } from "../validate.ts";
import { ApiError } from "./errors.ts";
import { assertRefusal, type BotApiRefusal } from "./faults.ts";
import type { BotApiFlood, BotApiFloodOptions } from "./rate_limit.ts";
import type { ServerChat } from "./server_chat.ts";
import type { ServerState } from "./server_state.ts";

/** Further fields for a message, as Telegram would send them: `{ message_thread_id: 5 }`. */
export type MessageFields = Readonly<Record<string, unknown>>;

/** What the handles of all chats can do: show what the bot has sent there, wait for what it will send, refuse it. */
export class LocalChat {
  /** @ignore The state of the whole server. */
  protected readonly server: ServerState;
  /** @ignore The state of this chat. */
  protected readonly state: ServerChat;

  /** @ignore Chats are made by the server. */
  constructor(server: ServerState, state: ServerChat) {
    this.server = server;
    this.state = state;
  }

  /** The chat's id; a person's own in a private chat. */
  get chatId(): number {
    return this.state.info.id;
  }

  /** The chat as it appears in updates. */
  get chat(): Chat {
    return this.state.info;
  }

  /** What the bot has delivered here, oldest first, each message as it looks now. */
  get inbox(): readonly Message[] {
    return this.state.inbox;
  }

  /** What the bot shows under a message of this chat by setMessageReaction. */
  reactionsTo({ message_id }: Message): readonly ReactionType[] {
    return this.state.reactions.get(message_id) ?? [];
  }

  /** How many messages the bot has tried to send here, with or without success; edits do not count. */
  get attempts(): number {
    return this.state.attempts;
  }

  /**
   * Refuses every message and edit in these words until `accept()`. A chat without the bot keeps Telegram's own words.
   * @throws {TypeError} If Telegram could not refuse in these words.
   */
  refuse(refusal: BotApiRefusal): void {
    assertRefusal(refusal);
    const { error_code, description, parameters } = refusal;
    this.state.refusal = new ApiError(error_code, description, parameters);
  }

  /** Ends what `refuse()` began. */
  accept(): void {
    this.state.refusal = undefined;
  }

  /**
   * Refuses every message and edit with a 429, for so many seconds; each says how many are left.
   * @throws {RangeError} If it is no number of seconds, or shorter than a second.
   */
  flood(retryAfterSeconds: number, options: BotApiFloodOptions = {}): BotApiFlood {
    return this.state.floods.start(retryAfterSeconds, options, this.server.clock.now());
  }

  /**
   * The first message from the bot that contains the text (in its text or caption) or satisfies the predicate: one that
   * has come already, or else the next that comes or is edited so.
   * @param timeoutMs How long it waits, in milliseconds by the machine's clock, whatever clock the server has: 10,000 if
   * none is given. A test runner whose own limit is shorter, as Vitest's and Jest's 5 seconds are, ends the test before.
   * @throws {TypeError} If it is given something else to wait for, or a time-out that is no number of milliseconds.
   * @throws {Error} If none comes in time; it says what came instead.
   */
  async received(
    wanted: string | ((message: Message) => boolean),
    timeoutMs: number = 10_000,
  ): Promise<Message> {
    assertValue("wait for a message", "wanted", wanted, wantedRule);
    assertValue("wait for a message", "timeoutMs", timeoutMs, timeoutRule);
    const matches = typeof wanted === "string" ? contains(wanted) : wanted;
    const present = this.state.inbox.find(matches);
    if (present) return present;
    let stopListening = (): void => {};
    const next = new Promise<Message>((resolve) => {
      stopListening = this.onMessage((message) => {
        if (matches(message)) resolve(message);
      });
    });
    try {
      return await deadline(next, { ms: timeoutMs, clock: this.server.hostClock });
    } catch (error) {
      throw error instanceof DeadlineError ? new Error(this.#missing(wanted, timeoutMs)) : error;
    } finally {
      stopListening();
    }
  }

  /** Calls back with every message that the bot sends or edits here from now on. Returns the function that ends it. */
  onMessage(listener: (message: Message) => void): () => void {
    assertValue("call back", "listener", listener, required(functionRule()));
    this.state.messageListeners.add(listener);
    return () => void this.state.messageListeners.delete(listener);
  }

  /** Adds a message of this chat and tells the bot of it. */
  protected send(kind: string, fields: object, extra: MessageFields = {}): Message {
    return this.server.addPersonMessage(this.state, kind, { ...fields, ...extra });
  }

  #missing(wanted: unknown, timeoutMs: number): string {
    const { inbox } = this.state;
    const what = typeof wanted === "string" ? `with ${JSON.stringify(wanted)}` : "that was waited for";
    const last = inbox.at(-1);
    const seen = last
      ? `the last of ${inbox.length} is ${JSON.stringify(messageText(last))}`
      : "it got none at all";
    return `No message ${what} came to chat ${this.chatId} within ${timeoutMs} ms: ${seen}`;
  }
}

const wantedRule: Rule = required({
  isGood: (value) => typeof value === "string" || typeof value === "function",
  rule: "a part of the message's text, or a function that tells whether a message is the one",
});

function contains(part: string): (message: Message) => boolean {
  return (message) => messageText(message).includes(part);
}

function messageText(message: Message): string {
  return message.text ?? message.caption ?? richText(message.rich_message?.blocks);
}

const partsWithText = new Set(["blocks", "caption", "cells", "items", "label", "summary", "text"]);

/** The texts of blocks and of all that is nested in them. */
function richText(part: unknown): string {
  if (typeof part === "string") return part;
  if (Array.isArray(part)) return part.map(richText).join("");
  if (typeof part !== "object" || part === null) return "";
  const nested = Object.entries(part).filter(([name]) => partsWithText.has(name));
  return nested.map(([, value]) => richText(value)).join("");
}

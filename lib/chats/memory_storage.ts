/** Chats in memory: for tests and experiments, and in place of a storage that cannot be read yet. */
import { assertChatId } from "../telegram/chat_id.ts";
import { botOptionNames } from "../util/option_owners.ts";
import { assertClassOptions, type Checks, clockRule, loggerRule } from "../util/validate.ts";
import { chatOf, fold } from "./chat.ts";
import type { Chat, ChatEvent, ChatState } from "./events.ts";
import {
  type ApplyResult,
  ChatStorage,
  type ChatStorageOptions,
  displayChat,
  displayChats,
} from "./storage.ts";

const optionChecks: Pick<Checks<ChatStorageOptions>, "rules" | "elsewhere"> = {
  rules: { clock: clockRule, logger: loggerRule },
  elsewhere: { "the options of the bot": botOptionNames },
};

/** Keeps chats until the process ends, by the contract of every storage. */
export class InMemoryChatStorage extends ChatStorage {
  /** What `initialize()` reports. */
  readonly kind = "memory";
  /** No other process writes to it. */
  override readonly isShared = false;
  readonly #chats = new Map<number, ChatState>();

  /**
   * Begins without a chat.
   * @throws {ConfigError} If an option is unknown or malformed. A class that extends this one may have options of its own.
   */
  constructor(options: ChatStorageOptions = {}) {
    super(options);
    assertClassOptions(options, optionChecks, new.target !== InMemoryChatStorage);
  }

  /** Does nothing. */
  createTableIfNotExists(): Promise<void> {
    return Promise.resolve();
  }

  /** Folds the consent rule over the events. */
  // deno-lint-ignore require-await -- async, so that a wrong id rejects as it does with every storage
  async apply(chatId: number, events: readonly ChatEvent[]): Promise<ApplyResult> {
    assertChatId(chatId);
    const before = this.#chats.get(chatId);
    const after = fold(before, events);
    if (after !== undefined) this.#chats.set(chatId, after);
    return { before, after };
  }

  /** One chat, as a copy; `undefined` if there is none, which a notebook shows as nothing. */
  // deno-lint-ignore require-await -- as above
  async getChat(chatId: number): Promise<Chat | undefined> {
    assertChatId(chatId);
    const chat = this.#chats.get(chatId);
    return chat && displayChat(chatOf(chatId, chat));
  }

  /** All chats in one page, as copies. */
  async *scan(): AsyncGenerator<Chat[]> {
    await Promise.resolve();
    yield displayChats([...this.#chats].map(([chatId, chat]) => chatOf(chatId, chat)));
  }
}

/** So many active chats that nobody keeps: a storage that makes them up, page by page. */
import { setImmediate } from "node:timers/promises";
import type { Chat } from "../../lib/chats/events.ts";
import { type ApplyResult, ChatStorage, type LoadOptions } from "../../lib/chats/storage.ts";
import { chatIdAt } from "./chat_ids.ts";

/** As DynamoDB reads them. */
const chatsAPage = 5300;

export class ManyChats extends ChatStorage {
  readonly kind = "many";
  readonly #chats: number;

  constructor(chats: number) {
    super();
    this.#chats = chats;
  }

  createTableIfNotExists(): Promise<void> {
    return Promise.resolve();
  }

  apply(chatId: number): Promise<ApplyResult> {
    return Promise.reject(new Error(`Nothing is to be written of chat ${chatId}`));
  }

  getChat(): Promise<Chat | undefined> {
    return Promise.resolve(undefined);
  }

  async *scan(): AsyncGenerator<Chat[]> {
    for (let first = 0; first < this.#chats; first += chatsAPage) {
      // As if each page came from elsewhere.
      await setImmediate();
      const length = Math.min(chatsAPage, this.#chats - first);
      yield Array.from({ length }, (_, index) => chatAt(chatIdAt(first + index, this.#chats)));
    }
  }

  /** Only the ids, without anything that would be garbage afterwards. */
  override async loadActiveChats({ onProgress }: LoadOptions = {}): Promise<Set<number>> {
    const active = new Set<number>();
    for (let index = 0; index < this.#chats; index++) {
      if (index % chatsAPage === 0) {
        await setImmediate();
        onProgress?.();
      }
      active.add(chatIdAt(index, this.#chats));
    }
    return active;
  }
}

function chatAt(chat_id: number): Chat {
  const at = "2026-11-19T12:00:00.000Z";
  return { chat_id, is_active: true, added_at: at, last_active: at, message_count: 1, user_info: {} } as Chat;
}

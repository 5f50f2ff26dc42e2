/** Chats for measurements: their ids, their items in a table, and a storage that makes them up. */
import { setImmediate } from "node:timers/promises";
import { type AttributeValue, BatchWriteItemCommand } from "@aws-sdk/client-dynamodb";
import type { Chat } from "../../lib/chats/events.ts";
import { type ApplyResult, ChatStorage, type LoadOptions } from "../../lib/chats/storage.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { clientAt } from "../support/client.ts";
import { inParallel } from "./sampling.ts";

// Ids as Telegram gives them to people today, spread evenly up to eight billion: most do not fit into 32 bits.
const first = 10_000_000;
const last = 8_000_000_000;

const step = (chats: number): number => Math.floor((last - first) / chats);

export function chatIdAt(index: number, chats: number): number {
  return first + index * step(chats);
}

export function indexOfChatId(chatId: number, chats: number): number {
  return (chatId - first) / step(chats);
}

/** What DynamoDB reads for one page of a scan, 1 MB, in chats of about 190 bytes. */
export const chatsAPage = 5300;

const chatsARequest = 25;
const atOnce = 8;

/** Fills a table with active chats, as registration leaves them. */
export async function seed(endpoint: string, tableName: string, chats: number): Promise<void> {
  const client = clientAt(endpoint);
  await new TelegramDynamoDBStorage({ client, tableName }).createTableIfNotExists();
  await inParallel(Math.ceil(chats / chatsARequest), atOnce, async (batch) => {
    const first = batch * chatsARequest;
    const indexes = Array.from(
      { length: Math.min(chatsARequest, chats - first) },
      (_, index) => first + index,
    );
    const requests = indexes.map((index) => ({ PutRequest: { Item: itemOf(chatIdAt(index, chats)) } }));
    await client.send(new BatchWriteItemCommand({ RequestItems: { [tableName]: requests } }));
  });
  client.destroy();
}

/** An active chat, as registration leaves it. */
export function itemOf(chatId: number): Record<string, AttributeValue> {
  const registered = { S: "2026-11-19T12:00:00.000Z" };
  return {
    chat_id: { N: String(chatId) },
    is_active: { BOOL: true },
    added_at: registered,
    last_active: registered,
    message_count: { N: "1" },
    user_info: { M: { username: { S: `user_${chatId}` }, first_name: { S: "Ada" } } },
    removed_at: { NULL: true },
    last_update_id: { N: "800000000" },
    last_word_update_id: { N: "800000000" },
  };
}

/** A storage that makes up so many active chats, page by page, and keeps none. */
export class GeneratedChats extends ChatStorage {
  readonly kind = "generated";
  readonly #chats: number;

  constructor(chats: number) {
    super();
    this.#chats = chats;
  }

  createTableIfNotExists(): Promise<void> {
    return Promise.resolve();
  }

  apply(chatId: number): Promise<ApplyResult> {
    return Promise.reject(new Error(`Nothing may be written about chat ${chatId}`));
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

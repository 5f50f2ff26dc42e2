/** The caller's functions `filter`, `perChat` and `order`, applied to chats as they are read. */
import type { SubscriptionStatus } from "../chats/consent_check.ts";
import type { Chat } from "../chats/events.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import { deadline } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import { shown } from "../util/validate.ts";
import type { BroadcastOptions } from "./options.ts";

export interface RecipientFilterOptions
  extends Pick<BroadcastOptions, "filter" | "perChat" | "order" | "signal"> {
  readonly registry: ChatRegistry;
  readonly clock: Clock;
}

const filterWithinMs = 10_000;

export class RecipientFilter {
  readonly #options: RecipientFilterOptions;
  readonly #included = new Set<number>();
  readonly #excluded = new Set<number>();
  /** The chats that texts are to be made for. */
  readonly #chats = new Map<number, Chat>();
  readonly #values = new Map<number, number>();
  #isOrdered = false;
  #failure: unknown;

  constructor(options: RecipientFilterOptions) {
    this.#options = options;
  }

  /** Whether each chat has to be read: for `filter`, or for its text. */
  get needsChats(): boolean {
    const { filter, perChat } = this.#options;
    return filter !== undefined || perChat !== undefined;
  }

  /** Whether all chats have to be read before the first message, to put them in order. */
  get needsOrder(): boolean {
    return typeof this.#options.order === "function";
  }

  /** The first error of reading a chat, or of a function, if there was one. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The numbers by which the chats are ordered; `undefined` without a function, or where they could not be read. */
  get values(): ReadonlyMap<number, number> | undefined {
    return this.#isOrdered ? this.#values : undefined;
  }

  /** The ids of a list without those that the filter is known to leave out. */
  without(ids: Float64Array): Float64Array {
    return this.#excluded.size === 0 ? ids : ids.filter((chatId) => !this.#excluded.has(chatId));
  }

  /** Gives the chat for which a text is to be made, and forgets it. */
  take(chatId: number): Chat | undefined {
    const chat = this.#chats.get(chatId);
    this.#chats.delete(chatId);
    return chat;
  }

  /** Whether the chat is to get the broadcast; it is read where that was not done. Rejects where that fails. */
  includes(chatId: number, { chat }: SubscriptionStatus): boolean | Promise<boolean> {
    if (!this.needsChats || this.#included.has(chatId)) return true;
    return this.#excluded.has(chatId) ? false : this.#readAndDecide(chatId, chat);
  }

  /**
   * Reads all chats of the list, and gives the ids of those that the filter includes, ascending.
   * @throws {StorageError} If they could not be read.
   */
  async readAll(): Promise<Float64Array> {
    const { registry, signal } = this.#options;
    const missing = new Set(registry.snapshot());
    for await (const page of registry.storage.scan()) {
      for (const chat of page) {
        signal?.throwIfAborted();
        if (missing.delete(chat.chat_id)) await this.#decide(chat);
      }
    }
    // A chat that no page has is read by itself; its /start may wait to be written.
    for (const chatId of missing) await this.#decide(await registry.getChat(chatId) ?? newChat(chatId));
    this.#isOrdered = this.needsOrder;
    return Float64Array.from(this.#included).sort();
  }

  async #readAndDecide(chatId: number, read: Chat | undefined): Promise<boolean> {
    try {
      return await this.#decide(read ?? await this.#options.registry.getChat(chatId) ?? newChat(chatId));
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  async #decide(chat: Chat): Promise<boolean> {
    const { filter, perChat, order } = this.#options;
    const { chat_id } = chat;
    if (this.#included.has(chat_id) || this.#excluded.has(chat_id)) return this.#included.has(chat_id);
    const isIncluded = filter === undefined || await this.#call("filter", chat, filter);
    if (!isIncluded) {
      this.#excluded.add(chat_id);
      return false;
    }
    if (typeof order === "function") this.#values.set(chat_id, valueOf(order, chat));
    if (perChat !== undefined) this.#chats.set(chat_id, chat);
    this.#included.add(chat_id);
    return true;
  }

  async #call<T>(name: string, chat: Chat, callback: (chat: Chat) => T | Promise<T>): Promise<T> {
    const { clock, signal } = this.#options;
    try {
      const answer = callback(chat);
      if (typeof answer !== "object") return answer;
      return await deadline(answer as Promise<T>, { ms: filterWithinMs, clock, signal });
    } catch (cause) {
      signal?.throwIfAborted();
      throw failed(name, chat, messageOf(cause), cause);
    }
  }
}

function valueOf(order: (chat: Chat) => number, chat: Chat): number {
  let value: number;
  try {
    value = order(chat);
  } catch (cause) {
    throw failed("order", chat, messageOf(cause), cause);
  }
  if (typeof value === "number" && Number.isFinite(value)) return value;
  // A promise is no number, and nobody waits for what becomes of it.
  Promise.resolve(value).catch(() => {});
  throw failed("order", chat, `it must give a finite number, and gave ${shown(value)}`);
}

function failed(name: string, { chat_id }: Chat, why: string, cause?: unknown): Error {
  return new Error(`Cannot broadcast as "${name}" failed for chat ${chat_id}: ${why}`, { cause });
}

/** A chat whose /start waits to be written. */
function newChat(chat_id: number): Chat {
  return { chat_id, is_active: true, message_count: 0, user_info: {}, removed_at: null };
}

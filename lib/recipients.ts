/** Whom a broadcast is meant for, where functions of the caller's say so: chats are read for them as they are needed. */
import type { BroadcastOptions } from "./broadcast_options.ts";
import type { Chat } from "./chat.ts";
import type { Clock } from "./clock.ts";
import type { Standing } from "./consent_check.ts";
import { inTime } from "./patience.ts";
import { reasonOf } from "./reason.ts";
import type { Roster } from "./roster.ts";

export interface SelectionOptions extends Pick<BroadcastOptions, "filter" | "perChat" | "order" | "signal"> {
  readonly roster: Roster;
  readonly clock: Clock;
}

const filterWithinMs = 10_000;

/** A broadcast's filter, texts and order, applied to chats as they are read. */
export class Selection {
  readonly #options: SelectionOptions;
  readonly #meant = new Set<number>();
  readonly #others = new Set<number>();
  /** The chats that texts are to be made for. */
  readonly #chats = new Map<number, Chat>();
  readonly #values = new Map<number, number>();
  #isOrdered = false;
  #failure: unknown;

  constructor(options: SelectionOptions) {
    this.#options = options;
  }

  /** Whether each chat has to be read: to tell whether it is meant, or for its text. */
  get needsChats(): boolean {
    const { filter, perChat } = this.#options;
    return filter !== undefined || perChat !== undefined;
  }

  /** Whether all chats have to be read before the first message, to put them in order. */
  get needsOrder(): boolean {
    return typeof this.#options.order === "function";
  }

  /** Why it could not be told whether a chat is meant; `undefined` where that was always possible. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The numbers by which the chats are in order; `undefined` without a function, or where they could not be read. */
  get values(): ReadonlyMap<number, number> | undefined {
    return this.#isOrdered ? this.#values : undefined;
  }

  /** The ids of a list without those that are known not to be meant. */
  without(ids: Float64Array): Float64Array {
    return this.#others.size === 0 ? ids : ids.filter((chatId) => !this.#others.has(chatId));
  }

  /** Gives the chat for which a text is to be made, and forgets it. */
  take(chatId: number): Chat | undefined {
    const chat = this.#chats.get(chatId);
    this.#chats.delete(chatId);
    return chat;
  }

  /** Whether the broadcast is meant for the chat, which is read where that was not done. Rejects where that fails. */
  isMeant(chatId: number, { chat }: Standing): boolean | Promise<boolean> {
    if (!this.needsChats || this.#meant.has(chatId)) return true;
    return this.#others.has(chatId) ? false : this.#readAndConsider(chatId, chat);
  }

  /**
   * Reads all chats of the list, and gives the ids of those that are meant, ascending.
   * @throws {StorageError} If they could not be read.
   */
  async readAll(): Promise<Float64Array> {
    const { roster, signal } = this.#options;
    const missing = new Set(roster.snapshot());
    for await (const page of roster.storage.scan()) {
      for (const chat of page) {
        signal?.throwIfAborted();
        if (missing.delete(chat.chat_id)) await this.#consider(chat);
      }
    }
    // A chat that no page has is read by itself; its /start may wait to be written.
    for (const chatId of missing) await this.#consider(await roster.getChat(chatId) ?? joining(chatId));
    this.#isOrdered = this.needsOrder;
    return Float64Array.from(this.#meant).sort();
  }

  async #readAndConsider(chatId: number, read: Chat | undefined): Promise<boolean> {
    try {
      return await this.#consider(read ?? await this.#options.roster.getChat(chatId) ?? joining(chatId));
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  async #consider(chat: Chat): Promise<boolean> {
    const { filter, perChat, order } = this.#options;
    const { chat_id } = chat;
    if (this.#meant.has(chat_id) || this.#others.has(chat_id)) return this.#meant.has(chat_id);
    const isMeant = filter === undefined || await this.#ask("filter", chat, filter);
    if (!isMeant) {
      this.#others.add(chat_id);
      return false;
    }
    if (typeof order === "function") this.#values.set(chat_id, valueOf(order, chat));
    if (perChat !== undefined) this.#chats.set(chat_id, chat);
    this.#meant.add(chat_id);
    return true;
  }

  async #ask<T>(name: string, chat: Chat, ask: (chat: Chat) => T | Promise<T>): Promise<T> {
    const { clock, signal } = this.#options;
    try {
      const answer = ask(chat);
      if (typeof answer !== "object") return answer;
      return await inTime(answer as Promise<T>, { ms: filterWithinMs, clock, signal });
    } catch (cause) {
      signal?.throwIfAborted();
      throw failed(name, chat, reasonOf(cause), cause);
    }
  }
}

function valueOf(order: (chat: Chat) => number, chat: Chat): number {
  let value: number;
  try {
    value = order(chat);
  } catch (cause) {
    throw failed("order", chat, reasonOf(cause), cause);
  }
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw failed("order", chat, `it must give a finite number, and gave ${String(value)}`);
}

function failed(name: string, { chat_id }: Chat, words: string, cause?: unknown): Error {
  return new Error(`Cannot broadcast as "${name}" failed for chat ${chat_id}: ${words}`, { cause });
}

/** A chat whose /start waits to be written. */
function joining(chat_id: number): Chat {
  return { chat_id, is_active: true, message_count: 0, user_info: {}, removed_at: null };
}

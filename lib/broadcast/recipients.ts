/** Whom a broadcast is meant for, where functions of the caller's say so: chats are read for them as they are needed. */
import { setMaxListeners } from "node:events";
import { ConsentCheck, type Standing } from "../chats/consent_check.ts";
import type { Chat } from "../chats/events.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import { StorageError } from "../chats/storage.ts";
import { deadline } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { BroadcastOptions } from "./options.ts";
import type { BroadcastDeps, BroadcastRequest } from "./request.ts";
import { ascendingStart, type OrderStart, startAmong } from "./send_order.ts";

export interface RecipientFilterOptions
  extends Pick<BroadcastOptions, "filter" | "perChat" | "order" | "signal"> {
  readonly registry: ChatRegistry;
  readonly clock: Clock;
}

const filterWithinMs = 10_000;

/** A broadcast's filter, texts and order, applied to chats as they are read. */
export class RecipientFilter {
  readonly #options: RecipientFilterOptions;
  readonly #meant = new Set<number>();
  readonly #others = new Set<number>();
  /** The chats that texts are to be made for. */
  readonly #chats = new Map<number, Chat>();
  readonly #values = new Map<number, number>();
  #isOrdered = false;
  #failure: unknown;

  constructor(options: RecipientFilterOptions) {
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
    const { registry, signal } = this.#options;
    const missing = new Set(registry.snapshot());
    for await (const page of registry.storage.scan()) {
      for (const chat of page) {
        signal?.throwIfAborted();
        if (missing.delete(chat.chat_id)) await this.#consider(chat);
      }
    }
    // A chat that no page has is read by itself; its /start may wait to be written.
    for (const chatId of missing) await this.#consider(await registry.getChat(chatId) ?? joining(chatId));
    this.#isOrdered = this.needsOrder;
    return Float64Array.from(this.#meant).sort();
  }

  async #readAndConsider(chatId: number, read: Chat | undefined): Promise<boolean> {
    try {
      return await this.#consider(read ?? await this.#options.registry.getChat(chatId) ?? joining(chatId));
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
  throw failed("order", chat, `it must give a finite number, and gave ${String(value)}`);
}

function failed(name: string, { chat_id }: Chat, words: string, cause?: unknown): Error {
  return new Error(`Cannot broadcast as "${name}" failed for chat ${chat_id}: ${words}`, { cause });
}

/** A chat whose /start waits to be written. */
function joining(chat_id: number): Chat {
  return { chat_id, is_active: true, message_count: 0, user_info: {}, removed_at: null };
}

// The list of recipients as a broadcast begins. A signal takes it as it is in memory and has it read while it is sent
// already; what promises to write to nobody where the list cannot be read has it read first.

export interface OpenRecipients {
  readonly check: ConsentCheck;
  readonly recipientFilter: RecipientFilter;
  /** Those who are known now, ascending. */
  readonly ids: Float64Array;
  /** Whether the list has never been read. */
  readonly isUnread: boolean;
  /** Why it must not be, where it is another bot's. */
  readonly refusal: Error | undefined;
  /** Set where the list in memory was used without the table; `asOf` is when it was read, `undefined` if it never was. */
  readonly fromMemory: { readonly asOf: number | undefined } | undefined;
  /** Tells of what has happened since the list was opened, too. */
  follow(follower: Follower): void;
  /** Ends what reads. */
  close(): void;
}

export interface Follower {
  /** Called whenever the list has been read anew. */
  readonly onChange: (ids: Float64Array) => void;
  /** Called where a function of the caller's fails. */
  readonly onFailure: (error: unknown) => void;
}

/** How long a signal waits for the table before the list in memory is used. */
const patienceMs = 600;

/** @throws {StorageError} If the list cannot be read, and has to be. */
export async function openRecipients(
  request: BroadcastRequest,
  deps: BroadcastDeps,
): Promise<OpenRecipients> {
  const { registry, clock, logger } = deps;
  const over = new AbortController();
  setMaxListeners(0, over.signal);
  const { filter, perChat, order, signal } = request.options;
  const recipientFilter = new RecipientFilter({ filter, perChat, order, signal, registry, clock });
  const idsNow = (): Float64Array => recipientFilter.without(registry.snapshot());
  const isPatient = request.whenUnreadable === "throw";
  let fromMemory: OpenRecipients["fromMemory"];
  // The list may be read before the run begins, as a ledger is asked first.
  const untold: ((follower: Follower) => void)[] = [];
  let follower: Follower | undefined;
  const tell = (what: (follower: Follower) => void): void => {
    if (follower === undefined) untold.push(what);
    else what(follower);
  };
  const check = new ConsentCheck({
    registry,
    clock,
    patienceMs: isPatient ? undefined : patienceMs,
    onMemory(error) {
      fromMemory ??= { asOf: registry.readAt };
      logger.warn(recipientFilter.needsChats ? singleText(error) : memoryText(error, registry.readAt));
    },
    onRefreshed: () => tell(({ onChange }) => onChange(idsNow())),
    onRefused: (error) => tell(({ onFailure }) => onFailure(error)),
    signal: over.signal,
  });
  const opened = {
    check,
    recipientFilter,
    ids: new Float64Array(),
    get isUnread() {
      return registry.isUnread;
    },
    get refusal() {
      return registry.refusal;
    },
    get fromMemory() {
      return fromMemory ?? (registry.isUnread ? { asOf: undefined } : undefined);
    },
    follow(whoever: Follower): void {
      follower = whoever;
      for (const what of untold.splice(0)) what(whoever);
    },
    close: () => over.abort(new Error("the broadcast has ended")),
  };
  try {
    const ids = isPatient
      ? await readFirst(request, deps, check, recipientFilter)
      : await readMeanwhile(opened, { idsNow, tell }, deps);
    return Object.assign(opened, { ids });
  } catch (error) {
    opened.close();
    throw error;
  }
}

async function readFirst(
  { options: { signal } }: BroadcastRequest,
  { registry }: BroadcastDeps,
  check: ConsentCheck,
  recipientFilter: RecipientFilter,
): Promise<Float64Array> {
  if (registry.isUnread) throw neverRead();
  await check.refresh();
  signal?.throwIfAborted();
  return recipientFilter.needsChats || recipientFilter.needsOrder
    ? await recipientFilter.readAll()
    : registry.snapshot();
}

async function readMeanwhile(
  opened: OpenRecipients,
  { idsNow, tell }: {
    readonly idsNow: () => Float64Array;
    readonly tell: (what: (follower: Follower) => void) => void;
  },
  { logger, registry }: BroadcastDeps,
): Promise<Float64Array> {
  const { check, recipientFilter } = opened;
  // A list that was never read is waited for in the usual order.
  if (recipientFilter.needsOrder && !registry.isUnread) {
    try {
      await check.refresh();
      return await recipientFilter.readAll();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      logger.warn(
        `The chats cannot be read to put them in order, so they are written to in any order. ${error.message}`,
      );
    }
  }
  check.begin();
  if (recipientFilter.needsChats) {
    recipientFilter.readAll().then(() => tell(({ onChange }) => onChange(idsNow())), (error) => {
      // What cannot be read is read chat by chat.
      if (!(error instanceof StorageError)) tell(({ onFailure }) => onFailure(error));
    });
  }
  return idsNow();
}

/** Where the order begins: at random, or as the id decides, so that every call with the id agrees. */
export function startOf(
  { options: { order = "rotating" } }: BroadcastRequest,
  ids: Float64Array,
  random: () => number,
): OrderStart {
  return order === "ascending" ? ascendingStart : startAmong(ids, random(), random());
}

export function neverRead(): StorageError {
  return new StorageError(
    "unreachable",
    "The list of chats has never been read, so nobody was written to. Try again when DynamoDB is back.",
  );
}

function singleText({ message }: Error): string {
  return `The table of chats cannot be read as a whole, so each chat is read by itself for filter and perChat. ${message}`;
}

function memoryText({ message }: Error, readAt: number | undefined): string {
  const asOf = readAt === undefined ? "" : ` as of ${new Date(readAt).toISOString()}`;
  return `The table of chats cannot be read, so a signal goes to the chats that are known to be active${asOf}. ${message}`;
}

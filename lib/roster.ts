/** Who is subscribed now: a memory of the active chats over the storage, which stays the truth. */
import { type Chat, type ChatEvent, isMessage } from "./chat.ts";
import { type Applied, type ChatStorage, migrateChat, type Work } from "./storage/chat_storage.ts";

/** Chats whose last word is remembered; it matters for as long as a send is under way. */
const heardAtMost = 100_000;

/** The active chats in memory, in step with their storage. */
export class Roster {
  /** Where the chats are kept. */
  readonly storage: ChatStorage;
  /** True where the storage stands in for one that could not be read: then "not here" does not mean "unknown". */
  readonly isUnread: boolean;
  #active = new Set<number>();
  /** What changed while a load was under way, which the load may have read before or after. */
  readonly #loads = new Set<Map<number, boolean>>();
  /** Groups that became supergroups while this roster looked on. */
  readonly #movedTo = new Map<number, number>();
  /** When, in `moment`s, a chat was heard last. */
  readonly #heard = new Map<number, number>();
  #moment = 0;
  /** Chats that have said /stop, while that is being kept; how often each. */
  readonly #silenced = new Map<number, number>();
  /** The last write of each chat that is being written. */
  readonly #writes = new Map<number, Promise<unknown>>();

  /** Empty until `load()`. */
  constructor(storage: ChatStorage, { isUnread = false }: { readonly isUnread?: boolean } = {}) {
    this.storage = storage;
    this.isUnread = isUnread;
  }

  /** How many chats are active. */
  get size(): number {
    return this.#active.size;
  }

  /** Whether broadcasts go to the chat, as far as is known here. */
  isActive(chatId: number): boolean {
    return this.#active.has(chatId);
  }

  /** Whether a message may go to the chat now: not while its /stop waits to be kept. */
  mayWriteTo(chatId: number): boolean {
    return this.isActive(chatId) && !this.#silenced.has(chatId);
  }

  /** Keeps broadcasts from the chat while the task keeps its /stop, which may take as long as an outage. */
  async silenced<T>(chatId: number, task: () => Promise<T>): Promise<T> {
    this.#silenced.set(chatId, (this.#silenced.get(chatId) ?? 0) + 1);
    try {
      return await task();
    } finally {
      const left = (this.#silenced.get(chatId) ?? 1) - 1;
      if (left > 0) this.#silenced.set(chatId, left);
      else this.#silenced.delete(chatId);
    }
  }

  /** The supergroup that a group has become meanwhile. */
  movedTo(chatId: number): number | undefined {
    return this.#movedTo.get(chatId);
  }

  /** Now, for `hasSpokenSince`: it needs no clock, and so none that is right. */
  get moment(): number {
    return this.#moment;
  }

  /** Whether a message of the chat has been kept since that moment. */
  hasSpokenSince(chatId: number, moment: number): boolean {
    return (this.#heard.get(chatId) ?? 0) > moment;
  }

  /** Reads all active chats anew, and gives their ids in ascending order. */
  async load(work?: Work): Promise<number[]> {
    const changes = new Map<number, boolean>();
    this.#loads.add(changes);
    try {
      const active = await this.storage.loadActiveChats(work);
      for (const [chatId, isActive] of changes) isActive ? active.add(chatId) : active.delete(chatId);
      this.#active = active;
      return [...active].sort((a, b) => a - b);
    } finally {
      this.#loads.delete(changes);
    }
  }

  /** One chat, as the storage has it; `undefined` if there is none. */
  getChat(chatId: number): Promise<Chat | undefined> {
    return this.storage.getChat(chatId);
  }

  /**
   * Keeps what the events do to the chat; resolves once the storage has it. One chat's writes follow each other.
   * A /start or /stop that was said in a group before it became a supergroup, and is heard afterwards, is said in the
   * supergroup too.
   */
  async apply(chatId: number, events: readonly ChatEvent[]): Promise<Applied> {
    const applied = await this.#apply(chatId, events);
    const { removed_reason, migrated_to } = applied.before ?? {};
    const words = events.filter(({ kind }) => kind === "start" || kind === "stop");
    if (removed_reason === "migrated" && migrated_to !== undefined && words.length > 0) {
      await this.#apply(migrated_to, words);
    }
    return applied;
  }

  /** A group became a supergroup: the new chat takes over, the old one is closed. */
  async migrate(from: number, to: number, at: number): Promise<void> {
    await this.#inOrder(to, async () => {
      const inherited = await migrateChat(this.storage, from, to, at);
      this.#note(from, false);
      this.#movedTo.set(from, to);
      if (inherited !== undefined) this.#note(to, inherited.after?.is_active === true);
    });
  }

  async #apply(chatId: number, events: readonly ChatEvent[]): Promise<Applied> {
    return await this.#inOrder(chatId, async () => {
      const applied = await this.storage.apply(chatId, events, this.isActive(chatId) ? "active" : "absent");
      this.#note(chatId, applied.after?.is_active === true);
      if (events.some(isMessage)) this.#hear(chatId);
      return applied;
    });
  }

  async #inOrder<T>(chatId: number, write: () => Promise<T>): Promise<T> {
    const mine = (this.#writes.get(chatId) ?? Promise.resolve()).then(write, write);
    this.#writes.set(chatId, mine);
    try {
      return await mine;
    } finally {
      if (this.#writes.get(chatId) === mine) this.#writes.delete(chatId);
    }
  }

  #hear(chatId: number): void {
    if (this.#heard.size >= heardAtMost) this.#heard.clear();
    this.#heard.set(chatId, ++this.#moment);
  }

  #note(chatId: number, isActive: boolean): void {
    for (const set of [...this.#loads]) set.set(chatId, isActive);
    if (isActive) this.#active.add(chatId);
    else this.#active.delete(chatId);
  }
}

/**
 * The chats that are subscribed now: the active chats of a storage in memory, in step with it, and the /starts and /stops
 * that are not written yet.
 */
import { isSupergroupId } from "../telegram/chat_id.ts";
import { createKeyedMutex } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { BoundedMap, SortedIds } from "../util/collections.ts";
import { isMessage, isStartOrStop, transition } from "./chat.ts";
import type { Chat, ChatEvent, ChatState } from "./events.ts";
import { AdderCounts } from "./registration.ts";
import {
  type ApplyResult,
  type ChatStorage,
  type CleanupOptions,
  type LoadOptions,
  migrateChat,
} from "./storage.ts";

/** Chats whose last message is remembered: long enough for the broadcast that is under way. */
const spokenAtMost = 100_000;

/** A struck chat is active, and was not found by the last broadcast. */
type MemoryState = "active" | "struck" | "inactive";

/** A /start or /stop that is not in the storage yet. */
interface PendingConsent {
  /** Whether the chat is to be active. */
  readonly isActive: boolean;
  readonly order: number;
  /** The topic that a /start subscribes. */
  readonly threadId: number | undefined;
  /** The /stop, if it is one: Telegram may have delivered it before, here or to another instance. */
  readonly stop: ChatEvent | undefined;
}

/** How a pending /start or /stop counts. */
export type ConsentOverlay = Partial<Omit<PendingConsent, "isActive">>;

export class ChatRegistry {
  readonly #storage: ChatStorage;
  /** Takes the storage's place until the storage has been read: then a missing chat does not mean an unknown one. */
  #standIn: ChatStorage | undefined;
  #active = new Set<number>();
  readonly #sorted = new SortedIds();
  readonly #clock: Clock;
  #readAt: number | undefined;
  /** Loads are numbered: one that began before another has older data. */
  #loadsBegun = 0;
  #latestLoad = 0;
  /** Active chats that the last broadcasts did not find. */
  #struck = new Set<number>();
  /** What changed while each running load or look was under way, which may have read the chat before or after. */
  readonly #loads = new Set<Map<number, MemoryState>>();
  /** Groups that this process has seen become supergroups. */
  readonly #movedTo = new Map<number, number>();
  /** The `moment` of each chat's last message. */
  readonly #spokenAt = new BoundedMap<number, number>(spokenAtMost);
  #moment = 0;
  /** The topics to which broadcasts go. Few chats have one. */
  #threads = new Map<number, number>();
  readonly #pending = new Map<number, PendingConsent>();
  #order = 0;
  /**
   * Besides the write queue, webhooks, middleware and migrations write a chat, too, and each result must reach the memory
   * in the order of the writes: so the queue's own order is not enough.
   */
  readonly #inOrder = createKeyedMutex();
  /** Who has added the bot to the groups and channels. */
  readonly adders: AdderCounts = new AdderCounts();

  /**
   * Empty until `load()`.
   * @param standIn Takes the place of a storage that cannot be read, until `open()`.
   * @param clock Tells when the storage was read.
   */
  constructor(storage: ChatStorage, standIn?: ChatStorage, clock: Clock = systemClock) {
    this.#storage = storage;
    this.#standIn = standIn;
    this.#clock = clock;
  }

  /** The storage, or its stand-in. */
  get storage(): ChatStorage {
    return this.#standIn ?? this.#storage;
  }

  /** Whether the storage has not been read yet. */
  get isUnread(): boolean {
    return this.#standIn !== undefined;
  }

  /** Why the storage could not be opened so far. */
  openingError: unknown;

  /** Why the storage cannot be used, if it serves another bot. */
  refusal: Error | undefined;

  /** When the storage was last read whole, in milliseconds since 1970; `undefined` if it never was. */
  get readAt(): number | undefined {
    return this.#readAt;
  }

  /** How many chats are active. */
  get size(): number {
    return this.#active.size;
  }

  /** Whether broadcasts go to the chat, by what is written. */
  isActive(chatId: number): boolean {
    return this.#active.has(chatId);
  }

  /** Whether the chat is active and has strikes, which the next message that it takes clears. */
  hasStrikes(chatId: number): boolean {
    return this.#struck.has(chatId);
  }

  /** Whether a message may go to the chat now: its last /start or /stop counts, written or not. */
  isSubscribed(chatId: number): boolean {
    return this.#pending.get(chatId)?.isActive ?? this.isActive(chatId);
  }

  /** The topic to which a message is to go now; `undefined` if it goes to the chat itself. */
  threadOf(chatId: number): number | undefined {
    const pending = this.#pending.get(chatId);
    return pending?.isActive ? pending.threadId : this.#threads.get(chatId);
  }

  /** The next place in the order of /starts and /stops, for `overlayConsent`. */
  nextOrder(): number {
    return ++this.#order;
  }

  /**
   * Makes the chat's /start or /stop count from now on, unless a later one does already; `order` is the latest by default.
   * Returns the function that ends the overlay, to be called when the storage has it.
   */
  overlayConsent(
    chatId: number,
    isActive: boolean,
    { order = this.nextOrder(), threadId, stop }: ConsentOverlay = {},
  ): () => void {
    const latest = this.#pending.get(chatId);
    if (latest === undefined || latest.order < order) {
      this.#pending.set(chatId, { isActive, order, threadId, stop });
    }
    return () => {
      if ((this.#pending.get(chatId)?.order ?? Infinity) <= order) this.#pending.delete(chatId);
    };
  }

  /** Makes a group's move count before it is written. Returns the function that ends that, to be called once it is. */
  expectMove(from: number, to: number): () => void {
    this.#movedTo.set(from, to);
    const ends = [this.overlayConsent(from, false)];
    // A /start or /stop in the supergroup itself is newer.
    if (!this.#pending.has(to)) ends.push(this.overlayConsent(to, true, { threadId: this.threadOf(to) }));
    return () => ends.forEach((end) => end());
  }

  /** Whether the chat's last /start or /stop is not written yet. */
  isConsentPending(chatId: number): boolean {
    return this.#pending.has(chatId);
  }

  /** Whether the chat is active but for a /stop that is not written yet; `look()` finds out whether that is an old one. */
  isStopPending(chatId: number): boolean {
    return this.isActive(chatId) && this.#pending.get(chatId)?.stop !== undefined;
  }

  /** The supergroup that a group has become meanwhile. */
  movedTo(chatId: number): number | undefined {
    return this.#movedTo.get(chatId);
  }

  /** A logical time for `hasSpokenSince`, which does not depend on a clock. */
  get moment(): number {
    return this.#moment;
  }

  /** Whether a message of the chat has been written since that moment. */
  hasSpokenSince(chatId: number, moment: number): boolean {
    return (this.#spokenAt.get(chatId) ?? 0) > moment;
  }

  /**
   * Makes the storage ready for this bot and reads it, if that has not been done, and drops the stand-in.
   * @throws {ConfigError} If the storage serves another bot.
   */
  async open(botId: number, work?: LoadOptions): Promise<void> {
    if (this.#standIn === undefined) return;
    try {
      await this.#storage.createTableIfNotExists(work);
      await this.#load(this.#storage, work, this.#storage.claim(botId, work));
    } catch (error) {
      this.openingError = error;
      throw error;
    }
    this.#standIn = undefined;
  }

  /** Reads all active chats anew; returns `snapshot()` as a list. */
  async load(work?: LoadOptions): Promise<number[]> {
    await this.#load(this.storage, work);
    return Array.from(this.snapshot());
  }

  /** Reads all active chats anew. */
  async refresh(work?: LoadOptions): Promise<void> {
    await this.#load(this.storage, work);
  }

  /** The ids of the active chats and of those with a pending /start, in ascending order. The caller must not change them. */
  snapshot(): Float64Array {
    const joining = [...this.#pending].flatMap(([id, { isActive }]) =>
      isActive && !this.#active.has(id) ? id : []
    );
    return this.#sorted.merged(joining);
  }

  /**
   * Reads one chat and updates the memory by it, unless something is written meanwhile; `undefined` if there is none.
   * A pending /stop ends if the chat has it already, and has subscribed since.
   */
  async look(chatId: number): Promise<Chat | undefined> {
    const changes = new Map<number, MemoryState>();
    this.#loads.add(changes);
    try {
      const chat = await this.storage.getChat(chatId);
      const { stop } = this.#pending.get(chatId) ?? {};
      if (stop && chat && transition(chat, stop)?.is_active) this.#pending.delete(chatId);
      if (changes.has(chatId)) return chat;
      const standing = memoryStateOf(chat);
      // A load that is under way may have read the chat before it was deactivated elsewhere.
      if (standing === "inactive") { for (const load of this.#loads) load.set(chatId, standing); }
      this.#place(chatId, standing, chat?.thread_id);
      return chat;
    } finally {
      this.#loads.delete(changes);
    }
  }

  /** One chat, as the storage has it; `undefined` if there is none. */
  getChat(chatId: number): Promise<Chat | undefined> {
    return this.storage.getChat(chatId);
  }

  /**
   * Writes the events; resolves when the storage has them. A /start or /stop that was sent in a group before it became a
   * supergroup, and arrives afterwards, is applied to the supergroup, too.
   */
  async apply(chatId: number, events: readonly ChatEvent[]): Promise<ApplyResult> {
    const applied = await this.#apply(chatId, events);
    const { migrated_to } = applied.before ?? {};
    const consent = events.filter(isStartOrStop);
    // Other programs write to the table, too.
    if (chatId < 0 && migrated_to !== undefined && isSupergroupId(migrated_to) && consent.length > 0) {
      const { confirmAfterMs } = await this.#apply(migrated_to, consent);
      if (confirmAfterMs !== undefined) return { ...applied, confirmAfterMs };
    }
    return applied;
  }

  /** Writes that a group became a supergroup: the new chat inherits, the old one is closed. */
  async migrate(from: number, to: number, at: number): Promise<void> {
    await this.#inOrder(to, async () => {
      const inherited = await migrateChat(this.storage, from, to, at);
      this.#note(from, undefined);
      this.#movedTo.set(from, to);
      if (inherited !== undefined) this.#note(to, inherited.after);
    });
  }

  /** Applies an event to the stand-in, where only /start registers a chat. */
  async applyToStandIn(chatId: number, event: ChatEvent): Promise<void> {
    const own = "registers" in event ? { ...event, registers: false } : event;
    const { after } = await this.#standIn?.apply(chatId, [own]) ?? {};
    if (this.#standIn === undefined) return;
    this.#place(chatId, memoryStateOf(after), after?.thread_id);
  }

  /** Deactivates stale chats, here and in the storage; gives how many. */
  async cleanup(options: CleanupOptions): Promise<number> {
    const deactivated = await this.storage.cleanupInactiveChats(options);
    await this.load();
    return deactivated;
  }

  /** Closes the storage and its stand-in. */
  close(): void {
    this.#storage.close();
    this.#standIn?.close();
  }

  /** @param claim Rejects if the storage is another bot's: then what was read is ignored. */
  async #load(storage: ChatStorage, work?: LoadOptions, claim?: Promise<void>): Promise<void> {
    const number = ++this.#loadsBegun;
    const begunAt = this.#clock.now();
    const changes = new Map<number, MemoryState>();
    const struck = new Set<number>();
    const threads = new Map<number, number>();
    this.#loads.add(changes);
    try {
      const onStrikes = (chatId: number): void => {
        struck.add(chatId);
        work?.onStrikes?.(chatId);
      };
      const onThread = (chatId: number, threadId: number): void => void threads.set(chatId, threadId);
      const onAdder = (chatId: number, adderId: number): void => this.adders.found(chatId, adderId);
      const [active] = await Promise.all([
        storage.loadActiveChats({ ...work, onStrikes, onAdder, onThread }),
        claim,
      ]);
      if (number < this.#latestLoad) return;
      this.#latestLoad = number;
      this.#active = active;
      this.#struck = struck;
      this.#sorted.reset(active);
      this.#readAt = begunAt;
      const before = this.#threads;
      this.#threads = threads;
      for (const [chatId, standing] of changes) this.#place(chatId, standing, before.get(chatId));
    } finally {
      this.#loads.delete(changes);
    }
  }

  async #apply(chatId: number, events: readonly ChatEvent[]): Promise<ApplyResult> {
    return await this.#inOrder(chatId, async () => {
      const applied = await this.storage.apply(chatId, events, this.isActive(chatId) ? "active" : "absent");
      this.#note(chatId, applied.after);
      if (events.some(isMessage)) this.#spokenAt.set(chatId, ++this.#moment);
      return applied;
    });
  }

  #note(chatId: number, after: ChatState | undefined): void {
    if (chatId < 0) this.adders.kept(chatId, after);
    const standing = memoryStateOf(after);
    for (const changes of this.#loads) changes.set(chatId, standing);
    this.#place(chatId, standing, after?.thread_id);
  }

  #place(chatId: number, standing: MemoryState, threadId: number | undefined): void {
    if (threadId === undefined) this.#threads.delete(chatId);
    else this.#threads.set(chatId, threadId);
    if (standing === "inactive") {
      if (this.#active.delete(chatId)) this.#sorted.remove(chatId);
    } else if (!this.#active.has(chatId)) {
      this.#active.add(chatId);
      this.#sorted.add(chatId);
    }
    if (standing === "struck") this.#struck.add(chatId);
    else this.#struck.delete(chatId);
  }
}

function memoryStateOf(chat: ChatState | undefined): MemoryState {
  if (!chat?.is_active) return "inactive";
  return chat.strikes === undefined ? "active" : "struck";
}

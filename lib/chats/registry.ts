/** The person who has brought each group and channel in, as far as this process knows. */
import { createKeyedMutex } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { BoundedMap, SortedIds } from "../util/collections.ts";
import { isMessage } from "./chat.ts";
import type { Chat, ChatEvent, ChatState } from "./events.ts";
import {
  type ApplyResult,
  type ChatStorage,
  type CleanupOptions,
  type LoadOptions,
  migrateChat,
} from "./storage.ts";

/** What is known of a chat: it is about to be registered, it was, or it was not to be. */
type AdderStanding = "expected" | "kept" | "refused";

interface Brought {
  readonly adderId: number;
  readonly standing: AdderStanding;
}

/** Past this many chats, the oldest are left out of the count. */
const chatsAtMost = 200_000;

/** Counts the active groups and channels of each person who has brought some in. */
export class AdderCounts {
  readonly #chats = new BoundedMap<number, Brought>(chatsAtMost);
  readonly #chatsOf = new BoundedMap<number, Set<number>>(chatsAtMost);

  /** The person who has brought the chat in last. */
  adderOf(chatId: number): number | undefined {
    return this.#chats.get(chatId)?.adderId;
  }

  /** The chat is about to be registered: until it is kept, it counts as if it were. */
  expect(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "expected");
  }

  /** The chat is not to be registered. Its adder is remembered, so that the next writer is not taken for the adder. */
  refuse(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "refused");
  }

  /** The storage has it as an active chat. */
  found(chatId: number, adderId: number): void {
    this.#set(chatId, adderId, "kept");
  }

  /** The chat as it is kept now. */
  kept(chatId: number, after: ChatState | undefined): void {
    if (after?.is_active && after.added_by !== undefined) return this.found(chatId, after.added_by);
    if (this.#chats.get(chatId)?.standing !== "refused") this.#chats.delete(chatId);
  }

  /** How many chats the person has brought in beside this one, of those that `counts` names and those to come. */
  countBeside(chatId: number, adderId: number, counts: (chatId: number) => boolean): number {
    const chats = this.#chatsOf.get(adderId) ?? new Set();
    for (const each of chats) if (!this.#isOf(each, adderId, counts)) chats.delete(each);
    return chats.size - (chats.has(chatId) ? 1 : 0);
  }

  #isOf(chatId: number, adderId: number, counts: (chatId: number) => boolean): boolean {
    const brought = this.#chats.get(chatId);
    if (brought?.adderId !== adderId || brought.standing === "refused") return false;
    return brought.standing === "expected" || counts(chatId);
  }

  #set(chatId: number, adderId: number, standing: AdderStanding): void {
    this.#chats.set(chatId, { adderId, standing });
    if (standing === "refused") return;
    const chats = this.#chatsOf.get(adderId) ?? new Set();
    this.#chatsOf.set(adderId, chats.add(chatId));
  }
}

// Who is subscribed now: a memory of the active chats over the storage, which stays the truth.

/** Chats whose last word is remembered; it matters for as long as a send is under way. */
const heardAtMost = 100_000;

type Standing = "active" | "struck" | "inactive";

/** A /start or /stop that waits to be kept. */
interface Word {
  /** Whether the chat is to be active. */
  readonly isActive: boolean;
  readonly order: number;
  /** The topic that is to be subscribed. */
  readonly threadId: number | undefined;
}

export interface ConsentOverlay {
  /** Its place among the words that were said. Default: behind all others. */
  readonly order?: number | undefined;
  /** The topic that a /start subscribes. */
  readonly threadId?: number | undefined;
}

/** The active chats in memory, in step with their storage. */
export class ChatRegistry {
  readonly #kept: ChatStorage;
  /** Stands in for the storage until that can be read: then "not here" does not mean "unknown". */
  #standIn: ChatStorage | undefined;
  #active = new Set<number>();
  readonly #sorted = new SortedIds();
  readonly #clock: Clock;
  #readAt: number | undefined;
  /** Loads are numbered: one that began before another has older news. */
  #loadsBegun = 0;
  #latestLoad = 0;
  /** Those of them that broadcasts did not find lately. */
  #struck = new Set<number>();
  /** What changed while a load was under way, which the load may have read before or after. */
  readonly #loads = new Set<Map<number, Standing>>();
  /** Groups that became supergroups while this roster looked on. */
  readonly #movedTo = new Map<number, number>();
  /** When, in `moment`s, a chat was heard last. */
  readonly #parsed = new Map<number, number>();
  #moment = 0;
  /** The topics to which broadcasts go. Few chats have one. */
  #threads = new Map<number, number>();
  /** The last word of each chat whose /start or /stop waits to be kept. */
  readonly #words = new Map<number, Word>();
  #order = 0;
  readonly #inOrder = createKeyedMutex();
  /** Who has brought the groups and channels in. */
  readonly adders: AdderCounts = new AdderCounts();

  /**
   * Empty until `load()`.
   * @param standIn Stands in for a storage that cannot be read, until `open()`.
   * @param clock Tells when the storage was read.
   */
  constructor(storage: ChatStorage, standIn?: ChatStorage, clock: Clock = systemClock) {
    this.#kept = storage;
    this.#standIn = standIn;
    this.#clock = clock;
  }

  /** Where the chats are, or what stands in for it. */
  get storage(): ChatStorage {
    return this.#standIn ?? this.#kept;
  }

  /** Whether the storage has not been read yet. */
  get isUnread(): boolean {
    return this.#standIn !== undefined;
  }

  /** Why the storage is not to be used, where it serves another bot. */
  refusal: Error | undefined;

  /** When the storage was last read whole, in milliseconds since 1970; `undefined` where it never was. */
  get readAt(): number | undefined {
    return this.#readAt;
  }

  /** How many chats are active. */
  get size(): number {
    return this.#active.size;
  }

  /** Whether broadcasts go to the chat, as far as is known here. */
  isActive(chatId: number): boolean {
    return this.#active.has(chatId);
  }

  /** Whether the chat is active and has strikes, as far as is known here: taking a message, it has none any more. */
  hasStrikes(chatId: number): boolean {
    return this.#struck.has(chatId);
  }

  /** Whether a message may go to the chat now: its last word counts, kept or not. */
  isSubscribed(chatId: number): boolean {
    return this.#words.get(chatId)?.isActive ?? this.isActive(chatId);
  }

  /** The topic to which a message is to go now; `undefined` where it goes to the chat itself. */
  threadOf(chatId: number): number | undefined {
    const word = this.#words.get(chatId);
    return word?.isActive ? word.threadId : this.#threads.get(chatId);
  }

  /** A place in the order in which words were said, for `heed`. */
  nextOrder(): number {
    return ++this.#order;
  }

  /**
   * The chat's /start or /stop counts from now on, unless a later one does already. Gives what ends that: to be called
   * once it is kept.
   */
  overlayConsent(
    chatId: number,
    isActive: boolean,
    { order = this.nextOrder(), threadId }: ConsentOverlay = {},
  ): () => void {
    const known = this.#words.get(chatId);
    if (known === undefined || known.order < order) this.#words.set(chatId, { isActive, order, threadId });
    return () => {
      if ((this.#words.get(chatId)?.order ?? Infinity) <= order) this.#words.delete(chatId);
    };
  }

  /** A group's move that waits to be kept counts from now on. Gives what ends that: to be called once it is kept. */
  expectMove(from: number, to: number): () => void {
    this.#movedTo.set(from, to);
    const ends = [this.overlayConsent(from, false)];
    // What the supergroup has said itself is newer.
    if (!this.#words.has(to)) ends.push(this.overlayConsent(to, true, { threadId: this.threadOf(to) }));
    return () => ends.forEach((end) => end());
  }

  /** Whether the chat's last word is not kept yet. */
  isConsentPending(chatId: number): boolean {
    return this.#words.has(chatId);
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
    return (this.#parsed.get(chatId) ?? 0) > moment;
  }

  /**
   * Makes the storage ready for this bot and reads it, if that has not been done; from then on nothing stands in for it.
   * @throws {ConfigError} If the storage serves another bot.
   */
  async open(botId: number, work?: LoadOptions): Promise<void> {
    if (this.#standIn === undefined) return;
    await this.#kept.createTableIfNotExists(work);
    await this.#load(this.#kept, work, this.#kept.claim(botId, work));
    this.#standIn = undefined;
  }

  /** Reads all active chats anew; gives their ids, and those of chats whose /start waits, in ascending order. */
  async load(work?: LoadOptions): Promise<number[]> {
    await this.#load(this.storage, work);
    return Array.from(this.snapshot());
  }

  /** Reads all active chats anew. */
  async refresh(work?: LoadOptions): Promise<void> {
    await this.#load(this.storage, work);
  }

  /** The active chats as they are known here, and those whose /start waits, in ascending order; not to be changed. */
  snapshot(): Float64Array {
    const joining = [...this.#words].flatMap(([id, { isActive }]) =>
      isActive && !this.#active.has(id) ? id : []
    );
    return this.#sorted.merged(joining);
  }

  /**
   * One chat, read now; `undefined` if there is none. What the storage says is remembered, unless something is written
   * meanwhile.
   */
  async look(chatId: number): Promise<Chat | undefined> {
    const changes = new Map<number, Standing>();
    this.#loads.add(changes);
    try {
      const chat = await this.storage.getChat(chatId);
      if (changes.has(chatId)) return chat;
      const standing = standingOf(chat);
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
   * Keeps what the events do to the chat; resolves once the storage has it. One chat's writes follow each other.
   * A /start or /stop that was said in a group before it became a supergroup, and is heard afterwards, is said in the
   * supergroup too.
   */
  async apply(chatId: number, events: readonly ChatEvent[]): Promise<ApplyResult> {
    const applied = await this.#apply(chatId, events);
    const { removed_reason, migrated_to } = applied.before ?? {};
    const words = events.filter(({ kind }) => kind === "start" || kind === "stop");
    if (removed_reason === "migrated" && migrated_to !== undefined && words.length > 0) {
      const { confirmAfterMs } = await this.#apply(migrated_to, words);
      if (confirmAfterMs !== undefined) return { ...applied, confirmAfterMs };
    }
    return applied;
  }

  /** A group became a supergroup: the new chat takes over, the old one is closed. */
  async migrate(from: number, to: number, at: number): Promise<void> {
    await this.#inOrder(to, async () => {
      const inherited = await migrateChat(this.storage, from, to, at);
      this.#note(from, undefined);
      this.#movedTo.set(from, to);
      if (inherited !== undefined) this.#note(to, inherited.after);
    });
  }

  /** What stands in for the storage hears it, too; only /start registers there. */
  async applyOwn(chatId: number, event: ChatEvent): Promise<void> {
    const parsed = "registers" in event ? { ...event, registers: false } : event;
    const { after } = await this.#standIn?.apply(chatId, [parsed]) ?? {};
    if (this.#standIn === undefined) return;
    this.#place(chatId, standingOf(after), after?.thread_id);
  }

  /** Deactivates stale chats, here and in the storage; gives how many. */
  async cleanup(options: CleanupOptions): Promise<number> {
    const deactivated = await this.storage.cleanupInactiveChats(options);
    await this.load();
    return deactivated;
  }

  /** Closes the storage, and what stands in for it. */
  close(): void {
    this.#kept.close();
    this.#standIn?.close();
  }

  /** @param claim Rejects where the storage is another bot's: then nothing that was read counts. */
  async #load(storage: ChatStorage, work?: LoadOptions, claim?: Promise<void>): Promise<void> {
    const number = ++this.#loadsBegun;
    const begunAt = this.#clock.now();
    const changes = new Map<number, Standing>();
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
      if (events.some(isMessage)) this.#hear(chatId);
      return applied;
    });
  }

  #hear(chatId: number): void {
    if (this.#parsed.size >= heardAtMost) this.#parsed.clear();
    this.#parsed.set(chatId, ++this.#moment);
  }

  #note(chatId: number, after: ChatState | undefined): void {
    this.adders.kept(chatId, after);
    const standing = standingOf(after);
    for (const changes of this.#loads) changes.set(chatId, standing);
    this.#place(chatId, standing, after?.thread_id);
  }

  #place(chatId: number, standing: Standing, threadId: number | undefined): void {
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

function standingOf(chat: ChatState | undefined): Standing {
  if (!chat?.is_active) return "inactive";
  return chat.strikes === undefined ? "active" : "struck";
}

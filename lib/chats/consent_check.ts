/**
 * Checks before each message of a broadcast that the chat is still subscribed, by the table at that moment: another instance
 * may have confirmed a /stop since the list of chats was read.
 *
 * Until the list has been read anew, each chat is read (GetItem) before its message. From then on the storage's log of /stops
 * is enough: it is read every two seconds, and only chats that are in it are read themselves. While a process sends, every
 * instance confirms a /stop three seconds late (`confirmAfterMs`). A reading, of the log or of a chat, begins after the others
 * were told that somebody sends, and is relied on for less than that: so no message leaves after a confirmed /stop.
 */
import { deadline, DeadlineError } from "../util/async.ts";
import { type Clock, monotonic } from "../util/clock.ts";
import type { Chat } from "./events.ts";
import type { ChatRegistry } from "./registry.ts";
import type { StopLog } from "./storage.ts";

export interface ConsentCheckOptions {
  readonly registry: ChatRegistry;
  readonly clock: Clock;
  /** How long to wait for an answer of the storage before the list in memory is used. Default: for ever. */
  readonly patienceMs?: number | undefined;
  /** Called once, when the list in memory is used first. */
  readonly onMemory: (error: Error) => void;
  /** Called when the list has been read, or could not be. */
  readonly onRefreshed: () => void;
  /** Called if the list is another bot's. */
  readonly onRefused: (error: Error) => void;
  /** Ends the check. */
  readonly signal: AbortSignal;
}

/** Whether a chat is subscribed, and whether that was read or is only remembered. */
export interface SubscriptionStatus {
  readonly isActive: boolean;
  readonly isProved: boolean;
  /** The chat, if it was read for this. */
  readonly chat?: Chat | undefined;
}

/** What proves that a chat is subscribed: a reading of the chat, the log of /stops, or the list as it was read. */
type Proof = "read" | "log" | "list";

/** After so many answers that are too old when they arrive, the storage counts as unreadable. */
const oldAnswersAtMost = 3;
const tryAgainMs = { unread: 500, unreadable: 5000, chat: 1000 };

const remembered: SubscriptionStatus = { isActive: true, isProved: false };
const proved: SubscriptionStatus = { isActive: true, isProved: true };

export class ConsentCheck {
  readonly #options: ConsentCheckOptions;
  readonly #now: () => number;
  #proof: Proof = "read";
  /** Whether the list was read whole since this began, and whether it is being read. */
  #isRefreshed = false;
  #isRefreshing = false;
  /** Whether the storage cannot be read now, and whether it ever could not. */
  #isUnreadable = false;
  #hasFailed = false;
  #isLogged = false;
  readonly #log: StopLogReader;
  /** How many /stops the log had before the list was read. */
  #baseCount = 0;
  /** When each chat was last read that was subscribed, while others knew that somebody sends. */
  readonly #readAt = new Map<number, number>();
  /** When the storage last answered, and when it was last probed. */
  #answeredAt = -Infinity;
  #probedAt = -Infinity;

  constructor(options: ConsentCheckOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
    this.#log = new StopLogReader({ ...options, onRead: (log) => this.#onLog(log) });
  }

  /** Whether chats may still be added, as the list has not been read yet. */
  get isReading(): boolean {
    return !this.hasReadList && !this.#hasFailed;
  }

  /** Whether the list was read whole since this began, or is known without that. */
  get hasReadList(): boolean {
    return !this.#isShared || this.#isRefreshed;
  }

  /** Whether the next chats are read one by one. */
  get readsEach(): boolean {
    return this.#isShared && this.#proof === "read" && !this.#isUnreadable;
  }

  /** Reads the list in the background until that succeeds. */
  begin(): void {
    if (this.#isShared) void this.#keepRefreshing();
  }

  /** Reads the list once; rejects if that fails. */
  async refresh(): Promise<void> {
    const { registry, signal } = this.#options;
    // If others cannot be told, each chat is read before its message to the end.
    const isAnnounced = await this.#log.announce();
    const { log } = this.#log;
    await registry.refresh({ signal, onProgress: () => this.#answered() });
    this.#isRefreshed = true;
    this.#isUnreadable = false;
    if (!isAnnounced) return;
    this.#proof = log === undefined ? "list" : "log";
    this.#baseCount = log?.count ?? 0;
  }

  /**
   * Whether the chat is subscribed, as far as this instance has heard. Before a /stop that is not written yet leaves it out,
   * it is read: Telegram delivers old ones again.
   */
  isSubscribed(chatId: number): boolean | Promise<boolean> {
    const { registry } = this.#options;
    if (registry.isSubscribed(chatId)) return true;
    return registry.isStopPending(chatId) && !registry.isUnread && !this.#isUnreadable &&
      this.#hasOldStop(chatId);
  }

  async #hasOldStop(chatId: number): Promise<boolean> {
    const { registry } = this.#options;
    try {
      await this.#withinPatience(registry.look(chatId));
      this.#answered();
    } catch (error) {
      this.#fallBack(error as Error);
    }
    return registry.isSubscribed(chatId);
  }

  /** Whether the chat is subscribed by the table; not a promise if nothing has to be read. */
  standingOf(chatId: number): SubscriptionStatus | Promise<SubscriptionStatus> {
    if (this.#isProved(chatId)) return proved;
    if (!this.#isUnreadable) return this.#read(chatId);
    void this.#probe(chatId);
    return remembered;
  }

  /** Whether nothing has to be read to know the chat's standing now. */
  knows(chatId: number): boolean {
    return this.#isUnreadable || this.#isProved(chatId);
  }

  #isProved(chatId: number): boolean {
    // While a /start or /stop waits to be written, this instance knows more than the table.
    if (!this.#isShared || this.#options.registry.isConsentPending(chatId) || this.#proof === "list") {
      return true;
    }
    if (this.#isUnreadable) return false;
    return (this.#proof === "log" && this.#log.isClear(chatId, this.#baseCount)) || this.#hasJustRead(chatId);
  }

  /** Reads ahead the chats of the next messages, if they are read one by one. */
  lookAhead(chatIds: readonly number[]): void {
    for (const chatId of chatIds) void this.standingOf(chatId);
  }

  #hasJustRead(chatId: number): boolean {
    const at = this.#readAt.get(chatId) ?? -Infinity;
    return this.#log.isKnownSince(at) && this.#now() - at <= reliedOnMs;
  }

  get #isShared(): boolean {
    const { storage, isUnread } = this.#options.registry;
    return isUnread || storage.isShared;
  }

  async #read(chatId: number): Promise<SubscriptionStatus> {
    const { registry } = this.#options;
    try {
      if (registry.isUnread) throw new Error("the list of chats has never been read");
      const chat = await this.#withinPatience(this.#readChat(chatId));
      return {
        isActive: registry.isConsentPending(chatId) || chat?.is_active === true,
        isProved: true,
        chat,
      };
    } catch (error) {
      this.#fallBack(error as Error);
      return remembered;
    }
  }

  /** The chat, read so recently that a /stop since then is not confirmed yet. */
  async #readChat(chatId: number): Promise<Chat | undefined> {
    for (let tries = 0; tries < oldAnswersAtMost; tries++) {
      await this.#keepAnnounced();
      const at = this.#now();
      const chat = await this.#options.registry.look(chatId);
      this.#answered();
      if (this.#now() - at > reliedOnMs) continue;
      this.#remember(chatId, chat?.is_active === true ? at : undefined);
      return chat;
    }
    throw new Error(`it takes longer than ${reliedOnMs / 1000} s to answer`);
  }

  /** Also forgets the readings that are too old, which come first. */
  #remember(chatId: number, at: number | undefined): void {
    for (const [other, readAt] of this.#readAt) {
      if (this.#now() - readAt <= reliedOnMs) break;
      this.#readAt.delete(other);
    }
    this.#readAt.delete(chatId);
    if (at !== undefined) this.#readAt.set(chatId, at);
  }

  async #keepAnnounced(): Promise<void> {
    const isAnnounced = await this.#log.keepAnnounced();
    // The list was read before others could be told: it proves nothing.
    if (isAnnounced && this.#isRefreshed && this.#proof === "read") void this.#keepRefreshing();
  }

  /** Uses the list in memory until the table can be read again. */
  #fallBack(error: Error): void {
    const { registry, onMemory, signal } = this.#options;
    if (signal.aborted) return;
    this.#isUnreadable = true;
    // A list that was never read is read once it can be: only then may a reading fail.
    this.#hasFailed ||= !registry.isUnread;
    this.#probedAt = this.#now();
    void this.#keepRefreshing();
    if (this.#isLogged || registry.isUnread) return;
    this.#isLogged = true;
    onMemory(error);
  }

  /** Reads one chat every now and then; when that succeeds, the others are read again, too. */
  async #probe(chatId: number): Promise<void> {
    const { registry } = this.#options;
    if (registry.isUnread || this.#now() < this.#probedAt + tryAgainMs.chat) return;
    this.#probedAt = Infinity;
    try {
      await registry.look(chatId);
      this.#answered();
      this.#isUnreadable = false;
    } catch {
      // A later chat is the next probe.
    } finally {
      this.#probedAt = this.#now();
    }
  }

  /** Reads the list until that succeeds, or the check ends. */
  async #keepRefreshing(): Promise<void> {
    const { registry, clock, signal, onRefreshed } = this.#options;
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    this.#proof = "read";
    while (!signal.aborted) {
      try {
        if (registry.refusal !== undefined) this.#options.onRefused(registry.refusal);
        if (registry.isUnread) throw new Error("the list of chats has never been read");
        await this.refresh();
        this.#isRefreshing = false;
        return onRefreshed();
      } catch (error) {
        this.#fallBack(error as Error);
        if (!registry.isUnread) onRefreshed();
        const waitMs = registry.isUnread ? tryAgainMs.unread : tryAgainMs.unreadable;
        await clock.sleep(waitMs, signal).catch(() => {});
      }
    }
  }

  #onLog(log: StopLog | undefined): void {
    this.#answered();
    // The log was emptied, with chats that were added to it since the list was read.
    if (this.#proof === "log" && (log === undefined || log.since > this.#baseCount)) {
      void this.#keepRefreshing();
    }
  }

  #answered(): void {
    this.#answeredAt = this.#now();
  }

  /** Waits longer for an answer that is late while others arrive: the storage can be read. */
  async #withinPatience<T>(answer: Promise<T>): Promise<T> {
    const { patienceMs: ms, clock, signal } = this.#options;
    if (ms === undefined) return await answer;
    for (;;) {
      const since = this.#now();
      try {
        return await deadline(answer, { ms, clock, signal });
      } catch (error) {
        if (signal.aborted || this.#answeredAt <= since || !(error instanceof DeadlineError)) throw error;
      }
    }
  }
}

// The log of /stops, which all instances that share a storage write, as the sending instance reads it.

export interface StopLogReaderOptions {
  readonly registry: ChatRegistry;
  readonly clock: Clock;
  /** Called with each log that was read. */
  readonly onRead: (log: StopLog | undefined) => void;
}

/**
 * How long a reading is relied on after it began: a quarter of a second less than `confirmAfterMs` of the storage, for the
 * message's own way.
 */
export const reliedOnMs = 2750;
/** The log is read again after so long; AWS charges for each reading. */
const readAgainMs = 2000;
/** For how long others know that somebody sends; they are told again after half of it. */
const sendingMs = 2 * 60_000;
/** If they cannot be told, that is tried again after so long. */
const tellAgainMs = 5000;

export class StopLogReader {
  readonly #options: StopLogReaderOptions;
  readonly #now: () => number;
  #log: StopLog | undefined;
  /** When the latest reading of the log began. */
  #readAt = -Infinity;
  #isReading = false;
  /** Since when and until when others know that somebody sends, and when they were last to be told. */
  #knownSince = Infinity;
  #sendingUntil = -Infinity;
  #announcedAt = -Infinity;
  #announcing: Promise<boolean> | undefined;

  constructor(options: StopLogReaderOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
  }

  /** The log as it was last read; `undefined` if the storage keeps none. */
  get log(): StopLog | undefined {
    return this.#log;
  }

  /** Whether others have confirmed each /stop late since then, as they knew all the time that somebody sends. */
  isKnownSince(time: number): boolean {
    return this.#log !== undefined && this.#knownSince <= time && this.#now() < this.#sendingUntil;
  }

  /** Tells others that somebody sends, and reads the log; true if they could be told. */
  announce(): Promise<boolean> {
    return this.#announcing ??= this.#announce().then(() => true, () => false).finally(() => {
      this.#announcing = undefined;
    });
  }

  /** Tells others again when it is time; true if they have just been told. */
  async keepAnnounced(): Promise<boolean> {
    const now = this.#now();
    const isDue = now >= this.#sendingUntil - sendingMs / 2;
    const mayTry = this.#announcing !== undefined || now > this.#announcedAt + tellAgainMs;
    return isDue && mayTry && await this.announce();
  }

  /**
   * Whether no /stop of the chat can have been confirmed since the log had `count` of them. False if the log is too old, or
   * others may not know that somebody sends.
   */
  isClear(chatId: number, count: number): boolean {
    const now = this.#now();
    const ageMs = now - this.#readAt;
    if (ageMs > readAgainMs) void this.#read();
    if (ageMs > reliedOnMs || now >= this.#sendingUntil || this.#log === undefined) return false;
    return this.#log.count === count || !this.#log.chats.has(chatId);
  }

  async #announce(): Promise<void> {
    const { registry: { storage }, clock } = this.#options;
    const at = this.#announcedAt = this.#now();
    const log = await storage.beginSending(clock.now() + sendingMs);
    if (this.#now() >= this.#sendingUntil) this.#knownSince = this.#now();
    this.#sendingUntil = at + sendingMs;
    this.#take(log, at);
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      if (await this.keepAnnounced()) return;
      const at = this.#now();
      this.#take(await this.#options.registry.storage.readStopLog(), at);
    } catch {
      // The log gets too old, and chats are read one by one.
    } finally {
      this.#isReading = false;
    }
  }

  #take(log: StopLog | undefined, at: number): void {
    this.#log = log;
    this.#readAt = at;
    this.#options.onRead(log);
  }
}

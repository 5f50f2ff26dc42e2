/**
 * The log of /stops that all who share a storage write, as one who sends reads it: every two seconds, and for as long
 * as the others know that somebody sends.
 */
import { deadline, DeadlineError } from "../util/async.ts";
import { type Clock, monotonic } from "../util/clock.ts";
import type { Chat } from "./events.ts";
import type { ChatRegistry } from "./registry.ts";
import type { StopLog } from "./storage.ts";

export interface StopLogReaderOptions {
  readonly registry: ChatRegistry;
  readonly clock: Clock;
  /** Is told of each log that was read. */
  readonly onRead: (log: StopLog | undefined) => void;
}

/**
 * What was read is relied on for so long since that began: a quarter of a second less than `confirmAfterMs` of the
 * storage, for the message's own way.
 */
export const reliedOnMs = 2750;
/** The log is read again after so long; each reading is charged for. */
const readAgainMs = 2000;
/** Others are told for so long that somebody sends, and told again when half of it is over. */
const sendingMs = 2 * 60_000;
/** Where they cannot be told, that is tried again after so long. */
const tellAgainMs = 5000;

export class StopLogReader {
  readonly #options: StopLogReaderOptions;
  readonly #now: () => number;
  #log: StopLog | undefined;
  /** When the latest reading of the log began. */
  #readAt = -Infinity;
  #isReading = false;
  /** Until when others know that somebody sends, and when they were to be told last. */
  #sendingUntil = -Infinity;
  #announcedAt = -Infinity;
  #announcing: Promise<boolean> | undefined;

  constructor(options: StopLogReaderOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
  }

  /** As it was read last; `undefined` where none is kept. */
  get log(): StopLog | undefined {
    return this.#log;
  }

  /** Whether others confirm a /stop late, as they know that somebody sends. */
  get isKnown(): boolean {
    return this.#log !== undefined && this.#now() < this.#sendingUntil;
  }

  /** Tells others that somebody sends, and reads the log. Gives whether they could be told. */
  announce(): Promise<boolean> {
    return this.#announcing ??= this.#announce().then(() => true, () => false).finally(() => {
      this.#announcing = undefined;
    });
  }

  /** Sees to it that others know that somebody sends; gives whether they have just been told. */
  async keepAnnounced(): Promise<boolean> {
    const now = this.#now();
    const isDue = now >= this.#sendingUntil - sendingMs / 2;
    const mayTry = this.#announcing !== undefined || now > this.#announcedAt + tellAgainMs;
    return isDue && mayTry && await this.announce();
  }

  /**
   * Whether it is sure that the chat has not been told of a /stop since the log had so many. It is not where the log is
   * too old, or others may not know that somebody sends.
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
      // Who comes next is read by itself, which tells more.
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

// Whether a chat may be written to, as the table says at that moment and not as it was when the list was read: another
// instance may have confirmed a /stop meanwhile.
// Until the list has been read anew, each chat is read (GetItem) before its message. From then on the storage's log of
// /stops is enough: it is read every two seconds, and only chats that are in it are read themselves. While a process
// sends, every instance confirms a /stop three seconds late (`confirmAfterMs`). A reading, of the log or of a chat, begins
// after the others were told that somebody sends, and is relied on for less than that: so no message leaves after a
// confirmed /stop.

export interface ConsentCheckOptions {
  readonly registry: ChatRegistry;
  readonly clock: Clock;
  /** How long to wait for an answer of the storage before the list in memory is used. Default: without a limit. */
  readonly patienceMs?: number | undefined;
  /** Called once, when the list in memory begins to be used. */
  readonly onMemory: (error: Error) => void;
  /** Called whenever the list has been read anew, or could not be. */
  readonly onRefreshed: () => void;
  /** Called where the list turns out to be another bot's. */
  readonly onRefused: (error: Error) => void;
  /** Ends everything. */
  readonly signal: AbortSignal;
}

/** What is known of a chat: whether it is subscribed, and whether that was read or is only remembered. */
export interface Standing {
  readonly isActive: boolean;
  readonly isProved: boolean;
  /** The chat, where it was read for this. */
  readonly chat?: Chat | undefined;
}

/** What proves that a chat is subscribed: a read of its own, the log of /stops, or the list as it was read. */
type Proof = "read" | "log" | "list";

/** Answers that are too old when they come, before the storage counts as one that cannot be read. */
const oldAnswersAtMost = 3;
const tryAgainMs = { unread: 500, unreadable: 5000, chat: 1000 };

const remembered: Standing = { isActive: true, isProved: false };
const proved: Standing = { isActive: true, isProved: true };

export class ConsentCheck {
  readonly #options: ConsentCheckOptions;
  readonly #now: () => number;
  #proof: Proof = "read";
  /** Whether the list was read whole since this began, and whether it is being read. */
  #isRefreshed = false;
  #isRefreshing = false;
  /** Whether the storage cannot be read just now, and whether that ever was so. */
  #isUnreadable = false;
  #hasFailed = false;
  #isTold = false;
  readonly #log: StopLogReader;
  /** How many /stops the log had before the list was read. */
  #baseCount = 0;
  /** When the latest reading of each chat began that found it subscribed while others knew that somebody sends. */
  readonly #lookedAt = new Map<number, number>();
  /** When the storage has answered last, and when it was last tried whether it answers again. */
  #answeredAt = -Infinity;
  #triedAt = -Infinity;

  constructor(options: ConsentCheckOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
    this.#log = new StopLogReader({ ...options, onRead: (log) => this.#onLog(log) });
  }

  /** Whether chats may still join, as the list is yet to be read. */
  get isReading(): boolean {
    return this.#isShared && !this.#isRefreshed && (!this.#hasFailed || this.#options.registry.isUnread);
  }

  /** Whether the next chats are read one by one. */
  get readsEach(): boolean {
    return this.#isShared && this.#proof === "read" && !this.#isUnreadable;
  }

  /** Reads the list in the background, and goes on until that has succeeded. */
  begin(): void {
    if (this.#isShared) void this.#keepRefreshing();
  }

  /** Reads the list, once. Rejects where that fails. */
  async refresh(): Promise<void> {
    const { registry, signal } = this.#options;
    // Where others cannot be told, each chat is read before its message, to the end.
    const isAnnounced = await this.#log.announce();
    const { log } = this.#log;
    await registry.refresh({ signal, onProgress: () => this.#answered() });
    this.#isRefreshed = true;
    this.#isUnreadable = false;
    if (!isAnnounced) return;
    this.#proof = log === undefined ? "list" : "log";
    this.#baseCount = log?.count ?? 0;
  }

  /** Whether the chat is subscribed; at once where nothing has to be read for it. */
  standingOf(chatId: number): Standing | Promise<Standing> {
    // Of a chat whose /start or /stop waits to be written this instance knows more than the table.
    if (!this.#isShared || this.#options.registry.isConsentPending(chatId) || this.#proof === "list") {
      return proved;
    }
    if (this.#isUnreadable) {
      void this.#tryAgain(chatId);
      return remembered;
    }
    if (this.#proof === "log" && this.#log.isClear(chatId, this.#baseCount)) return proved;
    return this.#proof === "read" && this.#hasJustLooked(chatId) ? proved : this.#read(chatId);
  }

  /** Reads chats that are about to be asked for, where they are read one by one. */
  lookAhead(chatIds: readonly number[]): void {
    for (const chatId of chatIds) void this.standingOf(chatId);
  }

  #hasJustLooked(chatId: number): boolean {
    const at = this.#lookedAt.get(chatId) ?? -Infinity;
    return this.#log.isKnown && this.#now() - at <= reliedOnMs;
  }

  get #isShared(): boolean {
    const { storage, isUnread } = this.#options.registry;
    return isUnread || storage.isShared;
  }

  async #read(chatId: number): Promise<Standing> {
    const { registry } = this.#options;
    try {
      if (registry.isUnread) throw new Error("the list of chats has never been read");
      const chat = await this.#patiently(this.#look(chatId));
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

  /** The chat, read so lately that nobody who has stopped since is told so yet. */
  async #look(chatId: number): Promise<Chat | undefined> {
    for (let tries = 0; tries < oldAnswersAtMost; tries++) {
      await this.#keepAnnounced();
      const at = this.#now();
      const chat = await this.#options.registry.look(chatId);
      this.#answered();
      if (this.#now() - at > reliedOnMs) continue;
      this.#remember(chatId, chat?.is_active === true && this.#log.isKnown ? at : undefined);
      return chat;
    }
    throw new Error(`it takes longer than ${reliedOnMs / 1000} s to answer`);
  }

  /** Those whose reading is too old are forgotten: they come first. */
  #remember(chatId: number, at: number | undefined): void {
    for (const [other, lookedAt] of this.#lookedAt) {
      if (this.#now() - lookedAt <= reliedOnMs) break;
      this.#lookedAt.delete(other);
    }
    this.#lookedAt.delete(chatId);
    if (at !== undefined) this.#lookedAt.set(chatId, at);
  }

  async #keepAnnounced(): Promise<void> {
    const isNews = await this.#log.keepAnnounced();
    // The list was read before others could be told, and proves nothing.
    if (isNews && this.#isRefreshed && this.#proof === "read") void this.#keepRefreshing();
  }

  /** From now on the list in memory has to do, until the table can be read again. */
  #fallBack(error: Error): void {
    const { registry, onMemory, signal } = this.#options;
    if (signal.aborted) return;
    this.#isUnreadable = this.#hasFailed = true;
    this.#triedAt = this.#now();
    void this.#keepRefreshing();
    if (this.#isTold || registry.isUnread) return;
    this.#isTold = true;
    onMemory(error);
  }

  /** Reads one chat, now and then: once that succeeds, the others are read again, too. */
  async #tryAgain(chatId: number): Promise<void> {
    const { registry } = this.#options;
    if (registry.isUnread || this.#now() < this.#triedAt + tryAgainMs.chat) return;
    this.#triedAt = Infinity;
    try {
      await registry.look(chatId);
      this.#answered();
      this.#isUnreadable = false;
    } catch {
      // It is tried again with a later chat.
    } finally {
      this.#triedAt = this.#now();
    }
  }

  /** Reads the list; tries again until that succeeds, or everything ends. */
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
        const restMs = registry.isUnread ? tryAgainMs.unread : tryAgainMs.unreadable;
        await clock.sleep(restMs, signal).catch(() => {});
      }
    }
  }

  #onLog(log: StopLog | undefined): void {
    this.#answered();
    // The log was emptied: who was in it since the list was read is not known.
    if (this.#proof === "log" && (log === undefined || log.since > this.#baseCount)) {
      void this.#keepRefreshing();
    }
  }

  #answered(): void {
    this.#answeredAt = this.#now();
  }

  /** An answer that is late while others come is waited for: the storage can be read. */
  async #patiently<T>(answer: Promise<T>): Promise<T> {
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

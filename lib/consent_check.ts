/**
 * Whether a chat may be written to, as the table says at that moment and not as it was when the list was read: another
 * instance may have confirmed a /stop meanwhile.
 *
 * Until the list was read anew, each chat is read (GetItem) right before its message. From then on the storage's log of
 * /stops is enough: it is read every two seconds, and only chats that are in it are read themselves. An instance that
 * hears a /stop while somebody sends confirms it three seconds later (`confirmAfterMs`), which is longer than the log's
 * reading may be old (`logHoldsMs`): so no message leaves after a confirmed /stop.
 */
import type { Chat } from "./chat.ts";
import { type Clock, monotonic } from "./clock.ts";
import { inTime } from "./patience.ts";
import type { Roster } from "./roster.ts";
import type { StopLog } from "./storage/chat_storage.ts";

export interface ConsentCheckOptions {
  readonly roster: Roster;
  readonly clock: Clock;
  /** How long an answer of the storage is waited for before the list in memory has to do. Default: as it takes. */
  readonly patienceMs?: number | undefined;
  /** Is told, once, that chats are written to as they are known in memory. */
  readonly onMemory: (error: Error) => void;
  /** Is told whenever the list was read anew. */
  readonly onRefreshed: () => void;
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

/**
 * The log is read again after so long, and relied on for so long from when its reading began: a quarter of a second less
 * than `confirmAfterMs` of the storage, for the message's own way. Each reading is charged for.
 */
const [readLogAfterMs, logHoldsMs] = [2000, 2750];
/** Others are told for so long that somebody sends, and told again when half of it is over. */
const sendingMs = 10 * 60_000;
const tryAgainMs = { unread: 500, unreadable: 5000 };

const remembered: Standing = { isActive: true, isProved: false };
const proved: Standing = { isActive: true, isProved: true };

export class ConsentCheck {
  readonly #options: ConsentCheckOptions;
  readonly #now: () => number;
  #proof: Proof = "read";
  /** Whether the list was read whole since this began, and whether it is being read. */
  #isRefreshed = false;
  #isRefreshing = false;
  /** Whether the storage cannot be read. */
  #isUnreadable = false;
  #isTold = false;
  /** How many /stops the log had before the list was read. */
  #baseCount = 0;
  #log: StopLog | undefined;
  /** When the latest reading of the log began. */
  #logReadAt = -Infinity;
  #isReadingLog = false;
  /** Until when others know that somebody sends, by `#now`. */
  #sendingUntil = -Infinity;
  /** Settles when others were told for the first time; no message leaves before. */
  #announced: Promise<unknown> = Promise.resolve();

  constructor(options: ConsentCheckOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
  }

  /** Whether chats may still join, as the list is yet to be read. */
  get isReading(): boolean {
    return this.#isShared && !this.#isRefreshed && (!this.#isUnreadable || this.#options.roster.isUnread);
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
    const { roster, signal } = this.#options;
    // Where others cannot be told, each chat is read before its message, to the end.
    const announcing = this.#announce().then(() => true, () => false);
    this.#announced = announcing;
    const isAnnounced = await announcing;
    const log = this.#log;
    await roster.refresh({ signal });
    this.#isRefreshed = true;
    this.#isUnreadable = false;
    if (!isAnnounced) return;
    this.#proof = log === undefined ? "list" : "log";
    this.#baseCount = log?.count ?? 0;
  }

  /** Whether the chat is subscribed; at once where nothing has to be read for it. */
  standingOf(chatId: number): Standing | Promise<Standing> {
    // Its last word was said to this instance, and waits to be written.
    if (!this.#isShared || this.#options.roster.isHeeded(chatId) || this.#proof === "list") return proved;
    if (this.#isUnreadable) return remembered;
    if (this.#proof === "log") {
      const ageMs = this.#now() - this.#logReadAt;
      if (ageMs > readLogAfterMs) void this.#readLog();
      if (ageMs <= logHoldsMs && !this.#isInLog(chatId)) return proved;
    }
    return this.#read(chatId);
  }

  get #isShared(): boolean {
    const { storage, isUnread } = this.#options.roster;
    return isUnread || storage.isShared;
  }

  #isInLog(chatId: number): boolean {
    return this.#log !== undefined && this.#log.count !== this.#baseCount && this.#log.chats.has(chatId);
  }

  async #read(chatId: number): Promise<Standing> {
    const { roster } = this.#options;
    try {
      if (roster.isUnread) throw new Error("the list of chats has never been read");
      const chat = await this.#patiently(this.#announced.then(() => roster.look(chatId)));
      return { isActive: roster.isHeeded(chatId) || chat?.is_active === true, isProved: true, chat };
    } catch (error) {
      this.#fallBack(error as Error);
      return remembered;
    }
  }

  /** From now on the list in memory has to do, until it can be read again. */
  #fallBack(error: Error): void {
    const { roster, onMemory, signal } = this.#options;
    if (signal.aborted) return;
    this.#isUnreadable = true;
    void this.#keepRefreshing();
    if (this.#isTold || roster.isUnread) return;
    this.#isTold = true;
    onMemory(error);
  }

  /** Reads the list; tries again until that succeeds, or everything ends. */
  async #keepRefreshing(): Promise<void> {
    const { roster, clock, signal, onRefreshed } = this.#options;
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    this.#proof = "read";
    while (!signal.aborted) {
      try {
        if (roster.isUnread) throw new Error("the list of chats has never been read");
        await this.refresh();
        this.#isRefreshing = false;
        return onRefreshed();
      } catch (error) {
        this.#fallBack(error as Error);
        const restMs = roster.isUnread ? tryAgainMs.unread : tryAgainMs.unreadable;
        await clock.sleep(restMs, signal).catch(() => {});
      }
    }
  }

  async #announce(): Promise<void> {
    const { roster: { storage }, clock } = this.#options;
    const at = this.#now();
    this.#take(await storage.beginSending(clock.now() + sendingMs), at);
    this.#sendingUntil = at + sendingMs;
  }

  async #readLog(): Promise<void> {
    if (this.#isReadingLog) return;
    this.#isReadingLog = true;
    const at = this.#now();
    try {
      if (at > this.#sendingUntil - sendingMs / 2) await this.#announce();
      else this.#take(await this.#options.roster.storage.readStopLog(), at);
    } catch {
      // Who comes next is read by itself, which tells more.
    } finally {
      this.#isReadingLog = false;
    }
  }

  #take(log: StopLog | undefined, at: number): void {
    this.#log = log;
    this.#logReadAt = at;
    // The log was emptied: who was in it since the list was read is not known.
    if (this.#proof === "log" && (log === undefined || log.since > this.#baseCount)) {
      void this.#keepRefreshing();
    }
  }

  async #patiently<T>(answer: Promise<T>): Promise<T> {
    const { patienceMs: ms, clock, signal } = this.#options;
    return ms === undefined ? await answer : await inTime(answer, { ms, clock, signal });
  }
}

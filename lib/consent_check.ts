/**
 * Whether a chat may be written to, as the table says at that moment and not as it was when the list was read: another
 * instance may have confirmed a /stop meanwhile.
 *
 * Until the list has been read anew, each chat is read (GetItem) right before its message. From then on the storage's log
 * of /stops is enough: it is read about once a second, and only chats that are in it are read themselves. While a process
 * sends by the log, every instance confirms a /stop two seconds late (`confirmAfterMs`). A reading of the log is relied on
 * for less than that, so no message leaves after a confirmed /stop.
 */
import type { Chat } from "./chat.ts";
import { type Clock, monotonic } from "./clock.ts";
import { inTime } from "./patience.ts";
import type { Roster } from "./roster.ts";
import type { StopLog } from "./storage/chat_storage.ts";

export interface ConsentCheckOptions {
  readonly roster: Roster;
  readonly clock: Clock;
  /** How long to wait for an answer of the storage before the list in memory is used. Default: without a limit. */
  readonly patienceMs?: number | undefined;
  /** Called once, when the list in memory begins to be used. */
  readonly onMemory: (error: Error) => void;
  /** Called whenever the list has been read anew. */
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

/** The log is read again after so long, and relied on for so long: less than `confirmAfterMs` of the storage. */
const [readLogAfterMs, logHoldsMs] = [1250, 1750];
/** How long one announcement that this process sends by the log holds; it is renewed when half of that is over. */
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
  /** Until when the announcement holds, by `#now`. */
  #sendingUntil = -Infinity;
  /** Settles when the first announcement is written; no message leaves before. */
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
    // Without the announcement each chat is read before its message, to the end.
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
    // Of a chat whose /start or /stop waits to be written this instance knows more than the table.
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

  /** Uses the list in memory from now on, until the table can be read again. */
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
      // The next chat is read by itself; if that fails, too, the list in memory is used.
    } finally {
      this.#isReadingLog = false;
    }
  }

  #take(log: StopLog | undefined, at: number): void {
    this.#log = log;
    this.#logReadAt = at;
    // The log was emptied after the list was read, so that /stops between the two may be missing: the list is read anew.
    if (this.#proof === "log" && (log === undefined || log.since > this.#baseCount)) {
      void this.#keepRefreshing();
    }
  }

  async #patiently<T>(answer: Promise<T>): Promise<T> {
    const { patienceMs: ms, clock, signal } = this.#options;
    return ms === undefined ? await answer : await inTime(answer, { ms, clock, signal });
  }
}

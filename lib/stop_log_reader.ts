/**
 * The log of /stops that all who share a storage write, as one who sends reads it: every two seconds, and for as long
 * as the others know that somebody sends.
 */
import { type Clock, monotonic } from "./clock.ts";
import type { Roster } from "./roster.ts";
import type { StopLog } from "./storage/chat_storage.ts";

export interface StopLogReaderOptions {
  readonly roster: Roster;
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
    const { roster: { storage }, clock } = this.#options;
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
      this.#take(await this.#options.roster.storage.readStopLog(), at);
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

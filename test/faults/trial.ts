/** One broadcast that is put to the test: who is to get it, who got it how often, and whether the report is right. */
import type { Message } from "grammy/types";
import type { BotApiFault, LocalUser } from "../../lib/local/mod.ts";
import type { BroadcastReport, RunRecord } from "../../mod.ts";
import { announcement } from "./announcement.ts";
import type { Audience } from "./audience.ts";

export interface TrialOptions {
  readonly onUnknown: "skip" | "resend";
  /** By the bots' clock. */
  readonly messagesPerSecond: number;
  /** The share of chats that have blocked the bot, which does not know it yet. @default 0 */
  readonly blocked?: number;
  /** The share of chats whose first message meets a connection that breaks: before it arrives, or after. @default 0 */
  readonly lost?: number;
}

/** Earlier windows' chats that a record may hold. */
const pendingAtMost = 60;

export class Trial {
  readonly id: string;
  readonly options: TrialOptions;
  /** How often it came to each chat. */
  readonly arrivals: Map<number, number> = new Map();
  /** Whom the ledger left in doubt after a crash. */
  readonly inDoubt: Set<number> = new Set();
  readonly blocked: ReadonlySet<number>;
  /** Set by whoever plays it. */
  report: BroadcastReport | undefined;
  readonly problems: string[] = [];
  readonly #audience: Audience;
  readonly #faults: ReadonlyMap<number, BotApiFault>;
  readonly #listeners = new Set<() => void>();
  readonly #ends: (() => void)[];
  #arrived = 0;

  /** @ignore Trials are made by `beginTrial`. */
  constructor(audience: Audience, options: TrialOptions) {
    const { random, people, server } = audience;
    this.id = audience.newBroadcastId();
    this.options = options;
    this.#audience = audience;
    const drawn = (share: number = 0): LocalUser[] => people.filter(() => random() < share);
    const blocked = drawn(options.blocked);
    server.unheard(() => blocked.forEach((person) => person.block()));
    this.blocked = new Set(blocked.map(({ chatId }) => chatId));
    const lost = drawn(options.lost).filter(({ chatId }) => !this.blocked.has(chatId));
    this.#faults = new Map(lost.map(({ chatId }) => {
      const answer = random() < 0.5 ? "lose" : "reset";
      return [chatId, server.fault({ method: "sendMessage", chatId, answer })];
    }));
    this.#ends = people.map((person) => person.onMessage((message) => this.#arrive(person, message)));
  }

  /** Messages that have come so far. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Chats that answers were lost for. */
  get lost(): number[] {
    return [...this.#faults].filter(([, fault]) => fault.hits > 0).map(([chatId]) => chatId);
  }

  /** Chats that got it more than once. */
  get doubled(): number[] {
    return [...this.arrivals].filter(([, times]) => times > 1).map(([chatId]) => chatId);
  }

  /** Chats that could have got it, and did not. */
  get missed(): number[] {
    const ids = this.#audience.people.map(({ chatId }) => chatId);
    return ids.filter((chatId) => !this.blocked.has(chatId) && !this.arrivals.has(chatId));
  }

  /** Resolves when the next message has come, before the bot hears of it. */
  onArrival(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Notes whom a crash leaves in doubt; gives what the ledger holds by now. */
  async noteCrash(): Promise<RunRecord | undefined> {
    const record = await this.#audience.record(this.id);
    if (record?.state !== "running") return record;
    const { window_after = -Infinity, cursor = -Infinity, pending = [] } = record;
    const ids = this.#audience.people.map(({ chatId }) => chatId);
    const window = ids.filter((chatId) => chatId > window_after && chatId <= cursor);
    const atMost = Math.max(100, 2 * this.options.messagesPerSecond);
    if (window.length + pending.length > atMost || pending.length > pendingAtMost) {
      const text = `${window.length} chats of a window and ${pending.length} of earlier ones are in doubt`;
      this.problems.push(`${this.id}: ${text}, but may be ${atMost} and ${pendingAtMost}`);
    }
    for (const chatId of [...window, ...pending]) this.inDoubt.add(chatId);
    return record;
  }

  /** Ends the trouble, and has everybody subscribed again. */
  async end(): Promise<void> {
    const { people, server } = this.#audience;
    for (const end of this.#ends) end();
    for (const fault of this.#faults.values()) fault.clear();
    const blocked = people.filter(({ chatId }) => this.blocked.has(chatId));
    server.unheard(() => blocked.forEach((person) => person.unblock()));
    await this.#audience.subscribe(blocked);
  }

  #arrive({ chatId }: LocalUser, { text = "", entities = [] }: Message): void {
    if (!text.startsWith(`Broadcast ${this.id}\n`)) return;
    this.arrivals.set(chatId, (this.arrivals.get(chatId) ?? 0) + 1);
    this.#arrived++;
    const sent = announcement(this.id);
    if (text !== sent.text || JSON.stringify(entities) !== JSON.stringify(sent.entities)) {
      this.problems.push(`${this.id}: it came to chat ${chatId} in other words: ${JSON.stringify(text)}`);
    }
    for (const listener of [...this.#listeners]) listener();
  }
}

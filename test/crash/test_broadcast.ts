/** One broadcast under test: which chats should get it, and which got it how often. */
import type { Message } from "grammy/types";
import type { BotApiFault, LocalUser } from "../../lib/local/mod.ts";
import type { BroadcastReport, RunRecord } from "../../mod.ts";
import { indexOf, type Kind, messagesOf, pictureOf } from "./announcement.ts";
import type { Subscribers } from "./subscribers.ts";

export interface TestBroadcastOptions {
  readonly onUnknown: "skip" | "resend";
  /** By the bots' clock. */
  readonly messagesPerSecond: number;
  /** What is broadcast. @default "text" */
  readonly kind?: Kind | undefined;
  /** The share of chats that have blocked the bot, which does not know it yet. @default 0 */
  readonly blocked?: number;
  /** The share of chats of which one message meets a connection that breaks: before it arrives, or after. @default 0 */
  readonly lost?: number;
  /** Until when it may be sent, by the bots' clock. Default: for ever. */
  readonly expiresAt?: number | undefined;
}

/** Most chats of earlier windows that a record may hold: those under way, or left over by a stop. */
const pendingAtMost = 30;

export class TestBroadcast {
  readonly id: string;
  readonly options: TestBroadcastOptions;
  /** Chats that the ledger left in doubt after a crash. */
  readonly inDoubt: Set<number> = new Set();
  readonly blocked: ReadonlySet<number>;
  /** Set by the scenario. */
  report: BroadcastReport | undefined;
  /** Bots that had no file_id of its photo. */
  uploaders = 0;
  readonly problems: string[] = [];
  readonly #subscribers: Subscribers;
  readonly #messages: ReturnType<typeof messagesOf>;
  /** The fault that loses a message, by its chat. */
  readonly #losses: ReadonlyMap<number, BotApiFault>;
  readonly #faults: BotApiFault[] = [];
  /** How often each of its messages arrived in each chat. */
  readonly #arrivals = new Map<number, number[]>();
  readonly #listeners = new Set<() => void>();
  readonly #ends: (() => void)[];
  readonly #uploadsBefore: number;
  #arrived = 0;
  #reached = 0;

  constructor(subscribers: Subscribers, options: TestBroadcastOptions) {
    const { random, users, server } = subscribers;
    this.id = subscribers.newBroadcastId(options.kind ?? "text");
    this.options = options;
    this.#subscribers = subscribers;
    this.#messages = messagesOf(this.id);
    this.#uploadsBefore = server.uploads;
    const drawn = (share: number = 0): LocalUser[] => users.filter(() => random() < share);
    const blocked = drawn(options.blocked);
    server.unheard(() => blocked.forEach((user) => user.block()));
    this.blocked = new Set(blocked.map(({ chatId }) => chatId));
    const lost = drawn(options.lost).filter(({ chatId }) => !this.blocked.has(chatId));
    this.#losses = new Map(lost.map(({ chatId }) => [chatId, this.#loseOne(chatId)]));
    this.#ends = users.map((user) => user.onMessage((message) => this.#arrive(user, message)));
  }

  /** Messages that have arrived so far. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Chats that have all of its messages so far. */
  get reached(): number {
    return this.#reached;
  }

  /** Files that were uploaded for it. */
  get uploads(): number {
    return this.#subscribers.server.uploads - this.#uploadsBefore;
  }

  /** Chats for which an answer was lost. */
  get lost(): number[] {
    return [...this.#losses].filter(([, fault]) => fault.hits > 0).map(([chatId]) => chatId);
  }

  /** Chats that got some of it more than once. */
  get doubled(): number[] {
    const isTwice = ([, times]: [number, number[]]): boolean => times.some((count) => count > 1);
    return [...this.#arrivals].filter(isTwice).map(([chatId]) => chatId);
  }

  /** Chats that could have got it, and did not, or not to its end. */
  get missed(): number[] {
    const ids = this.#subscribers.users.map(({ chatId }) => chatId);
    return ids.filter((chatId) => !this.blocked.has(chatId) && !this.#isWhole(chatId));
  }

  /** Calls the listener on each arrival, before the bot has the answer. */
  onArrival(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Notes the chats that a crash leaves in doubt; gives the ledger's record. Call it before each bot begins. */
  async noteCrash(): Promise<RunRecord | undefined> {
    const record = await this.#subscribers.record(this.id);
    if (record?.message_name === undefined) this.uploaders++;
    if (record?.state !== "running") return record;
    const { window_after, cursor, pending = [] } = record;
    const ids = this.#subscribers.users.map(({ chatId }) => chatId);
    const position = positionIn(record);
    const window = ids.filter((chatId) =>
      position(chatId) > position(window_after) && position(chatId) <= position(cursor)
    );
    const atMost = Math.max(100, 2 * this.options.messagesPerSecond);
    if (window.length + pending.length > atMost || pending.length > pendingAtMost) {
      const text = `${window.length} chats of a window and ${pending.length} of earlier ones are in doubt`;
      this.problems.push(`${this.id}: ${text}, but may be ${atMost} and ${pendingAtMost}`);
    }
    for (const chatId of [...window, ...pending]) this.inDoubt.add(chatId);
    return record;
  }

  /** Ends the faults, and subscribes all users again. */
  async end(): Promise<void> {
    const { users, server } = this.#subscribers;
    for (const end of this.#ends) end();
    for (const fault of this.#faults) fault.clear();
    const blocked = users.filter(({ chatId }) => this.blocked.has(chatId));
    server.unheard(() => blocked.forEach((user) => user.unblock()));
    await this.#subscribers.subscribe(blocked);
  }

  #isWhole(chatId: number): boolean {
    return this.#arrivals.get(chatId)?.length === this.#messages.length;
  }

  /** Loses one of its messages to the chat, or the answer to it. */
  #loseOne(chatId: number): BotApiFault {
    const { random, server } = this.#subscribers;
    const methods = this.#messages.map((_, index) =>
      index === 0 && this.options.kind === "photo" ? "sendPhoto" : "sendMessage"
    );
    const index = Math.floor(random() * methods.length);
    const method = methods[index] as string;
    const times = methods.slice(0, index).filter((earlier) => earlier === method).length;
    if (times > 0) this.#faults.push(server.fault({ method, chatId, times, answer: { delayMs: 0 } }));
    const fault = server.fault({ method, chatId, answer: random() < 0.5 ? "lose" : "reset" });
    this.#faults.push(fault);
    return fault;
  }

  #arrive({ chatId }: LocalUser, message: Message): void {
    const { text = message.caption ?? "" } = message;
    const index = indexOf(this.id, text);
    if (index < 0) return;
    const times = this.#arrivals.get(chatId) ?? [];
    if (index > times.length) {
      this.problems.push(`${this.id}: chat ${chatId} got part ${index + 1} too early`);
    }
    times[index] = (times[index] ?? 0) + 1;
    this.#arrivals.set(chatId, times);
    this.#arrived++;
    if (index === this.#messages.length - 1 && times[index] === 1) this.#reached++;
    this.#compare(chatId, index, message);
    for (const listener of [...this.#listeners]) listener();
  }

  #compare(chatId: number, index: number, message: Message): void {
    const { text = message.caption, entities = message.caption_entities, photo } = message;
    const sent = this.#messages[index];
    const isSame = text === sent?.text && JSON.stringify(entities) === JSON.stringify(sent?.entities);
    if (!isSame) {
      this.problems.push(`${this.id}: chat ${chatId} got another text: ${JSON.stringify(text)}`);
    }
    const isPhoto = index === 0 && this.options.kind === "photo";
    const bytes = this.#subscribers.server.file(photo?.at(-1)?.file_id ?? "");
    const isRight = isPhoto ? String(bytes) === String(pictureOf(this.id)) : photo === undefined;
    if (!isRight) this.problems.push(`${this.id}: chat ${chatId} got another picture`);
  }
}

/** A user's position in the run's order, which rotates from its own start; -1 for `undefined`. */
export function positionIn({ people_start: start }: RunRecord): (chatId: number | undefined) => number {
  return (chatId) => chatId === undefined ? -1 : (chatId - Number(start) + 2 ** 52) % 2 ** 52;
}

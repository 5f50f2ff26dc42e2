/** Replies on their way: one chat's in their order, different chats' side by side, and never the reason for a wait. */
import type { Api } from "grammy/web";
import { BoundedMap } from "./bounded.ts";
import type { ChatEvent } from "./chat.ts";
import { type Clock, monotonic } from "./clock.ts";
import { forGrammy } from "./for_grammy.ts";
import { asReply } from "./gate.ts";
import { LateTurnError } from "./departure.ts";
import { createInOrder } from "./in_order.ts";
import type { Addressee } from "./messages.ts";
import { outcomeOf } from "./outcome.ts";
import { type Allowance, createAllowance } from "./allowance.ts";
import { waitFor } from "./patience.ts";
import { reasonOf } from "./reason.ts";
import type { Reply } from "./replies.ts";
import type { Roster } from "./roster.ts";
import type { FormattedText } from "./text.ts";
import type { Words } from "./words.ts";

export interface OutboxOptions {
  readonly roster: Roster;
  readonly words: Words;
  /** Called with a chat that turned out to be out of reach. */
  readonly onGone: (chatId: number, event: ChatEvent) => Promise<unknown>;
  /** Called with what happened to a reply that could not be sent. */
  readonly warn: (message: string) => void;
  readonly clock: Clock;
  /** When a reply is given up, its answer included. Default: never; then the bot's own limit holds. */
  readonly withinMs?: number;
}

/** What one chat is answered at most, which is all that Telegram takes in a group; and as often to /start and /stop. */
const repliesPerMinute = 20;
const closeWithinMs = 10_000;
const chatsAtMost = 10_000;
/**
 * A reply whose turn at the gate does not come within this time is dropped. Hundreds may say /start or /stop at once, and
 * each is to know that it counts.
 */
const waitAtMostMs = { word: 60_000, other: 10_000 } as const;
/** Replies that wait at a time over all chats; the last places are for what confirms a /start or /stop. */
const waitingAtMost = { word: 1000, other: 800 } as const;

/** What a reply answers: a /start or /stop, or anything else. */
type Kind = "word" | "other";

/** What the replies answer, and whether they still do. */
export interface SendOptions {
  readonly kind?: Kind;
  readonly isWanted?: () => boolean;
  /** How long they wait when their turn has come; what the chat is answered later stays behind them. */
  readonly holdMs?: number | undefined;
}

/** How a reply is to leave, and since when it waits. */
interface Order {
  readonly kind: Kind;
  readonly queuedAt: number;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #now: () => number;
  /** When a reply to a chat was last given up, as its turn had not come in time. */
  readonly #droppedAt = new BoundedMap<number, number>(chatsAtMost);
  readonly #inOrder = createInOrder();
  readonly #allowances: Readonly<Record<Kind, Allowance>>;
  #pending = 0;
  /** Replies that have not been sent yet. */
  #waiting = 0;
  #dropped = 0;
  #isClosed = false;
  #onIdle = (): void => {};

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
    const allowance = (): Allowance =>
      createAllowance({ atOnce: repliesPerMinute, perSecond: repliesPerMinute / 60 });
    this.#allowances = { word: allowance(), other: allowance() };
  }

  /** Chats' answers that have not been sent yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Replies that were given up: too many waited, their turn did not come in time, or their chat was flooded. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Sends what answers a /start or /stop (`word`) or anything else, as far as it is still wanted when its turn comes.
   * Never rejects.
   */
  async send(
    api: Api,
    to: Addressee,
    replies: readonly Reply[],
    { kind = "other", isWanted = () => true, holdMs }: SendOptions = {},
  ): Promise<void> {
    const { [kind]: allowance } = this.#allowances;
    if (replies.length === 0 || !allowance.take(to.chatId, this.#options.clock.now())) return;
    if (this.#waiting + replies.length > waitingAtMost[kind]) {
      return this.#drop(to.chatId, replies.length, `${this.#waiting} replies wait already`);
    }
    this.#pending++;
    this.#waiting += replies.length;
    const queuedAt = this.#now();
    await this.#inOrder(to.chatId, async () => {
      if (holdMs !== undefined) await this.#options.clock.sleep(holdMs);
      for (const reply of replies) {
        if (isWanted() && !this.#isClosed) await this.#answer(api, to, reply, { kind, queuedAt });
        this.#waiting--;
      }
    });
    if (--this.#pending === 0) this.#onIdle();
  }

  /** Sends what waits, for a while; what has not been sent by then is not. */
  async close(): Promise<void> {
    const { clock, warn } = this.#options;
    if (this.#pending > 0) {
      const idle = new Promise<void>((resolve) => this.#onIdle = resolve);
      await waitFor(idle, closeWithinMs, clock);
    }
    this.#isClosed = true;
    if (this.#pending > 0) warn(`The bot ends before ${this.#pending} chats could be answered.`);
  }

  #drop(chatId: number, count: number, why: string): void {
    this.#dropped += count;
    this.#options.warn(`Chat ${chatId} is not answered: ${why}.`);
  }

  /** A reply that fails is no reason to handle the update again; that the chat is gone is worth keeping. */
  async #answer(api: Api, to: Addressee, reply: Reply, { kind, queuedAt }: Order): Promise<void> {
    const { clock, warn, onGone, withinMs } = this.#options;
    const { chatId, threadId: message_thread_id } = to;
    const at = clock.now();
    // What was behind a reply that has waited for too long has waited as long.
    if (queuedAt <= (this.#droppedAt.get(chatId) ?? -Infinity)) {
      return this.#drop(chatId, 1, new LateTurnError().message);
    }
    try {
      const { text, entities } = reply === "status" ? await this.#status(to) : this.#options.words(reply, to);
      if (text === "") return;
      const signal = withinMs === undefined ? undefined : forGrammy(AbortSignal.timeout(withinMs));
      const place = message_thread_id === undefined ? {} : { message_thread_id };
      const message = { chat_id: chatId, ...place, text, entities: [...entities] };
      const mark = { isConfirmation: kind === "word", waitAtMostMs: waitAtMostMs[kind] };
      await api.raw.sendMessage(asReply(message, mark), signal);
    } catch (error) {
      if (this.#isClosed) return;
      const outcome = outcomeOf(error);
      const isLate = error instanceof LateTurnError;
      if (isLate) this.#droppedAt.set(chatId, this.#now());
      if (isLate || outcome.kind === "wait") this.#drop(chatId, 1, (error as Error).message);
      else if (outcome.kind === "gone") {
        onGone(chatId, { kind: "removed", reason: outcome.reason, at })
          .catch((failure) => warn(`Chat ${chatId} is gone, which could not be kept: ${reasonOf(failure)}`));
      } else if (outcome.kind === "moved" && outcome.to !== chatId) {
        await this.#answer(api, { ...to, chatId: outcome.to }, reply, { kind, queuedAt });
      } else if (outcome.kind === "topic" && message_thread_id !== undefined) {
        await this.#answer(api, { ...to, threadId: undefined }, reply, { kind, queuedAt });
      } else warn(`Chat ${chatId} could not be answered: ${(error as Error).message}`);
    }
  }

  async #status(to: Addressee): Promise<FormattedText> {
    const { roster, words } = this.#options;
    const { chatId } = to;
    const unread = (): FormattedText => words("statusUnread", { ...to, isActive: roster.mayWriteTo(chatId) });
    if (roster.isHeeded(chatId)) return unread();
    try {
      const chat = await roster.getChat(chatId);
      return words("status", { ...to, chat, isDurable: roster.storage.kind !== "memory" });
    } catch {
      return unread();
    }
  }
}

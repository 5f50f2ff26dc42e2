/** Replies on their way: one chat's in their order, different chats' side by side, and never the reason for a wait. */
import type { Api } from "grammy/web";
import { forGrammy } from "../telegram/client.ts";
import { outcomeOf } from "../telegram/outcome.ts";
import { asReply } from "../telegram/rate_limit/rate_limiter.ts";
import { LateTurnError } from "../telegram/rate_limit/send_request.ts";
import type { FormattedText } from "../telegram/text.ts";
import { createInOrder, waitFor } from "../util/async.ts";
import { type Clock, monotonic } from "../util/clock.ts";
import { BoundedMap, BoundedSet } from "../util/collections.ts";
import { reasonOf } from "../util/errors.ts";
import { type Allowance, createAllowance } from "../util/token_bucket.ts";
import type { ChatEvent } from "./events.ts";
import type { Addressee, Words } from "./messages.ts";
import type { Roster } from "./registry.ts";
import { repliesAfterQueue, repliesTo, repliesWhileQueued, type Reply } from "./replies.ts";
import type { Ask, Heard } from "./update.ts";
import type { Entry, Step } from "./writer.ts";

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

// Answers to updates: once one is kept, while it waits in the queue, and after it has left the queue.

export interface AnswersOptions {
  readonly api: Api;
  readonly outbox: Outbox;
  readonly roster: Roster;
}

/** An update that waits in the queue. */
export interface Queued {
  readonly updateId: number;
  readonly heard: Heard;
  /** Whether the chat was active before, as far as was known here. */
  readonly wasActive: boolean;
  readonly kept: Promise<Step>;
}

/** Chats that were told what is told once; past this many, the oldest may be told again. */
const toldAtMost = 10_000;

export class Answers {
  readonly #options: AnswersOptions;
  readonly #told = new BoundedSet<number>(toldAtMost);
  /** Updates that a process before this one has answered while they waited. */
  readonly #answered = new Set<number | undefined>();

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Answers what is kept; without a step, what could not be decided. */
  kept(heard: Heard, step: Step | undefined): Promise<void> {
    const { chatId, asks } = heard;
    const to = addresseeOf(heard);
    if (asks === "stranger") return this.#send(to, this.#once(chatId, "stranger"));
    if (step === undefined) return this.#send(to, ["administratorsUnknown"]);
    // A chat that has said /stop meanwhile gets no greeting any more.
    const isWanted = (): boolean => asks !== "nothing" || this.#options.roster.mayWriteTo(chatId);
    return this.#send(to, repliesTo(asks, step), {
      kind: kindOf(asks),
      isWanted,
      holdMs: holdMsOf(asks, step),
    });
  }

  /** Answers what is queued, with what is known. */
  queued({ updateId, heard, wasActive, kept }: Queued): void {
    const { chatId, asks, entry } = heard;
    const to = addresseeOf(heard);
    if (this.#answered.has(updateId)) return;
    const isMessage = entry?.kind === "event" && entry.event.kind === "message";
    // A chat that has said /stop, or may not be registered, is not invited to /start.
    const isInvited = asks !== "stop" && asks !== "chatTypeNotAllowed" && asks !== "tooManyChats";
    if (!isInvited) this.#once(chatId, "unread");
    // What nobody has asked for is not said before all subscribers of a channel.
    const isToTell = heard.chatType !== "channel" || asks !== "nothing";
    const isUnknown = this.#options.roster.isUnread && !wasActive && isMessage && isToTell;
    const unread = isUnknown ? this.#once(chatId, "unread") : [];
    void this.#send(to, [...unread, ...repliesWhileQueued(asks, wasActive)], { kind: kindOf(asks) });
    this.#later(to, asks, kept);
  }

  /** Takes over from a process before this one, whose entries are on their way to be kept. */
  resume(entries: readonly Entry[], kept: readonly Promise<Step>[]): void {
    for (const [index, entry] of entries.entries()) {
      if (entry.kind !== "event") continue;
      const { chatId, event } = entry;
      if ("updateId" in event) this.#answered.add(event.updateId);
      const asks = event.kind === "start" || event.kind === "stop" ? event.kind : "nothing";
      const threadId = "threadId" in event ? event.threadId : undefined;
      this.#later({ chatId, languageCode: undefined, threadId }, asks, kept[index] as Promise<Step>);
    }
  }

  /** What could not be said while it waited. */
  #later(to: Addressee, asks: Ask, kept: Promise<Step>): void {
    const isWanted = (): boolean => this.#options.roster.mayWriteTo(to.chatId);
    kept.then((step) => this.#send(to, repliesAfterQueue(asks, step), { isWanted })).catch(() => {});
  }

  #send(to: Addressee, replies: readonly Reply[], options?: SendOptions): Promise<void> {
    return this.#options.outbox.send(this.#options.api, to, replies, options);
  }

  #once(chatId: number, reply: Reply): Reply[] {
    return this.#told.add(chatId) ? [reply] : [];
  }
}

/** The chat that an answer is for. */
export function addresseeOf({ chatId, languageCode, threadId }: Heard): Addressee {
  return threadId === undefined ? { chatId, languageCode } : { chatId, languageCode, threadId };
}

/** How long the answer has to wait: that of a /stop promises that no message follows it. */
export function holdMsOf(asks: Ask, step: Step | undefined): number | undefined {
  return asks === "stop" ? step?.confirmAfterMs : undefined;
}

function kindOf(asks: Ask): "word" | "other" {
  return asks === "start" || asks === "stop" ? "word" : "other";
}

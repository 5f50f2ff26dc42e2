/** Replies on their way: one chat's in their order, different chats' side by side, and never the reason for a wait. */
import type { Api } from "grammy/web";
import { asGrammySignal } from "../telegram/client.ts";
import { outcomeOf } from "../telegram/outcome.ts";
import { asReply } from "../telegram/rate_limit/rate_limiter.ts";
import { PermitTimeoutError } from "../telegram/rate_limit/send_request.ts";
import type { FormattedText } from "../telegram/text.ts";
import { createKeyedMutex, settleWithin } from "../util/async.ts";
import { type Clock, monotonic } from "../util/clock.ts";
import { BoundedMap, BoundedSet } from "../util/collections.ts";
import { messageOf } from "../util/errors.ts";
import { createTokenBuckets, type TokenBuckets } from "../util/token_bucket.ts";
import type { ChatEvent } from "./events.ts";
import type { Addressee, MessageRenderer } from "./messages.ts";
import type { ChatRegistry } from "./registry.ts";
import { repliesAfterQueue, repliesTo, repliesWhileQueued, type Reply } from "./replies.ts";
import type { Intent, ParsedUpdate } from "./update.ts";
import type { ChatWrite, WriteResult } from "./writer.ts";

export interface ReplySenderOptions {
  readonly registry: ChatRegistry;
  readonly renderMessage: MessageRenderer;
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

export class ReplySender {
  readonly #options: ReplySenderOptions;
  readonly #now: () => number;
  /** When a reply to a chat was last given up, as its turn had not come in time. */
  readonly #droppedAt = new BoundedMap<number, number>(chatsAtMost);
  readonly #inOrder = createKeyedMutex();
  readonly #allowances: Readonly<Record<Kind, TokenBuckets>>;
  #pending = 0;
  /** Replies that have not been sent yet. */
  #waiting = 0;
  #dropped = 0;
  #isClosed = false;
  #onIdle = (): void => {};

  constructor(options: ReplySenderOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
    const allowance = (): TokenBuckets =>
      createTokenBuckets({ atOnce: repliesPerMinute, perSecond: repliesPerMinute / 60 });
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
    if (replies.length === 0 || !allowance.tryTake(to.chatId, this.#options.clock.now())) return;
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
      await settleWithin(idle, closeWithinMs, clock);
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
      return this.#drop(chatId, 1, new PermitTimeoutError().message);
    }
    try {
      const { text, entities } = reply === "status"
        ? await this.#status(to)
        : this.#options.renderMessage(reply, to);
      if (text === "") return;
      const signal = withinMs === undefined ? undefined : asGrammySignal(AbortSignal.timeout(withinMs));
      const place = message_thread_id === undefined ? {} : { message_thread_id };
      const message = { chat_id: chatId, ...place, text, entities: [...entities] };
      const mark = { isConfirmation: kind === "word", waitAtMostMs: waitAtMostMs[kind] };
      await api.raw.sendMessage(asReply(message, mark), signal);
    } catch (error) {
      if (this.#isClosed) return;
      const outcome = outcomeOf(error);
      const isLate = error instanceof PermitTimeoutError;
      if (isLate) this.#droppedAt.set(chatId, this.#now());
      if (isLate || outcome.kind === "rateLimited") this.#drop(chatId, 1, (error as Error).message);
      else if (outcome.kind === "gone") {
        onGone(chatId, { kind: "removed", reason: outcome.reason, at })
          .catch((failure) => warn(`Chat ${chatId} is gone, which could not be kept: ${messageOf(failure)}`));
      } else if (outcome.kind === "moved" && outcome.to !== chatId) {
        await this.#answer(api, { ...to, chatId: outcome.to }, reply, { kind, queuedAt });
      } else if (outcome.kind === "topic" && message_thread_id !== undefined) {
        await this.#answer(api, { ...to, threadId: undefined }, reply, { kind, queuedAt });
      } else warn(`Chat ${chatId} could not be answered: ${(error as Error).message}`);
    }
  }

  async #status(to: Addressee): Promise<FormattedText> {
    const { registry, renderMessage: words } = this.#options;
    const { chatId } = to;
    const unread = (): FormattedText =>
      words("statusUnread", { ...to, isActive: registry.isSubscribed(chatId) });
    if (registry.isConsentPending(chatId)) return unread();
    try {
      const chat = await registry.getChat(chatId);
      return words("status", { ...to, chat, isDurable: registry.storage.kind !== "memory" });
    } catch {
      return unread();
    }
  }
}

// Answers to updates: once one is kept, while it waits in the queue, and after it has left the queue.

export interface RepliesOptions {
  readonly api: Api;
  readonly replySender: ReplySender;
  readonly registry: ChatRegistry;
}

/** An update that waits in the queue. */
export interface Queued {
  readonly updateId: number;
  readonly parsed: ParsedUpdate;
  /** Whether the chat was active before, as far as was known here. */
  readonly wasActive: boolean;
  readonly kept: Promise<WriteResult>;
}

/** Chats that were told what is told once; past this many, the oldest may be told again. */
const toldAtMost = 10_000;

export class Replies {
  readonly #options: RepliesOptions;
  readonly #told = new BoundedSet<number>(toldAtMost);
  /** Updates that a process before this one has answered while they waited. */
  readonly #answered = new Set<number | undefined>();

  constructor(options: RepliesOptions) {
    this.#options = options;
  }

  /** Answers what is kept; without a step, what could not be decided. */
  replyToWrite(parsed: ParsedUpdate, result: WriteResult | undefined): Promise<void> {
    const { chatId, intent } = parsed;
    const to = addresseeOf(parsed);
    if (intent === "stranger") return this.#send(to, this.#once(chatId, "stranger"));
    if (result === undefined) return this.#send(to, ["administratorsUnknown"]);
    // A chat that has said /stop meanwhile gets no greeting any more.
    const isWanted = (): boolean => intent !== "nothing" || this.#options.registry.isSubscribed(chatId);
    return this.#send(to, repliesTo(intent, result), {
      kind: kindOf(intent),
      isWanted,
      holdMs: holdMsOf(intent, result),
    });
  }

  /** Answers what is queued, with what is known. */
  replyWhileQueued({ updateId, parsed, wasActive, kept }: Queued): void {
    const { chatId, intent, write: chatWrite } = parsed;
    const to = addresseeOf(parsed);
    if (this.#answered.has(updateId)) return;
    const isMessage = chatWrite?.kind === "event" && chatWrite.event.kind === "message";
    // A chat that has said /stop, or may not be registered, is not invited to /start.
    const isInvited = intent !== "stop" && intent !== "chatTypeNotAllowed" && intent !== "tooManyChats";
    if (!isInvited) this.#once(chatId, "unread");
    // What nobody has asked for is not said before all subscribers of a channel.
    const isToTell = parsed.chatType !== "channel" || intent !== "nothing";
    const isUnknown = this.#options.registry.isUnread && !wasActive && isMessage && isToTell;
    const unread = isUnknown ? this.#once(chatId, "unread") : [];
    void this.#send(to, [...unread, ...repliesWhileQueued(intent, wasActive)], { kind: kindOf(intent) });
    this.#later(to, intent, kept);
  }

  /** Takes over from a process before this one, whose entries are on their way to be kept. */
  resume(chatWrites: readonly ChatWrite[], kept: readonly Promise<WriteResult>[]): void {
    for (const [index, chatWrite] of chatWrites.entries()) {
      if (chatWrite.kind !== "event") continue;
      const { chatId, event } = chatWrite;
      if ("updateId" in event) this.#answered.add(event.updateId);
      const intent = event.kind === "start" || event.kind === "stop" ? event.kind : "nothing";
      const threadId = "threadId" in event ? event.threadId : undefined;
      this.#later({ chatId, languageCode: undefined, threadId }, intent, kept[index] as Promise<WriteResult>);
    }
  }

  /** What could not be said while it waited. */
  #later(to: Addressee, intent: Intent, kept: Promise<WriteResult>): void {
    const isWanted = (): boolean => this.#options.registry.isSubscribed(to.chatId);
    kept.then((result) => this.#send(to, repliesAfterQueue(intent, result), { isWanted })).catch(() => {});
  }

  #send(to: Addressee, replies: readonly Reply[], options?: SendOptions): Promise<void> {
    return this.#options.replySender.send(this.#options.api, to, replies, options);
  }

  #once(chatId: number, reply: Reply): Reply[] {
    return this.#told.add(chatId) ? [reply] : [];
  }
}

/** The chat that an answer is for. */
export function addresseeOf({ chatId, languageCode, threadId }: ParsedUpdate): Addressee {
  return threadId === undefined ? { chatId, languageCode } : { chatId, languageCode, threadId };
}

/** How long the answer has to wait: that of a /stop promises that no message follows it. */
export function holdMsOf(intent: Intent, result: WriteResult | undefined): number | undefined {
  return intent === "stop" ? result?.confirmAfterMs : undefined;
}

function kindOf(intent: Intent): "word" | "other" {
  return intent === "start" || intent === "stop" ? "word" : "other";
}

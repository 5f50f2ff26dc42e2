/**
 * Sends replies: at once when the update is written, provisionally while it is queued, the rest after replay. One chat's
 * replies keep their order, different chats' go side by side.
 */
import type { Api } from "grammy/web";
import { asGrammySignal } from "../telegram/client.ts";
import { outcomeOf } from "../telegram/outcome.ts";
import { asReply } from "../telegram/rate_limit/rate_limiter.ts";
import { PermitTimeoutError } from "../telegram/rate_limit/send_request.ts";
import type { FormattedText } from "../telegram/text.ts";
import { createKeyedMutex, deadline, settleWithin } from "../util/async.ts";
import { type Clock, monotonic, systemClock } from "../util/clock.ts";
import { BoundedMap, BoundedSet } from "../util/collections.ts";
import { messageOf } from "../util/errors.ts";
import { createTokenBuckets, type TokenBuckets } from "../util/token_bucket.ts";
import { isChannel, isRegistered } from "./chat.ts";
import type { ChatEvent, ChatState } from "./events.ts";
import type { Addressee, MessageName, MessageRenderer } from "./messages.ts";
import type { ChatRegistry } from "./registry.ts";
import type { Intent, ParsedUpdate } from "./update.ts";
import type { ChatWrite, WriteResult } from "./writer.ts";

/** A message by its name; the chat's status is what it is when it is sent. */
export type Reply = Exclude<MessageName, "signal" | "statusUnread">;

/** The replies to an update that is written. A repeated update has been answered before. */
export function repliesTo(intent: Intent, result: WriteResult): Reply[] {
  const { before, after, isRepeated } = result;
  if (isRepeated) return [];
  switch (intent) {
    case "start":
      // A later /stop has been written, too.
      if (!after?.is_active) return ["alreadyStopped"];
      return [before?.is_active ? "alreadyActive" : welcome(before)];
    case "stop":
      // A later /start has been written, too.
      if (after?.is_active) return ["alreadyActive"];
      return [before?.is_active ? "stopped" : "alreadyStopped"];
    case "refused":
      return ["administratorsOnly"];
    case "chatTypeNotAllowed":
    case "tooManyChats":
      return [intent];
    case "help":
    case "status":
      return [...greetings(result), intent];
    default:
      return greetings(result);
  }
}

/** The provisional replies to an update that is queued. `isActive` says whether the chat was subscribed before. */
function repliesWhileQueued(intent: Intent, isActive: boolean): Reply[] {
  if (intent === "start") return [isActive ? "alreadyActive" : "registeredForNow"];
  if (intent === "stop") return ["stoppedForNow"];
  if (intent === "refused") return ["administratorsOnly"];
  return queuedIntents.includes(intent) ? [intent as Reply] : [];
}

const queuedIntents: readonly Intent[] = ["help", "status", "chatTypeNotAllowed", "tooManyChats"];

/** The replies to a queued update that is written after all, beyond those of `repliesWhileQueued`. */
function repliesAfterQueue(intent: Intent, result: WriteResult): Reply[] {
  // An old /stop that has come again, and after which the chat has subscribed: the provisional reply was wrong.
  if (intent === "stop" && result.after?.is_active) return ["alreadyActive"];
  return intent === "start" || intent === "stop" ? [] : greetings(result);
}

function greetings({ before, after }: WriteResult): Reply[] {
  if (!after?.is_active || before?.is_active) return [];
  // All subscribers of a channel read the reply, and none of them has asked for it.
  return [isChannel(after) ? "channelGreeting" : welcome(before)];
}

function welcome(before: ChatState | undefined): Reply {
  return before === undefined || !isRegistered(before) ? "registered" : "returned";
}

export interface RepliesOptions {
  readonly api: Api;
  readonly replySender: ReplySender;
  readonly registry: ChatRegistry;
}

/** Chats that were told what is told once; beyond so many, the oldest may be told again. */
const toldAtMost = 10_000;

/** Answers updates by the outcome of their writes. */
export class Replies {
  readonly #options: RepliesOptions;
  readonly #told = new BoundedSet<number>(toldAtMost);
  /** Updates that an earlier process has answered while they were queued. */
  readonly #answered = new Set<number | undefined>();

  constructor(options: RepliesOptions) {
    this.#options = options;
  }

  /** Answers an update that is written; without a result, one that nothing was written of. */
  replyToWrite(parsed: ParsedUpdate, result: WriteResult | undefined): Promise<void> {
    const { chatId, intent } = parsed;
    const to = addresseeOf(parsed);
    if (intent === "stranger") return this.#send(to, this.#once(chatId, "stranger"));
    // Who is not told so takes the command for heard.
    if (result === undefined) return this.#send(to, ["administratorsUnknown"], { kind: "confirmation" });
    // A chat that has sent a /stop meanwhile gets no greeting any more.
    const isWanted = (): boolean => intent !== "nothing" || this.#options.registry.isSubscribed(chatId);
    const holdMs = holdMsOf(intent, result);
    return this.#send(to, repliesTo(intent, result), { kind: kindOf(intent), isWanted, holdMs });
  }

  /** Answers an update that is queued. `wasActive` says whether the chat was subscribed before. */
  replyWhileQueued(
    updateId: number,
    parsed: ParsedUpdate,
    wasActive: boolean,
    written: Promise<WriteResult>,
  ): void {
    const { chatId, intent, write } = parsed;
    const to = addresseeOf(parsed);
    if (this.#answered.has(updateId)) return;
    const isMessage = write?.kind === "event" && write.event.kind === "message";
    // A chat that has sent a /stop, or may not be registered, is not invited to /start.
    const isInvited = intent !== "stop" && intent !== "chatTypeNotAllowed" && intent !== "tooManyChats";
    if (!isInvited) this.#once(chatId, "unread");
    // As with a greeting: all subscribers of a channel would read it.
    const isToTell = parsed.chatType !== "channel" || intent !== "nothing";
    const isUnknown = this.#options.registry.isUnread && !wasActive && isMessage && isToTell;
    const unread = isUnknown ? this.#once(chatId, "unread") : [];
    void this.#send(to, [...unread, ...repliesWhileQueued(intent, wasActive)], { kind: kindOf(intent) });
    this.#replyAfterQueue(to, intent, written);
  }

  /** Takes over the writes that an earlier process has left in the queue, and their results. */
  resume(writes: readonly ChatWrite[], results: readonly Promise<WriteResult>[]): void {
    for (const [index, write] of writes.entries()) {
      if (write.kind !== "event") continue;
      const { chatId, event } = write;
      if ("updateId" in event) this.#answered.add(event.updateId);
      const intent = event.kind === "start" || event.kind === "stop" ? event.kind : "nothing";
      const threadId = "threadId" in event ? event.threadId : undefined;
      const to = { chatId, languageCode: undefined, threadId };
      this.#replyAfterQueue(to, intent, results[index] as Promise<WriteResult>);
    }
  }

  #replyAfterQueue(to: Addressee, intent: Intent, written: Promise<WriteResult>): void {
    const isWanted = (): boolean => this.#options.registry.isSubscribed(to.chatId);
    written.then((result) => this.#send(to, repliesAfterQueue(intent, result), { isWanted })).catch(() => {});
  }

  #send(to: Addressee, replies: readonly Reply[], options?: SendOptions): Promise<void> {
    return this.#options.replySender.send(this.#options.api, to, replies, options);
  }

  #once(chatId: number, reply: Reply): Reply[] {
    return this.#told.add(chatId) ? [reply] : [];
  }
}

/** The chat and topic that a reply goes to. */
export function addresseeOf({ chatId, languageCode, threadId }: ParsedUpdate): Addressee {
  return threadId === undefined ? { chatId, languageCode } : { chatId, languageCode, threadId };
}

/** How long the reply has to wait: the reply to a /stop promises that no message follows it. */
export function holdMsOf(intent: Intent, result: WriteResult | undefined): number | undefined {
  return intent === "stop" ? result?.confirmAfterMs : undefined;
}

function kindOf(intent: Intent): ReplyKind {
  return intent === "start" || intent === "stop" ? "confirmation" : "other";
}

export interface ReplySenderOptions {
  readonly registry: ChatRegistry;
  readonly renderMessage: MessageRenderer;
  /** Called with a chat that has blocked the bot, or does not exist any more. */
  readonly onGone: (chatId: number, event: ChatEvent) => Promise<unknown>;
  /** Logs why a reply could not be sent. */
  readonly warn: (message: string) => void;
  readonly clock: Clock;
  /** The deadline of one request. Default: none; then the limits of the bot's own client hold. */
  readonly withinMs?: number;
}

/** Replies to one chat, as many as Telegram takes in a group; and as many confirmations of /start and /stop. */
const repliesPerMinute = 20;
const closeWithinMs = 10_000;
const chatsAtMost = 10_000;
/**
 * A reply that gets no permit of the rate limiter within this time is dropped. Hundreds may send /start or /stop at once,
 * and each needs the confirmation.
 */
const waitAtMostMs = { confirmation: 60_000, other: 10_000 } as const;
/** Replies that wait at a time over all chats; the last places are for confirmations. */
const waitingAtMost = { confirmation: 1000, other: 800 } as const;

/** A confirmation answers a /start or /stop. */
type ReplyKind = "confirmation" | "other";

interface SendOptions {
  readonly kind?: ReplyKind;
  /** Asked before each reply is sent. */
  readonly isWanted?: () => boolean;
  /** How long the replies wait when it is their turn; later replies to the chat wait behind them. */
  readonly holdMs?: number | undefined;
}

export class ReplySender {
  readonly #options: ReplySenderOptions;
  readonly #now: () => number;
  /** When a reply to a chat was last dropped, as it got no permit in time. */
  readonly #droppedAt: Readonly<Record<ReplyKind, BoundedMap<number, number>>> = {
    confirmation: new BoundedMap(chatsAtMost),
    other: new BoundedMap(chatsAtMost),
  };
  /** The rate limiter keeps the order of requests, but a reply may read the chat, or be held, before its request. */
  readonly #inOrder = createKeyedMutex();
  readonly #budgets: Readonly<Record<ReplyKind, TokenBuckets>>;
  /** Calls of `send` that are under way, and their replies that have not been sent yet. */
  #pending = 0;
  #waiting = 0;
  #dropped = 0;
  #isClosed = false;
  #onIdle = (): void => {};

  constructor(options: ReplySenderOptions) {
    this.#options = options;
    this.#now = monotonic(options.clock);
    const budget = (): TokenBuckets =>
      createTokenBuckets({ atOnce: repliesPerMinute, perSecond: repliesPerMinute / 60 });
    this.#budgets = { confirmation: budget(), other: budget() };
  }

  /** How many updates have replies that are not sent yet. */
  get pending(): number {
    return this.#pending;
  }

  /** How many replies were dropped: too many waited, they got no permit in time, or Telegram refused more for the chat. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Sends the replies that are still wanted when it is their turn. Never rejects. */
  async send(
    api: Api,
    to: Addressee,
    replies: readonly Reply[],
    { kind = "other", isWanted = () => true, holdMs }: SendOptions = {},
  ): Promise<void> {
    if (replies.length === 0 || !this.#budgets[kind].tryTake(to.chatId, this.#options.clock.now())) return;
    if (this.#waiting + replies.length > waitingAtMost[kind]) {
      return this.#drop(to.chatId, replies.length, `${this.#waiting} replies wait already`);
    }
    this.#pending++;
    this.#waiting += replies.length;
    const queuedAt = this.#now();
    await this.#inOrder(to.chatId, async () => {
      if (holdMs !== undefined) await this.#options.clock.sleep(holdMs);
      for (const reply of replies) {
        if (isWanted() && !this.#isClosed) await this.#sendOne(api, to, reply, kind, queuedAt);
        this.#waiting--;
      }
    });
    if (--this.#pending === 0) this.#onIdle();
  }

  /** Goes on sending for a while, then drops the rest. */
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

  async #sendOne(api: Api, to: Addressee, reply: Reply, kind: ReplyKind, queuedAt: number): Promise<void> {
    const at = this.#options.clock.now();
    // The replies behind a dropped one have waited as long; but a confirmation waits for longer.
    const kinds = kind === "other" ? ["confirmation", "other"] as const : [kind];
    if (kinds.some((each) => queuedAt <= (this.#droppedAt[each].get(to.chatId) ?? -Infinity))) {
      return this.#drop(to.chatId, 1, new PermitTimeoutError().message);
    }
    try {
      await this.#request(api, to, reply, kind);
    } catch (error) {
      if (this.#isClosed) return;
      const again = this.#onFailure(error as Error, to, kind, at);
      if (again !== undefined) await this.#sendOne(api, again, reply, kind, queuedAt);
    }
  }

  async #request(api: Api, to: Addressee, reply: Reply, kind: ReplyKind): Promise<void> {
    const { renderMessage, withinMs } = this.#options;
    const { chatId, threadId: message_thread_id } = to;
    const { text, entities } = reply === "status" ? await this.#status(to) : renderMessage(reply, to);
    if (text === "") return;
    const place = message_thread_id === undefined ? {} : { message_thread_id };
    const message = { chat_id: chatId, ...place, text, entities: [...entities] };
    const mark = { isConfirmation: kind === "confirmation", waitAtMostMs: waitAtMostMs[kind] };
    const send = (signal?: AbortSignal): Promise<unknown> =>
      api.raw.sendMessage(asReply(message, mark), signal && asGrammySignal(signal));
    await (withinMs === undefined ? send() : deadline(send, { ms: withinMs, clock: systemClock }));
  }

  /** Where the reply is to be sent instead. A reply that fails is no reason to handle the update again. */
  #onFailure(error: Error, to: Addressee, kind: ReplyKind, at: number): Addressee | undefined {
    const { warn, onGone } = this.#options;
    const { chatId } = to;
    const outcome = outcomeOf(error);
    const isLate = error instanceof PermitTimeoutError;
    if (isLate) this.#droppedAt[kind].set(chatId, this.#now());
    if (isLate || outcome.kind === "rateLimited") this.#drop(chatId, 1, error.message);
    else if (outcome.kind === "gone") {
      onGone(chatId, { kind: "removed", reason: outcome.reason, at })
        .catch((failure) => warn(`Chat ${chatId} is gone, which could not be kept: ${messageOf(failure)}`));
    } else if (outcome.kind === "moved" && outcome.to !== chatId) return { ...to, chatId: outcome.to };
    else if (outcome.kind === "topic" && to.threadId !== undefined) return { ...to, threadId: undefined };
    else warn(`Chat ${chatId} could not be answered: ${error.message}`);
    return undefined;
  }

  async #status(to: Addressee): Promise<FormattedText> {
    const { registry, renderMessage } = this.#options;
    const { chatId } = to;
    const unread = (): FormattedText =>
      renderMessage("statusUnread", { ...to, isActive: registry.isSubscribed(chatId) });
    if (registry.isConsentPending(chatId)) return unread();
    try {
      const chat = await registry.getChat(chatId);
      return renderMessage("status", { ...to, chat, isDurable: registry.storage.kind !== "memory" });
    } catch {
      return unread();
    }
  }
}

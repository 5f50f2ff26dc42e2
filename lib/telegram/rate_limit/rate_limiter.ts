/** The transformer that every call to Telegram passes: it waits for a permit, sends, and sends again after a 429. */
import type { ApiError } from "grammy/types";
import type { Transformer } from "grammy/web";
import { createKeyedMutex, deadline, DeadlineError } from "../../util/async.ts";
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import { asGrammySignal } from "../client.ts";
import { outcomeOf } from "../outcome.ts";
import { CircuitBreaker } from "./circuit_breaker.ts";
import type { ChatId } from "./flood_wait.ts";
import { isGroup } from "./rates.ts";
import { SendScheduler, type SendSchedulerOptions } from "./scheduler.ts";
import {
  ChatFloodError,
  isMessage,
  PermitTimeoutError,
  type SendPermit,
  type SendRequest,
} from "./send_request.ts";

export interface RateLimiterOptions extends Omit<SendSchedulerOptions, "onFlood" | "onLowered"> {
  readonly logger: Logger;
  /** Asks Telegram for something harmless, to find out whether it can be reached. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
}

/** After so many flood answers to one call, or one that asks for a longer wait, the answer is the caller's. */
export const floodsAtMost = 10;
export const longestPauseSeconds = 600;

/** Marks of a payload. A symbol goes along where a user's own transformer makes a copy, and is not sent. */
const [admittedMark, replyMark] = [Symbol("admitted"), Symbol("reply")];

/** What is known of one of the bot's own replies, which is given up where its chat is flooded. */
export interface ReplyMark {
  /**
   * Whether it confirms a /start or /stop: it goes before all others, and behind a message on its way to the chat. To a
   * person it is sent again after a flood.
   */
  readonly isConfirmation: boolean;
  /**
   * It is given up, by a `PermitTimeoutError`, where its turn does not come within this time; one that confirms waits for
   * the end of the bot's flood, too.
   */
  readonly waitAtMostMs: number;
}

/** Marks a message's payload as one of the bot's own replies. */
export function asReply<T extends object>(payload: T, mark: ReplyMark): T {
  return Object.assign(payload, { [replyMark]: mark });
}

type Answer = Awaited<ReturnType<Transformer>>;
type CallSignal = Parameters<Transformer>[3];
type Call = Parameters<Transformer>;

export class RateLimiter {
  readonly #closed: AbortSignal;
  readonly #clock: Clock;
  readonly #scheduler: SendScheduler;
  readonly #breaker: CircuitBreaker;
  /** Signals of the breaker's calls, which leave at once in a flood, too. */
  readonly #breakerSignals = new WeakSet<object>();
  /**
   * One call to a chat is answered before the next one asks for its permit, so that messages arrive in the order in which
   * they were sent. The scheduler alone does not ensure that: it lets a burst of three leave for a chat at once, and a call
   * that a flood has refused asks for its permit again behind later ones.
   */
  readonly #chatMutex = createKeyedMutex<ChatId>();
  /** Messages of broadcasts. */
  readonly #inFlight = createInFlightMessages();

  constructor({ logger, ask, ...options }: RateLimiterOptions) {
    const { clock, signal } = options;
    this.#closed = signal;
    this.#clock = clock;
    const probe = (signal: AbortSignal): Promise<unknown> => {
      this.#breakerSignals.add(signal);
      return ask(signal);
    };
    this.#breaker = new CircuitBreaker({ ask: probe, logger, clock, signal });
    this.#scheduler = new SendScheduler({
      ...options,
      onFlood: (who, seconds, perSecond = this.messagesPerSecond) =>
        logger.warn(
          who === "bot"
            ? `Telegram limits the rate: it asks to wait for ${seconds} s. It waits, and tests a long wait with a few messages; afterwards it begins with ${
              rounded(perSecond)
            } messages a second.`
            : `Telegram limits the rate of replies: it asks to wait for ${seconds} s. Now and then one is tried until then.`,
        ),
      onLowered: (perSecond) =>
        logger.warn(
          `Telegram limits the rate: the bot goes on with ${rounded(perSecond)} messages a second.`,
        ),
    });
  }

  /** Milliseconds until the bot's rest ends that Telegram has asked for; 0 or less where there is none. */
  get pauseMs(): number {
    return this.#scheduler.pauseMs;
  }

  /** Whether it is not known for certain whom a flood concerns: a broadcast is to draw a chat, and to write to it. */
  get isUnclear(): boolean {
    return this.#scheduler.isUnclear;
  }

  /** Whether a broadcast's message would have to wait for Telegram. */
  get isHalted(): boolean {
    return this.#breaker.isOpen || this.isUnclear || this.pauseMs > 0;
  }

  /** Milliseconds for which Telegram has asked to wait before the chat is written to; 0 or less where it has not. */
  holdMs(chatId: ChatId): number {
    return this.#scheduler.holdMs(chatId);
  }

  /** How many rests of the bot were proved so far. A flood during which this has grown was the bot's, no chat's own. */
  get rests(): number {
    return this.#scheduler.rests;
  }

  /** The rate of messages that are not paid for, as it is now. */
  get messagesPerSecond(): number {
    return this.#scheduler.messagesPerSecond;
  }

  /** The rate of those that are paid for, as it is now. */
  get paidPerSecond(): number {
    return this.#scheduler.paidPerSecond;
  }

  /** From now on messages that are not paid for keep to thirty a second. */
  limitUnpaid(): void {
    this.#scheduler.limitUnpaid();
  }

  /**
   * A permit for a call that a broadcast sends by itself, with a payload from `admit()`. Rejects with the signal's reason,
   * where the bot is closed, or with a `ChatFloodError` where the chat's own flood is longer than the request waits for.
   */
  async acquire(request: SendRequest): Promise<SendPermit> {
    const permit = await this.#permit(request);
    if (request.chatId === undefined) return permit;
    const end = this.#inFlight.begin(request.chatId);
    const ending = <A extends unknown[]>(report: (...answer: A) => void) => (...answer: A): void => {
      end();
      report(...answer);
    };
    return {
      get isStale() {
        return permit.isStale;
      },
      returned: ending(permit.returned),
      succeeded: ending(permit.succeeded),
      rateLimited: ending(permit.rateLimited),
      released: ending(permit.released),
    };
  }

  /** Marks the payload of a call that has its permit: it passes at once; its flood answer, and its end, are the caller's. */
  admit<T extends object>(payload: T): T {
    return Object.assign(payload, { [admittedMark]: true });
  }

  /** Gets permits for all other calls, and waits out the floods of messages; `getUpdates` passes. */
  readonly transformer: Transformer = async (...call) => {
    const [prev, method, payload, signal] = call;
    const isBreakers = signal !== undefined && this.#breakerSignals.has(signal);
    if (method === "getUpdates" || isBreakers) return await prev(method, payload, signal);
    if (admittedMark in payload) return await this.#watched(signal, () => prev(method, payload, signal));
    const chatId = chatOf(payload);
    if (!isMessageMethod(method)) return await this.#send(call, requestOfCall(method, chatId));
    const reply = replyMarkOf(payload);
    const request = {
      priority: "reply",
      kind: method,
      ...reply,
      ownFloodAtMostMs: waitsOutFloods(reply, chatId) ? Infinity : reply?.waitAtMostMs,
    } as const;
    if (chatId === undefined) return await this.#send(call, request);
    return await this.#chatMutex(chatId, async () => {
      if (reply?.isConfirmation) await this.#lastInFlight(chatId, reply.waitAtMostMs);
      return await this.#send(call, { ...request, chatId });
    });
  };

  /** Waits for the message that is on its way to the chat: after a confirmed /stop no more arrives. */
  async #lastInFlight(chatId: ChatId, ms: number): Promise<void> {
    const last = this.#inFlight.none(chatId);
    if (last === undefined) return;
    try {
      await deadline(last, { ms, clock: this.#clock, signal: this.#closed });
    } catch (error) {
      throw error instanceof DeadlineError ? new PermitTimeoutError() : error;
    }
  }

  async #send([prev, method, payload, signal]: Call, request: SendRequest): Promise<Answer> {
    const reply = replyMarkOf(payload);
    const ownFloodAtMostMs = request.ownFloodAtMostMs ?? longestPauseSeconds * 1000;
    const waiting = { ...request, ownFloodAtMostMs, signal: signal as AbortSignal | undefined };
    for (let floods = 0;; floods++) {
      const permit = await this.#permit(waiting).catch((error) => {
        if (error instanceof ChatFloodError) return error;
        throw error;
      });
      if (permit instanceof ChatFloodError) return answerOf(permit);
      const answer = await this.#untilClosed(signal, (ending) => {
        const call = (): Promise<Answer> => prev(method, payload, ending);
        return isMessage(request) ? this.#watched(ending, call) : call();
      }).catch((error) => {
        permit.released();
        throw error;
      });
      const seconds = answer.ok ? undefined : floodSecondsOf(answer);
      if (seconds === undefined) {
        answer.ok ? permit.succeeded() : permit.released();
        return answer;
      }
      permit.rateLimited(seconds);
      // How long a reply waits is limited by the scheduler.
      const isTooLong = reply === undefined && seconds > longestPauseSeconds;
      const mayWait = reply === undefined || waitsOutFloods(reply, request.chatId);
      if (!mayWait || isTooLong || floods >= floodsAtMost) return answer;
    }
  }

  /** A message gets its permit no sooner than Telegram can be reached; other calls find out themselves. */
  async #permit(request: SendRequest): Promise<SendPermit> {
    for (;;) {
      if (isMessage(request)) await this.#breaker.closed(request.signal);
      const permit = await this.#scheduler.acquire(request);
      if (!this.#breaker.isOpen || !isMessage(request)) return permit;
      permit.returned();
    }
  }

  /** Makes the call, and tells the breaker of its failure, unless the caller has aborted it. */
  async #watched(signal: CallSignal, call: () => Promise<Answer>): Promise<Answer> {
    try {
      const answer = await this.#breaker.watch(call());
      if (!answer.ok) this.#breaker.note(answer);
      return answer;
    } catch (error) {
      if (!signal?.aborted) this.#breaker.note(error);
      throw error;
    }
  }

  /**
   * Makes the call, which ends when the bot is closed: a call that hangs must not keep the program alive. Not by
   * `AbortSignal.any()`: for each call, Node 20 would keep some seventy bytes at `#closed` for as long as the bot lives.
   */
  async #untilClosed<T>(signal: CallSignal, call: (ending: CallSignal) => Promise<T>): Promise<T> {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    this.#closed.addEventListener("abort", end);
    signal?.addEventListener("abort", end);
    if (signal?.aborted || this.#closed.aborted) end();
    try {
      return await call(asGrammySignal(ending.signal));
    } finally {
      this.#closed.removeEventListener("abort", end);
      signal?.removeEventListener("abort", end);
    }
  }
}

interface InFlightMessages {
  /** A message leaves; returns what is to be called once its answer is there. */
  begin(chatId: ChatId): () => void;
  /** Resolves once none is under way to the chat; `undefined` where none is. */
  none(chatId: ChatId): Promise<void> | undefined;
}

function createInFlightMessages(): InFlightMessages {
  const chats = new Map<ChatId, { messages: number; readonly waiting: (() => void)[] }>();
  return {
    begin(chatId) {
      const chat = chats.get(chatId) ?? { messages: 0, waiting: [] };
      chats.set(chatId, chat);
      chat.messages++;
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        if (--chat.messages > 0) return;
        chats.delete(chatId);
        for (const resolve of chat.waiting) resolve();
      };
    },
    none(chatId) {
      const chat = chats.get(chatId);
      return chat && new Promise((resolve) => chat.waiting.push(resolve));
    },
  };
}

/** How long a flood answer asks to wait; `undefined` where it is another answer. */
function floodSecondsOf(answer: ApiError): number | undefined {
  const outcome = outcomeOf(answer);
  return outcome.kind === "rateLimited" ? outcome.retryAfterSeconds : undefined;
}

/** What Telegram would answer, without asking it. */
function answerOf({ message, retryAfterSeconds }: ChatFloodError): ApiError {
  return {
    ok: false,
    error_code: 429,
    description: message,
    parameters: { retry_after: retryAfterSeconds },
  };
}

function replyMarkOf(payload: object): ReplyMark | undefined {
  return (payload as { readonly [replyMark]?: ReplyMark })[replyMark];
}

/** Whether a reply waits out floods, as what confirms a person's /start or /stop does. */
function waitsOutFloods(reply: ReplyMark | undefined, chatId: ChatId | undefined): boolean {
  return reply?.isConfirmation === true && chatId !== undefined && !isGroup(chatId);
}

/** A 429 blocks all calls that ask Telegram for something; of other calls it blocks the same one to the same chat. */
function requestOfCall(method: string, chatId: ChatId | undefined): SendRequest {
  if (method.startsWith("get")) return { priority: "read", kind: "get" };
  return { priority: "call", kind: chatId === undefined ? method : `${method} ${chatId}` };
}

/** A number is a number, also where it was given as a text. */
function chatOf(payload: object): ChatId | undefined {
  const { chat_id: id } = payload as { readonly chat_id?: ChatId };
  return typeof id === "string" && /^-?\d+$/.test(id) ? Number(id) : id;
}

function isMessageMethod(method: string): boolean {
  return /^(send|copy|forward|edit)/.test(method) && method !== "sendChatAction";
}

/** For a reader: to a tenth. */
function rounded(perSecond: number): number {
  return Math.round(perSecond * 10) / 10;
}

/** Messages that have left for a chat, and whose answer is not there yet. */
import type { ApiError } from "grammy/types";
import type { Transformer } from "grammy/web";
import { createKeyedMutex, deadline, DeadlineError } from "../../util/async.ts";
import type { Clock } from "../../util/clock.ts";
import type { Logger } from "../../util/log.ts";
import { asGrammySignal } from "../client.ts";
import { outcomeOf } from "../outcome.ts";
import { isGroup } from "./rates.ts";
import { CircuitBreaker } from "./circuit_breaker.ts";
import type { ChatId } from "./flood_wait.ts";
import { SendScheduler, type SendSchedulerOptions } from "./scheduler.ts";

import {
  ChatFloodError,
  isMessage,
  PermitTimeoutError,
  type SendPermit,
  type SendRequest,
} from "./send_request.ts";

export interface InFlightMessages {
  /** A message leaves; returns what is to be called once its answer is there. */
  begin(chatId: ChatId): () => void;
  /** Resolves once none is under way to the chat; `undefined` where none is. */
  none(chatId: ChatId): Promise<void> | undefined;
}

interface Chat {
  messages: number;
  /** Those who wait for their end. */
  readonly waiting: (() => void)[];
}

export function createInFlightMessages(): InFlightMessages {
  const chats = new Map<ChatId, Chat>();
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

// The one door for calls to Telegram: each waits for its turn, and is sent again where it was one too many.

export interface RateLimiterOptions extends Omit<SendSchedulerOptions, "onFlood" | "onLowered"> {
  readonly logger: Logger;
  /** Asks Telegram for something harmless, to find out whether it can be reached. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
}

/** Flood answers that one call puts up with, and the longest flood that it waits out, before its answer is the caller's. */
export const floodsAtMost = 10;
export const longestPauseSeconds = 600;

/** Marks of a payload. A symbol goes along where a user's own transformer makes a copy, and is sent to nobody. */
const [admitted, replying] = [Symbol("admitted"), Symbol("reply")];

/** What is known of one of the bot's own replies, which is given up where its chat is flooded. */
export interface ReplyMark {
  /**
   * Whether it confirms a /start or /stop: it goes before all others, and behind a message on its way to the chat. To a
   * person it is sent again after a flood.
   */
  readonly isConfirmation: boolean;
  /** It is given up, by a `LateTurnError`, where its turn does not come within this time; one that confirms waits for the end of the bot's flood, too. */
  readonly waitAtMostMs: number;
}

/** Marks a message's payload as one of the bot's own replies. */
export function asReply<T extends object>(payload: T, mark: ReplyMark): T {
  return Object.assign(payload, { [replying]: mark });
}

type Answer = Awaited<ReturnType<Transformer>>;
type CallSignal = Parameters<Transformer>[3];
type Call = Parameters<Transformer>;

export class RateLimiter {
  readonly #closed: AbortSignal;
  readonly #turnstile: SendScheduler;
  readonly #breaker: CircuitBreaker;
  /** Signals of the breaker's calls, which leave at once in a flood, too. */
  readonly #probes = new WeakSet<object>();
  /** What is said to a chat arrives in the order in which it was said. */
  readonly #inOrder = createKeyedMutex<ChatId>();
  readonly #clock: Clock;
  /** Messages of broadcasts. */
  readonly #underWay = createInFlightMessages();

  constructor({ logger, ask, ...options }: RateLimiterOptions) {
    this.#closed = options.signal;
    const probe = (signal: AbortSignal): Promise<unknown> => {
      this.#probes.add(signal);
      return ask(signal);
    };
    this.#breaker = new CircuitBreaker({ ask: probe, logger, clock: options.clock, signal: options.signal });
    this.#clock = options.clock;
    const onFlood = (
      who: "bot" | "replies",
      seconds: number,
      perSecond: number = this.messagesPerSecond,
    ): void =>
      logger.warn(
        who === "bot"
          ? `Telegram limits the rate: it asks to wait for ${seconds} s. Nothing is sent until then; afterwards it begins with ${
            rounded(perSecond)
          } messages a second.`
          : `Telegram limits the rate of replies: it asks to wait for ${seconds} s. Now and then one is tried until then.`,
      );
    const onLowered = (perSecond: number): void =>
      logger.warn(
        `Telegram limits the rate: the bot goes on with ${rounded(perSecond)} messages a second.`,
      );
    this.#turnstile = new SendScheduler({ ...options, onFlood, onLowered });
  }

  /** Milliseconds until the bot's rest ends that Telegram has asked for; 0 or less where there is none. */
  get pauseMs(): number {
    return this.#turnstile.pauseMs;
  }

  /** Whether it is not known yet whom a flood concerns: a broadcast is to draw a chat, and to write to it. */
  get isUnclear(): boolean {
    return this.#turnstile.isUnclear;
  }

  /** Milliseconds for which Telegram has asked to wait before the chat is written to; 0 or less where it has not. */
  holdMs(chatId: ChatId): number {
    return this.#turnstile.holdMs(chatId);
  }

  /** How many rests of the bot were proved so far. A flood during which this has grown was the bot's, no chat's own. */
  get rests(): number {
    return this.#turnstile.rests;
  }

  /** The pace of messages that are not paid for, as it is now. */
  get messagesPerSecond(): number {
    return this.#turnstile.messagesPerSecond;
  }

  /** The pace of those that are paid for, as it is now. */
  get paidPerSecond(): number {
    return this.#turnstile.paidPerSecond;
  }

  /**
   * Resolves when the call may leave; rejects with the signal's reason, where the bot is closed, or with a
   * `ChatFloodError` where the chat's own flood is longer than the departure waits for.
   */
  async acquire(request: SendRequest): Promise<SendPermit> {
    const permit = await this.#enter(request);
    if (request.chatId === undefined) return permit;
    const end = this.#underWay.begin(request.chatId);
    const ending = <A extends unknown[]>(tell: (...answer: A) => void) => (...answer: A): void => {
      end();
      tell(...answer);
    };
    return {
      succeeded: ending(permit.succeeded),
      rateLimited: ending(permit.rateLimited),
      released: ending(permit.released),
    };
  }

  /** From now on what is not paid for keeps to thirty a second. */
  limitUnpaid(): void {
    this.#turnstile.limitUnpaid();
  }

  /** Marks a call's payload as one that has entered: it passes at once; its flood answer, and its end, are the caller's. */
  admit<T extends object>(payload: T): T {
    return Object.assign(payload, { [admitted]: true });
  }

  /** Paces all other messages and waits out their floods; `getUpdates` passes, other calls have lanes of their own. */
  readonly transformer: Transformer = async (...call) => {
    const [prev, method, payload, signal] = call;
    const isProbe = signal !== undefined && this.#probes.has(signal);
    if (method === "getUpdates" || isProbe) return await prev(method, payload, signal);
    if (admitted in payload) return await this.#watched(signal, () => prev(method, payload, signal));
    const chatId = chatOf(payload);
    if (!isMessageMethod(method)) return await this.#send(call, laneOf(method, chatId));
    const reply = markOf(payload);
    const request = {
      priority: "reply",
      kind: method,
      ...reply,
      ownFloodAtMostMs: isPatient(reply, chatId) ? Infinity : reply?.waitAtMostMs,
    } as const;
    if (chatId === undefined) return await this.#send(call, request);
    return await this.#inOrder(chatId, async () => {
      if (reply?.isConfirmation) await this.#lastOf(chatId, reply.waitAtMostMs);
      return await this.#send(call, { ...request, chatId });
    });
  };

  /** Waits for the message that is on its way: after a confirmed /stop no more arrives. */
  async #lastOf(chatId: ChatId, ms: number): Promise<void> {
    const last = this.#underWay.none(chatId);
    if (last === undefined) return;
    try {
      await deadline(last, { ms, clock: this.#clock, signal: this.#closed });
    } catch (error) {
      throw error instanceof DeadlineError ? new PermitTimeoutError() : error;
    }
  }

  async #send(call: Call, request: SendRequest): Promise<Answer> {
    const [prev, method, payload, signal] = call;
    const reply = markOf(payload);
    for (let floods = 0;; floods++) {
      const permit = await this.#permit(request, signal);
      if (permit instanceof ChatFloodError) return answerOf(permit);
      const call = (ending: CallSignal): Promise<Answer> => prev(method, payload, ending);
      const answer = await this.#untilClosed(
        signal,
        isMessageMethod(method) ? (ending) => this.#watched(ending, () => call(ending)) : call,
      )
        .catch((error) => {
          permit.released();
          throw error;
        });
      const seconds = answer.ok ? undefined : floodSecondsOf(answer);
      if (seconds === undefined) {
        answer.ok ? permit.succeeded() : permit.released();
        return answer;
      }
      permit.rateLimited(seconds);
      // How long a confirmation waits is the turnstile's to say.
      const isOver = reply === undefined && seconds > longestPauseSeconds;
      const mayWait = reply === undefined || isPatient(reply, request.chatId);
      if (!mayWait || isOver || floods >= floodsAtMost) return answer;
    }
  }

  /** The turn, or the error of a chat's flood that is too long to be waited for. */
  async #permit(request: SendRequest, signal: CallSignal): Promise<SendPermit | ChatFloodError> {
    const ownFloodAtMostMs = request.ownFloodAtMostMs ?? longestPauseSeconds * 1000;
    try {
      const waiting = { ...request, ownFloodAtMostMs, signal: signal as AbortSignal | undefined };
      return await this.#enter(waiting);
    } catch (error) {
      if (error instanceof ChatFloodError) return error;
      throw error;
    }
  }

  /** A message's turn, which comes no sooner than Telegram can be reached; other calls find out themselves. */
  async #enter(request: SendRequest): Promise<SendPermit> {
    for (;;) {
      if (isMessage(request)) await this.#breaker.closed(request.signal);
      const permit = await this.#turnstile.acquire(request);
      if (!this.#breaker.isOpen || !isMessage(request)) return permit;
      permit.released();
    }
  }

  /** The call, of whose failure the breaker is told, unless nobody waits for its answer any more. */
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

  /** A call that hangs does not keep a program alive whose bot was stopped. */
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

/** How long a flood answer asks to wait; `undefined` where it is none. */
function floodSecondsOf(answer: ApiError): number | undefined {
  const outcome = outcomeOf(answer);
  return outcome.kind === "wait" ? outcome.retryAfterSeconds : undefined;
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

function markOf(payload: object): ReplyMark | undefined {
  return (payload as { readonly [replying]?: ReplyMark })[replying];
}

/** Whether it waits out floods, as what confirms a person's /start or /stop does. */
function isPatient(reply: ReplyMark | undefined, chatId: ChatId | undefined): boolean {
  return reply?.isConfirmation === true && chatId !== undefined && !isGroup(chatId);
}

/** Calls that ask Telegram share a lane, which a 429 holds as a whole; of others it holds the same call to the same chat. */
function laneOf(method: string, chatId: ChatId | undefined): SendRequest {
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

/** The one door for calls to Telegram: each waits for its turn, and is sent again where it was one too many. */
import type { ApiError } from "grammy/types";
import type { Transformer } from "grammy/web";
import type { Departure, Turn } from "./departure.ts";
import type { ChatId } from "./flood.ts";
import { forGrammy } from "./for_grammy.ts";
import { createInOrder } from "./in_order.ts";
import type { Logger } from "./log.ts";
import { outcomeOf } from "./outcome.ts";
import { Turnstile, type TurnstileOptions } from "./turnstile.ts";

export interface GateOptions extends Omit<TurnstileOptions, "onFlood"> {
  readonly logger: Logger;
}

/** Flood answers that one call puts up with, and the longest pause that it waits out, before it is given up. */
export const floodsAtMost = 10;
export const longestPauseSeconds = 600;

/** Marks a payload. A symbol goes along where a user's own transformer makes a copy, and is sent to nobody. */
const admitted = Symbol("admitted");

type Answer = Awaited<ReturnType<Transformer>>;
type CallSignal = Parameters<Transformer>[3];
type Call = Parameters<Transformer>;

export class Gate {
  readonly #closed: AbortSignal;
  readonly #turnstile: Turnstile;
  /** What is said to a chat arrives in the order in which it was said. */
  readonly #inOrder = createInOrder<ChatId>();

  constructor({ logger, ...options }: GateOptions) {
    this.#closed = options.signal;
    const onFlood = (seconds: number): void =>
      logger.warn(`Telegram limits the rate: it asks to wait for ${seconds} s.`);
    this.#turnstile = new Turnstile({ ...options, onFlood });
  }

  /** Milliseconds until the pause ends that Telegram has asked for; 0 or less where there is none. */
  get pauseMs(): number {
    return this.#turnstile.pauseMs;
  }

  get rests(): number {
    return 0;
  }

  get messagesPerSecond(): number {
    return 30;
  }

  /** Resolves when the call may leave; rejects with the signal's reason, or where the bot is closed. */
  enter(departure: Departure): Promise<Turn> {
    return this.#turnstile.enter(departure);
  }

  /** From now on what is not paid for keeps to thirty a second. */
  keepFree(): void {
    this.#turnstile.keepFree();
  }

  /** Marks a call's payload as one that has entered: it passes at once; its flood answer, and its end, are the caller's. */
  admit<T extends object>(payload: T): T {
    return Object.assign(payload, { [admitted]: true });
  }

  /** Paces all other messages and waits out their floods; `getUpdates` passes, other calls only heed a pause. */
  readonly transformer: Transformer = async (...call) => {
    const [prev, method, payload, signal] = call;
    if (method === "getUpdates" || admitted in payload) return await prev(method, payload, signal);
    if (!isMessage(method)) return await this.#send(call, { lane: "call" });
    const chatId = chatOf(payload);
    if (chatId === undefined) return await this.#send(call, { lane: "reply" });
    return await this.#inOrder(chatId, () => this.#send(call, { lane: "reply", chatId }));
  };

  async #send([prev, method, payload, signal]: Call, departure: Departure): Promise<Answer> {
    for (let floods = 0;; floods++) {
      const turn = await this.#turnstile.enter({ ...departure, signal: signal as AbortSignal | undefined });
      const answer = await this.#untilClosed(signal, (ending) => prev(method, payload, ending))
        .catch((error) => {
          turn.over();
          throw error;
        });
      if (answer.ok && departure.lane !== "call") turn.taken();
      const seconds = answer.ok ? undefined : pauseSeconds(answer);
      if (seconds === undefined || floods >= floodsAtMost) {
        turn.over();
        return answer;
      }
      turn.flooded(seconds);
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
      return await call(forGrammy(ending.signal));
    } finally {
      this.#closed.removeEventListener("abort", end);
      signal?.removeEventListener("abort", end);
    }
  }
}

/** How long a flood answer asks to wait; `undefined` where it is none, or asks for too much. */
function pauseSeconds(answer: ApiError): number | undefined {
  const outcome = outcomeOf(answer);
  return outcome.kind === "wait" && outcome.retryAfterSeconds <= longestPauseSeconds
    ? outcome.retryAfterSeconds
    : undefined;
}

/** A number is a number, also where it was given as a text. */
function chatOf(payload: object): ChatId | undefined {
  const { chat_id: id } = payload as { readonly chat_id?: ChatId };
  return typeof id === "string" && /^-?\d+$/.test(id) ? Number(id) : id;
}

function isMessage(method: string): boolean {
  return /^(send|copy|forward|edit)/.test(method) && method !== "sendChatAction";
}

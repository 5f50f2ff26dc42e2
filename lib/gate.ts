/** The one door for calls to Telegram: messages leave at the bot's pace, and a flood answer holds everything. */
import { setMaxListeners } from "node:events";
import type { Transformer } from "grammy/web";
import type { Clock } from "./clock.ts";
import { forGrammy } from "./for_grammy.ts";
import { createInOrder } from "./in_order.ts";
import type { Logger } from "./log.ts";
import { createPace } from "./pace.ts";

export interface Gate {
  /** Resolves when the next message may leave; rejects with the signal's reason. */
  enter(signal?: AbortSignal): Promise<void>;
  /** A flood answer: nothing leaves for so long. */
  pause(seconds: number): void;
  /** Marks a call's payload as one that has entered: it passes at once, and its flood answer is the caller's. */
  admit<T extends object>(payload: T): T;
  /** Paces all other messages and waits out their floods; `getUpdates` passes, other calls only heed a pause. */
  readonly transformer: Transformer;
}

export interface GateOptions {
  /** Messages a second over all chats. */
  readonly messagesPerSecond: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends every wait; what waited is not sent. */
  readonly signal: AbortSignal;
}

/** Flood answers that one call puts up with, and the longest pause that it waits out, before it is given up. */
export const floodsAtMost = 10;
export const longestPauseSeconds = 600;

export function createGate({ messagesPerSecond, clock, logger, signal: closed }: GateOptions): Gate {
  const pace = createPace(messagesPerSecond);
  const admitted = new WeakSet<object>();
  // What is said to a chat arrives in the order in which it was said.
  const inOrder = createInOrder();

  // One for all messages of a broadcast: Node keeps something of each.
  const endings = new WeakMap<AbortSignal, AbortSignal>();
  const endingOf = (signal: AbortSignal): AbortSignal => {
    const known = endings.get(signal);
    if (known !== undefined) return known;
    const ending = AbortSignal.any([closed, signal]);
    setMaxListeners(0, ending);
    endings.set(signal, ending);
    return ending;
  };

  const wait = async (isMessage: boolean, signal: AbortSignal | undefined): Promise<void> => {
    const ended = signal === undefined ? closed : endingOf(signal);
    let waitMs = isMessage ? pace.take(clock.now()) : pace.pausedUntil - clock.now();
    while (waitMs > 0) {
      await clock.sleep(waitMs, ended);
      // A pause may have begun while this call waited for its slot.
      if (pace.pausedUntil <= clock.now()) return;
      waitMs = isMessage ? pace.take(clock.now()) : pace.pausedUntil - clock.now();
    }
    ended.throwIfAborted();
  };

  const pause = (seconds: number): void => {
    const now = clock.now();
    if (pace.pausedUntil <= now) logger.warn(`Telegram limits the rate: no message for ${seconds} s.`);
    pace.pause(seconds * 1000, now);
  };

  /** A call that hangs does not keep a program alive whose bot was stopped. */
  const untilClosed = async <T>(
    signal: Parameters<Transformer>[3],
    call: (ending: Parameters<Transformer>[3]) => Promise<T>,
  ): Promise<T> => {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    closed.addEventListener("abort", end);
    signal?.addEventListener("abort", end);
    if (signal?.aborted || closed.aborted) end();
    try {
      return await call(forGrammy(ending.signal));
    } finally {
      closed.removeEventListener("abort", end);
      signal?.removeEventListener("abort", end);
    }
  };

  const send: Transformer = async (prev, method, payload, signal) => {
    for (let floods = 0;; floods++) {
      await wait(isMessage(method), signal as AbortSignal | undefined);
      const answer = await untilClosed(signal, (ending) => prev(method, payload, ending));
      if (answer.ok || answer.error_code !== 429 || floods >= floodsAtMost) return answer;
      const seconds = answer.parameters?.retry_after ?? 1;
      if (seconds > longestPauseSeconds) return answer;
      pause(seconds);
    }
  };

  const transformer: Transformer = async (prev, method, payload, signal) => {
    if (method === "getUpdates" || admitted.has(payload)) return await prev(method, payload, signal);
    const chatId = isMessage(method) ? (payload as { chat_id?: unknown }).chat_id : undefined;
    if (typeof chatId !== "number") return await send(prev, method, payload, signal);
    return await inOrder(chatId, () => send(prev, method, payload, signal));
  };

  return {
    enter: (signal) => wait(true, signal),
    pause,
    admit(payload) {
      admitted.add(payload);
      return payload;
    },
    transformer,
  };
}

function isMessage(method: string): boolean {
  return /^(send|copy|forward|edit)/.test(method) && method !== "sendChatAction";
}

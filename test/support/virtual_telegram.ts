/** Telegram behind a rate limiter, in virtual time: the test decides every call's answer, which comes after a latency. */
import { setMaxListeners } from "node:events";
import { Api, type Transformer } from "grammy/web";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { createMessageRenderer } from "../../lib/chats/messages.ts";
import { ChatRegistry } from "../../lib/chats/registry.ts";
import { ReplySender } from "../../lib/chats/replies.ts";
import { outcomeOf } from "../../lib/telegram/outcome.ts";
import { RateLimiter } from "../../lib/telegram/rate_limit/rate_limiter.ts";
import type { SendPriority } from "../../lib/telegram/rate_limit/send_request.ts";
import { StepClock } from "./clocks.ts";
import { TestLogger } from "./storage.ts";

export interface VirtualCall {
  /** When it left the bot. */
  readonly at: number;
  readonly method: string;
  readonly chatId: number;
  readonly text: string;
}

export interface VirtualTelegramOptions {
  readonly messagesPerSecond?: number;
  readonly latencyMs?: number;
}

export class VirtualTelegram {
  readonly clock: StepClock = new StepClock();
  readonly logger: TestLogger = new TestLogger();
  readonly closing: AbortController = new AbortController();
  readonly gate: RateLimiter;
  readonly api: Api;
  readonly outbox: ReplySender;
  readonly calls: VirtualCall[] = [];
  /** Those that were taken. */
  readonly taken: VirtualCall[] = [];
  readonly #latencyMs: number;
  /** For how many seconds a call is refused by a 429; undefined where it is taken. Asked when the call arrives. */
  refuse: (call: VirtualCall) => number | undefined = () => undefined;

  constructor({ messagesPerSecond = 30, latencyMs = 80 }: VirtualTelegramOptions = {}) {
    const { clock, logger } = this;
    this.#latencyMs = latencyMs;
    setMaxListeners(0, this.closing.signal);
    const ask = (): Promise<unknown> => Promise.resolve();
    this.gate = new RateLimiter({ messagesPerSecond, ask, clock, logger, signal: this.closing.signal });
    this.api = new Api("1:A");
    this.api.config.use(this.#answer, this.gate.transformer);
    this.outbox = new ReplySender({
      registry: new ChatRegistry(new InMemoryChatStorage()),
      renderMessage: createMessageRenderer(undefined, logger),
      onGone: () => Promise.resolve(),
      warn: (message) => logger.warn(message),
      clock,
    });
  }

  /** Replies to /help so often in a chat. */
  help(chatId: number, times: number = 1): void {
    for (let time = 0; time < times; time++) {
      void this.outbox.send(this.api, { chatId, languageCode: undefined }, ["help"]);
    }
  }

  /** Replies to /stop in a chat. */
  stop(chatId: number): void {
    void this.outbox.send(this.api, { chatId, languageCode: undefined }, ["stopped"], {
      kind: "confirmation",
    });
  }

  /**
   * Sends a message to each chat as a broadcast does: the next one waits as soon as the last one does not. Each chat counts
   * as drawn at random.
   */
  async broadcast(
    chatIds: readonly number[],
    text: string,
    priority: SendPriority = "urgent",
  ): Promise<void> {
    const sent: Promise<void>[] = [];
    for (const chatId of chatIds) {
      await new Promise<void>((onTurn) => sent.push(this.#deliver({ chatId, text }, priority, onTurn)));
    }
    await Promise.all(sent);
  }

  async #deliver(
    { chatId, text }: Pick<VirtualCall, "chatId" | "text">,
    priority: SendPriority,
    onTurn: () => void,
  ): Promise<void> {
    for (;;) {
      const permit = await this.gate.acquire({ priority, chatId, drawnFrom: 1, onHeld: onTurn });
      onTurn();
      try {
        await this.api.raw.sendMessage(this.gate.admit({ chat_id: chatId, text }));
        return permit.succeeded();
      } catch (error) {
        const outcome = outcomeOf(error);
        if (outcome.kind !== "rateLimited") throw error;
        permit.rateLimited(outcome.retryAfterSeconds);
      }
    }
  }

  /** The chats that got a message of that text, in order. */
  reached(text: string): number[] {
    return this.taken.filter((call) => call.text === text).map(({ chatId }) => chatId);
  }

  /** Seconds from one time to the last message of that text that left. */
  secondsUntilLast(text: string, from: number): number {
    return ((this.taken.filter((call) => call.text === text).at(-1)?.at ?? NaN) - from) / 1000;
  }

  readonly #answer: Transformer = async (_prev, method, payload) => {
    const { chat_id, text = "" } = payload as { readonly chat_id?: number; readonly text?: string };
    const call = { at: this.clock.passedMs, method, chatId: Number(chat_id), text };
    this.calls.push(call);
    await this.clock.sleep(this.#latencyMs / 2);
    const seconds = this.refuse(call);
    if (seconds === undefined) this.taken.push(call);
    await this.clock.sleep(this.#latencyMs / 2);
    if (seconds === undefined) return { ok: true, result: true } as never;
    const description = `Too Many Requests: retry after ${seconds}`;
    return { ok: false, error_code: 429, description, parameters: { retry_after: seconds } };
  };
}

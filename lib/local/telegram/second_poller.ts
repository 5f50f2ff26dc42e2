/** Another program that polls with the bot's token. */
import { setImmediate } from "node:timers/promises";
import type { Update } from "grammy/types";
import type { Clock } from "../../util/clock.ts";
import { ApiError } from "./errors.ts";
import type { UpdateQueue } from "./updates.ts";

const webhookRetryMs = 1000;

/**
 * Polls as a second instance of the bot would, within the server. It asks again at once, so that each long poll of the bot
 * ends with a 409. It takes and confirms what people say meanwhile, so that the bot does not hear of it.
 */
export class SecondPoller implements AsyncDisposable {
  readonly #queue: UpdateQueue;
  readonly #clock: Clock;
  readonly #stopping: AbortController = new AbortController();
  readonly #taken: Update[] = [];
  readonly #ended: Promise<void>;
  #conflicts = 0;

  /** @ignore Pollers are started by `server.secondPoller()`. */
  constructor(queue: UpdateQueue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
    this.#ended = this.#run();
  }

  /** The updates that it has taken in place of the bot, oldest first. */
  get taken(): readonly Update[] {
    return this.#taken;
  }

  /** How many of its own polls ended with a 409. */
  get conflicts(): number {
    return this.#conflicts;
  }

  /** Ends it; the bot is alone again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  /** As `stop()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let offset = 0;
    while (!signal.aborted) {
      const updates = await this.#poll(offset, signal);
      if (signal.aborted) return;
      this.#taken.push(...updates);
      offset = (updates.at(-1)?.update_id ?? offset - 1) + 1;
    }
  }

  async #poll(offset: number, signal: AbortSignal): Promise<Update[]> {
    try {
      return await this.#queue.poll({ offset, limit: 100, timeoutSeconds: 50, signal });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#conflicts += 1;
      // A turn of the event loop, as two pollers of this kind would let nothing else happen.
      if (this.#queue.webhook === undefined) await setImmediate();
      else await this.#clock.sleep(webhookRetryMs, signal).catch(() => {});
      return [];
    }
  }
}

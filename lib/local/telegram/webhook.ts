/** One HTTP request to a bot's webhook. */
import { setMaxListeners } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Update } from "grammy/types";
import type { Clock } from "../../util/clock.ts";
import { isLoopback } from "../loopback.ts";

export interface PostOptions {
  readonly url: string;
  /** Empty: none. */
  readonly secretToken: string;
  readonly body: object;
  /** Breaks the connection. */
  readonly signal: AbortSignal;
}

export interface PostAnswer {
  readonly status: number;
  /** What stands beside the status. */
  readonly reason: string;
  /** 0 where the answer does not say. */
  readonly retryAfterSeconds: number;
}

/** In the words that Telegram has for it. */
const wordsOf: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EPIPE: "Connection reset by peer",
};

/**
 * Sends the body as JSON on a connection of its own, and resolves once all of the answer is there.
 * @throws {Error} With Telegram's words for it, if there is no answer; with the signal's reason, if it aborts.
 */
export function post({ url, secretToken, body, signal }: PostOptions): Promise<PostAnswer> {
  const text = JSON.stringify(body);
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": new TextEncoder().encode(text).length,
    ...secretToken && { "X-Telegram-Bot-Api-Secret-Token": secretToken },
  };
  const open = url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const fail = (error: Error & { readonly code?: string }): void => {
      const words = wordsOf[error.code ?? ""] ?? error.message;
      reject(signal.aborted ? signal.reason : new Error(words, { cause: error }));
    };
    const request = open(url, { method: "POST", headers, agent: false }, (response) => {
      response.on("error", fail);
      response.on("end", () => resolve(answerOf(response)));
      // Not every runtime calls an answer that breaks off an error.
      response.on("close", () => fail(new Error("Connection closed")));
      response.resume();
    });
    request.on("error", fail);
    signal.addEventListener("abort", () => request.destroy(signal.reason as Error), { once: true });
    if (signal.aborted) request.destroy(signal.reason as Error);
    else request.end(text);
  });
}

function answerOf({ statusCode = 0, statusMessage = "", headers }: IncomingMessage): PostAnswer {
  const retryAfterSeconds = Number.parseInt(headers["retry-after"] ?? "");
  return { status: statusCode, reason: statusMessage, retryAfterSeconds: retryAfterSeconds || 0 };
}

// Deliveries to a bot's webhook: what is sent when, and again, in the ways of TDLib's WebhookActor.

/** As Telegram: silence for so long is a failure. */
const answerWithinMs = 60_000;
const longestWaitMs = 60_000;
const longestRetryAfterMs = 3_600_000;

/** What setWebhook was told. */
export interface WebhookSettings {
  readonly url: string;
  readonly secretToken: string;
  readonly maxConnections: number;
}

/** An update that was sent to the webhook, once for each attempt, and how the bot answered. */
export interface WebhookDelivery {
  /** Which update it was. */
  readonly update_id: number;
  /** When it was sent, in milliseconds since 1970. */
  readonly at: number;
  /** The HTTP status of the answer; undefined where none came. */
  readonly status: number | undefined;
  /** Why the update is sent again, as getWebhookInfo says it; undefined after a 2xx. */
  readonly error: string | undefined;
}

export interface WebhookSurroundings {
  readonly clock: Clock;
  /** Called after each attempt, successful or not. */
  readonly onAttempt: (delivery: WebhookDelivery) => void;
  /** Called once the bot has taken the update. */
  readonly onTaken: (update: Update) => void;
}

/** Sends every update until it is taken: each queue in its order, and different queues side by side. */
export class Webhook {
  readonly settings: WebhookSettings;
  readonly #surroundings: WebhookSurroundings;
  readonly #queues = new Map<string, Update[]>();
  readonly #waiting: (() => void)[] = [];
  readonly #closing = new AbortController();
  #freeConnections: number;
  #lastError: { readonly at: number; readonly message: string } | undefined;

  constructor(settings: WebhookSettings, surroundings: WebhookSurroundings) {
    this.settings = settings;
    this.#surroundings = surroundings;
    this.#freeConnections = settings.maxConnections;
    setMaxListeners(0, this.#closing.signal);
    if (!isLoopback(settings.url)) this.#fail("This local server delivers to loopback only");
  }

  /** The latest failure, whether or not the update was taken since. */
  get lastError(): { readonly at: number; readonly message: string } | undefined {
    return this.#lastError;
  }

  /** Sends this update when all that is before it in its queue is taken. */
  add(update: Update): void {
    if (!isLoopback(this.settings.url)) return;
    const key = queueOf(update);
    const queue = this.#queues.get(key);
    if (queue !== undefined) return void queue.push(update);
    this.#queues.set(key, [update]);
    void this.#empty(key);
  }

  /** Breaks off what is being sent; nothing is sent or reported any more. */
  close(): void {
    this.#closing.abort(new Error("The webhook was deleted"));
  }

  async #empty(key: string): Promise<void> {
    const queue = this.#queues.get(key) ?? [];
    for (let update = queue[0]; update !== undefined; update = queue[0]) {
      await this.#deliver(update);
      if (this.#closing.signal.aborted) return;
      queue.shift();
      this.#surroundings.onTaken(update);
    }
    this.#queues.delete(key);
  }

  /** Returns when the bot has taken the update, or the webhook is closed. */
  async #deliver(update: Update): Promise<void> {
    const { clock } = this.#surroundings;
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures++) {
      const answer = await this.#attempt(update);
      if (answer !== undefined && isTaken(answer)) return;
      const pauseMs = waitMs(failures, answer, clock);
      if (pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => {});
    }
  }

  async #attempt(update: Update): Promise<PostAnswer | undefined> {
    await this.#connection();
    const at = this.#surroundings.clock.now();
    try {
      if (this.#closing.signal.aborted) return undefined;
      const answer = await this.#post(update);
      this.#report({ ...update, at, status: answer.status, error: errorIn(answer) });
      return answer;
    } catch (error) {
      this.#report({ ...update, at, status: undefined, error: (error as Error).message });
      return undefined;
    } finally {
      this.#leaveConnection();
    }
  }

  #report({ update_id, at, status, error }: WebhookDelivery): void {
    if (this.#closing.signal.aborted) return;
    if (error !== undefined) this.#fail(error);
    this.#surroundings.onAttempt({ update_id, at, status, error });
  }

  async #post({ update_id, ...rest }: Update): Promise<PostAnswer> {
    const attempt = new AbortController();
    const close = (): void => attempt.abort(this.#closing.signal.reason);
    const { signal } = this.#closing;
    signal.addEventListener("abort", close);
    if (signal.aborted) close();
    const silence = (): void => attempt.abort(new Error("Read timeout expired"));
    this.#surroundings.clock.sleep(answerWithinMs, attempt.signal).then(silence, () => {});
    try {
      const { url, secretToken } = this.settings;
      return await post({ url, secretToken, body: { update_id, ...rest }, signal: attempt.signal });
    } finally {
      signal.removeEventListener("abort", close);
      attempt.abort();
    }
  }

  /** Resolves when fewer than `maxConnections` are in use; first come, first served. */
  async #connection(): Promise<void> {
    if (this.#freeConnections > 0) this.#freeConnections--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leaveConnection(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#freeConnections++;
    else next();
  }

  #fail(message: string): void {
    this.#lastError = { at: this.#surroundings.clock.now(), message };
  }
}

function isTaken({ status }: PostAnswer): boolean {
  return status >= 200 && status <= 299;
}

function errorIn(answer: PostAnswer): string | undefined {
  if (isTaken(answer)) return undefined;
  return `Wrong response from the webhook: ${answer.status} ${answer.reason}`.trimEnd();
}

/** The first time at once, then after 2, 4, 8... seconds, up to one or two minutes; or as the bot asks. */
function waitMs(failures: number, answer: PostAnswer | undefined, clock: Clock): number {
  const retryAfterMs = (answer?.retryAfterSeconds ?? 0) * 1000;
  if (retryAfterMs > 0) return Math.min(retryAfterMs, longestRetryAfterMs);
  if (failures === 0) return 0;
  return Math.min(1000 * 2 ** failures, longestWaitMs * (1 + clock.random()));
}

const messageKinds: ReadonlySet<string> = new Set([
  "message",
  "edited_message",
  "channel_post",
  "edited_channel_post",
]);

interface Addressed {
  readonly chat?: { readonly id?: unknown } | null;
  readonly from?: { readonly id?: unknown } | null;
}

/**
 * What is sent in order: the messages of a chat, and apart from them each other kind of update of a chat, or of a
 * person. An update of neither has a queue of its own.
 */
function queueOf({ update_id, ...rest }: Update): string {
  const [[kind, value] = ["", undefined]] = Object.entries(rest) as [string, Addressed | null | undefined][];
  const id = value?.chat?.id ?? value?.from?.id;
  if (id === undefined) return `update ${update_id}`;
  return `${messageKinds.has(kind) ? "message" : kind} ${String(id)}`;
}

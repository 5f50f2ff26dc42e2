/** Deliveries to the bot's webhook: their order, their retries and their HTTP requests, as in TDLib's WebhookActor. */
import { setMaxListeners } from "node:events";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Update } from "grammy/types";
import { createKeyedMutex, createSemaphore, type KeyedMutex, type Semaphore } from "../../util/async.ts";
import type { Clock } from "../../util/clock.ts";
import { isLoopback } from "../loopback.ts";

/** As Telegram: no answer for so long is a failure. */
const readTimeoutMs = 60_000;
const longestRetryDelayMs = 60_000;
const longestRetryAfterMs = 3_600_000;

/** The parameters of setWebhook. */
export interface WebhookSettings {
  readonly url: string;
  readonly secretToken: string;
  readonly maxConnections: number;
}

/** An attempt to deliver an update to the webhook, and how the bot answered. */
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

export interface WebhookSenderOptions {
  readonly clock: Clock;
  /** Called after each attempt, successful or not. */
  readonly onAttempt: (delivery: WebhookDelivery) => void;
  /** Called once the bot has taken the update. */
  readonly onTaken: (update: Update) => void;
}

/** Sends every update until it is taken: each queue in its order, and different queues side by side. */
export class WebhookSender {
  readonly settings: WebhookSettings;
  readonly #options: WebhookSenderOptions;
  readonly #inOrder: KeyedMutex<string> = createKeyedMutex();
  readonly #limitConnections: Semaphore;
  readonly #closing = new AbortController();
  #lastError: { readonly at: number; readonly message: string } | undefined;

  constructor(settings: WebhookSettings, options: WebhookSenderOptions) {
    this.settings = settings;
    this.#options = options;
    this.#limitConnections = createSemaphore(settings.maxConnections);
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
    void this.#inOrder(queueOf(update), () => this.#deliver(update));
  }

  /** Breaks off what is being sent; nothing is sent or reported any more. */
  close(): void {
    this.#closing.abort(new Error("The webhook was deleted"));
  }

  /** Returns when the bot has taken the update, or the webhook is closed. */
  async #deliver(update: Update): Promise<void> {
    const { clock, onTaken } = this.#options;
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; failures++) {
      const answer = await this.#limitConnections(() => this.#attempt(update));
      if (signal.aborted) return;
      if (answer !== undefined && isTaken(answer)) return onTaken(update);
      const pauseMs = retryDelayMs(failures, answer, clock);
      if (pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => {});
    }
  }

  async #attempt(update: Update): Promise<WebhookAnswer | undefined> {
    if (this.#closing.signal.aborted) return undefined;
    const at = this.#options.clock.now();
    const { update_id } = update;
    try {
      const answer = await this.#post(update);
      this.#report({ update_id, at, status: answer.status, error: errorIn(answer) });
      return answer;
    } catch (error) {
      this.#report({ update_id, at, status: undefined, error: (error as Error).message });
      return undefined;
    }
  }

  async #post(body: Update): Promise<WebhookAnswer> {
    const attempt = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, attempt.signal]);
    const timeOut = (): void => attempt.abort(new Error("Read timeout expired"));
    this.#options.clock.sleep(readTimeoutMs, signal).then(timeOut, () => {});
    try {
      const { url, secretToken } = this.settings;
      return await postUpdate({ url, secretToken, body, signal });
    } finally {
      attempt.abort();
    }
  }

  #report(delivery: WebhookDelivery): void {
    if (this.#closing.signal.aborted) return;
    if (delivery.error !== undefined) this.#fail(delivery.error);
    this.#options.onAttempt(delivery);
  }

  #fail(message: string): void {
    this.#lastError = { at: this.#options.clock.now(), message };
  }
}

function isTaken({ status }: WebhookAnswer): boolean {
  return status >= 200 && status <= 299;
}

function errorIn(answer: WebhookAnswer): string | undefined {
  if (isTaken(answer)) return undefined;
  return `Wrong response from the webhook: ${answer.status} ${answer.reason}`.trimEnd();
}

/** The first time at once, then after 2, 4, 8... seconds, up to one or two minutes; or as the bot asks. */
function retryDelayMs(failures: number, answer: WebhookAnswer | undefined, clock: Clock): number {
  const retryAfterMs = (answer?.retryAfterSeconds ?? 0) * 1000;
  if (retryAfterMs > 0) return Math.min(retryAfterMs, longestRetryAfterMs);
  if (failures === 0) return 0;
  return Math.min(1000 * 2 ** failures, longestRetryDelayMs * (1 + clock.random()));
}

const messageKinds: ReadonlySet<string> = new Set([
  ...["message", "edited_message", "channel_post", "edited_channel_post"],
]);

interface UpdateContent {
  readonly chat?: { readonly id?: unknown } | null;
  readonly from?: { readonly id?: unknown } | null;
}

/**
 * The queue of an update, in which updates keep their order: the messages of a chat have one, and each other kind of update
 * of a chat or of a person has one. An update of neither has a queue of its own.
 */
function queueOf({ update_id, ...rest }: Update): string {
  const entries = Object.entries(rest) as [string, UpdateContent | null | undefined][];
  const [[kind, content] = ["", undefined]] = entries;
  const id = content?.chat?.id ?? content?.from?.id;
  if (id === undefined) return `update ${update_id}`;
  return `${messageKinds.has(kind) ? "message" : kind} ${String(id)}`;
}

// The HTTP request of one attempt.

interface PostOptions {
  readonly url: string;
  /** Empty: none. */
  readonly secretToken: string;
  readonly body: object;
  /** Breaks the connection. */
  readonly signal: AbortSignal;
}

interface WebhookAnswer {
  readonly status: number;
  /** The text beside the status. */
  readonly reason: string;
  /** 0 where the answer does not say. */
  readonly retryAfterSeconds: number;
}

/** Telegram's words for errors of the connection. */
const connectionErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EPIPE: "Connection reset by peer",
};

/**
 * Sends the body as JSON on a connection of its own, and resolves once all of the answer is there.
 * @throws {Error} With Telegram's words, if there is no answer; with the signal's reason, if it aborts.
 */
function postUpdate({ url, secretToken, body, signal }: PostOptions): Promise<WebhookAnswer> {
  const text = JSON.stringify(body);
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": new TextEncoder().encode(text).length,
    ...secretToken && { "X-Telegram-Bot-Api-Secret-Token": secretToken },
  };
  const open = url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const fail = (error: Error & { readonly code?: string }): void => {
      const message = connectionErrors[error.code ?? ""] ?? error.message;
      reject(signal.aborted ? signal.reason : new Error(message, { cause: error }));
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

function answerOf({ statusCode = 0, statusMessage = "", headers }: IncomingMessage): WebhookAnswer {
  const retryAfterSeconds = Number.parseInt(headers["retry-after"] ?? "");
  return { status: statusCode, reason: statusMessage, retryAfterSeconds: retryAfterSeconds || 0 };
}

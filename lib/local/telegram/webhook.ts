/** Deliveries to the bot's webhook: their order and their retries, as in TDLib's WebhookActor. */
import { setMaxListeners } from "node:events";
import type { Update } from "grammy/types";
import { createKeyedMutex, createSemaphore, type KeyedMutex, type Semaphore } from "../../util/async.ts";
import type { Clock } from "../../util/clock.ts";

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

/** Sends updates to webhooks. */
export interface WebhookTransport {
  /** Why nothing can be sent to this address, as getWebhookInfo says it; undefined where it can. */
  refusalOf(url: string): string | undefined;
  /**
   * Sends the update as JSON by POST, and resolves once all of the answer is there.
   * @throws {Error} If there is no answer; with the signal's reason, if it aborts.
   */
  post(request: WebhookRequest): Promise<WebhookAnswer>;
}

export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
  /** Breaks the connection. */
  readonly signal: AbortSignal;
}

export interface WebhookAnswer {
  /** The HTTP status. */
  readonly status: number;
  /** The text beside the status; empty where there is none. */
  readonly reason: string;
  /** The header `Retry-After`; undefined where there is none. */
  readonly retryAfter: string | undefined;
}

export interface WebhookSenderOptions {
  readonly clock: Clock;
  readonly transport: WebhookTransport;
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
  readonly #isReachable: boolean;
  #lastError: { readonly at: number; readonly message: string } | undefined;

  constructor(settings: WebhookSettings, options: WebhookSenderOptions) {
    this.settings = settings;
    this.#options = options;
    this.#limitConnections = createSemaphore(settings.maxConnections);
    setMaxListeners(0, this.#closing.signal);
    const refusal = options.transport.refusalOf(settings.url);
    this.#isReachable = refusal === undefined;
    if (refusal !== undefined) this.#fail(refusal);
  }

  /** The latest failure, whether or not the update was taken since. */
  get lastError(): { readonly at: number; readonly message: string } | undefined {
    return this.#lastError;
  }

  /** Sends this update when all that is before it in its queue is taken. */
  add(update: Update): void {
    if (!this.#isReachable) return;
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
      this.#report({ update_id, at, status: undefined, error: connectionErrorOf(error) });
      return undefined;
    }
  }

  async #post(update: Update): Promise<WebhookAnswer> {
    const attempt = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, attempt.signal]);
    const timeOut = (): void => attempt.abort(new Error("Read timeout expired"));
    const { clock, transport } = this.#options;
    clock.sleep(readTimeoutMs, signal).then(timeOut, () => {});
    const { url, secretToken } = this.settings;
    const headers = {
      "Content-Type": "application/json",
      ...secretToken && { "X-Telegram-Bot-Api-Secret-Token": secretToken },
    };
    try {
      return await transport.post({ url, headers, body: JSON.stringify(update), signal });
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

/** Telegram's words for errors of the connection. */
const connectionErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EPIPE: "Connection reset by peer",
};

function connectionErrorOf(error: unknown): string {
  const { code, cause, message } = error as Error & { readonly code?: unknown };
  const causeCode = (cause as { readonly code?: unknown } | undefined)?.code;
  return connectionErrors[String(code ?? causeCode)] ?? message;
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
  const retryAfterMs = (Number.parseInt(answer?.retryAfter ?? "") || 0) * 1000;
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

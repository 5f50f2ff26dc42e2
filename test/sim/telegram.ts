/** The simulated Telegram: the Bot API of `lib/local` without its HTTP server, in virtual time. */
import type { Message } from "grammy/types";
import { breakConnection } from "../../lib/local/telegram/answers.ts";
import { type BotApi, type BotApiServerOptions, createBotApi } from "../../lib/local/telegram/bot_api.ts";
import type { BotApiRequest } from "../../lib/local/telegram/call.ts";
import { BotApiServer } from "../../lib/local/telegram/control.ts";
import type { ConfirmedUpdate } from "../../lib/local/telegram/hooks.ts";
import type { WebhookTransport } from "../../lib/local/telegram/webhook.ts";
import type { Clock } from "../../lib/util/clock.ts";
import type { Service, ServiceRequest, ServiceResponse } from "./service.ts";

export interface SimulatedTelegramOptions extends Omit<BotApiServerOptions, "clock" | "port"> {
  /** All time and chance of Telegram. */
  readonly clock: Clock;
  /** The clock of those who wait for what the bot says. Default: `clock`. */
  readonly hostClock?: Clock;
  /** @default "1000000:AAsimulated-token_0000000000000000" */
  readonly token?: string;
  /** What `server.apiRoot` says. @default "https://api.telegram.org" */
  readonly apiRoot?: string;
  /**
   * Sends updates to the bot's webhook. It rejects with an error whose `code`, or whose cause's, is the system's
   * (`"ECONNRESET"`), and with the signal's reason. Default: every connection is refused.
   */
  readonly webhookFetch?: typeof fetch;
  /** Called when the server is closed. Default: nothing. */
  readonly onClose?: () => void;
  /** Called with each message of the bot that reaches a chat, at the moment when it does. Default: nothing. */
  readonly onMessage?: (event: ArrivedMessage) => void;
  /** Called with each update that the bot will not get again. Default: nothing. */
  readonly onConfirmed?: (event: ConfirmedByRequest) => void;
}

/** A message of the bot that has reached a chat. */
export interface ArrivedMessage {
  readonly chatId: number;
  readonly message: Message;
  /** Whether it was there already and was edited. */
  readonly isEdit: boolean;
  /** The request that brought it, as it was given to `handle()`. */
  readonly request: ServiceRequest;
}

/** An update that the bot will not get again. */
export interface ConfirmedByRequest extends Omit<ConfirmedUpdate, "request"> {
  /** The request that said so; undefined for an answer of the webhook, and for a second poller. */
  readonly request: ServiceRequest | undefined;
}

/** The answer of a request does not come, or not whole: its connection is reset. */
export class ConnectionResetError extends Error {
  override readonly name = "ConnectionResetError";
  /** As the system's errors have it. */
  readonly code = "ECONNRESET";

  constructor() {
    super("read ECONNRESET");
  }
}

export class SimulatedTelegram implements Service {
  /** People, groups, channels, faults, floods, the log of calls. */
  readonly server: BotApiServer;
  /** How many calls were answered with 429. */
  floods = 0;
  readonly #api: BotApi;
  readonly #clock: Clock;
  readonly #requests = new WeakMap<BotApiRequest, ServiceRequest>();

  constructor(options: SimulatedTelegramOptions) {
    const {
      clock,
      hostClock = clock,
      token = "1000000:AAsimulated-token_0000000000000000",
      apiRoot = "https://api.telegram.org",
    } = options;
    const { webhookFetch = refuseConnection, onClose = () => {}, onMessage, onConfirmed, ...rest } = options;
    this.#clock = clock;
    this.#api = createBotApi({
      ...{ ...rest, token, hostClock, transport: transportOf(webhookFetch) },
      hooks: {
        onMessage: (event) =>
          onMessage?.({ ...event, request: this.#requestOf(event.request) as ServiceRequest }),
        onConfirmed: (event) => onConfirmed?.({ ...event, request: this.#requestOf(event.request) }),
        onFailure: (error) => {
          throw error;
        },
      },
    });
    this.server = new BotApiServer(this.#api, { apiRoot, close: () => Promise.resolve(onClose()) });
  }

  /**
   * Answers a request, which comes on a connection of its own: faults of older connections, `"stale"` and `"half-open"`,
   * hit none. Unless a fault, a limit or the latency delays a call, it has taken effect when the promise is returned.
   * @throws {ConnectionResetError} If a fault resets the connection, or ends it within the answer's body.
   * @throws The signal's reason, if the client leaves first; any other error is a mistake in the simulated Telegram.
   */
  async handle(request: ServiceRequest): Promise<ServiceResponse> {
    const { url, signal } = request;
    const connection = this.#api.connections.open();
    const call = {
      target: url.pathname + url.search,
      headers: request.headers,
      body: request.body,
      connection,
      signal,
    };
    this.#requests.set(call, request);
    const answer = await this.#api.handle(call);
    if (answer === breakConnection) throw new ConnectionResetError();
    const { status, headers, body, delivery } = answer;
    if (status === 429) this.floods++;
    if (delivery === "half" || delivery === "torn") throw new ConnectionResetError();
    if (delivery !== "whole") await this.#clock.sleep(delivery.slowMs, signal);
    return { status, headers, body: new Uint8Array(body) };
  }

  #requestOf(request: BotApiRequest | undefined): ServiceRequest | undefined {
    return request && this.#requests.get(request);
  }
}

function transportOf(send: typeof fetch): WebhookTransport {
  return {
    refusalOf: () => undefined,
    post: async ({ url, ...init }) => {
      const response = await send(url, { method: "POST", ...init });
      const { status, statusText: reason, headers } = response;
      await response.text();
      return { status, reason, retryAfter: headers.get("retry-after") ?? undefined };
    },
  };
}

const refuseConnection: typeof fetch = () => {
  const error = new Error("connect ECONNREFUSED");
  return Promise.reject(Object.assign(error, { code: "ECONNREFUSED" }));
};

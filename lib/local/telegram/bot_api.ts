/** `createBotApi`: a Telegram Bot API without sockets, which answers requests as data. A listener or a simulation serves it. */
import type { UserFromGetMe } from "grammy/types";
import { type Clock, systemClock } from "../../util/clock.ts";
import {
  type BotApiAnswer,
  breakConnection,
  errorAnswer,
  RawAnswer,
  rawAnswer,
  successAnswer,
} from "./answers.ts";
import { type ApiCall, type BotApiRequest, ClientConnections, readCall } from "./call.ts";
import { CallLog, createDispatch, type Dispatch } from "./dispatch.ts";
import { ApiError } from "./errors.ts";
import { BotApiFaults } from "./faults.ts";
import type { BotApiHooks } from "./hooks.ts";
import { FloodList } from "./rate_limit.ts";
import { ServerState } from "./server_state.ts";
import type { WebhookTransport } from "./webhook.ts";

/** The options of a server. */
export interface BotApiServerOptions {
  /** TCP port on 127.0.0.1. @default 0, a free one */
  readonly port?: number;
  /** The only token that is accepted, in Telegram's form: `"123:abc"`. Default: a new random one each time. */
  readonly token?: string;
  /** The bot's name without `@`. @default "local_test_bot" */
  readonly username?: string;
  /** How many messages the bot may send each second before it gets a 429. Default: no limit. */
  readonly messagesPerSecond?: number;
  /** How many messages one chat takes each second before it is refused with a 429 of its own. Default: no limit. */
  readonly chatMessagesPerSecond?: number;
  /** How many of these one chat takes at once after a rest. @default 3 */
  readonly chatBurst?: number;
  /** How many messages a group takes in any minute before it is refused with a 429 of its own. Default: no limit. */
  readonly groupMessagesPerMinute?: number;
  /**
   * For how many seconds in all the server itself holds and repeats a call that a limit, a slow mode or a flood refuses,
   * before it answers with 429. Telegram's own server holds a call for up to 8 seconds. @default 0, it answers at once
   */
  readonly maxHoldSeconds?: number;
  /** How long each call takes on its way. @default 0 */
  readonly latencyMs?: number;
  /** Updates are numbered from here on. @default 100000001 */
  readonly firstUpdateId?: number;
  /** The time of messages, limits, floods, long polls, delays and deliveries. @default systemClock */
  readonly clock?: Clock;
}

export interface BotApiOptions extends Omit<BotApiServerOptions, "port" | "token"> {
  /** The only token that is accepted, in Telegram's form: `"123:abc"`. */
  readonly token: string;
  /** Sends updates to the bot's webhook. */
  readonly transport: WebhookTransport;
  /**
   * The clock of the machine that the API runs on, which `clock` does not replace: the time-outs of `received()` and
   * `answered()`, the millisecond in which updates gather, and the pauses of a second poller. @default systemClock
   */
  readonly hostClock?: Clock;
  /** What is called when something happens. Default: nothing. */
  readonly hooks?: BotApiHooks;
}

/** A Bot API and the state behind it. */
export interface BotApi {
  readonly token: string;
  readonly state: ServerState;
  readonly faults: BotApiFaults;
  /** Of the whole bot. */
  readonly floods: FloodList;
  readonly calls: CallLog;
  /** Whoever serves the API opens one for each connection of a client. */
  readonly connections: ClientConnections;
  /**
   * Answers a request; `breakConnection` stands for a connection that is reset instead. Unless a fault, a limit or the
   * latency delays a call, it has taken effect when the promise is returned.
   * @throws What the signal was aborted with, if the client leaves first.
   */
  handle(request: BotApiRequest): Promise<BotApiAnswer | typeof breakConnection>;
}

export function createBotApi(options: BotApiOptions): BotApi {
  const { token, transport, username = "local_test_bot", clock = systemClock, hostClock = systemClock } =
    options;
  const { messagesPerSecond, latencyMs = 0, maxHoldSeconds = 0, firstUpdateId = 100_000_001 } = options;
  const { hooks = {} } = options;
  const state = new ServerState({
    ...{ bot: botUser(token, username), clock, hostClock, transport, firstUpdateId, hooks },
    quotas: options,
  });
  const connections = new ClientConnections();
  const parts = { faults: new BotApiFaults(connections), floods: new FloodList(), calls: new CallLog() };
  const limits = { latencyMs, maxHoldSeconds, messagesPerSecond };
  const dispatch = createDispatch(state, { token, clock, ...limits, ...parts });
  return { token, state, connections, ...parts, handle: (request) => answerTo(request, dispatch, hooks) };
}

function botUser(token: string, username: string): UserFromGetMe {
  return {
    id: Number(token.split(":")[0]),
    is_bot: true,
    first_name: "Local test bot",
    username,
    can_join_groups: true,
    can_read_all_group_messages: true,
    supports_inline_queries: false,
    can_connect_to_business: false,
    has_main_web_app: false,
  } as UserFromGetMe;
}

async function answerTo(
  request: BotApiRequest,
  dispatch: Dispatch,
  { onFailure }: BotApiHooks,
): Promise<BotApiAnswer | typeof breakConnection> {
  let call: ApiCall | undefined;
  try {
    call = readCall(request);
    const result = await dispatch(call);
    if (result === breakConnection) return breakConnection;
    return result instanceof RawAnswer ? rawAnswer(result) : successAnswer(result, call.delivery);
  } catch (error) {
    if (request.signal.aborted) throw error;
    if (!(error instanceof ApiError)) onFailure?.(error);
    return errorAnswer(error, call?.delivery);
  }
}

/** `startBotApiServer`: a Telegram Bot API server on loopback, for the sandbox, for our tests and for yours. */
import { randomBytes } from "node:crypto";
import type { UserFromGetMe } from "grammy/types";
import { type Clock, systemClock } from "../../util/clock.ts";
import { anything, assertNames, assertOptions, type Checks, textRule } from "../../util/validate.ts";
import { listen } from "../loopback.ts";
import { type BotApiCall, CallLog, createDispatch } from "./dispatch.ts";
import { type BotApiFault, type BotApiFaultOptions, BotApiFaults } from "./faults.ts";
import { type ApiListener, ClientConnections, createApiListener } from "./http.ts";
import {
  addSharedChat,
  assertChatOptions,
  LocalChannel,
  type LocalChannelOptions,
  LocalForum,
  type LocalForumOptions,
  LocalGroup,
  type LocalGroupOptions,
} from "./local_groups.ts";
import { LocalUser, type LocalUserOptions, userNames } from "./local_user.ts";
import { type BotApiFlood, type BotApiFloodOptions, FloodList } from "./rate_limit.ts";
import { ServerState } from "./server_state.ts";
import { SecondPoller, UpdateQueue } from "./updates.ts";
import type { WebhookDelivery } from "./webhook.ts";

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

/**
 * Starts a server on 127.0.0.1.
 * @throws {TypeError} If an option is unknown or has a wrong value; so do the methods that take options.
 * @throws {Error} If the port is taken.
 */
export async function startBotApiServer(options: BotApiServerOptions = {}): Promise<BotApiServer> {
  assertOptions("start the server", options, serverChecks);
  const { port = 0, token = newToken(), username = "local_test_bot", clock = systemClock } = options;
  const { messagesPerSecond, latencyMs = 0, maxHoldSeconds = 0, firstUpdateId = 100_000_001 } = options;
  const state = new ServerState(
    botUser(token, username),
    clock,
    new UpdateQueue(firstUpdateId, clock),
    options,
  );
  const connections = new ClientConnections();
  const parts = { faults: new BotApiFaults(connections), floods: new FloodList(), calls: new CallLog() };
  const limits = { latencyMs, maxHoldSeconds, messagesPerSecond };
  const dispatch = createDispatch(state, { token, clock, ...limits, ...parts });
  const listener = createApiListener(dispatch, connections);
  const chosenPort = await listen(listener.server, port);
  return new BotApiServer({ token, port: chosenPort, state, listener, ...parts });
}

const botId = 1_000_000;

/** In Telegram's form; web pages and other programs on this machine cannot guess it. */
function newToken(): string {
  return `${botId}:AA${randomBytes(33).toString("base64url").slice(0, 33)}`;
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

const serverChecks: Checks<BotApiServerOptions> = {
  rules: {
    token: {
      ...textRule(
        'digits, a colon, then letters, digits, - and _, such as "123:abc"',
        /^\d+:[A-Za-z0-9_-]+$/,
      ),
      isSecret: true,
    },
    ...{ port: anything, username: anything, messagesPerSecond: anything, chatMessagesPerSecond: anything },
    ...{
      chatBurst: anything,
      groupMessagesPerMinute: anything,
      maxHoldSeconds: anything,
      latencyMs: anything,
    },
    ...{ firstUpdateId: anything, clock: anything },
  },
};

interface ServerParts {
  readonly token: string;
  readonly port: number;
  readonly state: ServerState;
  readonly faults: BotApiFaults;
  readonly floods: FloodList;
  readonly calls: CallLog;
  readonly listener: ApiListener;
}

/** A running server and the state behind it. Unconfirmed updates last as long as it does. */
export class BotApiServer implements AsyncDisposable {
  /** For grammY: `new Bot(server.token, { client: { apiRoot: server.apiRoot } })`. */
  readonly apiRoot: string;
  /** The token that the bot has to use. */
  readonly token: string;
  readonly #parts: ServerParts;
  readonly #pollers: SecondPoller[] = [];

  /** @ignore Servers are started by `startBotApiServer`. */
  constructor(parts: ServerParts) {
    this.apiRoot = `http://127.0.0.1:${parts.port}`;
    this.token = parts.token;
    this.#parts = parts;
  }

  /** The bot, as getMe describes it. */
  get bot(): UserFromGetMe {
    return this.#parts.state.bot;
  }

  /** The last 10,000 calls, oldest first. */
  get calls(): readonly BotApiCall[] {
    return this.#parts.calls.latest;
  }

  /** How many calls of this method came in since the start. */
  countCalls(method: string): number {
    return this.#parts.calls.count(method);
  }

  /** How many files the bot has uploaded, those of refused messages included. */
  get uploads(): number {
    return this.#parts.state.files.uploads;
  }

  /** The bytes that the bot uploaded under this file_id. */
  file(fileId: string): Uint8Array | undefined {
    return this.#parts.state.files.bytes(fileId);
  }

  /** The last 10,000 deliveries to webhooks, every attempt, in the order in which they ended. */
  get deliveries(): readonly WebhookDelivery[] {
    return this.#parts.state.updates.deliveries;
  }

  /** How many updates wait for the bot to confirm them, or for its webhook to take them. */
  get pendingUpdates(): number {
    return this.#parts.state.updates.size;
  }

  /** A person, whose private chat with the bot opens with their first message. */
  user(options: LocalUserOptions = {}): LocalUser {
    assertNames("add the person", options, userNames);
    const { state } = this.#parts;
    const { id = state.newPersonId(), first_name = "Test", opened = false, ...rest } = options;
    const { last_name, username, language_code = "en" } = rest;
    const names = { first_name, ...defined({ last_name, username }) };
    const user = { id, is_bot: false, ...names, language_code };
    state.people.set(id, user);
    const chat = state.addChat({ id, ...names, type: "private" }, "member");
    chat.opened = opened;
    return new LocalUser(state, chat, user);
  }

  /** A group or supergroup with the bot in it. */
  group(options: LocalGroupOptions): LocalGroup {
    assertChatOptions("group", options);
    const { state } = this.#parts;
    const { title, kind = "group", bot = "member" } = options;
    return new LocalGroup(state, addSharedChat(state, { title, type: kind }, bot, options));
  }

  /** A forum with the bot in it: a supergroup with topics. */
  forum(options: LocalForumOptions): LocalForum {
    assertChatOptions("forum", options);
    const { state } = this.#parts;
    const { title, bot = "member" } = options;
    const info = { title, type: "supergroup", is_forum: true } as const;
    return new LocalForum(state, addSharedChat(state, info, bot, options));
  }

  /** Makes `count` groups of one person, who adds the bot to each; the bot gets an update each time. */
  groupsOf(owner: LocalUser, count: number, kind: "group" | "supergroup" = "group"): LocalGroup[] {
    return Array.from({ length: count }, (_, index) => {
      const title = `Group ${index + 1}`;
      const group = this.group({ title, kind, administrators: [owner], bot: "left" });
      group.addBot(owner);
      return group;
    });
  }

  /** Makes `count` channels of one person, who adds the bot to each as an administrator; it gets an update each time. */
  channelsOf(owner: LocalUser, count: number): LocalChannel[] {
    return Array.from({ length: count }, (_, index) => {
      const channel = this.channel({ title: `Channel ${index + 1}`, administrators: [owner], bot: "left" });
      channel.addBot(owner);
      return channel;
    });
  }

  /** A channel with the bot in it. */
  channel(options: LocalChannelOptions): LocalChannel {
    assertChatOptions("channel", options);
    const { state } = this.#parts;
    const { title, username, bot = "administrator" } = options;
    const info = { title, ...defined({ username }), type: "channel" } as const;
    return new LocalChannel(state, addSharedChat(state, info, bot, options));
  }

  /**
   * Queues an update of any shape, wanted or not, and returns its id. One without an `update_id` gets the next;
   * one with a lower id than before restarts the count, if no update is waiting.
   */
  push(update: object): number {
    return this.#parts.state.updates.push(update);
  }

  /** Runs the task; the bot gets no update about what people do in it, as after a day in which it was not there. */
  unheard<T>(task: () => T): T {
    return this.#parts.state.updates.unheard(task);
  }

  /** Sets a fault for calls to come. */
  fault(options: BotApiFaultOptions): BotApiFault {
    return this.#parts.faults.add(options);
  }

  /**
   * Refuses every message and edit of the bot with a 429, for so many seconds; each says how many are left.
   * @throws {RangeError} If it is no number of seconds, or shorter than a second.
   */
  flood(retryAfterSeconds: number, options: BotApiFloodOptions = {}): BotApiFlood {
    const { floods, state } = this.#parts;
    return floods.start(retryAfterSeconds, options, state.clock.now());
  }

  /** Lets another program poll with the same token, until it is stopped or the server closes. */
  secondPoller(): SecondPoller {
    const { updates, clock } = this.#parts.state;
    const poller = new SecondPoller(updates, clock);
    this.#pollers.push(poller);
    return poller;
  }

  /** Ends all polls, connections and deliveries at once. */
  async close(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.stop()));
    this.#parts.state.updates.close();
    await this.#parts.listener.close();
  }

  /** As `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: NonNullable<T[K]>;
  };
}

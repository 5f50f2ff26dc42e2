/** `BotApiServer`: controls a Bot API: its people and chats, faults, floods, updates and the log of calls. */
import type { UserFromGetMe } from "grammy/types";
import { assertOptions, assertSubject, assertValue, functionRule, textRule } from "../../util/validate.ts";
import { countRule, isObject, required } from "../validate.ts";
import type { BotApi } from "./bot_api.ts";
import type { BotApiCall } from "./dispatch.ts";
import type { BotApiFault, BotApiFaultOptions } from "./faults.ts";
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
import { LocalUser, type LocalUserOptions, userChecks } from "./local_user.ts";
import type { BotApiFlood, BotApiFloodOptions } from "./rate_limit.ts";
import { SecondPoller } from "./updates.ts";
import type { WebhookDelivery } from "./webhook.ts";

/** How an API is served. */
export interface ServedApi {
  /** Where clients find it. */
  readonly apiRoot: string;
  /** Ends all connections at once. */
  readonly close: () => Promise<void>;
}

/** A running server and the state behind it. Unconfirmed updates last as long as it does. */
export class BotApiServer implements AsyncDisposable {
  /** For grammY: `new Bot(server.token, { client: { apiRoot: server.apiRoot } })`. */
  readonly apiRoot: string;
  /** The token that the bot has to use. */
  readonly token: string;
  readonly #api: BotApi;
  readonly #close: () => Promise<void>;
  readonly #pollers: SecondPoller[] = [];

  /** @ignore Servers are started by `startBotApiServer`. */
  constructor(api: BotApi, { apiRoot, close }: ServedApi) {
    this.apiRoot = apiRoot;
    this.token = api.token;
    this.#api = api;
    this.#close = close;
  }

  /** The bot, as getMe describes it. */
  get bot(): UserFromGetMe {
    return this.#api.state.bot;
  }

  /** The last 10,000 calls, oldest first. */
  get calls(): readonly BotApiCall[] {
    return this.#api.calls.latest;
  }

  /** How many calls of this method came in since the start. */
  countCalls(method: string): number {
    assertValue("count calls", "method", method, required(textRule("a method's name")));
    return this.#api.calls.count(method);
  }

  /** How many files the bot has uploaded, those of refused messages included. */
  get uploads(): number {
    return this.#api.state.files.uploads;
  }

  /** The bytes that the bot uploaded under this file_id. */
  file(fileId: string): Uint8Array | undefined {
    return this.#api.state.files.bytes(fileId);
  }

  /** The last 10,000 deliveries to webhooks, every attempt, in the order in which they ended. */
  get deliveries(): readonly WebhookDelivery[] {
    return this.#api.state.updates.deliveries;
  }

  /** How many updates wait for the bot to confirm them, or for its webhook to take them. */
  get pendingUpdates(): number {
    return this.#api.state.updates.size;
  }

  /** A person, whose private chat with the bot opens with their first message. */
  user(options: LocalUserOptions = {}): LocalUser {
    assertOptions("add the person", options, userChecks);
    const { state } = this.#api;
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
    const { state } = this.#api;
    const { title, kind = "group", bot = "member" } = options;
    return new LocalGroup(state, addSharedChat(state, { title, type: kind }, bot, options));
  }

  /** A forum with the bot in it: a supergroup with topics. */
  forum(options: LocalForumOptions): LocalForum {
    assertChatOptions("forum", options);
    const { state } = this.#api;
    const { title, bot = "member" } = options;
    const info = { title, type: "supergroup", is_forum: true } as const;
    return new LocalForum(state, addSharedChat(state, info, bot, options));
  }

  /** Makes `count` groups of one person, who adds the bot to each; the bot gets an update each time. */
  groupsOf(owner: LocalUser, count: number, kind: "group" | "supergroup" = "group"): LocalGroup[] {
    assertValue("add the groups", "count", count, required(countRule));
    return Array.from({ length: count }, (_, index) => {
      const title = `Group ${index + 1}`;
      const group = this.group({ title, kind, administrators: [owner], bot: "left" });
      group.addBot(owner);
      return group;
    });
  }

  /** Makes `count` channels of one person, who adds the bot to each as an administrator; it gets an update each time. */
  channelsOf(owner: LocalUser, count: number): LocalChannel[] {
    assertValue("add the channels", "count", count, required(countRule));
    return Array.from({ length: count }, (_, index) => {
      const channel = this.channel({ title: `Channel ${index + 1}`, administrators: [owner], bot: "left" });
      channel.addBot(owner);
      return channel;
    });
  }

  /** A channel with the bot in it. */
  channel(options: LocalChannelOptions): LocalChannel {
    assertChatOptions("channel", options);
    const { state } = this.#api;
    const { title, username, bot = "administrator" } = options;
    const info = { title, ...defined({ username }), type: "channel" } as const;
    return new LocalChannel(state, addSharedChat(state, info, bot, options));
  }

  /**
   * Queues an update of any shape, wanted or not, and returns its id. One without an `update_id` gets the next;
   * one with a lower id than before restarts the count, if no update is waiting.
   */
  push(update: object): number {
    assertSubject("queue an update", "it", update, required({ isGood: isObject, rule: "an object" }));
    return this.#api.state.updates.push(update);
  }

  /** Runs the task; the bot gets no update about what people do in it, as after a day in which it was not there. */
  unheard<T>(task: () => T): T {
    assertValue("run the task", "task", task, required(functionRule()));
    return this.#api.state.updates.unheard(task);
  }

  /** Sets a fault for calls to come. */
  fault(options: BotApiFaultOptions): BotApiFault {
    return this.#api.faults.add(options);
  }

  /**
   * Refuses every message and edit of the bot with a 429, for so many seconds; each says how many are left.
   * @throws {RangeError} If it is no number of seconds, or shorter than a second.
   */
  flood(retryAfterSeconds: number, options: BotApiFloodOptions = {}): BotApiFlood {
    const { floods, state } = this.#api;
    return floods.start(retryAfterSeconds, options, state.clock.now());
  }

  /** Lets another program poll with the same token, until it is stopped or the server closes. */
  secondPoller(): SecondPoller {
    const { state } = this.#api;
    const poller = new SecondPoller(state.updates, state);
    this.#pollers.push(poller);
    return poller;
  }

  /** Ends all polls, connections and deliveries at once. */
  async close(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.stop()));
    this.#api.state.updates.close();
    await this.#close();
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

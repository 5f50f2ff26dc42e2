/** A Telegram Bot API server on loopback: for the sandbox, our tests and yours. */
import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import type { UserFromGetMe } from "grammy/types";
import { systemClock } from "../../util/clock.ts";
import { assertNames } from "../../util/validate.ts";
import { type BotApiCall, CallRecord, createAnswer } from "./dispatch.ts";
import { type BotApiFault, type BotApiFaultOptions, Faults } from "./faults.ts";
import { LocalChannel, LocalForum, LocalGroup, settle } from "./groups.ts";
import { type ApiListener, createListener } from "./http.ts";
import { LocalUser } from "./people.ts";
import { type BotApiFlood, type BotApiFloodOptions, FloodWaits } from "./rate_limit.ts";
import { Connections } from "./request.ts";
import { SecondPoller } from "./second_poller.ts";
import {
  assertGroup,
  assertServerOptions,
  type BotApiServerOptions,
  type LocalChannelOptions,
  type LocalForumOptions,
  type LocalGroupOptions,
  type LocalUserOptions,
  userNames,
} from "./server_options.ts";
import { World } from "./state.ts";
import { UpdateQueue } from "./updates.ts";
import type { WebhookDelivery } from "./webhook.ts";

const botId = 1_000_000;

interface Parts {
  readonly token: string;
  readonly world: World;
  readonly faults: Faults;
  readonly floods: FloodWaits;
  readonly record: CallRecord;
  readonly listener: ApiListener;
}

/** A running server and the world behind it. Unconfirmed updates last as long as it does. */
export class BotApiServer implements AsyncDisposable {
  /** For grammY: `new Bot(server.token, { client: { apiRoot: server.apiRoot } })`. */
  readonly apiRoot: string;
  /** The token that the bot has to use. */
  readonly token: string;
  readonly #parts: Parts;
  readonly #pollers: SecondPoller[] = [];

  /** @ignore Servers are started by `startBotApiServer`. */
  constructor(parts: Parts) {
    const { port } = parts.listener.server.address() as AddressInfo;
    this.apiRoot = `http://127.0.0.1:${port}`;
    this.token = parts.token;
    this.#parts = parts;
  }

  /** The bot, as getMe describes it. */
  get bot(): UserFromGetMe {
    return this.#parts.world.bot;
  }

  /** The last 10,000 calls, oldest first. */
  get calls(): readonly BotApiCall[] {
    return this.#parts.record.calls;
  }

  /** How many calls of this method came in since the start. */
  countCalls(method: string): number {
    return this.#parts.record.count(method);
  }

  /** How many files the bot has uploaded, those of refused messages included. */
  get uploads(): number {
    return this.#parts.world.files.uploads;
  }

  /** The bytes that the bot uploaded under this file_id. */
  file(fileId: string): Uint8Array | undefined {
    return this.#parts.world.files.bytes(fileId);
  }

  /** The last 10,000 deliveries to webhooks, every attempt, in the order in which they ended. */
  get deliveries(): readonly WebhookDelivery[] {
    return this.#parts.world.updates.deliveries;
  }

  /** How many updates wait for the bot to confirm them, or for its webhook to take them. */
  get pendingUpdates(): number {
    return this.#parts.world.updates.size;
  }

  /** A person, whose private chat with the bot opens at the first word. */
  user(options: LocalUserOptions = {}): LocalUser {
    assertNames("add the person", options, userNames);
    const { id = this.#parts.world.newPersonId(), first_name = "Test", opened = false, ...rest } = options;
    const { last_name, username, language_code = "en" } = rest;
    const names = { first_name, ...defined({ last_name, username }) };
    const user = { id, is_bot: false, ...names, language_code };
    const chat = { id, ...names, type: "private" as const };
    this.#parts.world.people.set(id, user);
    const room = this.#parts.world.addRoom(chat, "member");
    room.opened = opened;
    return new LocalUser(this.#parts.world, room, user);
  }

  /** A group or supergroup with the bot in it. */
  group(options: LocalGroupOptions): LocalGroup {
    assertGroup("group", options);
    const { title, kind = "group", bot = "member" } = options;
    const id = options.id ?? this.#parts.world.newGroupId(kind);
    const room = this.#parts.world.addRoom({ id, title, type: kind }, bot);
    settle(room, options);
    return new LocalGroup(this.#parts.world, room);
  }

  /** A forum with the bot in it: a supergroup with topics. */
  forum(options: LocalForumOptions): LocalForum {
    assertGroup("forum", options);
    const { title, bot = "member" } = options;
    const id = options.id ?? this.#parts.world.newGroupId("supergroup");
    const room = this.#parts.world.addRoom({ id, title, type: "supergroup", is_forum: true }, bot);
    settle(room, options);
    return new LocalForum(this.#parts.world, room);
  }

  /** Makes `count` groups of one person, who adds the bot to each; the bot hears of it each time. */
  groupsOf(owner: LocalUser, count: number, kind: "group" | "supergroup" = "group"): LocalGroup[] {
    return Array.from({ length: count }, (_, index) => {
      const title = `Group ${index + 1}`;
      const group = this.group({ title, kind, administrators: [owner], bot: "left" });
      group.addBot(owner);
      return group;
    });
  }

  /** Makes `count` channels of one person, who adds the bot to each as an administrator; it hears of it each time. */
  channelsOf(owner: LocalUser, count: number): LocalChannel[] {
    return Array.from({ length: count }, (_, index) => {
      const channel = this.channel({ title: `Channel ${index + 1}`, administrators: [owner], bot: "left" });
      channel.addBot(owner);
      return channel;
    });
  }

  /** A channel with the bot in it. */
  channel(options: LocalChannelOptions): LocalChannel {
    assertGroup("channel", options);
    const { title, username, administrators = [], bot = "administrator" } = options;
    const id = options.id ?? this.#parts.world.newGroupId("channel");
    const room = this.#parts.world.addRoom({ id, title, ...defined({ username }), type: "channel" }, bot);
    settle(room, { administrators });
    return new LocalChannel(this.#parts.world, room);
  }

  /**
   * Queues an update of any shape, wanted or not, and returns its id. One without an `update_id` gets the next;
   * one with a lower id than before restarts the count, if no update is waiting.
   */
  push(update: object): number {
    return this.#parts.world.updates.push(update);
  }

  /** Runs the task; the bot is told nothing of what people do in it, as after a day in which it was not there. */
  unheard<T>(task: () => T): T {
    return this.#parts.world.updates.unheard(task);
  }

  /** Makes trouble for calls to come. */
  fault(options: BotApiFaultOptions): BotApiFault {
    return this.#parts.faults.add(options);
  }

  /**
   * Refuses every message and edit of the bot with a 429, for so many seconds; each says how many are left.
   * @throws {RangeError} If it is no number of seconds, or shorter than a second.
   */
  flood(retryAfterSeconds: number, options: BotApiFloodOptions = {}): BotApiFlood {
    const { floods, world } = this.#parts;
    return floods.start(retryAfterSeconds, options, world.clock.now());
  }

  /** Lets another program poll with the same token, until it is stopped or the server closes. */
  secondPoller(): SecondPoller {
    const { updates, clock } = this.#parts.world;
    const poller = new SecondPoller(updates, clock);
    this.#pollers.push(poller);
    return poller;
  }

  /** Ends all polls, connections and deliveries at once. */
  async close(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.stop()));
    this.#parts.world.updates.close();
    await this.#parts.listener.close();
  }

  /** As `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Starts a server on 127.0.0.1.
 * @throws {TypeError} If an option is unknown, or its value none; so do the methods that take options.
 * @throws {Error} If the port is taken.
 */
export async function startBotApiServer(options: BotApiServerOptions = {}): Promise<BotApiServer> {
  assertServerOptions(options);
  const { port = 0, token = newToken(), username = "local_test_bot", clock = systemClock } = options;
  const { messagesPerSecond, latencyMs = 0, maxHoldSeconds = 0, firstUpdateId = 100_000_001 } = options;
  const world = new World(botUser(token, username), clock, new UpdateQueue(firstUpdateId, clock), options);
  const connections = new Connections();
  const parts = { faults: new Faults(connections), floods: new FloodWaits(), record: new CallRecord() };
  const limits = { latencyMs, maxHoldSeconds, messagesPerSecond };
  const answer = createAnswer(world, { token, clock, ...limits, ...parts });
  const listener = createListener(answer, connections);
  await new Promise<void>((resolve, reject) => {
    listener.server.once("error", reject);
    listener.server.listen(port, "127.0.0.1", resolve);
  });
  return new BotApiServer({ token, world, listener, ...parts });
}

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

/** Without the fields that are undefined. */
function defined<T extends object>(fields: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: NonNullable<T[K]>;
  };
}

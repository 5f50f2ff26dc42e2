/** A Telegram Bot API server on loopback: for the sandbox, our tests and yours. */
import type { AddressInfo } from "node:net";
import type { UserFromGetMe } from "grammy/types";
import { type Clock, systemClock } from "../../clock.ts";
import { type BotApiCall, CallRecord, createAnswer } from "./answer.ts";
import { LocalUser } from "./chats.ts";
import { type BotApiFault, type BotApiFaultOptions, Faults } from "./faults.ts";
import { LocalChannel, LocalGroup, settle } from "./groups.ts";
import { type ApiListener, createListener } from "./http.ts";
import { UpdateQueue } from "./updates.ts";
import type { WebhookDelivery } from "./webhook.ts";
import { World } from "./world.ts";

const defaultToken = "1000000:AAlocal-test-token_000000000000000";

/** What kind of server it is. */
export interface BotApiServerOptions {
  /** TCP port on 127.0.0.1. @default 0, a free one */
  readonly port?: number;
  /** The only token that is taken. @default A plausible token, the same each time */
  readonly token?: string;
  /** The bot's name without `@`. @default "local_test_bot" */
  readonly username?: string;
  /** How many messages the bot may send each second before it gets a 429. Default: no limit. */
  readonly messagesPerSecond?: number;
  /** How long each call takes on its way. @default 0 */
  readonly latencyMs?: number;
  /** Updates are numbered from here on. @default 100000001 */
  readonly firstUpdateId?: number;
  /** Dates messages, refills the flood limit, ends long polls and delays, repeats deliveries. @default systemClock */
  readonly clock?: Clock;
}

/** Who a person is; whatever is left out is made up or absent. */
export interface LocalUserOptions {
  /** Default: a new one. */
  readonly id?: number;
  /** How the person is greeted. @default "Test" */
  readonly first_name?: string;
  /** Default: none. */
  readonly last_name?: string;
  /** Without the @. Default: none. */
  readonly username?: string;
  /** An IETF tag. @default "en" */
  readonly language_code?: string;
  /** Whether the person has written to the bot before. @default false */
  readonly opened?: boolean;
}

/** What a group is to begin with. */
export interface LocalGroupOptions {
  /** Its name. */
  readonly title: string;
  /** A basic group, which may migrate, or a supergroup. @default "group" */
  readonly kind?: "group" | "supergroup";
  /** Negative. Default: a new one of the kind's range. */
  readonly id?: number;
  /** Ordinary members. Default: none. */
  readonly members?: readonly LocalUser[];
  /** The first one owns the group. */
  readonly administrators?: readonly LocalUser[];
  /** What the bot is in it to begin with. @default "member" */
  readonly bot?: "administrator" | "left" | "member";
}

/** What a channel is to begin with. */
export interface LocalChannelOptions {
  /** Its name. */
  readonly title: string;
  /** Negative. Default: a new one. */
  readonly id?: number;
  /** Makes it public. Without the @. Default: none. */
  readonly username?: string;
  /** The first one owns the channel. Default: none. */
  readonly administrators?: readonly LocalUser[];
  /** What the bot is in it. @default "administrator" */
  readonly bot?: "administrator" | "left";
}

interface Parts {
  readonly token: string;
  readonly world: World;
  readonly faults: Faults;
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
    return this.#parts.world.uploads;
  }

  /** The bytes that the bot uploaded under this file_id. */
  file(fileId: string): Uint8Array | undefined {
    return this.#parts.world.files.get(fileId);
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
  user(
    { id = this.#parts.world.newPersonId(), first_name = "Test", opened = false, ...rest }: LocalUserOptions =
      {},
  ): LocalUser {
    const { last_name, username } = rest;
    const user = { id, is_bot: false, first_name, language_code: "en", ...defined(rest) };
    const chat = { id, type: "private" as const, first_name, ...defined({ last_name, username }) };
    this.#parts.world.people.set(id, user);
    const room = this.#parts.world.addRoom(chat, "member");
    room.opened = opened;
    return new LocalUser(this.#parts.world, room, user);
  }

  /** A group or supergroup with the bot in it. */
  group(options: LocalGroupOptions): LocalGroup {
    const { title, kind = "group", members = [], administrators = [], bot = "member" } = options;
    const id = options.id ?? this.#parts.world.newGroupId(kind);
    const room = this.#parts.world.addRoom({ id, type: kind, title }, bot);
    settle(room, administrators, members);
    return new LocalGroup(this.#parts.world, room);
  }

  /** A channel with the bot in it. */
  channel(options: LocalChannelOptions): LocalChannel {
    const { title, username, administrators = [], bot = "administrator" } = options;
    const id = options.id ?? this.#parts.world.newGroupId("channel");
    const room = this.#parts.world.addRoom({ id, type: "channel", title, ...defined({ username }) }, bot);
    settle(room, administrators, []);
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

  /** Ends all polls, connections and deliveries at once. */
  async close(): Promise<void> {
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
 * @throws {Error} If the port is taken.
 */
export async function startBotApiServer(options: BotApiServerOptions = {}): Promise<BotApiServer> {
  const { port = 0, token = defaultToken, username = "local_test_bot", clock = systemClock } = options;
  const { messagesPerSecond, latencyMs = 0, firstUpdateId = 100_000_001 } = options;
  const world = new World(botUser(token, username), clock, new UpdateQueue(firstUpdateId, clock));
  const faults = new Faults();
  const record = new CallRecord();
  const answer = createAnswer(world, { token, clock, latencyMs, messagesPerSecond, record, faults });
  const listener = createListener(answer);
  await new Promise<void>((resolve, reject) => {
    listener.server.once("error", reject);
    listener.server.listen(port, "127.0.0.1", resolve);
  });
  return new BotApiServer({ token, world, faults, record, listener });
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

/** The toolkit as a plugin of another grammY bot: registers that bot's chats and sends broadcasts to them. */
import type { Api } from "grammy/web";
import type { BroadcastRun } from "../broadcast/broadcast_run.ts";
import type { Broadcaster, ResumedBroadcasts } from "../broadcast/broadcaster.ts";
import type { Ledger } from "../broadcast/ledger.ts";
import {
  type BroadcastMessage,
  type BroadcastOptions,
  type SenderOptions,
  type SignalOptions,
  startBroadcast,
  startSignal,
} from "../broadcast/options.ts";
import type { ChatType } from "../chats/events.ts";
import { type BotMessages, createMessageRenderer, type MessageRenderer } from "../chats/messages.ts";
import type { CommandContext } from "../chats/middleware.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import type { ChatStorage } from "../chats/storage.ts";
import { type ChartRenderer, createChartRenderer } from "../signals/chart_loader.ts";
import type { TradingSignal } from "../signals/signal.ts";
import { Lazy } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { registerToken, throwSafe } from "../util/safe_text.ts";
import { type Names, namesOf } from "../util/validate.ts";
import { botNames, type OptionsWithDefaults, resolveOptions } from "./options.ts";

// Loaded when they are first needed.
const wiring = new Lazy(() => import("./wiring.ts"));
const registryModule = new Lazy(() => import("../chats/registry.ts"));
const middlewareModules = new Lazy(() =>
  Promise.all([import("../chats/middleware.ts"), import("../chats/registration.ts")])
);

/** Where the chats are, and how the commands behave. */
export interface SubscriptionsOptions {
  /** Where the chats are kept; it stays yours to close. */
  readonly storage: ChatStorage;
  /** Whether any message registers its chat, or only /start. Default: true. */
  readonly autoRegisterChats?: boolean | undefined;
  /**
   * The types of chats that may subscribe. Others are told so once; a channel is told nothing. Chats that are registered
   * already stay. Default: all.
   */
  readonly chatTypes?: readonly ChatType[] | undefined;
  /**
   * How many groups and channels one person may bring in: active ones with this `added_by`. `Infinity` is no limit.
   * Default: 10.
   */
  readonly chatsPerAdder?: number | undefined;
  /** Words of your own for what is said, a function for each message. */
  readonly messages?: Partial<BotMessages> | undefined;
  /** The pace of a broadcast's messages. Default: 30. */
  readonly messagesPerSecond?: number | undefined;
  /** Where broadcasts with a `broadcastId` are kept. Default: beside the chats, in the table `telegram-broadcasts`. */
  readonly ledger?: Ledger | undefined;
  /** Default: the console. */
  readonly logger?: Logger | undefined;
  /** Default: the machine's own. */
  readonly clock?: Clock | undefined;
}

const subscriptionsNames: Names = {
  known: namesOf<SubscriptionsOptions>({
    ...{ storage: true, autoRegisterChats: true, chatTypes: true, chatsPerAdder: true, messages: true },
    ...{ messagesPerSecond: true, ledger: true, logger: true, clock: true },
  }),
  elsewhere: { ...botNames.elsewhere, "a bot of the toolkit's own": botNames.known },
};

/** The part of a bot's `api` that is used here: of `grammy` or of `grammy/web`. */
export type BotApi = Pick<Api, "token" | "options">;

/**
 * Middleware for a grammY bot of either build: it registers chats, counts their messages, and answers /start, /stop,
 * /help and /status. See {@link subscriptions}.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions & OptionsWithDefaults;
  readonly #renderMessage: MessageRenderer;
  readonly #charting: ChartRenderer;
  /** Handles an update; its code is loaded with the first one. */
  readonly #handler = new Lazy(() => this.#createHandler());
  readonly #closing = new AbortController();
  readonly #closed = new AbortController();
  /** The chats, read once; where that has failed, they are read again for the next update. */
  readonly #registry = new Lazy(() => this.#openRegistry());
  /** The same registry for each bot's id, once the table serves that bot. */
  readonly #claimed = new Map<number, Lazy<ChatRegistry>>();
  /** The bot that broadcasts, as a registry serves one bot. */
  #bot: { readonly token: string; readonly broadcaster: Promise<Broadcaster> } | undefined;

  /** @ignore Made by `subscriptions()`. */
  constructor(options: SubscriptionsOptions) {
    this.#options = resolveOptions(options, { required: "storage", names: subscriptionsNames });
    const { messages, clock, logger } = this.#options;
    this.#charting = createChartRenderer({ clock, logger });
    this.#renderMessage = createMessageRenderer(messages, logger);
  }

  /**
   * What `bot.use()` asks for. It awaits its own writes and replies, and then calls the middleware behind it, for every
   * update. A write that fails rejects with a `StorageError`, for the bot's error handler: whether Telegram then sends
   * the update again depends on the bot. A runner that confirms updates before they are handled loses those that are under
   * way in a crash.
   */
  middleware(): (ctx: CommandContext, next: () => Promise<void>) => Promise<void> {
    return async (ctx, next) => {
      const handle = async (): Promise<void> => await (await this.#handler.get())(ctx);
      await handle().catch(throwSafe);
      await next();
    };
  }

  /**
   * Sends a signal to every active chat, as a trader's ticket, with a chart where there are `candles`; see the bot's
   * method of this name.
   * @param api The bot's, `bot.api`: its token and its server are used, and no transformer that is installed on it.
   */
  sendSignal(api: BotApi, signal: TradingSignal, options: SignalOptions = {}): BroadcastRun {
    return startSignal(signal, options, this.#senderOf(api));
  }

  /**
   * Sends a text, or a photo with its caption, to every active chat; see the bot's method of this name.
   * @param api The bot's, `bot.api`: its token and its server are used, and no transformer that is installed on it.
   */
  broadcast(api: BotApi, message: string | BroadcastMessage, options: BroadcastOptions = {}): BroadcastRun {
    return startBroadcast(message, options, this.#senderOf(api));
  }

  /** Finishes what a process has left of broadcasts with an id, once its lease has lapsed (15 seconds). */
  async resumeBroadcasts(api: BotApi): Promise<ResumedBroadcasts> {
    return await this.#broadcasterOf(api).then((broadcaster) => broadcaster.resume()).catch(throwSafe);
  }

  /** Waits for broadcasts that are under way, up to half a minute, and ends them. The storage stays open. */
  async close(): Promise<void> {
    const reason = new Error("These subscriptions were closed. Make new ones to send again.");
    this.#closing.abort(reason);
    await (await this.#bot?.broadcaster)?.close();
    this.#closed.abort(reason);
  }

  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #senderOf(api: BotApi): SenderOptions {
    return {
      renderMessage: this.#renderMessage,
      charting: this.#charting,
      clock: this.#options.clock,
      broadcaster: () => this.#broadcasterOf(api),
    };
  }

  async #openRegistry(): Promise<ChatRegistry> {
    const { storage } = this.#options;
    const { ChatRegistry } = await registryModule.get();
    const registry = new ChatRegistry(storage);
    await storage.createTableIfNotExists();
    await registry.load();
    return registry;
  }

  #registryFor(botId: number): Promise<ChatRegistry> {
    const claimed = this.#claimed.get(botId) ?? new Lazy(async () => {
      const registry = await this.#registry.get();
      await this.#options.storage.claim(botId);
      return registry;
    });
    this.#claimed.set(botId, claimed);
    return claimed.get();
  }

  async #createHandler(): Promise<(ctx: CommandContext) => Promise<void>> {
    const [{ createSubscriptionMiddleware }, { Registration }] = await middlewareModules.get();
    const { autoRegisterChats, chatTypes, chatsPerAdder, clock, logger } = this.#options;
    return createSubscriptionMiddleware({
      registry: (botId) => this.#registryFor(botId),
      renderMessage: this.#renderMessage,
      registers: autoRegisterChats,
      registration: new Registration({ chatTypes, chatsPerAdder }),
      ...{ clock, logger },
    });
  }

  async #broadcasterOf(api: BotApi): Promise<Broadcaster> {
    const { token, options } = api ?? {};
    this.#closing.signal.throwIfAborted();
    if (typeof token !== "string" || token === "") {
      throw new TypeError("A broadcast needs the bot's api first, as in broadcast(bot.api, message).");
    }
    registerToken(token);
    const registry = await this.#registryFor(Number(token.split(":")[0]));
    // Meanwhile it may have been closed, or claimed by another bot.
    this.#closing.signal.throwIfAborted();
    if (this.#bot !== undefined && this.#bot.token !== token) {
      throw new TypeError("These subscriptions are another bot's: a list of chats serves one bot.");
    }
    this.#bot ??= { token, broadcaster: this.#createBroadcaster({ token, options }, registry) };
    return await this.#bot.broadcaster;
  }

  async #createBroadcaster({ token, options: client }: BotApi, registry: ChatRegistry): Promise<Broadcaster> {
    const { createPluginBroadcaster } = await wiring.get();
    const { storage, ledger, messagesPerSecond, clock, logger } = this.#options;
    const { signal } = this.#closed;
    return createPluginBroadcaster({
      ...{ token, client, storage, ledger, registry, messagesPerSecond, clock, logger, signal },
    });
  }
}

/**
 * Subscriptions for a grammY bot that you have already, of either build (`grammy` or `grammy/web`).
 *
 * ```ts
 * const subscribers = subscriptions({ storage: new TelegramDynamoDBStorage() });
 * bot.use(subscribers);
 * await subscribers.broadcast(bot.api, "The market closes early today.");
 * ```
 * @throws {ConfigError} Naming every option that is missing or malformed, and its rule.
 */
export function subscriptions(options: SubscriptionsOptions): Subscriptions {
  return new Subscriptions(options);
}

/** The toolkit on a grammY bot that somebody has already: its subscribers, kept and written to. */
import type { Api } from "grammy/web";
import {
  type Broadcaster,
  type ResumedBroadcasts,
  type SenderOptions,
  startBroadcast,
  startSignal,
} from "../broadcast/broadcaster.ts";
import type { BroadcastRun } from "../broadcast/handle.ts";
import type { Ledger } from "../broadcast/ledger.ts";
import type { BroadcastMessage, BroadcastOptions, SignalOptions } from "../broadcast/options.ts";
import type { ChatType } from "../chats/events.ts";
import { type BotMessages, createMessageRenderer, type MessageRenderer } from "../chats/messages.ts";
import type { CommandContext } from "../chats/middleware.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import type { ChatStorage } from "../chats/storage.ts";
import { type Charting, createCharting } from "../signals/chart_loader.ts";
import type { TradingSignal } from "../signals/signal.ts";
import { defaultMessagesPerSecond } from "../telegram/rate_limit/scheduler.ts";
import { Lazy } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { consoleLogger, type Logger } from "../util/log.ts";
import { assertNoMistakes, type Names, namesOf } from "../util/validate.ts";
import { botNames, validateOptions } from "./options.ts";

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

/** A bot's way to Telegram, as far as it is used here: of `grammy` or of `grammy/web`. */
export type BotApi = Pick<Api, "token" | "options">;

/**
 * Middleware for a grammY bot of either build: it registers chats, counts their messages, and answers /start, /stop,
 * /help and /status. See {@link subscriptions}.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #renderMessage: MessageRenderer;
  readonly #charting: Charting;
  /** Loaded with the first update. */
  readonly #commands = new Lazy(() => this.#openCommands());
  readonly #closing = new AbortController();
  readonly #closed = new AbortController();
  /** The list of chats, read once; one that could not be read is read again for the next update. */
  readonly #opening = new Lazy(() => this.#open());
  /** The same list, once the storage has taken the bot of this id for its own. */
  readonly #openings = new Map<number, Lazy<ChatRegistry>>();
  #bot: { readonly token: string; readonly broadcaster: Promise<Broadcaster> } | undefined;

  /** @ignore Made by `subscriptions()`. */
  constructor(options: SubscriptionsOptions) {
    assertNoMistakes(validateOptions(options, { required: "storage", names: subscriptionsNames }));
    const { clock = systemClock, logger = consoleLogger } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    this.#charting = createCharting({ clock, logger });
    this.#renderMessage = createMessageRenderer(options.messages, logger);
  }

  /**
   * What `bot.use()` asks for. It awaits its own writes and replies, and then calls the middleware behind it, for every
   * update. A write that fails rejects with a `StorageError`, for the bot's error handler: whether Telegram then tells
   * the update again is the bot's own affair. A runner that confirms updates before they are handled loses those that a
   * crash meets.
   */
  middleware(): (ctx: CommandContext, next: () => Promise<void>) => Promise<void> {
    return async (ctx, next) => {
      await (await this.#commands.get())(ctx);
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
    return await (await this.#broadcastingOf(api)).resume();
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
      clock: this.#clock,
      broadcaster: () => this.#broadcastingOf(api),
    };
  }

  async #open(): Promise<ChatRegistry> {
    const { storage } = this.#options;
    const { ChatRegistry } = await import("../chats/registry.ts");
    const registry = new ChatRegistry(storage);
    await storage.createTableIfNotExists();
    await registry.load();
    return registry;
  }

  #openFor(botId: number): Promise<ChatRegistry> {
    const opening = this.#openings.get(botId) ?? new Lazy(async () => {
      const registry = await this.#opening.get();
      await this.#options.storage.claim(botId);
      return registry;
    });
    this.#openings.set(botId, opening);
    return opening.get();
  }

  async #openCommands(): Promise<(ctx: CommandContext) => Promise<void>> {
    const { createSubscriptionMiddleware: createCommands } = await import("../chats/middleware.ts");
    const { Registration } = await import("../chats/registration.ts");
    const { autoRegisterChats = true, chatTypes, chatsPerAdder } = this.#options;
    return createCommands({
      registry: (botId) => this.#openFor(botId),
      renderMessage: this.#renderMessage,
      registers: autoRegisterChats,
      registration: new Registration({ chatTypes, chatsPerAdder }),
      ...{ clock: this.#clock, logger: this.#logger },
    });
  }

  async #broadcastingOf(api: BotApi): Promise<Broadcaster> {
    const { token, options } = api ?? {};
    this.#closing.signal.throwIfAborted();
    if (typeof token !== "string" || token === "") {
      throw new TypeError("A broadcast needs the bot's api first, as in broadcast(bot.api, message).");
    }
    const registry = await this.#openFor(Number(token.split(":")[0]));
    // Closed, or claimed by another bot, it may have been meanwhile.
    this.#closing.signal.throwIfAborted();
    if (this.#bot !== undefined && this.#bot.token !== token) {
      throw new TypeError("These subscriptions are another bot's: a list of chats serves one bot.");
    }
    this.#bot ??= { token, broadcaster: this.#openBroadcasting({ token, options }, registry) };
    return await this.#bot.broadcaster;
  }

  async #openBroadcasting({ token, options }: BotApi, registry: ChatRegistry): Promise<Broadcaster> {
    const { openBroadcasting } = await import("./wiring.ts");
    const { storage, ledger, messagesPerSecond = defaultMessagesPerSecond } = this.#options;
    return openBroadcasting({
      ...{ token, client: options, storage, ledger, messagesPerSecond },
      ...{ registry, clock: this.#clock, logger: this.#logger, signal: this.#closed.signal },
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

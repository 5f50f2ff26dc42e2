import { setMaxListeners } from "node:events";
import type { Update } from "grammy/types";
import type { Bot } from "grammy/web";
import {
  type ResumedBroadcasts,
  type SenderOptions,
  startBroadcast,
  startSignal,
} from "../broadcast/broadcaster.ts";
import type { BroadcastRun } from "../broadcast/handle.ts";
import type { BroadcastMessage, BroadcastOptions, SignalOptions } from "../broadcast/options.ts";
import { createMessageRenderer, type MessageRenderer } from "../chats/messages.ts";
import { type CleanupOptions, displayStatistics } from "../chats/storage.ts";
import { createCharting } from "../signals/chart_loader.ts";
import type { TradingSignal } from "../signals/signal.ts";
import { defaultMessagesPerSecond } from "../telegram/rate_limit/scheduler.ts";
import { callAtStartup, checkStartOptions, type StartOptions, startWithRetry } from "../telegram/startup.ts";
import { Lazy } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { consoleLogger, type Logger } from "../util/log.ts";
import { assertNoMistakes } from "../util/validate.ts";
import { createGrammyBot, type GrammyBot } from "./grammy_bot.ts";
import { createFailures, createHandlerRunner, type Failures, type HandlerRunner } from "./handlers.ts";
import { type BotHealth, type BotStatistics, healthOf, type Initialized } from "./health.ts";
import { stopPreviousPoller } from "./notebook.ts";
import { type BotOptions, validateOptions } from "./options.ts";
import type { BotRuntime } from "./wiring.ts";

/** How a bot's polling ends: with an error, or because it was stopped. */
export class Finished {
  readonly #promise: Promise<void>;
  #resolve = (): void => {};
  #reject = (_error: unknown): void => {};
  #isAwaited = false;
  #hasFailed = false;

  /** `onUnheard` is told of an error that nobody has asked for. */
  constructor(onUnheard: (error: Error) => void) {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#promise.catch((error: Error) => {
      if (!this.#isAwaited) onUnheard(error);
    });
  }

  get promise(): Promise<void> {
    this.#isAwaited = true;
    return this.#promise;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** It ends as the task does. */
  follow(task: Promise<void>): void {
    task.then(this.#resolve, (error) => {
      this.#hasFailed = true;
      this.#reject(error);
    });
  }

  /** It ends well, unless it has ended. */
  end(): void {
    this.#resolve();
  }
}

// The bot: wiring and lifecycle.

/**
 * A Telegram bot that registers the chats that talk to it, keeps them in DynamoDB, and broadcasts trading signals
 * to all that are subscribed.
 *
 * ```ts
 * await using bot = new MeanReversionTelegramBot({ botToken });
 * await bot.startBot();
 * await bot.sendSignal({ direction: "long", symbol: "BTC-USD", entry: 67250, stop: 66980, target: 67800 });
 * ```
 */
export class MeanReversionTelegramBot {
  readonly #options: BotOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #grammy: Bot;
  readonly #openRateLimiter: GrammyBot["openRateLimiter"];
  readonly #renderMessage: MessageRenderer;
  readonly #sender: SenderOptions;
  readonly #stopping = new AbortController();
  readonly #closing = new AbortController();
  readonly #failures: Failures;
  readonly #handling: HandlerRunner;
  readonly #ending: Finished;
  #hasHandlers = false;
  #runtime: BotRuntime | undefined;
  readonly #initialized = new Lazy(() => this.#initialize());
  readonly #started = new Lazy(() => this.#start());
  #polling: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  /**
   * Connects to nothing yet.
   * @throws {ConfigError} Naming every option that is missing or malformed, and its rule.
   */
  constructor(options: BotOptions) {
    assertNoMistakes(validateOptions(options));
    const { botToken, apiRoot, fetch, clock = systemClock, logger = consoleLogger } = options;
    const { messagesPerSecond = defaultMessagesPerSecond } = options;
    this.#options = options;
    this.#clock = clock;
    this.#logger = logger;
    const { signal } = this.#closing;
    const failures = this.#failures = createFailures(logger, clock, botToken);
    const parts = { botToken, apiRoot, fetch, messagesPerSecond, failures, clock, logger, signal };
    const { grammy, openRateLimiter } = createGrammyBot(parts);
    [this.#grammy, this.#openRateLimiter] = [grammy, openRateLimiter];
    const renderMessage = this.#renderMessage = createMessageRenderer(options.messages, logger);
    const charting = createCharting({ clock, logger });
    this.#sender = {
      ...{ renderMessage, charting, clock },
      broadcaster: async () => (await this.#opened()).broadcaster,
    };
    this.#handling = createHandlerRunner((update) => grammy.handleUpdate(update), failures.onFailure);
    setMaxListeners(0, this.#stopping.signal, signal);
    this.#ending = new Finished(({ message }) =>
      logger.error(`The bot hears no commands any more. ${message}`)
    );
  }

  /**
   * The grammY bot, for commands and handlers of your own. Add them before `startBot()`; they run once an update is
   * kept, one chat's in their order. One that has not ended holds its update back for up to five seconds.
   */
  get grammy(): Bot {
    this.#hasHandlers = true;
    return this.#grammy;
  }

  /** Settles when polling ends: rejects where the token is refused, resolves after `stopBot()`. Logged if nobody asks. */
  get finished(): Promise<void> {
    return this.#ending.promise;
  }

  /**
   * Checks the token, creates the table if there is none, loads the active chats, and sets the command menu.
   * Where DynamoDB cannot be used it says why, once, and goes on in memory. Harmless when called again.
   * @throws {ConfigError} If the table of chats is another bot's.
   * @throws {TelegramError} If Telegram refuses the token, or cannot be reached; with `retry` the former only.
   */
  async initialize(options: StartOptions = {}): Promise<Initialized> {
    return await this.#patiently(options, () => this.#initialized.get());
  }

  /**
   * Initializes if need be, and resolves once commands are heard; rejects where polling has ended by itself. In a
   * notebook it first stops the bot of the same token that was started there before: run a cell again as you like.
   * @throws {ConfigError | TelegramError} As `initialize()`; with `retry` not because Telegram cannot be reached.
   */
  async startBot(options: StartOptions = {}): Promise<void> {
    await this.#patiently(options, async () => {
      await (this.#ending.hasFailed ? this.#ending.promise : this.#started.get());
    });
  }

  /**
   * Ends polling and confirms what was handled; waits for handlers, and for broadcasts up to half a minute. Then the
   * storage is closed, if it is not one of your own. A handler may call it too.
   */
  stopBot(): Promise<void> {
    this.#handling.leave();
    return this.#stopped ??= this.#stop();
  }

  /**
   * Sends a signal to every active chat, as a trader's ticket, before any bulk broadcast; where there are `candles`, as
   * the caption of their chart.
   * @throws {TypeError | RangeError} If a fact is missing, no finite number, or on the wrong side of the entry.
   * @throws {StorageError} If the list of chats was not read before the signal expired: then nobody was written to. With
   * `whenUnreadable: "throw"` or `whenLedgerDown: "wait"` also as `broadcast`.
   */
  sendSignal(signal: TradingSignal, options: SignalOptions = {}): BroadcastRun {
    return startSignal(signal, options, this.#sender);
  }

  /**
   * Sends a text, or a photo with its caption, to every active chat. Nothing in it is parsed: formatting is what
   * `entities` say. Resolves when every chat is accounted for; can be paused, and tells how far it has come.
   * @throws {TypeError | RangeError} If the message or an option is none.
   * @throws {StorageError} If the chats could not be read, or the ledger not be used: then nobody was written to. See
   * `whenUnreadable` and `whenLedgerDown`.
   */
  broadcast(message: string | BroadcastMessage, options: BroadcastOptions = {}): BroadcastRun {
    return startBroadcast(message, options, this.#sender);
  }

  /** Finishes what a process has left of broadcasts with an id, once its lease has lapsed (15 seconds). A start does so. */
  async resumeBroadcasts(): Promise<ResumedBroadcasts> {
    return await (await this.#opened()).broadcaster.resume();
  }

  /** How the bot is, without a request: for a health check. */
  get health(): BotHealth {
    const isPolling = this.#polling !== undefined && this.#stopped === undefined && !this.#ending.hasFailed;
    return healthOf(this.#runtime, { isPolling, isRefusing: this.#failures.watch.isTrouble });
  }

  /** Figures of the storage, counted now, and of the bot. */
  async getStatistics(): Promise<BotStatistics> {
    const { username } = await this.initialize();
    const { storage } = this.#ready().registry;
    const figures = await storage.getStatistics();
    return displayStatistics({ ...figures, storage: storage.kind, username, ...this.health });
  }

  /** Deactivates chats that have not written for `daysThreshold` days; see the storage's method for whom it meets. */
  async cleanupInactiveChats(options: CleanupOptions): Promise<number> {
    await this.initialize();
    return await this.#ready().registry.cleanup(options);
  }

  /**
   * Handles an update that comes by another way than `startBot()`, such as a webhook. Resolves once it is kept and
   * answered, and your own handlers are done; to hand it over again is harmless.
   * @throws {StorageError} If it could not be kept: then it has to come again.
   */
  async handleUpdate(update: Update): Promise<void> {
    this.#assertNotStopped();
    await this.#failures.watch(async () => await (await this.#opened()).updateProcessor.handle(update));
  }

  /** `stopBot()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stopBot();
  }

  async #patiently<T>(options: StartOptions, start: () => Promise<T>): Promise<T> {
    const { retry = false } = checkStartOptions(options);
    if (!retry) return await start();
    return await startWithRetry(start, {
      clock: this.#clock,
      logger: this.#logger,
      signal: this.#stopping.signal,
    });
  }

  async #opened(): Promise<BotRuntime> {
    this.#assertNotStopped();
    await this.initialize();
    return this.#ready();
  }

  async #start(): Promise<void> {
    this.#assertNotStopped();
    await stopPreviousPoller({
      ...this.#options,
      bot: this,
      signal: this.#stopping.signal,
      logger: this.#logger,
    });
    await this.initialize();
    await this.#ask((signal) => this.#grammy.api.deleteWebhook({}, signal));
    this.#assertNotStopped();
    this.#polling = this.#ready().poll();
    this.#ending.follow(this.#polling);
  }

  async #initialize(): Promise<Initialized> {
    const { api } = this.#grammy;
    const botInfo = this.#grammy.botInfo = await this.#ask((signal) => api.getMe(signal));
    const { createRuntime: openReception } = await import("./wiring.ts");
    this.#runtime = await openReception({
      options: this.#options,
      api,
      rateLimiter: await this.#openRateLimiter(),
      botInfo,
      handle: this.#handling.handle,
      hasHandlers: () => this.#hasHandlers,
      onFailure: this.#failures.onFailure,
      renderMessage: this.#renderMessage,
      clock: this.#clock,
      logger: this.#logger,
      signal: this.#stopping.signal,
    });
    const { registry } = this.#runtime;
    return { storage: registry.storage.kind, chats: registry.size, username: botInfo.username };
  }

  #ask<T>(call: Parameters<typeof callAtStartup<T>>[0]): Promise<T> {
    return callAtStartup(call, { ...this.#options, clock: this.#clock, signal: this.#stopping.signal });
  }

  #assertNotStopped(): void {
    if (this.#stopped === undefined) return;
    throw new Error("This bot was stopped. Make a new one to start again.");
  }

  #ready(): BotRuntime {
    if (this.#runtime === undefined) throw new Error("unreachable: an initialized bot has a reception");
    return this.#runtime;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error("The bot was stopped."));
    await this.#initialized.settled();
    await Promise.all([this.#polling?.catch(() => {}), this.#runtime?.writeQueue.close()]);
    await this.#runtime?.close();
    this.#closing.abort(new Error("The bot was stopped."));
    this.#ending.end();
  }
}

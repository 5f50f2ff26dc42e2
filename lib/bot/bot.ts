/**
 * The folder `bot`: the toolkit as one bot (`SignalBot`), as a plugin for another grammY bot (`subscriptions()`),
 * and the wiring of both. This file is the bot itself: its public methods and its life from start to stop.
 */
import { setMaxListeners } from "node:events";
import type { Update } from "grammy/types";
import type { Bot } from "grammy/web";
import type { BroadcastRun } from "../broadcast/broadcast_run.ts";
import type { ResumedBroadcasts } from "../broadcast/broadcaster.ts";
import {
  type BroadcastMessage,
  type BroadcastOptions,
  type SenderOptions,
  type SignalOptions,
  startBroadcast,
  startSignal,
  type StartWait,
} from "../broadcast/options.ts";
import { createMessageRenderer, type MessageRenderer } from "../chats/messages.ts";
import { displayStatistics } from "../chats/statistics.ts";
import type { ShownBot } from "../chats/display.ts";
import type { CleanupOptions } from "../chats/storage.ts";
import { createChartRenderer } from "../signals/chart_loader.ts";
import type { TradingSignal } from "../signals/signal.ts";
import { CatchUp } from "../telegram/catch_up.ts";
import { callAtStartup, checkStartOptions, type StartOptions, startWithRetry } from "../telegram/startup.ts";
import { Lazy } from "../util/async.ts";
import { createDisplay } from "../util/display.ts";
import { tellUncaught } from "../util/notebook.ts";
import { botStopped } from "../util/errors.ts";
import { throwSafe } from "../util/safe_text.ts";
import { createGrammyBot, type GrammyBot } from "./grammy_bot.ts";
import { createFailureLogs, createHandlerRunner, type FailureLogs, type HandlerRunner } from "./handlers.ts";
import { type BotHealth, type BotStatistics, healthOf, type Initialized } from "./health.ts";
import { stopPreviousPoller } from "./notebook.ts";
import { type BotOptions, type ResolvedBotOptions, resolveOptions } from "./options.ts";
import { stopOnSignals } from "./stop_on_signals.ts";
import type { BotRuntime } from "./wiring.ts";

/** Loaded when a bot first starts. */
const wiring = new Lazy(() => import("./wiring.ts"));

/**
 * A Telegram bot that registers the chats that talk to it, keeps them in DynamoDB, and broadcasts trading signals
 * to all that are subscribed.
 *
 * ```ts
 * await using bot = new SignalBot({ botToken });
 * await bot.startBot();
 * await bot.sendSignal({ direction: "long", symbol: "BTC-USD", entry: 67250, stop: 66980, target: 67800 });
 * ```
 *
 * {@linkcode MeanReversionTelegramBot} is the same class under its first name, which stays.
 */
export class SignalBot {
  static {
    const display = createDisplay<SignalBot>(async () => {
      const { showBot } = await import("../chats/display.ts");
      return (bot) => showBot(bot.#shown);
    });
    display(SignalBot.prototype);
  }

  /** All but the token. */
  readonly #options: Omit<ResolvedBotOptions, "botToken">;
  readonly #grammyBot: GrammyBot;
  readonly #renderMessage: MessageRenderer;
  readonly #sender: SenderOptions;
  readonly #stopping = new AbortController();
  readonly #closing = new AbortController();
  readonly #failureLogs: FailureLogs;
  readonly #handlerRunner: HandlerRunner;
  readonly #finished: Finished;
  readonly #catchUp = new CatchUp();
  #runtime: BotRuntime | undefined;
  readonly #initialized = new Lazy(() => this.#initialize());
  readonly #started = new Lazy(() => this.#startPolling());
  #polling: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #onSignals: AbortSignal | undefined;

  /**
   * Connects to nothing yet.
   * @throws {ConfigError} Naming every option that is missing or malformed, and its rule.
   */
  constructor(options: BotOptions) {
    const { botToken, ...rest } = resolveOptions(options);
    const { apiRoot, fetch, messagesPerSecond, messages, clock, logger } = this.#options = rest;
    tellUncaught(logger);
    const { signal } = this.#closing;
    setMaxListeners(0, this.#stopping.signal, signal);
    const { onFailure } = this.#failureLogs = createFailureLogs(logger, clock);
    const { grammy } = this.#grammyBot = createGrammyBot({
      ...{ botToken, apiRoot, fetch, messagesPerSecond, onFailure, clock, logger, signal },
    });
    const renderMessage = this.#renderMessage = createMessageRenderer(messages, logger);
    this.#sender = {
      ...{ renderMessage, charting: createChartRenderer({ clock, logger }), clock },
      broadcaster: async (wait) => {
        const isToWait = wait !== undefined && this.#runtime === undefined;
        return (await (isToWait ? this.#openWithin(wait) : this.#open())).broadcaster;
      },
    };
    this.#handlerRunner = createHandlerRunner((update) => grammy.handleUpdate(update), onFailure);
    this.#finished = new Finished(({ message }) =>
      logger.error(`The bot hears no commands any more. ${message}`)
    );
  }

  /**
   * The grammY bot, for commands and handlers of your own. Add them before `startBot()`; they run once an update is
   * kept, one chat's in their order. One that has not ended holds its update back for up to five seconds.
   */
  get grammy(): Bot {
    return this.#grammyBot.grammy;
  }

  /** Settles when polling ends: rejects where the token is refused, resolves after `stopBot()`. Logged if nobody waits. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /**
   * Checks the token, creates the table if there is none, loads the active chats, and sets the command menu.
   * If DynamoDB cannot be used, logs why, once, and goes on in memory. Harmless when called again.
   * @throws {ConfigError} If the table of chats is another bot's.
   * @throws {TelegramError} If Telegram refuses the token, or cannot be reached; with `retry` the former only.
   */
  async initialize(options: StartOptions = {}): Promise<Initialized> {
    return await this.#retrying(options, () => this.#initialized.get());
  }

  /**
   * Initializes if need be, and resolves once commands are received; rejects if polling has ended by itself. In a
   * notebook it first stops the bot of the same token that was started there before: a cell may be run again.
   * @throws {ConfigError | TelegramError} As `initialize()`; with `retry` not because Telegram cannot be reached.
   * @throws {Error} If the bot was stopped: make a new one.
   */
  async startBot(options: StartOptions = {}): Promise<void> {
    await this.#retrying(options, async () => {
      this.#assertNotStopped();
      await (this.#finished.hasFailed ? this.#finished.promise : this.#started.get());
    });
  }

  /**
   * Ends polling and confirms what was handled; waits for handlers, and for broadcasts up to half a minute. Then the
   * storage is closed, if it is not one of your own. A handler may call it too.
   */
  stopBot(): Promise<void> {
    this.#handlerRunner.leave();
    return this.#stopped ??= this.#stop();
  }

  /**
   * Stops the bot at the first SIGINT or SIGTERM, as Ctrl-C, `docker stop` and a scheduler send it; the second ends the
   * process at once. Gives a signal that aborts at the first, for what your program does beside. Harmless when called again.
   */
  stopOnSignals(): AbortSignal {
    return this.#onSignals ??= stopOnSignals(this, this.#closing.signal, this.#options.logger);
  }

  /**
   * Sends a signal to every active chat, as a trader's ticket, before any bulk broadcast; where there are `candles`, as
   * the caption of their chart.
   * @throws {TypeError | RangeError} If a fact is missing, no finite number, or on the wrong side of the entry.
   * @throws {StorageError} If the list of chats was not read before the signal expired: then nobody was written to. With
   * `whenUnreadable: "throw"` or `whenLedgerDown: "wait"` also as `broadcast`.
   * @throws {TelegramError} If the bot has not started, and Telegram could not be reached before the signal expired; or it
   * refuses the token.
   * @throws {Error} In a notebook, as `broadcast`.
   */
  sendSignal(signal: TradingSignal, options: SignalOptions = {}): BroadcastRun {
    return startSignal(signal, options, this.#sender);
  }

  /**
   * Sends a text, or a photo with its caption, to every active chat. Nothing in it is parsed: formatting is what
   * `entities` say. Resolves when every chat is accounted for; can be paused, and tells how far it has come.
   * @throws {TypeError | RangeError} If the message or an option is wrong.
   * @throws {StorageError} If the chats could not be read, or the ledger not be used: then nobody was written to. See
   * `whenUnreadable` and `whenLedgerDown`.
   * @throws {TelegramError} If the bot has not started, and Telegram cannot be reached, or refuses the token.
   * @throws {Error} In a notebook, where the kernel is interrupted meanwhile: nothing more is sent then.
   */
  broadcast(message: string | BroadcastMessage, options: BroadcastOptions = {}): BroadcastRun {
    return startBroadcast(message, options, this.#sender);
  }

  /** Finishes what a process has left of broadcasts with an id, once its lease has lapsed (15 seconds). A start does so. */
  async resumeBroadcasts(): Promise<ResumedBroadcasts> {
    return await this.#open().then(({ broadcaster }) => broadcaster.resume()).catch(throwSafe);
  }

  /** The bot's state, which takes no request: for a health check. */
  get health(): BotHealth {
    const isPolling = this.#polling !== undefined && this.#stopped === undefined && !this.#finished.hasFailed;
    return healthOf(this.#runtime, { isPolling, isRefusing: this.#failureLogs.watch.isFailing });
  }

  /** Figures of the storage, counted now, and of the bot. */
  async getStatistics(): Promise<BotStatistics> {
    const { username } = await this.#initialized.get().catch(throwSafe);
    const { storage } = this.#openedRuntime().registry;
    const figures = await storage.getStatistics().catch(throwSafe);
    return displayStatistics({ ...figures, storage: storage.kind, username, ...this.health });
  }

  /** Deactivates chats that have not written for `daysThreshold` days; see the storage's method for whom it meets. */
  async cleanupInactiveChats(options: CleanupOptions): Promise<number> {
    await this.#initialized.get().catch(throwSafe);
    return await this.#openedRuntime().registry.cleanup(options).catch(throwSafe);
  }

  /**
   * Handles an update that comes by another way than `startBot()`, such as a webhook. Resolves once it is kept and
   * answered, and your own handlers are done; to hand it over again is harmless.
   * @throws {StorageError} If it could not be kept: then it has to come again.
   */
  async handleUpdate(update: Update): Promise<void> {
    this.#assertNotStopped();
    const handle = async (): Promise<void> => await (await this.#open()).updateProcessor.handle(update);
    await this.#failureLogs.watch(handle).catch(throwSafe);
  }

  /** `stopBot()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stopBot();
  }

  /** What a notebook shows of it. */
  get #shown(): ShownBot {
    const { registry } = this.#runtime ?? {};
    const opened = registry && { chats: registry.size, storage: registry.storage.kind };
    return {
      opened: opened && { ...opened, username: this.grammy.botInfo.username },
      isStopped: this.#stopped !== undefined,
      health: this.health,
    };
  }

  async #retrying<T>(options: StartOptions, start: () => Promise<T>): Promise<T> {
    const { retry = false } = checkStartOptions(options);
    if (!retry) return await start().catch(throwSafe);
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    return await startWithRetry(start, { clock, logger, signal }).catch(throwSafe);
  }

  async #open(): Promise<BotRuntime> {
    this.#assertNotStopped();
    await this.#initialized.get();
    return this.#openedRuntime();
  }

  /** Waits for Telegram as a broadcast under way does: a signal is not lost as its bot is just starting. */
  async #openWithin({ until, signal }: StartWait): Promise<BotRuntime> {
    const { clock, logger } = this.#options;
    const stopping = this.#stopping.signal;
    return await startWithRetry(() => this.#open(), {
      ...{ clock, logger, until, longestMs: 5000, what: "The signal is sent" },
      signal: signal ? AbortSignal.any([stopping, signal]) : stopping,
    });
  }

  async #startPolling(): Promise<void> {
    this.#catchUp.begin();
    try {
      await this.#start();
    } catch (error) {
      this.#catchUp.end();
      throw error;
    }
  }

  async #start(): Promise<void> {
    this.#assertNotStopped();
    const { apiRoot, logger } = this.#options;
    const { token, api } = this.#grammyBot.grammy;
    await stopPreviousPoller({ botToken: token, apiRoot, bot: this, signal: this.#stopping.signal, logger });
    await this.#initialized.get();
    await this.#callAtStartup((signal) => api.deleteWebhook({}, signal));
    this.#assertNotStopped();
    this.#polling = this.#openedRuntime().poll();
    // After polling the rest of a stop: what is being sent, and what waits to be written.
    this.#finished.settle(this.#polling.then(() => this.#stopped?.catch(() => {})));
  }

  async #initialize(): Promise<Initialized> {
    const { grammy, openRateLimiter } = this.#grammyBot;
    const botInfo = grammy.botInfo = await this.#callAtStartup((signal) => grammy.api.getMe(signal));
    const { createRuntime } = await wiring.get();
    this.#runtime = await createRuntime({
      options: this.#options,
      grammy,
      rateLimiter: await openRateLimiter(),
      botInfo,
      handle: this.#handlerRunner.handle,
      onFailure: this.#failureLogs.onFailure,
      renderMessage: this.#renderMessage,
      catchUp: this.#catchUp,
      signal: this.#stopping.signal,
    });
    const { registry } = this.#runtime;
    return { storage: registry.storage.kind, chats: registry.size, username: botInfo.username };
  }

  #callAtStartup<T>(call: Parameters<typeof callAtStartup<T>>[0]): Promise<T> {
    const { apiRoot, clock } = this.#options;
    return callAtStartup(call, { apiRoot, clock, signal: this.#stopping.signal });
  }

  #assertNotStopped(): void {
    if (this.#stopped === undefined) return;
    throw botStopped("This bot was stopped. Make a new one to start again.");
  }

  #openedRuntime(): BotRuntime {
    if (this.#runtime === undefined) throw new Error("unreachable: an initialized bot has a runtime");
    return this.#runtime;
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(botStopped());
    await this.#initialized.settled();
    await Promise.all([this.#polling?.catch(() => {}), this.#runtime?.writeQueue.close()]);
    await this.#runtime?.close();
    this.#closing.abort(botStopped());
    this.#finished.settle();
  }
}

/** The first name of {@linkcode SignalBot}, and the same class. It stays. */
export const MeanReversionTelegramBot: typeof SignalBot = SignalBot;

/** The first name of {@linkcode SignalBot}, and the same type. It stays. */
export type MeanReversionTelegramBot = SignalBot;

/** A deferred promise of the end of polling. */
class Finished {
  readonly #promise: Promise<void>;
  #resolve: (end?: Promise<void>) => void = () => {};
  #isAwaited = false;
  #hasFailed = false;

  /** @param onUnhandled Called with an error that nobody waits for. */
  constructor(onUnhandled: (error: Error) => void) {
    this.#promise = new Promise((resolve) => this.#resolve = resolve);
    this.#promise.catch((error: Error) => {
      this.#hasFailed = true;
      if (!this.#isAwaited) onUnhandled(error);
    });
  }

  get promise(): Promise<void> {
    this.#isAwaited = true;
    return this.#promise;
  }

  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Settles it as the polling settles; without polling, resolves it. Only the first call counts. */
  settle(polling?: Promise<void>): void {
    this.#resolve(polling);
  }
}

/** Broadcasts for a user's own grammY bot. They have a client and a gate of their own: none of its plugins sends them twice. */
import type { Update, UserFromGetMe } from "grammy/types";
import { Api, type ApiClientOptions } from "grammy/web";
import { Broadcaster } from "../broadcast/broadcaster.ts";
import type { Ledger } from "../broadcast/ledger.ts";
import type { BroadcastDeps } from "../broadcast/request.ts";
import { createAccessControl, createMigrationReader } from "../chats/access.ts";
import type { MessageRenderer } from "../chats/messages.ts";
import { Registration } from "../chats/registration.ts";
import type { ChatRegistry } from "../chats/registry.ts";
import { Replies, ReplySender } from "../chats/replies.ts";
import { openSpool, type Spool } from "../chats/spool.ts";
import { type ChatStorage, StorageError } from "../chats/storage.ts";
import { chatKeyOf, UpdateParser } from "../chats/update.ts";
import { overlayRestored, UpdateProcessor } from "../chats/update_processor.ts";
import { WriteQueue } from "../chats/write_queue.ts";
import { type ChatWrite, writeOne, type WriteTarget } from "../chats/writer.ts";
import { TelegramDynamoDBStorage } from "../dynamodb/chat_storage.ts";
import { asGrammySignal, clientOptions, nameNetworkCause, redactToken } from "../telegram/client.ts";
import { poll } from "../telegram/polling.ts";
import { PollMonitor } from "../telegram/polling_retry.ts";
import { RateLimiter } from "../telegram/rate_limit/rate_limiter.ts";
import { defaultMessagesPerSecond } from "../telegram/rate_limit/scheduler.ts";
import type { Clock } from "../util/clock.ts";
import { createRateLimitedLog, type Logger } from "../util/log.ts";
import { createTokenBuckets } from "../util/token_bucket.ts";
import { type LedgerOptions, openLedgers, openRegistry, readyText, setMenu } from "./open_storage.ts";
import type { BotOptions } from "./options.ts";

export interface OwnBroadcastingOptions {
  readonly token: string;
  /** That bot's options, which name its server and its way there. */
  readonly client: ApiClientOptions | undefined;
  readonly storage: ChatStorage;
  readonly ledger: Ledger | undefined;
  readonly registry: ChatRegistry;
  readonly messagesPerSecond: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends every wait for a turn. */
  readonly signal: AbortSignal;
}

export async function openBroadcasting(options: OwnBroadcastingOptions): Promise<Broadcaster> {
  const { token, client, storage, ledger, registry, messagesPerSecond, clock, logger, signal } = options;
  const api = new Api(token, clientOptions(client));
  const ask = (ending: AbortSignal): Promise<unknown> => api.getMe(asGrammySignal(ending));
  const rateLimiter = new RateLimiter({ messagesPerSecond, ask, clock, logger, signal });
  api.config.use(rateLimiter.transformer, redactToken(token), nameNetworkCause);
  return new Broadcaster({
    ...{ api, rateLimiter, registry, clock, logger, messagesPerSecond },
    ledgers: await openLedgers({ ...beside(storage), ledger }, registry, clock, logger),
    migrate: (from, to, at) => registry.migrate(from, to, at),
    keep: async (chatId, event) => (await registry.apply(chatId, [event])).after?.is_active !== true,
  });
}

/** Where the chats are, broadcasts are kept too. */
function beside(storage: ChatStorage): LedgerOptions {
  if (!(storage instanceof TelegramDynamoDBStorage)) return { useDynamoDB: storage.kind !== "memory" };
  const { client, regionName } = storage;
  return { client, regionName };
}

// Everything between Telegram's updates and the chats' storage, put together.

export interface BotRuntimeOptions {
  readonly options: BotOptions;
  readonly api: Api;
  readonly rateLimiter: RateLimiter;
  readonly botInfo: UserFromGetMe;
  /** The user's own handlers, if there are any. */
  readonly handle: (update: Update) => Promise<void>;
  readonly hasHandlers: () => boolean;
  readonly onFailure: (updateId: number, error: unknown) => void;
  readonly renderMessage: MessageRenderer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the bot is stopped. */
  readonly signal: AbortSignal;
}

export interface BotRuntime {
  readonly registry: ChatRegistry;
  readonly updateProcessor: UpdateProcessor;
  readonly replySender: ReplySender;
  readonly writeQueue: WriteQueue;
  readonly broadcaster: Broadcaster;
  readonly pollWatch: PollMonitor;
  /** Hears updates until the bot is stopped; rejects with what else ends it. */
  poll(): Promise<void>;
  /** Sends, keeps and answers what is under way, each for a while. */
  close(): Promise<void>;
}

/** A chat that has been heard in so many polls gets one a second; nobody types so fast, and each costs a write. */
const polls = { atOnce: 60, perSecond: 1 };
const restAtMostMs = 1000;
const answerWithinMs = 5000;

/** @throws {ConfigError} If the spool file cannot be used, or the table of chats is another bot's. */
export async function createRuntime(given: BotRuntimeOptions): Promise<BotRuntime> {
  const {
    options,
    api,
    rateLimiter,
    botInfo,
    handle,
    hasHandlers,
    onFailure,
    renderMessage: words,
    clock,
    logger,
    signal,
  } = given;
  const { autoRegisterChats = true, allowedUsers, authorize, spoolFile, chatTypes, chatsPerAdder } = options;
  const menu = setMenu(api, logger);
  const spool = spoolFile === undefined ? undefined : await openSpool(spoolFile);
  const closeSpool = async (error: unknown): Promise<never> => {
    await spool?.close();
    throw error;
  };
  const { registry, client, open: openList } = await openRegistry(options, botInfo.id, clock, logger)
    .catch(closeSpool);
  const ledgers = await openLedgers({ ...options, client }, registry, clock, logger).catch(closeSpool);
  const access = createAccessControl({ allowedUsers, authorize, api, botInfo, onFailure, clock });
  const readMoves = createMigrationReader({
    allowedUsers,
    getChat: (chatId) => registry.getChat(chatId),
    moved: access.onMigration,
  });
  const open = async (): Promise<void> => {
    await openList();
    await readMoves();
  };
  // What cannot be read now is read before the next update is kept.
  if (!registry.isUnread) await readMoves().catch(() => {});
  const inTime = options.storage === undefined
    ? <T>(answer: Promise<T>): Promise<T> => answer
    : createInTime(clock);
  const storing: WriteTarget = {
    async apply(chatId, events) {
      await open();
      return await inTime(registry.apply(chatId, events));
    },
    async migrate(from, to, at) {
      await open();
      await inTime(registry.migrate(from, to, at));
      access.onMigration(from, to);
    },
  };
  const onlyCounts = (entry: ChatWrite): boolean =>
    entry.kind === "event" && entry.event.kind === "message" &&
    (!entry.event.registers || registry.isActive(entry.chatId));
  const writeQueue = new WriteQueue({ target: storing, clock, logger, spool, onlyCounts });
  const replySender = new ReplySender({
    registry,
    renderMessage: words,
    onGone: (chatId, event) => writeQueue.enqueue({ kind: "event", chatId, event }).acknowledged,
    warn: createRateLimitedLog((message) => logger.warn(message), clock),
    clock,
  });
  const replies = new Replies({ api, replySender, registry });
  const updateProcessor = new UpdateProcessor({
    api,
    botUsername: botInfo.username,
    registry,
    parser: new UpdateParser({ registers: autoRegisterChats, clock }),
    isAllowed: access.isAllowed,
    registration: new Registration({ chatTypes, chatsPerAdder, isExempt: access.isListed }),
    enqueue: (write) => writeQueue.enqueue(write),
    write: (write, wasTried) => writeOne(storing, write, wasTried),
    replies,
    handle,
    hasHandlers,
    onFailure,
    clock,
    signal,
  });
  const left = await leftIn(spool, logger);
  const resumed = writeQueue.resume(left);
  overlayRestored(registry, left, resumed);
  replies.resume(left, resumed);
  if (registry.isUnread) void writeQueue.startDegraded(open);
  const broadcaster = new Broadcaster({
    ...{ api, rateLimiter, registry, clock, logger, broadcastAccess: access.broadcastAccess },
    messagesPerSecond: options.messagesPerSecond ?? defaultMessagesPerSecond,
    ledgers,
    ...createKeep(writeQueue, registry),
  });
  const pollWatch = new PollMonitor(clock);
  await menu;
  logger.info(readyText(botInfo.username, registry, options));
  // Whoever keeps chats elsewhere may have no DynamoDB at all.
  if (options.storage === undefined || options.ledger !== undefined) void broadcaster.resumeQuietly();
  return {
    registry,
    updateProcessor,
    replySender,
    writeQueue,
    broadcaster,
    pollWatch,
    poll: () =>
      poll({
        api,
        receive: (updates) => updateProcessor.accept(updates),
        restMsAfter: createFloodRest(clock),
        flush: () => writeQueue.close(),
        watch: pollWatch,
        clock,
        logger,
        signal,
      }),
    async close() {
      await broadcaster.close();
      await writeQueue.close();
      await Promise.all([updateProcessor.close(), replySender.close()]);
      if (options.storage === undefined) registry.close();
    },
  };
}

/** What a broadcast learns of chats goes the way of what they say: behind that, and through an outage's queue. */
function createKeep(writeQueue: WriteQueue, registry: ChatRegistry): Pick<BroadcastDeps, "migrate" | "keep"> {
  return {
    async migrate(from, to, at) {
      const { acknowledged, written: kept } = writeQueue.enqueue({ kind: "migration", from, to, at });
      if (await acknowledged !== "queued") return;
      const forget = registry.expectMove(from, to);
      kept.then(forget, forget);
    },
    async keep(chatId, event) {
      const order = registry.nextOrder();
      const { acknowledged, written: kept } = writeQueue.enqueue({ kind: "event", chatId, event });
      const step = await acknowledged;
      if (step !== "queued") return step.after?.is_active !== true;
      const forget = registry.overlayConsent(chatId, false, { order });
      kept.then(forget, forget);
      return true;
    },
  };
}

/** A storage of the user's own may hang; ours has limits of its own. */
function createInTime(clock: Clock): <T>(answer: Promise<T>) => Promise<T> {
  return async (answer) => {
    const ended = new AbortController();
    const late = clock.sleep(answerWithinMs, ended.signal).then(() => {
      throw new StorageError(
        "unreachable",
        `The storage has not answered within ${answerWithinMs / 1000} s.`,
      );
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      ended.abort();
    }
  };
}

/** What a process before this one has left on disk comes first. */
async function leftIn(spool: Spool | undefined, logger: Logger): Promise<readonly ChatWrite[]> {
  if (spool === undefined) return [];
  const { entries, unreadable } = await spool.read();
  if (unreadable > 0) {
    logger.warn(`${unreadable} lines of the spool file ${spool.path} cannot be read, and are left out.`);
  }
  return entries;
}

/** How long the next poll is put off where a chat floods the bot: what it says is then heard in lumps. */
function createFloodRest(clock: Clock): (updates: readonly Update[]) => number {
  const allowance = createTokenBuckets(polls);
  return (updates) => {
    const chats = new Set(updates.map(chatKeyOf));
    const earlyMs = [...chats].map((chatId) => allowance.takeOnCredit(chatId, clock.now()));
    return Math.min(Math.max(0, ...earlyMs), restAtMostMs);
  };
}

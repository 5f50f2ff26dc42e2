/** Builds a bot's parts and connects them: the only file that does, loaded when a bot or a plugin first needs it. */
import type { Update, UserFromGetMe } from "grammy/types";
import { Api, type ApiClientOptions } from "grammy/web";
import { Broadcaster } from "../broadcast/broadcaster.ts";
import type { Ledger } from "../broadcast/ledger.ts";
import type { BroadcastDeps } from "../broadcast/request.ts";
import { type AccessControl, createAccessControl, createMigrationReader } from "../chats/access.ts";
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
import type { CatchUp } from "../telegram/catch_up.ts";
import { asGrammySignal, clientOptions, makeFailuresSafe, nameNetworkCause } from "../telegram/client.ts";
import { poll } from "../telegram/polling.ts";
import { PollMonitor } from "../telegram/polling_retry.ts";
import { RateLimiter } from "../telegram/rate_limit/rate_limiter.ts";
import { deadline, DeadlineError } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { createRateLimitedLog, type Logger } from "../util/log.ts";
import { createTokenBuckets } from "../util/token_bucket.ts";
import type { HandlerBot } from "./grammy_bot.ts";
import { type LedgerOptions, openLedgers, openStorage, readyText, setMenu } from "./open_storage.ts";
import type { ResolvedBotOptions } from "./options.ts";

/** What the parts need of the bot; its token is not among it. */
export interface RuntimeDeps {
  readonly options: Omit<ResolvedBotOptions, "botToken">;
  readonly grammy: HandlerBot;
  readonly rateLimiter: RateLimiter;
  readonly botInfo: UserFromGetMe;
  /** Runs the user's own handlers. */
  readonly handle: (update: Update) => Promise<void>;
  readonly onFailure: (updateId: number, error: unknown) => void;
  readonly renderMessage: MessageRenderer;
  readonly catchUp: CatchUp;
  /** Aborts when the bot is stopped. */
  readonly signal: AbortSignal;
}

/** The parts of an open bot. */
export interface BotRuntime {
  readonly registry: ChatRegistry;
  readonly updateProcessor: UpdateProcessor;
  readonly replySender: ReplySender;
  readonly writeQueue: WriteQueue;
  readonly broadcaster: Broadcaster;
  readonly pollWatch: PollMonitor;
  /** Receives updates until the bot is stopped; rejects if polling ends by itself. */
  poll(): Promise<void>;
  /** Sends, writes and replies what is under way, each for a while. */
  close(): Promise<void>;
}

/** @throws {ConfigError} If the spool file cannot be used, or the table of chats is another bot's. */
export async function createRuntime(deps: RuntimeDeps): Promise<BotRuntime> {
  const { options, grammy: { api }, rateLimiter, botInfo, onFailure, catchUp, signal } = deps;
  const { messagesPerSecond, allowedUsers, authorize, clock, logger } = options;
  const menuSet = setMenu(api, logger);
  const spooled = await readSpool(options, botInfo.id);
  const spool = spooled?.spool;
  const storage = await openStorage(options, botInfo.id).catch(async (error) => {
    await spool?.close();
    throw error;
  });
  const { registry, ledgers } = storage;
  const access = createAccessControl({ allowedUsers, authorize, api, botInfo, onFailure, clock });
  const open = await createOpening(storage, allowedUsers, access);
  const target = createWriteTarget(registry, access, open, options);
  const writeQueue = new WriteQueue({
    target,
    clock,
    logger,
    spool,
    onlyCounts: countsOnly(registry),
  });
  const replySender = createReplySender(registry, writeQueue, deps);
  const replies = new Replies({ api, replySender, registry });
  const parts = { registry, access, target, writeQueue, replies };
  const updateProcessor = createUpdateProcessor(parts, deps);
  if (spooled !== undefined) await restoreSpool(spooled, parts);
  if (registry.isUnread) void writeQueue.startDegraded(open);
  const broadcaster = new Broadcaster({
    ...{ api, rateLimiter, registry, clock, logger, messagesPerSecond, ledgers, botId: botInfo.id },
    broadcastAccess: access.broadcastAccess,
    caughtUp: (signal) => catchUp.pending && catchUp.wait(signal),
    ...queuedWrites(writeQueue, registry),
  });
  const pollWatch = new PollMonitor(clock);
  await menuSet;
  logger.info(readyText(botInfo.username, registry, options));
  // A bot with a storage of the user's own may have no DynamoDB for the ledger.
  if (options.storage === undefined || options.ledger !== undefined) void broadcaster.resumeQuietly();
  const restMsAfter = createFloodRest(clock);
  return {
    ...{ registry, updateProcessor, replySender, writeQueue, broadcaster, pollWatch },
    poll: () =>
      poll({
        ...{ api, restMsAfter, watch: pollWatch, catchUp, clock, logger, signal },
        receive: (updates) => updateProcessor.accept(updates),
        flush: () => writeQueue.close(),
      }),
    async close() {
      await broadcaster.close();
      await writeQueue.close();
      await Promise.all([updateProcessor.close(), replySender.close()]);
      if (options.storage === undefined) registry.close();
    },
  };
}

/** Gives the function that reads what could not be read at the start; every write waits for it. */
async function createOpening(
  { registry, open }: { readonly registry: ChatRegistry; readonly open: () => Promise<void> },
  allowedUsers: readonly number[] | undefined,
  access: AccessControl,
): Promise<() => Promise<void>> {
  const readMoves = createMigrationReader({
    allowedUsers,
    getChat: (chatId) => registry.getChat(chatId),
    moved: access.onMigration,
  });
  if (!registry.isUnread) await readMoves().catch(() => {});
  return async () => {
    if (registry.isUnread) await open();
    await readMoves();
  };
}

function createWriteTarget(
  registry: ChatRegistry,
  access: AccessControl,
  open: () => Promise<void>,
  { storage, clock }: RuntimeDeps["options"],
): WriteTarget {
  // The toolkit's own storages have limits of their own; one of the user's may hang.
  const limited = <T>(answer: Promise<T>): Promise<T> => storage ? withinLimit(answer, clock) : answer;
  return {
    async apply(chatId, events) {
      await open();
      return await limited(registry.apply(chatId, events));
    },
    async migrate(from, to, at) {
      await open();
      await limited(registry.migrate(from, to, at));
      access.onMigration(from, to);
    },
  };
}

const storageWithinMs = 5000;

async function withinLimit<T>(answer: Promise<T>, clock: Clock): Promise<T> {
  try {
    return await deadline(answer, { ms: storageWithinMs, clock });
  } catch (cause) {
    if (!(cause instanceof DeadlineError)) throw cause;
    const message = `The storage has not answered within ${storageWithinMs / 1000} s.`;
    throw new StorageError("unreachable", message, { cause });
  }
}

/** Tells whether a write may be dropped by a full queue: it is a message that only counts, and registers nobody. */
function countsOnly(registry: ChatRegistry): (write: ChatWrite) => boolean {
  return (write) =>
    write.kind === "event" && write.event.kind === "message" &&
    (!write.event.registers || registry.isActive(write.chatId));
}

function createReplySender(
  registry: ChatRegistry,
  writeQueue: WriteQueue,
  { options: { clock, logger }, renderMessage }: RuntimeDeps,
): ReplySender {
  return new ReplySender({
    registry,
    renderMessage,
    onGone: (chatId, event) => writeQueue.enqueue({ kind: "event", chatId, event }).acknowledged,
    warn: createRateLimitedLog((message) => logger.warn(message), clock),
    clock,
  });
}

/** The parts that an update passes through. */
interface UpdateParts {
  readonly registry: ChatRegistry;
  readonly access: AccessControl;
  readonly target: WriteTarget;
  readonly writeQueue: WriteQueue;
  readonly replies: Replies;
}

function createUpdateProcessor(
  { registry, access, target, writeQueue, replies }: UpdateParts,
  { options, grammy, botInfo, handle, onFailure, signal }: RuntimeDeps,
): UpdateProcessor {
  const { autoRegisterChats, chatTypes, chatsPerAdder, clock, logger } = options;
  const warn = createRateLimitedLog((message) => logger.warn(message), clock);
  return new UpdateProcessor({
    ...{ api: grammy.api, registry, replies, handle, onFailure, clock, signal },
    botUsername: botInfo.username,
    hasHandlers: () => grammy.hasHandlers,
    parser: new UpdateParser({ registers: autoRegisterChats, clock, warn }),
    isAllowed: access.isAllowed,
    registration: new Registration({ chatTypes, chatsPerAdder, isExempt: access.isListed }),
    enqueue: (write) => writeQueue.enqueue(write),
    write: (write, wasTried) => writeOne(target, write, wasTried),
  });
}

/** The spool file, and the writes that an earlier process has left in it. */
interface Spooled {
  readonly spool: Spool;
  readonly writes: readonly ChatWrite[];
}

async function readSpool(
  { spoolFile, logger }: RuntimeDeps["options"],
  botId: number,
): Promise<Spooled | undefined> {
  if (spoolFile === undefined) return undefined;
  const spool = await openSpool(spoolFile, botId);
  try {
    const { entries, unreadable } = await spool.read();
    if (unreadable > 0) {
      logger.warn(
        `${unreadable} lines of the spool file ${spool.path} cannot be read, and are left out. ` +
          `Before the file is emptied they go to ${spool.asidePath}.`,
      );
    }
    return { spool, writes: entries };
  } catch (error) {
    await spool.close();
    throw error;
  }
}

/** Queues them ahead of all others. */
async function restoreSpool(
  { spool, writes }: Spooled,
  { registry, writeQueue, replies }: UpdateParts,
): Promise<void> {
  // What was cut off is of no use alone; where it cannot be cleared just now, nothing depends on it.
  if (writes.length === 0) await spool.clear().catch(() => void writeQueue.clearSpool());
  const written = writeQueue.resume(writes);
  overlayRestored(registry, writes, written);
  replies.resume(writes, written);
}

/** Sends a broadcast's findings through the write queue: behind the chat's own updates, and safe in an outage. */
function queuedWrites(
  writeQueue: WriteQueue,
  registry: ChatRegistry,
): Pick<BroadcastDeps, "migrate" | "keep"> {
  return {
    async migrate(from, to, at) {
      const { acknowledged, written } = writeQueue.enqueue({ kind: "migration", from, to, at });
      if (await acknowledged !== "queued") return;
      const forget = registry.expectMove(from, to);
      written.then(forget, forget);
    },
    async keep(chatId, event) {
      const order = registry.nextOrder();
      const { acknowledged, written } = writeQueue.enqueue({ kind: "event", chatId, event });
      const result = await acknowledged;
      if (result !== "queued") return result.after?.is_active !== true;
      const forget = registry.overlayConsent(chatId, false, { order });
      written.then(forget, forget);
      return true;
    },
  };
}

/** A chat with updates in so many polls gets one poll a second: nobody types faster, and each poll costs a write. */
const polls = { atOnce: 60, perSecond: 1 };
const restAtMostMs = 1000;

/** Gives how long the next poll is put off where a chat floods the bot, so that its messages come in batches. */
function createFloodRest(clock: Clock): (updates: readonly Update[]) => number {
  const buckets = createTokenBuckets(polls);
  return (updates) => {
    const chats = new Set(updates.map(chatKeyOf));
    const earlyMs = [...chats].map((chatId) => buckets.takeOnCredit(chatId, clock.now()));
    return Math.min(Math.max(0, ...earlyMs), restAtMostMs);
  };
}

// The plugin's broadcasts. They have a client and a rate limiter of their own, so that no plugin of the user's bot sends
// anything twice.

export interface PluginBroadcasterOptions {
  readonly token: string;
  /** The client options of the user's bot, which name its server and the route there. */
  readonly client: ApiClientOptions | undefined;
  readonly storage: ChatStorage;
  readonly ledger: Ledger | undefined;
  readonly registry: ChatRegistry;
  readonly messagesPerSecond: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends every wait of the rate limiter. */
  readonly signal: AbortSignal;
}

export async function createPluginBroadcaster(options: PluginBroadcasterOptions): Promise<Broadcaster> {
  const { token, client, storage, ledger, registry, messagesPerSecond, clock, logger, signal } = options;
  const api = new Api(token, clientOptions(client));
  const ask = (ending: AbortSignal): Promise<unknown> => api.getMe(asGrammySignal(ending));
  const rateLimiter = new RateLimiter({ messagesPerSecond, ask, clock, logger, signal });
  api.config.use(rateLimiter.transformer, makeFailuresSafe, nameNetworkCause);
  return new Broadcaster({
    ...{ api, rateLimiter, registry, clock, logger, messagesPerSecond, botId: Number(token.split(":")[0]) },
    ledgers: await openLedgers({ ...ledgerOptionsOf(storage), ledger }, registry, clock, logger),
    migrate: (from, to, at) => registry.migrate(from, to, at),
    keep: async (chatId, event) => (await registry.apply(chatId, [event])).after?.is_active !== true,
  });
}

/** The options of a ledger that is kept where the chats are. */
function ledgerOptionsOf(storage: ChatStorage): LedgerOptions {
  if (!(storage instanceof TelegramDynamoDBStorage)) return { useDynamoDB: storage.kind !== "memory" };
  const { client, regionName } = storage;
  return { useDynamoDB: true, client, regionName };
}

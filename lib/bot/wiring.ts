/** Broadcasts for a user's own grammY bot. They have a client and a gate of their own: none of its plugins sends them twice. */
import type { Update, UserFromGetMe } from "grammy/types";
import { Api, type ApiClientOptions } from "grammy/web";
import { Broadcasting } from "../broadcast/broadcaster.ts";
import type { Ledger } from "../broadcast/ledger.ts";
import type { Company } from "../broadcast/request.ts";
import { createAdmission, createMoveReader } from "../chats/access.ts";
import type { Words } from "../chats/messages.ts";
import { Registration } from "../chats/registration.ts";
import type { Roster } from "../chats/registry.ts";
import { Answers, Outbox } from "../chats/reply_sender.ts";
import { openSpool, type Spool } from "../chats/spool.ts";
import type { ChatStorage } from "../chats/storage.ts";
import { StorageError } from "../chats/storage_error.ts";
import { createHear, sequenceKey } from "../chats/update.ts";
import { heedLeft, Inbox } from "../chats/update_handler.ts";
import { Keeper } from "../chats/write_queue.ts";
import { type Entry, type Storing, writeOne } from "../chats/writer.ts";
import { TelegramDynamoDBStorage } from "../dynamodb/chat_storage.ts";
import { causeNamed, clientOptions, forGrammy, secretKept } from "../telegram/client.ts";
import { poll } from "../telegram/polling.ts";
import { PollWatch } from "../telegram/polling_retry.ts";
import { Gate } from "../telegram/rate_limit/rate_limiter.ts";
import { defaultMessagesPerSecond } from "../telegram/rate_limit/scheduler.ts";
import type { Clock } from "../util/clock.ts";
import { createBoundedLog, type Logger } from "../util/log.ts";
import { createAllowance } from "../util/token_bucket.ts";
import { type LedgerOptions, openLedgers, openRoster, readyText, setMenu } from "./open_storage.ts";
import type { BotOptions } from "./options.ts";

export interface OwnBroadcastingOptions {
  readonly token: string;
  /** That bot's options, which name its server and its way there. */
  readonly client: ApiClientOptions | undefined;
  readonly storage: ChatStorage;
  readonly ledger: Ledger | undefined;
  readonly roster: Roster;
  readonly messagesPerSecond: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends every wait for a turn. */
  readonly signal: AbortSignal;
}

export async function openBroadcasting(options: OwnBroadcastingOptions): Promise<Broadcasting> {
  const { token, client, storage, ledger, roster, messagesPerSecond, clock, logger, signal } = options;
  const api = new Api(token, clientOptions(client));
  const ask = (ending: AbortSignal): Promise<unknown> => api.getMe(forGrammy(ending));
  const gate = new Gate({ messagesPerSecond, ask, clock, logger, signal });
  api.config.use(gate.transformer, secretKept(token), causeNamed);
  return new Broadcasting({
    ...{ api, gate, roster, clock, logger, messagesPerSecond },
    ledgers: await openLedgers({ ...beside(storage), ledger }, roster, clock, logger),
    migrate: (from, to, at) => roster.migrate(from, to, at),
    keep: async (chatId, event) => (await roster.apply(chatId, [event])).after?.is_active !== true,
  });
}

/** Where the chats are, broadcasts are kept too. */
function beside(storage: ChatStorage): LedgerOptions {
  if (!(storage instanceof TelegramDynamoDBStorage)) return { useDynamoDB: storage.kind !== "memory" };
  const { client, regionName } = storage;
  return { client, regionName };
}

// Everything between Telegram's updates and the chats' storage, put together.

export interface ReceptionOptions {
  readonly options: BotOptions;
  readonly api: Api;
  readonly gate: Gate;
  readonly botInfo: UserFromGetMe;
  /** The user's own handlers, if there are any. */
  readonly handle: (update: Update) => Promise<void>;
  readonly hasHandlers: () => boolean;
  readonly onFailure: (updateId: number, error: unknown) => void;
  readonly words: Words;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the bot is stopped. */
  readonly signal: AbortSignal;
}

export interface Reception {
  readonly roster: Roster;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly keeper: Keeper;
  readonly broadcasting: Broadcasting;
  readonly pollWatch: PollWatch;
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
export async function openReception(given: ReceptionOptions): Promise<Reception> {
  const { options, api, gate, botInfo, handle, hasHandlers, onFailure, words, clock, logger, signal } = given;
  const { autoRegisterChats = true, allowedUsers, authorize, spoolFile, chatTypes, chatsPerAdder } = options;
  const menu = setMenu(api, logger);
  const spool = spoolFile === undefined ? undefined : await openSpool(spoolFile);
  const closeSpool = async (error: unknown): Promise<never> => {
    await spool?.close();
    throw error;
  };
  const { roster, client, open: openList } = await openRoster(options, botInfo.id, clock, logger)
    .catch(closeSpool);
  const ledgers = await openLedgers({ ...options, client }, roster, clock, logger).catch(closeSpool);
  const admission = createAdmission({ allowedUsers, authorize, api, botInfo, onFailure, clock });
  const readMoves = createMoveReader({
    allowedUsers,
    getChat: (chatId) => roster.getChat(chatId),
    moved: admission.moved,
  });
  const open = async (): Promise<void> => {
    await openList();
    await readMoves();
  };
  // What cannot be read now is read before the next update is kept.
  if (!roster.isUnread) await readMoves().catch(() => {});
  const inTime = options.storage === undefined
    ? <T>(answer: Promise<T>): Promise<T> => answer
    : createInTime(clock);
  const storing: Storing = {
    async apply(chatId, events) {
      await open();
      return await inTime(roster.apply(chatId, events));
    },
    async migrate(from, to, at) {
      await open();
      await inTime(roster.migrate(from, to, at));
      admission.moved(from, to);
    },
  };
  const onlyCounts = (entry: Entry): boolean =>
    entry.kind === "event" && entry.event.kind === "message" &&
    (!entry.event.registers || roster.isActive(entry.chatId));
  const keeper = new Keeper({ storing, clock, logger, spool, onlyCounts });
  const outbox = new Outbox({
    roster,
    words,
    onGone: (chatId, event) => keeper.keep({ kind: "event", chatId, event }).acknowledged,
    warn: createBoundedLog((message) => logger.warn(message), clock),
    clock,
  });
  const answers = new Answers({ api, outbox, roster });
  const inbox = new Inbox({
    api,
    botUsername: botInfo.username,
    roster,
    hear: createHear({ registers: autoRegisterChats, clock }),
    admits: admission.admits,
    registration: new Registration({ chatTypes, chatsPerAdder, isExempt: admission.isListed }),
    keep: (entry) => keeper.keep(entry),
    write: (entry, wasTried) => writeOne(storing, entry, wasTried),
    answers,
    handle,
    hasHandlers,
    onFailure,
    clock,
    signal,
  });
  const left = await leftIn(spool, logger);
  const resumed = keeper.resume(left);
  heedLeft(roster, left, resumed);
  answers.resume(left, resumed);
  if (roster.isUnread) void keeper.begin(open);
  const broadcasting = new Broadcasting({
    ...{ api, gate, roster, clock, logger, permission: admission.permission },
    messagesPerSecond: options.messagesPerSecond ?? defaultMessagesPerSecond,
    ledgers,
    ...createKeep(keeper, roster),
  });
  const pollWatch = new PollWatch(clock);
  await menu;
  logger.info(readyText(botInfo.username, roster, options));
  // Whoever keeps chats elsewhere may have no DynamoDB at all.
  if (options.storage === undefined || options.ledger !== undefined) void broadcasting.resumeQuietly();
  return {
    roster,
    inbox,
    outbox,
    keeper,
    broadcasting,
    pollWatch,
    poll: () =>
      poll({
        api,
        receive: (updates) => inbox.receive(updates),
        restMsAfter: createFloodRest(clock),
        flush: () => keeper.close(),
        watch: pollWatch,
        clock,
        logger,
        signal,
      }),
    async close() {
      await broadcasting.close();
      await keeper.close();
      await Promise.all([inbox.close(), outbox.close()]);
      if (options.storage === undefined) roster.close();
    },
  };
}

/** What a broadcast learns of chats goes the way of what they say: behind that, and through an outage's queue. */
function createKeep(keeper: Keeper, roster: Roster): Pick<Company, "migrate" | "keep"> {
  return {
    async migrate(from, to, at) {
      const { acknowledged, kept } = keeper.keep({ kind: "migration", from, to, at });
      if (await acknowledged !== "queued") return;
      const forget = roster.expectMove(from, to);
      kept.then(forget, forget);
    },
    async keep(chatId, event) {
      const order = roster.nextOrder();
      const { acknowledged, kept } = keeper.keep({ kind: "event", chatId, event });
      const step = await acknowledged;
      if (step !== "queued") return step.after?.is_active !== true;
      const forget = roster.heed(chatId, false, { order });
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
async function leftIn(spool: Spool | undefined, logger: Logger): Promise<readonly Entry[]> {
  if (spool === undefined) return [];
  const { entries, unreadable } = await spool.read();
  if (unreadable > 0) {
    logger.warn(`${unreadable} lines of the spool file ${spool.path} cannot be read, and are left out.`);
  }
  return entries;
}

/** How long the next poll is put off where a chat floods the bot: what it says is then heard in lumps. */
function createFloodRest(clock: Clock): (updates: readonly Update[]) => number {
  const allowance = createAllowance(polls);
  return (updates) => {
    const chats = new Set(updates.map(sequenceKey));
    const earlyMs = [...chats].map((chatId) => allowance.charge(chatId, clock.now()));
    return Math.min(Math.max(0, ...earlyMs), restAtMostMs);
  };
}

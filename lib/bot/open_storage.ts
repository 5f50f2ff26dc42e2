/** Opens the storages that the options choose: the chats with their registry, and the ledgers of broadcasts. */
import type { Api } from "grammy/web";
import type { Ledger } from "../broadcast/ledger.ts";
import { LedgerFailover } from "../broadcast/ledger_failover.ts";
import { type LocalLedgerOptions, openLocalLedger } from "../broadcast/local_ledger.ts";
import { InMemoryLedger } from "../broadcast/memory_ledger.ts";
import { InMemoryChatStorage } from "../chats/memory_storage.ts";
import { menu } from "../chats/messages.ts";
import { ChatRegistry } from "../chats/registry.ts";
import { type ChatStorage, StorageError } from "../chats/storage.ts";
import { TelegramDynamoDBStorage } from "../dynamodb/chat_storage.ts";
import { DynamoDBLedger } from "../dynamodb/ledger.ts";
import { asGrammySignal } from "../telegram/client.ts";
import { startWithinMs } from "../telegram/startup.ts";
import { deadline } from "../util/async.ts";
import { type Clock, startTimer, systemClock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { ConfigError } from "../util/validate.ts";
import type { BotOptions, ResolvedBotOptions } from "./options.ts";

type StorageOptions = Omit<ResolvedBotOptions, "botToken">;

export interface OpenStorage {
  readonly registry: ChatRegistry;
  /** The ledgers of a bot, opened when a broadcast first needs them; `signal` ends their work in the background. */
  readonly ledgers: (signal: AbortSignal) => LedgerFailover;
  /** Resolves once the chats are read; rejects while they cannot be. */
  open(): Promise<void>;
}

/**
 * Reads all active chats. If the storage cannot be used, logs why, once, and goes on with a storage in memory in its place.
 * @throws {ConfigError} If the table of chats is another bot's, or the file of broadcasts cannot be used.
 */
export async function openStorage(options: StorageOptions, botId: number): Promise<OpenStorage> {
  const { clock, logger } = options;
  const storage = options.storage ?? createStorage(options);
  const registry = new ChatRegistry(storage, new InMemoryChatStorage({ clock, logger }));
  let opening: Promise<void> | undefined;
  const open = async (): Promise<void> => {
    if (registry.isUnread) {
      await (opening ??= openInTime(registry, botId, lateText(options)).finally(() => opening = undefined));
    }
  };
  try {
    await open();
  } catch (error) {
    if (!(error instanceof StorageError)) {
      if (options.storage === undefined) registry.close();
      throw error;
    }
    logger.error(
      `${error.message}\nGoing on in memory until that is mended: only /start subscribes, and what chats say waits.`,
    );
  }
  // The ledger shares the client of the toolkit's own storage, which has connections and credentials already.
  const ownClient = storage instanceof TelegramDynamoDBStorage && storage !== options.storage &&
    storage.client;
  const client = options.client ?? (ownClient || undefined);
  const { spoolFile } = options;
  const file = spoolFile === undefined ? undefined : { path: `${spoolFile}.broadcasts`, botId };
  try {
    const ledgers = await openLedgers({ ...options, client, file }, registry, clock, logger);
    return { registry, ledgers, open: refusalAsOutage(open, registry, logger) };
  } catch (error) {
    if (options.storage === undefined) registry.close();
    throw error;
  }
}

function createStorage(
  { useDynamoDB, tableName, regionName, client, fetch, clock, logger }: StorageOptions,
): ChatStorage {
  if (!useDynamoDB) return new InMemoryChatStorage({ clock, logger });
  return new TelegramDynamoDBStorage({ tableName, regionName, client, fetch, clock, logger });
}

function lateText({ storage }: StorageOptions): string {
  const late = `it took longer than ${startWithinMs / 1000} s to answer`;
  return storage === undefined
    ? `DynamoDB cannot be reached: ${late}. Check the network, proxy and firewall, and AWS_ENDPOINT_URL_DYNAMODB if it is set.`
    : `The storage cannot be reached: ${late}. Check it, and the network.`;
}

/** Reads the chats, or fails if the storage does not answer in time; one that answers gets all the time that it needs. */
async function openInTime(
  registry: ChatRegistry,
  botId: number,
  lateMessage: string,
  clock: Clock = systemClock,
): Promise<void> {
  const late = new AbortController();
  const reason = new StorageError("unreachable", lateMessage);
  const answered = startTimer(clock, startWithinMs, () => late.abort(reason));
  try {
    await registry.open(botId, { signal: late.signal, onProgress: answered });
  } finally {
    answered();
  }
}

/**
 * Treats another bot's table as an outage once the bot has started: nothing is written to the table, the queue waits until
 * that is mended, and the log says once what to do.
 */
function refusalAsOutage(
  open: () => Promise<void>,
  registry: ChatRegistry,
  logger: Logger,
): () => Promise<void> {
  let isLogged = false;
  return async () => {
    try {
      await open();
      registry.refusal = undefined;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (!isLogged) {
        logger.error(`${error.message}\nUntil then nothing is read or kept there, and what chats say waits.`);
      }
      isLogged = true;
      registry.refusal = error;
      throw new StorageError("table", error.message, { cause: error });
    }
  };
}

/** The options that choose where broadcasts with an id are kept. */
export type LedgerOptions =
  & Pick<BotOptions, "broadcastsTableName" | "regionName" | "client" | "fetch" | "ledger">
  & Pick<ResolvedBotOptions, "useDynamoDB">
  & Pick<LocalLedgerOptions, "file">;

/** The ledgers of a bot: its own, and a local one for outages, in memory or in a file. */
export async function openLedgers(
  options: LedgerOptions,
  registry: ChatRegistry,
  clock: Clock,
  logger: Logger,
): Promise<OpenStorage["ledgers"]> {
  const local = await openLocalLedger({ file: options.file, clock, logger });
  const askChats = async (): Promise<unknown> => {
    if (registry.isUnread) throw new Error("the list of chats has never been read");
    return await registry.storage.readStopLog();
  };
  const ledger = (): Ledger => createLedger(options, clock);
  return (signal) => new LedgerFailover({ ledger, local, askChats, clock, logger, signal });
}

function createLedger(options: LedgerOptions, clock: Clock): Ledger {
  const { useDynamoDB, broadcastsTableName: tableName, regionName, client, fetch, ledger } = options;
  if (ledger !== undefined) return ledger;
  return useDynamoDB
    ? new DynamoDBLedger({ tableName, regionName, client, fetch, clock })
    : new InMemoryLedger();
}

/** Sets the command menu; the bot works without it, too. */
export async function setMenu(api: Api, logger: Logger, clock: Clock = systemClock): Promise<void> {
  const set = (signal: AbortSignal): Promise<unknown> =>
    api.setMyCommands(menu, undefined, asGrammySignal(signal));
  try {
    await deadline(set, { ms: startWithinMs, clock });
  } catch (error) {
    logger.warn(`The command menu could not be set: ${messageOf(error)}`);
  }
}

/** The log line of a bot that has started. */
export function readyText(
  username: string,
  { size, storage }: ChatRegistry,
  { allowedUsers, authorize }: Pick<BotOptions, "allowedUsers" | "authorize">,
): string {
  const chats = size === 1 ? "1 active chat" : `${size} active chats`;
  const where = storage instanceof TelegramDynamoDBStorage
    ? `the DynamoDB table "${storage.tableName}" (${storage.regionName})`
    : storage.kind;
  const listed = allowedUsers && (allowedUsers.length === 1 ? "1 chat" : `${allowedUsers.length} chats`);
  const who = [
    listed && `only the ${listed} in allowedUsers may use it`,
    authorize && (listed ? "as far as authorize agrees" : "authorize says who may use it"),
  ].filter((part) => part !== undefined);
  return `@${username} is ready: ${[`${chats}, kept in ${where}`, ...who].join(", ")}.`;
}

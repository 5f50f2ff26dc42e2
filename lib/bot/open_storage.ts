/** What a bot opens before its first update: its list of chats, and the menu of its commands. */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Api } from "grammy/web";
import type { Ledger } from "../broadcast/ledger.ts";
import { LedgerFailover } from "../broadcast/ledger_failover.ts";
import { openLocalLedger } from "../broadcast/local_ledger.ts";
import { InMemoryLedger } from "../broadcast/memory_ledger.ts";
import { InMemoryChatStorage } from "../chats/memory_storage.ts";
import { menu } from "../chats/messages.ts";
import { ChatRegistry } from "../chats/registry.ts";
import { type ChatStorage, StorageError } from "../chats/storage.ts";
import { TelegramDynamoDBStorage } from "../dynamodb/chat_storage.ts";
import { DynamoDBLedger } from "../dynamodb/ledger.ts";
import { asGrammySignal } from "../telegram/client.ts";
import { startWithinMs } from "../telegram/startup.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { ConfigError } from "../util/validate.ts";
import type { BotOptions } from "./options.ts";

/** Sets the command menu; the bot is as good without it. */
export async function setMenu(api: Api, logger: Logger): Promise<void> {
  try {
    await api.setMyCommands(menu, undefined, asGrammySignal(AbortSignal.timeout(startWithinMs)));
  } catch (error) {
    logger.warn(`The command menu could not be set: ${(error as Error).message}`);
  }
}

/** The list of chats, and the way to it where it could not be read at the start. */
export interface Opened {
  readonly registry: ChatRegistry;
  /** What the storage speaks to DynamoDB with, which has its connections and keys already. */
  readonly client: DynamoDBClient | undefined;
  /** Resolves once the list is read; rejects where it cannot be yet. */
  open(): Promise<void>;
}

/**
 * Reads the list of chats whole. Where DynamoDB cannot be used, it says why, once, and has a list in memory stand in.
 * @throws {ConfigError} If the list is another bot's.
 */
export async function openRegistry(
  options: BotOptions,
  botId: number,
  clock: Clock,
  logger: Logger,
): Promise<Opened> {
  const storage = options.storage ?? createStorage(options, clock, logger);
  const client = options.client ??
    (options.storage === undefined && storage instanceof TelegramDynamoDBStorage
      ? storage.client
      : undefined);
  const registry = new ChatRegistry(storage, new InMemoryChatStorage({ clock, logger }));
  let opening: Promise<void> | undefined;
  const open = async (): Promise<void> => {
    if (registry.isUnread) await (opening ??= openWithin(registry, botId).finally(() => opening = undefined));
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
  return { registry, client, open: asOutage(open, registry, logger) };
}

/**
 * A bot that has begun goes on as in an outage, should the list turn out to be another bot's: nothing is written to it,
 * what is queued waits until that is mended, and the log says once what to do.
 */
function asOutage(open: () => Promise<void>, registry: ChatRegistry, logger: Logger): () => Promise<void> {
  let isTold = false;
  return async () => {
    try {
      await open();
      registry.refusal = undefined;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (!isTold) {
        logger.error(`${error.message}\nUntil then nothing is read or kept there, and what chats say waits.`);
      }
      isTold = true;
      registry.refusal = error;
      throw new StorageError("table", error.message, { cause: error });
    }
  };
}

/** Opens the list, or fails in time; a storage that is at work gets all the time that it needs. */
async function openWithin(registry: ChatRegistry, botId: number): Promise<void> {
  const late = new AbortController();
  const reason = new StorageError(
    "unreachable",
    `DynamoDB cannot be reached: it took longer than ${
      startWithinMs / 1000
    } s to answer. Check the network, proxy ` +
      `and firewall, and AWS_ENDPOINT_URL_DYNAMODB if it is set.`,
  );
  const timer = setTimeout(() => late.abort(reason), startWithinMs);
  try {
    await registry.open(botId, { signal: late.signal, onProgress: () => clearTimeout(timer) });
  } finally {
    clearTimeout(timer);
  }
}

/** What a start found, in words. */
export function readyText(
  username: string,
  { size, storage }: ChatRegistry,
  { allowedUsers, authorize }: Pick<BotOptions, "allowedUsers" | "authorize"> = {},
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

function createStorage(options: BotOptions, clock: Clock, logger: Logger): ChatStorage {
  const { useDynamoDB = true, tableName, regionName, client, fetch } = options;
  if (!useDynamoDB) return new InMemoryChatStorage({ clock, logger });
  return new TelegramDynamoDBStorage({ tableName, regionName, client, fetch, clock, logger });
}

/** What of a bot's options tells where broadcasts with an id are kept. */
export type LedgerOptions = Pick<
  BotOptions,
  "useDynamoDB" | "broadcastsTableName" | "regionName" | "client" | "fetch" | "ledger"
>;

/** Where broadcasts with an id are kept. */
export function openLedger(options: LedgerOptions, clock: Clock): Ledger {
  const { useDynamoDB = true, broadcastsTableName: tableName, regionName, client, fetch } = options;
  if (options.ledger !== undefined) return options.ledger;
  if (!useDynamoDB) return new InMemoryLedger();
  return new DynamoDBLedger({ tableName, regionName, client, fetch, clock });
}

/** The ledgers of a bot: its own, and one for outages, in memory and on disk where there is a file. */
export async function openLedgers(
  options: LedgerOptions & Pick<BotOptions, "spoolFile">,
  registry: ChatRegistry,
  clock: Clock,
  logger: Logger,
): Promise<(signal: AbortSignal) => LedgerFailover> {
  const path = options.spoolFile === undefined ? undefined : `${options.spoolFile}.broadcasts`;
  const local = await openLocalLedger({ path, clock, logger });
  const ledger = (): Ledger => openLedger(options, clock);
  const askChats = async (): Promise<unknown> => {
    if (registry.isUnread) throw new Error("the list of chats has never been read");
    return await registry.storage.readStopLog();
  };
  return (signal) => new LedgerFailover({ ledger, local, askChats, clock, logger, signal });
}

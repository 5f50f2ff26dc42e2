/**
 * Chats in DynamoDB, through the raw client: every change of a chat is one conditional UpdateItem. The folder `dynamodb`
 * implements the ports `ChatStorage` (this file) and `Ledger` (ledger.ts); only the folder `bot` constructs them.
 */
import process from "node:process";
import {
  type AttributeValue,
  type DynamoDBClient,
  ScanCommand,
  type ScanCommandInput,
  type ScanCommandOutput,
} from "@aws-sdk/client-dynamodb";
import { chatOf, fold } from "../chats/chat.ts";
import type { Chat, ChatEvent, ChatState } from "../chats/events.ts";
import { type ChatStatistics, StatisticsCounter } from "../chats/statistics.ts";
import {
  type ApplyResult,
  assertWork,
  ChatStorage,
  type ChatStorageOptions,
  displayChat,
  displayChats,
  type ExpectedState,
  type LoadOptions,
  type StopLog,
  StorageError,
} from "../chats/storage.ts";
import { assertChatId } from "../telegram/chat_id.ts";
import type { Logger } from "../util/log.ts";
import { botOptionNames } from "../util/option_owners.ts";
import {
  assertClassOptions,
  type Checks,
  clientRule,
  clockRule,
  fetchRule,
  loggerRule,
  regionRule,
  tableRule,
} from "../util/validate.ts";
import {
  adderOf,
  chatIdOf,
  chatsOf,
  type ExpectedItem,
  expectedItemOf,
  guessFor,
  isWritten,
  itemToState,
  keyOf,
  minimalUpdateOf,
  resultOfLostAnswer,
  strikesOf,
  threadOf,
  updateOf,
} from "./chat_item.ts";
import {
  type ConditionError,
  createDynamoDBClient,
  getItem,
  type Item,
  loadMarshalling,
  openTable,
  type Table,
  type UpdateExpression,
  updateItem,
} from "./client.ts";
import { causeName } from "./errors.ts";
import { chatSchema, ensureTable } from "./table.ts";
import { isLoggedStop, TableRecord } from "./table_record.ts";

/** The table, and the way to it. */
export interface DynamoDBStorageOptions extends ChatStorageOptions {
  /** Default: TELEGRAM_CHATS_TABLE, or `telegram-chats`. */
  readonly tableName?: string | undefined;
  /** Default: AWS_REGION, or `us-east-1`. */
  readonly regionName?: string | undefined;
  /**
   * A client of your own; it is used as it is, and stays yours to close. Under Deno the SDK's own way to the network
   * repeats a request whose answer was lost without saying so: then `saveChat` may call a chat "unchanged" that it has
   * just created. Counts stay exact.
   */
  readonly client?: DynamoDBClient | undefined;
  /** A fetch of your own, for requests without a client of your own: it must send each once. Default: the runtime's. */
  readonly fetch?: typeof fetch | undefined;
}

/** Rounds of compare and set on one chat; each lost round means that another writer was faster. */
const maxRounds = 100;
const activeNames = {
  ...{ "#active": "is_active", "#id": "chat_id", "#strikes": "strikes" },
  ...{ "#adder": "added_by", "#thread": "thread_id" },
};

const optionChecks: Pick<Checks<DynamoDBStorageOptions>, "rules" | "elsewhere"> = {
  rules: {
    ...{ tableName: tableRule, regionName: regionRule, client: clientRule, fetch: fetchRule },
    ...{ clock: clockRule, logger: loggerRule },
  },
  elsewhere: { "the options of the bot": botOptionNames },
};

/**
 * Keeps chats in a DynamoDB table of the key `chat_id` (N).
 * Needs `dynamodb:` CreateTable (only where there is no table yet), DescribeTable, GetItem, UpdateItem and Scan on
 * the table, and nothing else. Every method rejects with a {@link StorageError} when DynamoDB does not do its part.
 */
export class TelegramDynamoDBStorage extends ChatStorage {
  /** What `initialize()` reports. */
  readonly kind = "dynamodb";
  /** The table's name. */
  readonly tableName: string;
  /** The table's region; a client of your own may know better. */
  readonly regionName: string;
  readonly #client: DynamoDBClient;
  readonly #ownsClient: boolean;
  readonly #table: Table;
  readonly #record: TableRecord;
  readonly #logRefusal: (chatId: number, refusal: Error) => void;

  /** The client of its requests; one of its own ends with `close()`. */
  get client(): DynamoDBClient {
    return this.#client;
  }

  /**
   * Connects to nothing yet; the AWS SDK finds credentials at the first request.
   * @throws {ConfigError} If an option is unknown or malformed. A class that extends this one may have options of its own.
   */
  constructor(options: DynamoDBStorageOptions = {}) {
    super(options);
    assertClassOptions(options, optionChecks, new.target !== TelegramDynamoDBStorage);
    this.tableName = options.tableName ?? (process.env["TELEGRAM_CHATS_TABLE"] || "telegram-chats");
    this.regionName = options.regionName ?? (process.env["AWS_REGION"] || "us-east-1");
    this.#ownsClient = options.client === undefined;
    this.#client = options.client ?? createDynamoDBClient(this.regionName, options.fetch);
    this.#table = openTable(this.#client, this.tableName, this.regionName);
    this.#record = new TableRecord(this.#table, this.clock);
    this.#logRefusal = createRefusalLog(this.logger);
  }

  /**
   * Creates the table (on-demand billing) if there is none, and waits until it takes writes: up to a minute.
   * @throws {StorageError} Reason `table` where a table of this name has another key; `denied` at once, with the
   * action's name.
   */
  async createTableIfNotExists(work: LoadOptions = {}): Promise<void> {
    assertWork("create the table", work);
    await ensureTable(this.#table, chatSchema, this.clock, work);
  }

  /**
   * Writes the bot's id into the table's own item, whose `chat_id` is 0, where none is there: one read, and one write
   * once.
   * @throws {ConfigError} If another bot's id is there.
   */
  override async claim(botId: number, { signal }: LoadOptions = {}): Promise<void> {
    await this.#record.claim(botId, signal);
  }

  /**
   * Compare and set: one UpdateItem if the chat is as expected, else one more for each surprise. A /stop costs one more: it
   * is entered in the log of the table's own item before this resolves.
   */
  async apply(chatId: number, events: readonly ChatEvent[], expected?: ExpectedState): Promise<ApplyResult> {
    assertChatId(chatId);
    await this.#record.logPendingStops();
    const applied = await this.#apply(chatId, events, expected);
    if (!isLoggedStop(applied, events)) return applied;
    const confirmAfterMs = await this.#record.logStop(chatId);
    return confirmAfterMs === undefined ? applied : { ...applied, confirmAfterMs };
  }

  /** The latest /stops, read consistently. */
  override async readStopLog(): Promise<StopLog> {
    return await this.#record.readStops();
  }

  /** One UpdateItem; one more request where another process has announced a later time. */
  override async beginSending(untilMs: number): Promise<StopLog> {
    return await this.#record.beginSending(untilMs);
  }

  /** One chat, read consistently; `undefined` if there is none, which a notebook shows as nothing. */
  async getChat(chatId: number): Promise<Chat | undefined> {
    assertChatId(chatId);
    const item = await this.#read(chatId);
    return item && displayChat(chatOf(chatId, itemToState(item)));
  }

  /** All chats, a page of up to 1 MB at a time, in no order. */
  async *scan(): AsyncGenerator<Chat[]> {
    for await (const { Items = [] } of pages(this.#table, {})) yield displayChats(chatsOf(Items));
  }

  /**
   * The ids of all active chats, read in parallel segments.
   * @throws {StorageError} If any page could not be read: part of the set is never given for the whole.
   */
  override async loadActiveChats(work: LoadOptions = {}): Promise<Set<number>> {
    assertWork("load the chats", work);
    const { signal, onProgress, onStrikes, onAdder, onThread } = work;
    const active = new Set<number>();
    await scanInParallel(this.#table, {
      FilterExpression: "#active = :true",
      ProjectionExpression: "#id, #strikes, #adder, #thread",
      ExpressionAttributeNames: activeNames,
      ExpressionAttributeValues: { ":true": { BOOL: true } },
      // A /stop that was confirmed a moment ago must not be overlooked.
      ConsistentRead: true,
    }, ({ Items = [] }) => {
      for (const item of Items) {
        const [chatId, adderId, threadId] = [chatIdOf(item), adderOf(item), threadOf(item)];
        if (chatId === undefined) continue;
        active.add(chatId);
        if (strikesOf(item) !== undefined) onStrikes?.(chatId);
        if (adderId !== undefined) onAdder?.(chatId, adderId);
        if (threadId !== undefined) onThread?.(chatId, threadId);
      }
      onProgress?.();
    }, signal);
    return active;
  }

  /** Figures over all chats, counted by one scan of four attributes; the table's own item count is hours old. */
  override async getStatistics(): Promise<ChatStatistics> {
    const count = new StatisticsCounter(this.clock.now());
    await scanInParallel(this.#table, {
      ProjectionExpression: "#id, #active, #count, #last",
      ExpressionAttributeNames: {
        ...{ "#id": "chat_id", "#active": "is_active" },
        ...{ "#count": "message_count", "#last": "last_active" },
      },
    }, ({ Items = [] }) => {
      for (const item of Items) if (chatIdOf(item) !== undefined) count.add(itemToState(item));
    });
    return count.statistics;
  }

  /** Closes the client, unless it is one of your own. */
  override close(): void {
    if (this.#ownsClient) this.#client.destroy();
  }

  #read(chatId: number): Promise<Item | undefined> {
    return getItem(this.#table, keyOf(chatId));
  }

  async #apply(
    chatId: number,
    events: readonly ChatEvent[],
    expectedState?: ExpectedState,
  ): Promise<ApplyResult> {
    await loadMarshalling();
    let expected = guessFor(expectedState, events) ?? expectedItemOf(await this.#read(chatId));
    for (let round = 0; round < maxRounds; round++) {
      const before = expected.state;
      const after = fold(before, events);
      const update = after === before || after === undefined ? undefined : updateOf(expected, after, events);
      if (update !== undefined && after !== undefined) {
        const written = await this.#write(chatId, update, { expected, after, events });
        if ("old" in written) return { before: written.old, after: fold(written.old, events) };
        if ("kept" in written) return { before, after: written.kept };
        if (written.isOurs) return resultOfLostAnswer(written.found.state, after, expected);
        expected = written.found;
      } else if (expected.isRead) return { before, after };
      else expected = expectedItemOf(await this.#read(chatId));
    }
    throw new StorageError(
      "throttled",
      `Cannot update chat ${chatId}: ${maxRounds} other writes to it came first, one after another.`,
    );
  }

  /** Of a change that the item refuses even though it is as it was read, writes whether the chat is active. */
  async #write(
    chatId: number,
    update: UpdateExpression,
    { expected, after, events }: Change & { readonly events: readonly ChatEvent[] },
  ): Promise<Written> {
    try {
      return await this.#update(chatId, update, { expected, after });
    } catch (error) {
      const minimal = causeName(error) === "ValidationException" && minimalUpdateOf(expected, after, events);
      const isFull = /item size/i.test(((error as Error).cause as Error | undefined)?.message ?? "");
      // A full item loses counts. If any other item refuses nothing but counts, that is an error to be seen.
      if (!minimal || (minimal.update === undefined && !isFull)) throw error;
      const written = minimal.update &&
        await this.#update(chatId, minimal.update, { expected, after: minimal.after });
      this.#logRefusal(chatId, error as Error);
      return written === undefined || "old" in written ? { kept: minimal.after } : written;
    }
  }

  /**
   * One conditional write. If the condition fails, the item that is there is found in the error, or read. An item whose
   * own attributes make DynamoDB refuse the expression is read, too, so that the next round repairs it.
   */
  async #update(chatId: number, update: UpdateExpression, { expected, after }: Change): Promise<Written> {
    try {
      const old = await updateItem(this.#table, keyOf(chatId), update);
      return { old: old && itemToState(old) };
    } catch (error) {
      const name = causeName(error);
      const isItemsFault = name === "ValidationException" && !expected.isRead;
      if (name !== "ConditionalCheckFailedException" && !isItemsFault) throw error;
      const { Item, $metadata } = (error as Error).cause as ConditionError;
      const found = expectedItemOf(Item ?? await this.#read(chatId));
      // An earlier attempt may have landed and its answer been lost: then the item is what was to be written.
      const isOurs = ($metadata?.attempts ?? 1) > 1 && isWritten(found.state, after, expected);
      return { isOurs, found };
    }
  }
}

/** A change of the item that is expected, and the chat after it. */
interface Change {
  readonly expected: ExpectedItem;
  readonly after: ChatState;
}

/** The result of a write: done, done in part, or refused by the item that was found. */
type Written =
  | { readonly old: ChatState | undefined }
  | { readonly kept: ChatState }
  | { readonly isOurs: boolean; readonly found: ExpectedItem };

// Reading the whole table.

type Scan = Omit<ScanCommandInput, "TableName">;

/** A million chats are 0.2 GB: more segments would save no time. */
const segments = 4;

/** All pages of the table, one after another. */
async function* pages(
  { tableName, send }: Table,
  input: Scan,
  signal?: AbortSignal,
): AsyncGenerator<ScanCommandOutput> {
  let from: Record<string, AttributeValue> | undefined;
  do {
    const command = new ScanCommand({ TableName: tableName, ...input, ExclusiveStartKey: from });
    const page: ScanCommandOutput = await send("Scan", command, signal);
    yield page;
    // An empty page may have others behind it: only the key tells.
    from = page.LastEvaluatedKey;
  } while (from !== undefined);
}

/** All pages of all segments, or the first error, after which no further page is asked for. */
async function scanInParallel(
  table: Table,
  input: Scan,
  onPage: (page: ScanCommandOutput) => void,
  signal?: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal]);
  const segment = async (Segment: number): Promise<void> => {
    for await (const page of pages(table, { ...input, Segment, TotalSegments: segments }, stop)) onPage(page);
  };
  try {
    await Promise.all(Array.from({ length: segments }, (_, index) => segment(index)));
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}

const namedAtMost = 10;

/** Logs of each chat once, and of ten chats at most, that its item refuses a write, and why. */
function createRefusalLog(logger: Logger): (chatId: number, refusal: Error) => void {
  const named = new Set<number>();
  return (chatId, { message }) => {
    if (named.has(chatId) || named.size >= namedAtMost) return;
    named.add(chatId);
    const others = named.size === namedAtMost ? " Further such chats are not logged." : "";
    logger.warn(
      `Of chat ${chatId} nothing is kept but whether it is active: ${message} Look at its item, which may be too ` +
        `large.${others}`,
    );
  };
}

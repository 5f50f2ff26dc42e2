/** Reads and writes the table's own item: which bot the table serves, and the log of /stops for all that share it. */
import { isStopped } from "../chat.ts";
import type { ChatEvent } from "../chat_event.ts";
import type { Clock } from "../clock.ts";
import { ConfigError } from "../options.ts";
import type { Item } from "./chat_item.ts";
import type { Applied } from "./chat_storage.ts";
import type { Table } from "./client.ts";
import type { ChatUpdate } from "./expressions.ts";
import { type ConditionError, getItem, updateItem } from "./items.ts";
import { loadMarshalling } from "./marshalling.ts";
import type { StopLog } from "./stop_log.ts";
import { errorName } from "./storage_error.ts";
import {
  claimOf,
  emptyStopsOf,
  isSending,
  newStopsOf,
  sendingOf,
  servedBotOf,
  stopLogOf,
  stopsAtMost,
  stopsOf,
  tableItemId,
} from "./table_item.ts";

/**
 * How long the confirmation of a /stop waits: a quarter of a second longer than any sender relies on a reading of the log,
 * for the way of its message.
 */
const confirmAfterMs = 3000;

const ending: readonly ChatEvent["kind"][] = ["stop", "deactivated", "inherited"];

/**
 * Whether the change is to be entered in the log. A /stop of a chat that is stopped already is entered, too: the process
 * that kept the /stop before may have ended before it could enter it.
 */
export function isToldToOthers({ before, after }: Applied, events: readonly ChatEvent[]): boolean {
  if (after === undefined || !isStopped(after)) return false;
  return before?.is_active === true || events.some(({ kind }) => ending.includes(kind));
}

/** The table's own item. Every method rejects with a `StorageError` when DynamoDB does not do its part. */
export class TableRecord {
  readonly #table: Table;
  readonly #clock: Clock;
  /** Chats that could not be entered yet, and the number of the last try. */
  readonly #untold = new Map<number, number>();
  #tries = 0;

  constructor(table: Table, clock: Clock) {
    this.#table = table;
    this.#clock = clock;
  }

  /** @throws {ConfigError} If the table serves another bot. */
  async claim(botId: number, signal?: AbortSignal): Promise<void> {
    assertBotId(botId);
    let item = await this.#read(signal);
    while (servedBotOf(item) === undefined) {
      item = await this.#change(claimOf(botId), signal);
    }
    const served = servedBotOf(item);
    if (served !== String(botId)) throw foreign(this.#table.tableName, String(served), botId);
  }

  /** The latest /stops. */
  async readStops(): Promise<StopLog> {
    return stopLogOf(await this.#read());
  }

  /** Announces that this process sends by the log until then; gives the log as it is now. */
  async beginSending(untilMs: number): Promise<StopLog> {
    await loadMarshalling();
    return stopLogOf(await this.#change(sendingOf(untilMs)));
  }

  /** Enters the /stops of which an earlier write has failed. */
  async tellWhatIsLeft(): Promise<void> {
    if (this.#untold.size > 0) await this.#tell();
  }

  /** Enters a /stop in the log; gives how long its confirmation has to wait, where it has to. */
  async tell(chatId: number): Promise<number | undefined> {
    await loadMarshalling();
    this.#untold.set(chatId, ++this.#tries);
    const item = await this.#tell();
    return isSending(item, this.#clock.now()) ? confirmAfterMs : undefined;
  }

  async #tell(): Promise<Item> {
    const told = [...this.#untold];
    const item = await this.#addStops(new Set(this.#untold.keys()));
    for (const [chatId, tried] of told) if (this.#untold.get(chatId) === tried) this.#untold.delete(chatId);
    const { count, chats } = stopLogOf(item);
    // Where it fails, the next /stop empties the log.
    if (chats.size > stopsAtMost) await this.#change(emptyStopsOf(count)).catch(() => {});
    return item;
  }

  async #addStops(chatIds: ReadonlySet<number>): Promise<Item> {
    try {
      return await this.#change(stopsOf(chatIds)) as Item;
    } catch (error) {
      if (errorName((error as Error).cause) !== "ValidationException") throw error;
      return await this.#change(newStopsOf(chatIds, this.#clock.now())) as Item;
    }
  }

  #read(signal?: AbortSignal): Promise<Item | undefined> {
    return getItem(this.#table, tableItemId, signal);
  }

  /** The item after the write or, where its condition does not hold, as it is. */
  async #change(update: ChatUpdate, signal?: AbortSignal): Promise<Item | undefined> {
    try {
      return await updateItem(this.#table, tableItemId, { ...update, ReturnValues: "ALL_NEW" }, signal);
    } catch (error) {
      const cause = (error as Error).cause as ConditionError | undefined;
      if (errorName(cause) !== "ConditionalCheckFailedException") throw error;
      return cause?.Item ?? await this.#read(signal);
    }
  }
}

function assertBotId(botId: number): void {
  if (Number.isSafeInteger(botId) && botId > 0) return;
  throw new TypeError(
    `Cannot claim the table as "botId" must be the bot's id, the number before the colon of its token.`,
  );
}

function foreign(tableName: string, served: string, botId: number): ConfigError {
  return new ConfigError(
    `The table "${tableName}" serves the bot ${served}, and this is the bot ${botId}. One table serves one bot: the ` +
      `first broadcast of this one would deactivate all people of the other, as they have never started it. Choose ` +
      `another table by TELEGRAM_CHATS_TABLE or "tableName"; or, where this bot is to take the list over, delete the ` +
      `item whose chat_id is 0 from the table.`,
  );
}

/** The one item of the table that is no chat: which bot the table serves, and the latest /stops. Pure. */
import { isStopped } from "../chats/chat.ts";
import type { ChatEvent } from "../chats/events.ts";
import type { ApplyResult, StopLog } from "../chats/storage.ts";
import type { Clock } from "../util/clock.ts";
import { ConfigError } from "../util/validate.ts";
import { type ConditionError, getItem, type Item, updateItem } from "./chat_item.ts";
import { loadMarshalling, type Table } from "./client.ts";
import { errorName } from "./errors.ts";
import { type UpdateExpression, UpdateExpressionBuilder } from "./expressions.ts";

/** The item's key: no chat has this id, and whatever reads chats passes it over. */
export const tableItemId = 0;

/** The log is emptied when it holds more chats than this: with them the item still costs few units to write. */
export const stopsAtMost = 200;

/** Clocks of two machines differ by less: each may be wrong by four minutes, and there is a minute to spare. */
const clockSkewMs = 9 * 60_000;

/** The id of the bot that the table serves, in its digits. */
export function servedBotOf(item: Item | undefined): string | undefined {
  return item?.["bot_id"]?.N;
}

/** What the item says of the latest /stops; of none, where there is no item yet. */
export function stopLogOf(item: Item | undefined): StopLog {
  return {
    count: numberOf(item, "stops") ?? 0,
    since: numberOf(item, "stopped_since") ?? 0,
    chats: new Set(item?.["stopped"]?.NS?.map(Number)),
  };
}

/** Whether some process may be sending by the log, without reading each chat. */
export function isSending(item: Item, now: number): boolean {
  return (numberOf(item, "sending_until") ?? -Infinity) + clockSkewMs > now;
}

/** Writes which bot the table serves, unless it serves one already. */
export function claimOf(botId: number): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  update.set(["bot_id"], botId);
  update.requireNotType("bot_id", "N");
  return update.build();
}

/** Enters chats that have said /stop. */
export function stopsOf(chatIds: ReadonlySet<number>): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  update.add("stops", chatIds.size);
  update.add("stopped", chatIds);
  return update.build();
}

/**
 * The same where an attribute is of a type that cannot be added to: the log begins anew. Its count is the time, which is
 * above all counts before, so that every reader sees that /stops are missing.
 */
export function newStopsOf(chatIds: ReadonlySet<number>, now: number): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  update.set(["stops"], now);
  update.set(["stopped_since"], now);
  update.set(["stopped"], chatIds);
  return update.build();
}

/** Empties the log, unless a /stop has come since this count. */
export function emptyStopsOf(count: number): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  update.set(["stopped_since"], count);
  update.remove("stopped");
  update.requireValue("stops", { N: String(count) });
  return update.build();
}

/** Announces that a process sends by the log until then; a later time that is there already stays. */
export function sendingOf(untilMs: number): UpdateExpression {
  const update = new UpdateExpressionBuilder();
  update.set(["sending_until"], untilMs);
  update.requireNotAtLeast("sending_until", untilMs);
  return update.build();
}

function numberOf(item: Item | undefined, name: string): number | undefined {
  const number = Number(item?.[name]?.N ?? NaN);
  return Number.isFinite(number) ? number : undefined;
}

// Reads and writes the table's own item: which bot the table serves, and the log of /stops for all that share it.

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
export function isToldToOthers({ before, after }: ApplyResult, events: readonly ChatEvent[]): boolean {
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
  async #change(update: UpdateExpression, signal?: AbortSignal): Promise<Item | undefined> {
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

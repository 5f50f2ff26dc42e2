/**
 * The one item of the table of chats that is no chat: which bot the table serves, and the log of the latest /stops for all
 * processes that share the table.
 */
import { isStopped } from "../chats/chat.ts";
import type { ChatEvent } from "../chats/events.ts";
import type { ApplyResult, StopLog } from "../chats/storage.ts";
import type { Clock } from "../util/clock.ts";
import { ConfigError } from "../util/validate.ts";
import {
  type ConditionError,
  getItem,
  type Item,
  loadMarshalling,
  type Table,
  type UpdateExpression,
  updateItem,
} from "./client.ts";
import { causeName } from "./errors.ts";
import { UpdateExpressionBuilder } from "./expressions.ts";

/** The item's key: no chat has this id, and code that reads chats skips it. */
const tableItemKey: Item = { chat_id: { N: "0" } };

/** The log is emptied when it holds more chats than this, so that the item costs few units to write. */
export const stopsAtMost = 200;

/** Clocks of two machines differ by less: each may be wrong by four minutes, and there is a minute to spare. */
const clockSkewMs = 9 * 60_000;

/** The id of the bot that the table serves, in its digits. */
export function servedBotOf(item: Item | undefined): string | undefined {
  return item?.["bot_id"]?.N;
}

/** The item's log of the latest /stops; an empty one, where there is no item yet. */
export function stopLogOf(item: Item | undefined): StopLog {
  return {
    count: numberOf(item, "stops") ?? 0,
    since: numberOf(item, "stopped_since") ?? 0,
    chats: new Set(item?.["stopped"]?.NS?.map(Number)),
  };
}

/** Whether some process may be sending on the strength of the log, without reading each chat. */
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
 * The same where an attribute has a type that nothing can be added to: the log begins anew. Its count is the time, which
 * is above all counts before, so that every reader sees that /stops are missing.
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

/** Announces that a process sends on the strength of the log until then; a later time stays. */
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

// The table's own item, read and written.

/**
 * How long the confirmation of a /stop waits: as long as any sender relies on one reading of the log, and a quarter of a
 * second for its message to arrive.
 */
const confirmAfterMs = 3000;

const endingKinds: readonly ChatEvent["kind"][] = ["stop", "deactivated", "inherited"];

/**
 * Whether the change is to be entered in the log. A /stop of a chat that is stopped already is entered, too: the process
 * that wrote the /stop before may have ended before it could enter it.
 */
export function isLoggedStop({ before, after }: ApplyResult, events: readonly ChatEvent[]): boolean {
  if (after === undefined || !isStopped(after)) return false;
  return before?.is_active === true || events.some(({ kind }) => endingKinds.includes(kind));
}

/** The table's own item. Every method rejects with a `StorageError` when DynamoDB does not do its part. */
export class TableRecord {
  readonly #table: Table;
  readonly #clock: Clock;
  /** Stopped chats that are not in the log yet, each with the number of its last attempt. */
  readonly #pending = new Map<number, number>();
  #attempts = 0;

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
    if (served !== String(botId)) throw servesOther(this.#table.tableName, String(served), botId);
  }

  /** The latest /stops. */
  async readStops(): Promise<StopLog> {
    return stopLogOf(await this.#read());
  }

  /** Announces that this process sends on the strength of the log until then; gives the log as it is now. */
  async beginSending(untilMs: number): Promise<StopLog> {
    await loadMarshalling();
    return stopLogOf(await this.#change(sendingOf(untilMs)));
  }

  /** Enters the /stops that an earlier attempt has failed to enter. */
  async logPendingStops(): Promise<void> {
    if (this.#pending.size > 0) await this.#writePending();
  }

  /** Enters a /stop in the log; gives how many milliseconds its confirmation has to wait, if it has to. */
  async logStop(chatId: number): Promise<number | undefined> {
    await loadMarshalling();
    this.#pending.set(chatId, ++this.#attempts);
    const item = await this.#writePending();
    return isSending(item, this.#clock.now()) ? confirmAfterMs : undefined;
  }

  async #writePending(): Promise<Item> {
    const written = [...this.#pending];
    const item = await this.#addStops(new Set(this.#pending.keys()));
    for (const [chatId, attempt] of written) {
      if (this.#pending.get(chatId) === attempt) this.#pending.delete(chatId);
    }
    const { count, chats } = stopLogOf(item);
    // If that fails, the next /stop empties the log.
    if (chats.size > stopsAtMost) await this.#change(emptyStopsOf(count)).catch(() => {});
    return item;
  }

  async #addStops(chatIds: ReadonlySet<number>): Promise<Item> {
    try {
      return await this.#change(stopsOf(chatIds)) as Item;
    } catch (error) {
      if (causeName(error) !== "ValidationException") throw error;
      return await this.#change(newStopsOf(chatIds, this.#clock.now())) as Item;
    }
  }

  #read(signal?: AbortSignal): Promise<Item | undefined> {
    return getItem(this.#table, tableItemKey, signal);
  }

  /** The item after the write or, where its condition does not hold, as it is. */
  async #change(update: UpdateExpression, signal?: AbortSignal): Promise<Item | undefined> {
    try {
      return await updateItem(this.#table, tableItemKey, { ...update, ReturnValues: "ALL_NEW" }, signal);
    } catch (error) {
      if (causeName(error) !== "ConditionalCheckFailedException") throw error;
      return ((error as Error).cause as ConditionError).Item ?? await this.#read(signal);
    }
  }
}

function assertBotId(botId: number): void {
  if (Number.isSafeInteger(botId) && botId > 0) return;
  throw new TypeError(
    `Cannot claim the table as "botId" must be the bot's id, the number before the colon of its token.`,
  );
}

function servesOther(tableName: string, served: string, botId: number): ConfigError {
  return new ConfigError(
    `The table "${tableName}" serves the bot ${served}, and this is the bot ${botId}. One table serves one bot: the ` +
      `first broadcast of this one would deactivate all people of the other, as they have never started it. Choose ` +
      `another table by TELEGRAM_CHATS_TABLE or "tableName"; or, where this bot is to take the list over, delete the ` +
      `item whose chat_id is 0 from the table.`,
  );
}

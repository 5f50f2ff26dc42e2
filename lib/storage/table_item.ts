/** The one item of the table that is no chat: which bot the table serves, and the latest /stops. Pure. */
import type { Item } from "./chat_item.ts";
import { type ChatUpdate, Expressions } from "./expressions.ts";
import type { StopLog } from "./stop_log.ts";

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
export function claimOf(botId: number): ChatUpdate {
  const update = new Expressions();
  update.set(["bot_id"], botId);
  update.requireNotType("bot_id", "N");
  return update.build();
}

/** Enters chats that have said /stop. */
export function stopsOf(chatIds: ReadonlySet<number>): ChatUpdate {
  const update = new Expressions();
  update.add("stops", chatIds.size);
  update.add("stopped", chatIds);
  return update.build();
}

/**
 * The same where an attribute is of a type that cannot be added to: the log begins anew. Its count is the time, which is
 * above all counts before, so that every reader sees that /stops are missing.
 */
export function newStopsOf(chatIds: ReadonlySet<number>, now: number): ChatUpdate {
  const update = new Expressions();
  update.set(["stops"], now);
  update.set(["stopped_since"], now);
  update.set(["stopped"], chatIds);
  return update.build();
}

/** Empties the log, unless a /stop has come since this count. */
export function emptyStopsOf(count: number): ChatUpdate {
  const update = new Expressions();
  update.set(["stopped_since"], count);
  update.remove("stopped");
  update.requireValue("stops", { N: String(count) });
  return update.build();
}

/** Announces that a process sends by the log until then; a later time that is there already stays. */
export function sendingOf(untilMs: number): ChatUpdate {
  const update = new Expressions();
  update.set(["sending_until"], untilMs);
  update.requireNotAtLeast("sending_until", untilMs);
  return update.build();
}

function numberOf(item: Item | undefined, name: string): number | undefined {
  const number = Number(item?.[name]?.N ?? NaN);
  return Number.isFinite(number) ? number : undefined;
}

/** The port behind which broadcasts are remembered: who runs one, how far it is, and what it sends. */
import { StorageError } from "../chats/storage.ts";
import { ConfigError } from "../util/validate.ts";
import { isBefore, type OrderStart, type Position, positionOf, type SendOrder } from "./send_order.ts";

/** What an attribute of a run may be. */
export type RunValue = string | number | boolean | readonly number[] | undefined;

/** A text that is kept beside a run: what it sends, or what went wrong. */
export type RunText = `message-${string}` | `problems-${number}`;

/**
 * A broadcast's run, in the table's own snake_case. What is undefined is absent from the table. Further attributes may
 * be added (counts, a deadline); `record`, `open` and `saved_at` are the table's own names and are not kept.
 */
export interface RunRecord {
  /** The caller's name for the broadcast, and the key. */
  readonly broadcast_id: string;
  /** A finished run never runs again. */
  readonly state: "running" | "finished";
  /** A random id of the process that runs it, for this run alone. */
  readonly owner: string;
  /** One more with each owner. */
  readonly fence: number;
  /** Milliseconds since 1970: later than this, another process may take it over. */
  readonly lease_until: number;
  /** When it was begun, in ISO form. */
  readonly started_at: string;
  /** What is done about chats in doubt. */
  readonly on_unknown: "skip" | "resend";
  /** The name under which the message is kept; absent where it is not. */
  readonly message_name?: `message-${string}` | undefined;
  /** In how many parts. */
  readonly message_parts?: number | undefined;
  /** Only once it is finished. */
  readonly problem_parts?: number | undefined;
  /** After a crash in doubt: the chats above this id, up to the cursor, and the pending ones. */
  readonly window_after?: number | undefined;
  /** The last chat of the window that is being sent. */
  readonly cursor?: number | undefined;
  /** Chats outside the window that may have the message, and have no outcome: of earlier windows, or out of their turn. */
  readonly pending?: readonly number[] | undefined;
  /** Further attributes. */
  readonly [attribute: string]: RunValue;
}

/**
 * Where broadcasts with an id are remembered, so that none is sent twice and each can be finished by anyone.
 * Every method may be repeated after an error: what an earlier attempt has done is found out, and never done twice.
 */
export interface Ledger {
  /** The run, read consistently; undefined where there is none, or no table. */
  get(broadcastId: string): Promise<RunRecord | undefined>;
  /**
   * Creates the run if there is none, and the table if that is missing. Gives the run that is there: it is the
   * caller's if it has the caller's owner and fence.
   */
  begin(run: RunRecord): Promise<RunRecord>;
  /**
   * Takes over a run that is still exactly as it was read (same owner, fence and lease, and running), with the next
   * fence. Gives it as it is now; undefined where another process was first.
   */
  claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined>;
  /**
   * Writes the run. Named attributes that are undefined are removed, and so are further ones that are said to be
   * undefined; others stay. An earlier save that arrives late never undoes a later one.
   * @returns False where the run is no longer its owner's to write.
   */
  save(run: RunRecord): Promise<boolean>;
  /** The ids of the runs that are not finished, as of a moment ago; none where there is no table. */
  open(): Promise<string[]>;
  /** Keeps a long text beside a run, in the place of an earlier one. Gives the number of its parts. */
  writeText(broadcastId: string, name: RunText, text: string): Promise<number>;
  /** The text, read consistently. Rejects where a part is missing. */
  readText(broadcastId: string, name: RunText, parts: number): Promise<string>;
  /** Ends what the ledger holds open. */
  close(): void;
}

/** Attributes that a run loses when they are absent from what is saved. */
export const optionalAttributes: readonly string[] = [
  "message_name",
  "message_parts",
  "problem_parts",
  "window_after",
  "cursor",
  "pending",
];

/** Names that the table uses for itself. */
export const reservedAttributes: readonly string[] = ["record", "open", "saved_at"];

/** What saving the run sets and removes: all but the key and the reserved names. */
export function changesOf(run: RunRecord): { set: [string, RunValue][]; remove: string[] } {
  const isKept = (name: string): boolean => name !== "broadcast_id" && !reservedAttributes.includes(name);
  const names = new Set([...Object.keys(run), ...optionalAttributes].filter(isKept));
  const set = [...names].filter((name) => run[name] !== undefined);
  return {
    set: set.map((name) => [name, run[name]]),
    remove: [...names].filter((name) => run[name] === undefined),
  };
}

/** Long texts are kept in items under 1 KB, of which each costs one unit to write. */
const itemBytes = 1000;
const partBytes = 900;
const partsAtMost = 9999;

const encoder = new TextEncoder();

/** The sort key of a part. */
export function partKey(name: RunText, index: number): string {
  return `${name}#${index}`;
}

/** The text in pieces, none of which makes an item of 1 KB; a character is never cut. */
export function partsOf(broadcastId: string, name: RunText, text: string): string[] {
  const keys = "broadcast_id" + broadcastId + "record" + partKey(name, partsAtMost) + "text";
  return cut(text, Math.min(partBytes, itemBytes - encoder.encode(keys).length));
}

function cut(text: string, limit: number): string[] {
  const parts: string[] = [];
  let from = 0;
  let size = 0;
  let at = 0;
  for (const character of text) {
    const bytes = bytesOf(character.codePointAt(0) ?? 0);
    if (size + bytes > limit) {
      parts.push(text.slice(from, at));
      from = at;
      size = 0;
    }
    size += bytes;
    at += character.length;
  }
  if (at > from) parts.push(text.slice(from));
  return parts;
}

/** How many bytes it has in UTF-8. */
function bytesOf(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** The pieces as one text again. */
export function textOf(broadcastId: string, name: RunText, parts: readonly (string | undefined)[]): string {
  const missing = parts.findIndex((part) => part === undefined);
  if (missing === -1) return parts.join("");
  throw new StorageError(
    "failed",
    `The ledger has lost "${
      partKey(name, missing)
    }" of the broadcast "${broadcastId}", one of ${parts.length} ` +
      `parts. Look for an item of this key: nobody but the bot may write to the table.`,
  );
}

const isCountOfParts = (parts: RunValue): boolean =>
  Number.isInteger(parts) && (parts as number) >= 0 && (parts as number) <= partsAtMost;

/** The value that a text holds. @throws {StorageError} If the text is none that was written there. */
export function parsedText<T>(
  broadcastId: string,
  name: RunText,
  text: string,
  isGood: (value: T) => boolean,
): T {
  try {
    const value = JSON.parse(text) as T;
    if (isGood(value)) return value;
  } catch {
    // As below.
  }
  throw new StorageError(
    "failed",
    `The ledger's "${name}" of the broadcast "${broadcastId}" is not what was written there. Look at the items of this ` +
      `key, or choose another broadcastId: nobody but the bot may write to the table.`,
  );
}

/** Whether the attributes are those of a run: that what decides whom it sends what is there, and of its type. */
export function isRun(run: Record<string, RunValue>): run is RunRecord {
  const { broadcast_id, owner, started_at, fence, lease_until, state, on_unknown } = run;
  const { message_name = "message-", message_parts = 0, problem_parts = 0, cursor = 0, window_after = 0 } =
    run;
  const { pending = [], unsent = [], sampled = [], passed = [] } = run;
  return [broadcast_id, owner, started_at].every((each) => typeof each === "string") &&
    [lease_until, cursor, window_after].every((each) => typeof each === "number") &&
    typeof fence === "number" && Number.isSafeInteger(fence + 1) &&
    (state === "running" || state === "finished") && (on_unknown === "skip" || on_unknown === "resend") &&
    [pending, unsent, sampled, passed].every(Array.isArray) &&
    typeof message_name === "string" && message_name.startsWith("message-") &&
    [message_parts, problem_parts].every(isCountOfParts);
}

// The order of the recipients, as the attributes of a run.

/** The attributes of a run's record that keep the order. */
export function orderKept({ start, values }: SendOrder): Partial<RunRecord> {
  const is_by_value = values !== undefined || undefined;
  return { people_start: start?.people, groups_start: start?.groups, is_by_value };
}

/** Whether the run's order is by the values of a function; `undefined` where nobody has been sent to, so that any order may do. */
export function isByValue(run: RunRecord): boolean | undefined {
  if (run["is_by_value"] === true || run["cursor_value"] !== undefined) return true;
  return run.cursor === undefined ? undefined : false;
}

/** The start that the record keeps; `undefined` for a run of an earlier version, which went by ascending ids. */
export function startKept(run: RunRecord): OrderStart | undefined {
  const [people, groups] = [run["people_start"], run["groups_start"]];
  return typeof people === "number" && typeof groups === "number" ? { people, groups } : undefined;
}

/** A chat as the record's cursor; with the number that a function has given it, as the function may be missing later. */
export function cursorIn(
  { values }: SendOrder,
  chatId: number,
): { readonly cursor: number; readonly cursor_value: number | undefined } {
  return { cursor: chatId, cursor_value: values?.get(chatId) };
}

/** Where the record's cursor is, or where its window began; `undefined` before the first chat. */
export function cursorPosition(
  order: SendOrder,
  run: RunRecord,
  name: "cursor" | "window_after",
): Position | undefined {
  const chatId = run[name];
  if (chatId === undefined) return undefined;
  const value = Number(run[`${name}_value`] ?? 0) || 0;
  const { rank } = positionOf({ ...order, values: undefined }, chatId);
  return { value: order.values === undefined ? 0 : value, rank };
}

/** Gives whether a chat is between the bounds of the window that is being sent. */
export function inWindow(order: SendOrder, run: RunRecord): (chatId: number) => boolean {
  const [after, end] = [cursorPosition(order, run, "window_after"), cursorPosition(order, run, "cursor")];
  return (chatId) => {
    const at = positionOf(order, chatId);
    return end !== undefined && !isBefore(end, at) && (after === undefined || isBefore(after, at));
  };
}

/**
 * The run with those of the chats that it names which are still ahead in the order among those that have no turn there, as
 * they have one already: supergroups, in the turns of the groups that they were.
 */
export function withTurns(run: RunRecord, order: SendOrder): RunRecord {
  const end = cursorPosition(order, run, "cursor");
  const [unsent = [], sampled = []] = [run["unsent"], run["sampled"]] as (readonly number[] | undefined)[];
  const ahead = [...run.pending ?? [], ...unsent].filter((chatId) =>
    end === undefined || isBefore(end, positionOf(order, chatId))
  );
  return ahead.length === 0 ? run : { ...run, sampled: [...new Set([...sampled, ...ahead])] };
}

/** Two bots that share a ledger by mistake would send each other's broadcasts, or leave out their own. */
export function assertOwn({ broadcast_id: id, bot_id }: RunRecord, botId: number): void {
  if (typeof bot_id !== "number" || bot_id === botId) return;
  throw new ConfigError(
    `The broadcast "${id}" is of the bot ${bot_id}, and this is the bot ${botId}: name a table of its own for this ` +
      "bot's broadcasts, in TELEGRAM_BROADCASTS_TABLE or broadcastsTableName",
  );
}

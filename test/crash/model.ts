/**
 * The expected content of the table, by a second implementation of the consent rules that shares no code with the first; and
 * how the actual table differs from it. Each update is applied once, in Telegram's order, as if nothing ever failed.
 */
import { isDeepStrictEqual } from "node:util";

/** An item of the table without its key, as the SDK's `unmarshall` gives it. */
export type Item = Record<string, unknown>;

/** The expected item of a chat. */
export interface Entry {
  is_active: boolean;
  added_at: string;
  last_active: string;
  message_count: number;
  user_info: Record<string, unknown>;
  removed_at: string | null;
  removed_reason?: string;
  last_update_id?: number | typeof open;
  last_word_update_id?: number | typeof open;
  last_member_update_id?: number | typeof open;
  migrated_to?: number;
  migrated_from?: number;
  /** What another program keeps beside our attributes. */
  [foreign: string]: unknown;
}

/** Stands for any time: the bot's own clock chooses it. */
export const sometime = "<sometime>";
/** Stands for an attribute that may be missing or have any value. */
export const open = "<open>";

/** What every update says. */
export interface Said {
  readonly chatId: number;
  readonly updateId: number;
  /** Telegram's `date`, in seconds. */
  readonly date: number;
  readonly userInfo: Record<string, unknown>;
}

/** Ids of supergroups are this or lower. */
const lastSupergroup = -1_000_000_000_001;

export class Model {
  readonly entries: Map<number, Entry> = new Map();

  /** A message of any kind from somebody who may act for the chat; `command` is set for /start and /stop. */
  message(said: Said, command?: "start" | "stop"): void {
    const entry = this.entries.get(said.chatId);
    if (entry === undefined) {
      // A supergroup's /stop may have come before the move of its group.
      if (command === "stop" && said.chatId > lastSupergroup) return;
      this.#register(said, { message_count: 1, last_update_id: said.updateId });
      // A channel's posts may do the same, but it has never been a group.
      if (command === undefined && said.chatId <= lastSupergroup && said.userInfo["type"] !== "channel") {
        (this.entries.get(said.chatId) as Entry).last_word_update_id = 0;
      }
      if (command === "stop") stop(this.entries.get(said.chatId) as Entry, iso(said.date));
      return;
    }
    this.#count(entry, said);
    if (command !== undefined) entry.last_word_update_id = said.updateId;
    if (command === "stop") stop(entry, iso(said.date));
    else if (command === "start" || !hasStopped(entry)) activate(entry);
  }

  /** A command of somebody who may not give it: it counts as a message where the chat is known. */
  refused(said: Said): void {
    const entry = this.entries.get(said.chatId);
    if (entry !== undefined) this.#count(entry, said);
  }

  blocked({ chatId, updateId }: Said): void {
    const entry = this.entries.get(chatId);
    if (entry === undefined) return;
    entry.last_member_update_id = updateId;
    // A refused reply before the update says the same, at a time of its own.
    if (entry.is_active) deactivate(entry, "blocked", sometime);
  }

  unblocked(said: Said): void {
    const entry = this.entries.get(said.chatId);
    if (entry === undefined) {
      return this.#register(said, { message_count: 0, last_member_update_id: said.updateId });
    }
    entry.last_member_update_id = said.updateId;
    if (hasStopped(entry)) return;
    activate(entry);
    entry.user_info = { ...entry.user_info, ...said.userInfo };
  }

  migrated(from: number, to: number): void {
    const old = this.entries.get(from);
    if (old === undefined) return;
    this.entries.set(to, { ...inherited(old), migrated_from: from });
    deactivate(old, "migrated", sometime);
    old.migrated_to = to;
  }

  /** Another program writes an attribute of its own, or a key of its own into `user_info`. */
  foreign(chatId: number, name: string, value: string): void {
    const entry = this.entries.get(chatId);
    if (entry === undefined) throw new Error(`The model knows no chat ${chatId}, but the table does`);
    entry[name] = value;
    entry.user_info = { ...entry.user_info, [name]: value };
  }

  /** The operator's own registration of a chat that says nothing. */
  saved(chatId: number, userInfo: Record<string, unknown>): void {
    const entry = { ...blank(userInfo, sometime), message_count: 0 };
    this.entries.set(chatId, entry);
  }

  #register(
    { chatId, updateId, date, userInfo }: Said,
    more: Partial<Entry> & { message_count: number },
  ): void {
    // Who added the bot is not part of the consent rules.
    const adder = chatId < 0 ? { added_by: open } : {};
    const command = { last_word_update_id: updateId };
    this.entries.set(chatId, { ...blank(userInfo, iso(date)), ...adder, ...command, ...more });
  }

  #count(entry: Entry, { updateId, date, userInfo }: Said): void {
    entry.message_count++;
    entry.last_active = iso(date);
    entry.last_update_id = updateId;
    entry.user_info = { ...entry.user_info, ...userInfo };
  }
}

function blank(userInfo: Record<string, unknown>, at: string): Entry {
  return {
    is_active: true,
    added_at: at,
    last_active: at,
    message_count: 0,
    user_info: { ...userInfo },
    removed_at: null,
  };
}

/** An entry for a chat that is in the table from before. */
export function plantedEntry(date: string): Entry {
  return {
    is_active: true,
    added_at: date,
    last_active: date,
    message_count: 1,
    user_info: {},
    removed_at: null,
  };
}

/** What a supergroup inherits: another program's attributes are not among it, but its keys in `user_info` are. */
function inherited(entry: Entry): Entry {
  const { is_active, added_at, last_active, message_count, user_info, removed_at, removed_reason } = entry;
  const reason = removed_reason === undefined ? {} : { removed_reason };
  const ids = { last_update_id: open, last_word_update_id: open, last_member_update_id: open } as const;
  const adder = { added_by: open };
  return {
    is_active,
    added_at,
    last_active,
    message_count,
    user_info,
    removed_at,
    ...reason,
    ...ids,
    ...adder,
  };
}

/** A chat that another program has deactivated counts as stopped: its time, or none, does not go with a reason of ours. */
function hasStopped({ is_active, removed_reason, removed_at }: Entry): boolean {
  const isOurs = removed_at === sometime || removed_at?.endsWith("Z");
  return !is_active && (removed_reason === undefined || removed_reason === "stopped" || !isOurs);
}

function stop(entry: Entry, at: string): void {
  if (!hasStopped(entry)) deactivate(entry, "stopped", at);
}

function activate(entry: Entry): void {
  if (entry.is_active) return;
  entry.is_active = true;
  entry.removed_at = null;
  delete entry.removed_reason;
  delete entry.migrated_to;
}

function deactivate(entry: Entry, reason: string, at: string): void {
  entry.is_active = false;
  entry.removed_reason = reason;
  entry.removed_at = at;
}

function iso(date: number): string {
  return new Date(date * 1000).toISOString();
}

/** One attribute that is not as it has to be. */
export interface Difference {
  readonly chatId: number;
  readonly attribute: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

/** Attributes that do not depend on what the chat did. */
const ignored: ReadonlySet<string> = new Set(["strikes"]);

/** Where the table is not as the model has it. */
export function differencesOf(
  expected: ReadonlyMap<number, Entry>,
  actual: ReadonlyMap<number, Item>,
): Difference[] {
  const ids = new Set([...expected.keys(), ...actual.keys()]);
  return [...ids].flatMap((chatId) => differencesIn(chatId, expected.get(chatId), actual.get(chatId)));
}

function differencesIn(chatId: number, expected: Entry | undefined, actual: Item | undefined): Difference[] {
  if (expected === undefined || actual === undefined) {
    return [{ chatId, attribute: "(item)", expected, actual }];
  }
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  return [...names]
    .filter((name) => !ignored.has(name) && !isAsExpected(expected[name], actual[name]))
    .map((attribute) => ({ chatId, attribute, expected: expected[attribute], actual: actual[attribute] }));
}

function isAsExpected(expected: unknown, actual: unknown): boolean {
  if (expected === open) return true;
  if (expected === sometime) return typeof actual === "string" && !Number.isNaN(Date.parse(actual));
  return isDeepStrictEqual(expected, actual);
}

/** What was lost, by kind. */
export interface Losses {
  /** Chats that should be in the table, and are not. */
  readonly registrations: number;
  /** Chats that should be stopped, and are active. */
  readonly stops: number;
  /** Messages that were not counted. */
  readonly messages: number;
  /** Messages that were counted once too often. */
  readonly repeated: number;
  /** All other differences. */
  readonly others: number;
}

export function lossesOf(differences: readonly Difference[]): Losses {
  const losses = { registrations: 0, stops: 0, messages: 0, repeated: 0, others: 0 };
  for (const { attribute, expected, actual } of differences) {
    const missing = Number(expected) - Number(actual);
    if (attribute === "(item)" && actual === undefined) {
      losses.registrations++;
      losses.messages += (expected as Entry).message_count;
    } else if (attribute === "is_active" && actual === true) losses.stops++;
    else if (attribute === "message_count" && missing > 0) losses.messages += missing;
    else if (attribute === "message_count") losses.repeated -= missing;
    else losses.others++;
  }
  return losses;
}

/** A few of the differences as text. */
export function describe(differences: readonly Difference[]): string {
  const lines = differences.slice(0, 8).map(({ chatId, attribute, expected, actual }) =>
    `  chat ${chatId}, ${attribute}: ${JSON.stringify(actual)}, but expected is ${JSON.stringify(expected)}`
  );
  const more = differences.length > lines.length ? [`  and ${differences.length - lines.length} more`] : [];
  return [...lines, ...more].join("\n");
}

/**
 * What the table has to hold, by a second hand: the consent table written anew, in its own words, and sharing no code
 * with the rule that it judges. Updates are told to it once each, in Telegram's order, as if nothing ever failed.
 */

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

/** Stands for a time that the bot's own clock chose, which nobody else can know. */
export const sometime = "<sometime>";
/** Stands for an attribute that may be there or not: the rule leaves it open. */
export const open = "<open>";

export interface Said {
  readonly chatId: number;
  readonly updateId: number;
  /** Telegram's `date`, in seconds. */
  readonly date: number;
  readonly userInfo: Record<string, unknown>;
}

export class Model {
  readonly entries: Map<number, Entry> = new Map();

  /** A message of any kind, from someone who may speak for the chat; `word` is its command, if it is one of the two. */
  message(said: Said, word?: "start" | "stop"): void {
    const entry = this.entries.get(said.chatId);
    if (entry === undefined) {
      if (word !== "stop") this.#register(said, { message_count: 1, last_update_id: said.updateId });
      return;
    }
    this.#count(entry, said);
    if (word !== undefined) entry.last_word_update_id = said.updateId;
    if (word === "stop") stop(entry, iso(said.date));
    else if (word === "start" || !hasStopped(entry)) activate(entry);
  }

  /** A command of somebody who may not give it: it counts, where the chat is known. */
  refused(said: Said): void {
    const entry = this.entries.get(said.chatId);
    if (entry !== undefined) this.#count(entry, said);
  }

  blocked({ chatId, updateId }: Said): void {
    const entry = this.entries.get(chatId);
    if (entry === undefined) return;
    entry.last_member_update_id = updateId;
    // A reply that was refused before the update came tells the same, at a time of its own.
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
    // Who brought it in is no matter of consent.
    const adder = chatId < 0 ? { added_by: open } : {};
    const word = { last_word_update_id: updateId };
    this.entries.set(chatId, { ...blank(userInfo, iso(date)), ...adder, ...word, ...more });
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

function hasStopped({ is_active, removed_reason }: Entry): boolean {
  return !is_active && removed_reason === "stopped";
}

function stop(entry: Entry, at: string): void {
  if (!hasStopped(entry)) deactivate(entry, "stopped", at);
}

function activate(entry: Entry): void {
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

/** What is to be kept of an update, until the storage has it, and what it then did. */
import { setImmediate } from "node:timers";
import { iso } from "../util/clock.ts";
import { isMessage, transition } from "./chat.ts";
import type { ChatEvent, ChatState } from "./events.ts";
import type { Applied } from "./storage.ts";
import { isOutage, type Recovery } from "./storage_retry.ts";

/** A fact about a chat, or a group's move to its supergroup. Plain data: it may wait on disk. */
export type Entry = EventEntry | MigrationEntry;

export interface EventEntry {
  readonly kind: "event";
  readonly chatId: number;
  readonly event: ChatEvent;
}

export interface MigrationEntry {
  readonly kind: "migration";
  readonly from: number;
  readonly to: number;
  /** When it was heard, in milliseconds since 1970. */
  readonly at: number;
}

/** Where entries are kept. */
export interface Storing {
  apply(chatId: number, events: readonly ChatEvent[]): Promise<Applied>;
  migrate(from: number, to: number, at: number): Promise<void>;
}

/** What an entry did to its chat. */
export interface Step extends Applied {
  /** Whether the chat held the event before: whoever kept it has answered it, too. */
  readonly isRepeated: boolean;
}

/** An event on its way; `wasTried` says that a write of it has failed, and may have been kept all the same. */
export interface Tried {
  readonly event: ChatEvent;
  readonly wasTried: boolean;
}

/** Keeps one entry by itself; `wasTried` says that it may have been kept before, without a word. */
export async function writeOne(storing: Storing, entry: Entry, wasTried: boolean = false): Promise<Step> {
  if (entry.kind === "migration") {
    await storing.migrate(entry.from, entry.to, entry.at);
    return { before: undefined, after: undefined, isRepeated: false };
  }
  const { chatId, event } = entry;
  const [step] = stepsOf(await storing.apply(chatId, [event]), [{ event, wasTried }]);
  return step as Step;
}

/** What each of the events did, of which one write has kept all. */
export function stepsOf({ before, after, confirmAfterMs }: Applied, events: readonly Tried[]): Step[] {
  const wait = confirmAfterMs === undefined ? {} : { confirmAfterMs };
  let state = before;
  let presumed = after && presumedBefore(after, events);
  return events.map(({ event, wasTried }) => {
    const step = { ...stepOf(state, event), ...wait };
    state = step.after;
    if (!step.isRepeated || !wasTried) return step;
    const first = { before: presumed, after, isRepeated: false, ...wait };
    presumed = transition(presumed, event);
    return first;
  });
}

/** An event with an id that changes nothing of a known chat is one that the chat holds. */
function stepOf(before: ChatState | undefined, event: ChatEvent): Step {
  const after = transition(before, event);
  const isRepeated = before !== undefined && after === before && "updateId" in event;
  return { before, after, isRepeated };
}

/** What an earlier try was kept upon, whose answer was lost: what it did is news all the same. */
function presumedBefore(after: ChatState, events: readonly Tried[]): ChatState | undefined {
  const tried = events.filter(({ wasTried }) => wasTried).map(({ event }) => event);
  const isOwn = (time: string | null | undefined, event: ChatEvent): boolean => time === iso(event.at);
  const messages = tried.filter(isMessage).length;
  if (tried.some((event) => isOwn(after.added_at, event)) && after.message_count <= messages) {
    return undefined;
  }
  const isEnded = tried.some((event) => event.kind === "stop" && isOwn(after.removed_at, event));
  return {
    ...after,
    is_active: isEnded || after.is_active,
    last_update_id: undefined,
    last_word_update_id: undefined,
    last_member_update_id: undefined,
  };
}

// One chat's entries are written in their order, as many at once as have gathered; different chats' side by side.

/** Something was not kept, as the wait for the storage was ended; `cause` is why the storage could not be used. */
export class NotKeptError extends Error {
  override readonly name = "NotKeptError";

  constructor(cause: unknown) {
    super(`Not kept: ${(cause as Error | undefined)?.message ?? "the bot was stopped."}`, { cause });
  }
}

interface Waiting {
  readonly entry: Entry;
  wasTried: boolean;
  resolve(step: Step): void;
  reject(error: unknown): void;
}

interface Lane {
  readonly key: number;
  readonly waiting: Waiting[];
  /** Supergroups that this lane's group becomes: what is said there goes this way too. */
  readonly aliases: number[];
  isRunning: boolean;
}

const entriesAtOnce = 1000;

export class Lanes {
  readonly #storing: Storing;
  readonly #recovery: Recovery;
  readonly #onOutage: (error: Error) => void;
  readonly #lanes = new Map<number, Lane>();
  readonly #aliases = new Map<number, number>();
  readonly #starting: Lane[] = [];
  #lastError: unknown;
  #isClosed = false;

  /** `onOutage` is told of each attempt that fails for an outage. */
  constructor(storing: Storing, recovery: Recovery, onOutage: (error: Error) => void) {
    this.#storing = storing;
    this.#recovery = recovery;
    this.#onOutage = onOutage;
  }

  /** Resolves once the entry is kept, however long that takes; rejects where the entry is at fault, or at the end. */
  push(entry: Entry): Promise<Step> {
    if (this.#isClosed) return Promise.reject(new NotKeptError(this.#lastError));
    const lane = this.#laneOf(entry);
    if (!lane.isRunning) this.#startSoon(lane);
    return new Promise((resolve, reject) => lane.waiting.push({ entry, wasTried: false, resolve, reject }));
  }

  /** Whatever is not kept by now rejects with a {@link NotKeptError}. */
  close(): void {
    this.#isClosed = true;
    for (const { waiting } of this.#lanes.values()) {
      for (const { reject } of waiting.splice(0)) reject(new NotKeptError(this.#lastError));
    }
  }

  #laneOf(entry: Entry): Lane {
    const key = this.#keyOf(entry.kind === "event" ? entry.chatId : entry.from);
    const lane = this.#lanes.get(key) ?? { key, waiting: [], aliases: [], isRunning: false };
    this.#lanes.set(key, lane);
    if (entry.kind === "migration" && this.#keyOf(entry.to) !== key && !this.#lanes.has(entry.to)) {
      this.#aliases.set(entry.to, key);
      lane.aliases.push(entry.to);
    }
    return lane;
  }

  #keyOf(chatId: number): number {
    return this.#aliases.get(chatId) ?? chatId;
  }

  /** What comes in the same moment goes into the same write. */
  #startSoon(lane: Lane): void {
    lane.isRunning = true;
    if (this.#starting.push(lane) > 1) return;
    setImmediate(() => {
      for (const each of this.#starting.splice(0)) void this.#run(each);
    });
  }

  async #run(lane: Lane): Promise<void> {
    while (lane.waiting.length > 0) {
      try {
        await this.#recovery.attempt(() => this.#writeNext(lane), !lane.waiting[0]?.wasTried);
      } catch (error) {
        this.#lastError = error;
        this.#onOutage(error as Error);
      }
    }
    this.#lanes.delete(lane.key);
    for (const chatId of lane.aliases) this.#aliases.delete(chatId);
  }

  /** Writes what is first in the lane. Rejects only for an outage; then everything still waits there. */
  async #writeNext({ waiting }: Lane): Promise<void> {
    const batch = nextOf(waiting);
    try {
      await this.#write(batch);
    } catch (error) {
      if (isOutage(error)) {
        for (const each of batch) each.wasTried = true;
        throw error;
      }
      // One of them is at fault: the others are kept without it.
      if (batch.length > 1) return await this.#writeOneByOne(waiting, batch);
      batch[0]?.reject(error);
    }
    if (!this.#isClosed) waiting.splice(0, batch.length);
  }

  async #writeOneByOne(waiting: Waiting[], batch: readonly Waiting[]): Promise<void> {
    for (const each of batch) {
      try {
        await this.#write([each]);
      } catch (error) {
        if (!isOutage(error)) each.reject(error);
        else {
          each.wasTried = true;
          throw error;
        }
      }
      if (!this.#isClosed) waiting.shift();
    }
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const entry = batch[0]?.entry;
    if (entry?.kind === "migration") batch[0]?.resolve(await writeOne(this.#storing, entry));
    else if (entry !== undefined) {
      const tried = batch.map(({ entry, wasTried }) => ({ event: (entry as EventEntry).event, wasTried }));
      const applied = await this.#storing.apply(entry.chatId, tried.map(({ event }) => event));
      stepsOf(applied, tried).forEach((step, index) => batch[index]?.resolve(step));
    }
  }
}

/** A migration, or what has been heard of one chat: that is one write. */
function nextOf(waiting: readonly Waiting[]): Waiting[] {
  const [first] = waiting;
  if (first?.entry.kind !== "event") return waiting.slice(0, 1);
  const { chatId } = first.entry;
  const end = waiting.findIndex(({ entry }) => entry.kind !== "event" || entry.chatId !== chatId);
  return waiting.slice(0, Math.min(end < 0 ? waiting.length : end, entriesAtOnce));
}

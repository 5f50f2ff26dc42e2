/** What is to be kept of an update, until the storage has it, and what it then did. */
import { setImmediate } from "node:timers";
import { type Clock, steady, toIso } from "../util/clock.ts";
import { isMessage, transition } from "./chat.ts";
import type { ChatEvent, ChatState } from "./events.ts";
import { type ApplyResult, isOutage } from "./storage.ts";

/** A fact about a chat, or a group's move to its supergroup. Plain data: it may wait on disk. */
export type ChatWrite = EventWrite | MigrationWrite;

export interface EventWrite {
  readonly kind: "event";
  readonly chatId: number;
  readonly event: ChatEvent;
}

export interface MigrationWrite {
  readonly kind: "migration";
  readonly from: number;
  readonly to: number;
  /** When it was heard, in milliseconds since 1970. */
  readonly at: number;
}

/** Where entries are kept. */
export interface WriteTarget {
  apply(chatId: number, events: readonly ChatEvent[]): Promise<ApplyResult>;
  migrate(from: number, to: number, at: number): Promise<void>;
}

/** What an entry did to its chat. */
export interface WriteResult extends ApplyResult {
  /** Whether the chat held the event before: whoever kept it has answered it, too. */
  readonly isRepeated: boolean;
}

/** An event on its way; `wasTried` says that a write of it has failed, and may have been kept all the same. */
export interface AttemptedEvent {
  readonly event: ChatEvent;
  readonly wasTried: boolean;
}

/** Keeps one entry by itself; `wasTried` says that it may have been kept before, without a word. */
export async function writeOne(
  storing: WriteTarget,
  chatWrite: ChatWrite,
  wasTried: boolean = false,
): Promise<WriteResult> {
  if (chatWrite.kind === "migration") {
    await storing.migrate(chatWrite.from, chatWrite.to, chatWrite.at);
    return { before: undefined, after: undefined, isRepeated: false };
  }
  const { chatId, event } = chatWrite;
  const [result] = resultsOf(await storing.apply(chatId, [event]), [{ event, wasTried }]);
  return result as WriteResult;
}

/** What each of the events did, of which one write has kept all. */
export function resultsOf(
  { before, after, confirmAfterMs }: ApplyResult,
  events: readonly AttemptedEvent[],
): WriteResult[] {
  const wait = confirmAfterMs === undefined ? {} : { confirmAfterMs };
  let state = before;
  let presumed = after && presumedBefore(after, events);
  return events.map(({ event, wasTried }) => {
    const result = { ...stepOf(state, event), ...wait };
    state = result.after;
    if (!result.isRepeated || !wasTried) return result;
    const first = { before: presumed, after, isRepeated: false, ...wait };
    presumed = transition(presumed, event);
    return first;
  });
}

/** An event with an id that changes nothing of a known chat is one that the chat holds. */
function stepOf(before: ChatState | undefined, event: ChatEvent): WriteResult {
  const after = transition(before, event);
  const isRepeated = before !== undefined && after === before && "updateId" in event;
  return { before, after, isRepeated };
}

/** What an earlier try was kept upon, whose answer was lost: what it did is news all the same. */
function presumedBefore(after: ChatState, events: readonly AttemptedEvent[]): ChatState | undefined {
  const tried = events.filter(({ wasTried }) => wasTried).map(({ event }) => event);
  const isOwn = (time: string | null | undefined, event: ChatEvent): boolean => time === toIso(event.at);
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
export class NotWrittenError extends Error {
  override readonly name = "NotKeptError";

  constructor(cause: unknown) {
    super(`Not kept: ${(cause as Error | undefined)?.message ?? "the bot was stopped."}`, { cause });
  }
}

interface Waiting {
  readonly chatWrite: ChatWrite;
  wasTried: boolean;
  resolve(result: WriteResult): void;
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

export class BatchingWriter {
  readonly #storing: WriteTarget;
  readonly #storageRetry: StorageRetry;
  readonly #onOutage: (error: Error) => void;
  readonly #writer = new Map<number, Lane>();
  readonly #aliases = new Map<number, number>();
  readonly #starting: Lane[] = [];
  #lastError: unknown;
  #isClosed = false;

  /** `onOutage` is told of each attempt that fails for an outage. */
  constructor(storing: WriteTarget, storageRetry: StorageRetry, onOutage: (error: Error) => void) {
    this.#storing = storing;
    this.#storageRetry = storageRetry;
    this.#onOutage = onOutage;
  }

  /** Resolves once the entry is kept, however long that takes; rejects where the entry is at fault, or at the end. */
  write(chatWrite: ChatWrite): Promise<WriteResult> {
    if (this.#isClosed) return Promise.reject(new NotWrittenError(this.#lastError));
    const lane = this.#laneOf(chatWrite);
    if (!lane.isRunning) this.#startSoon(lane);
    return new Promise((resolve, reject) =>
      lane.waiting.push({ chatWrite, wasTried: false, resolve, reject })
    );
  }

  /** Whatever is not kept by now rejects with a {@link NotWrittenError}. */
  close(): void {
    this.#isClosed = true;
    for (const { waiting } of this.#writer.values()) {
      for (const { reject } of waiting.splice(0)) reject(new NotWrittenError(this.#lastError));
    }
  }

  #laneOf(chatWrite: ChatWrite): Lane {
    const key = this.#keyOf(chatWrite.kind === "event" ? chatWrite.chatId : chatWrite.from);
    const lane = this.#writer.get(key) ?? { key, waiting: [], aliases: [], isRunning: false };
    this.#writer.set(key, lane);
    if (
      chatWrite.kind === "migration" && this.#keyOf(chatWrite.to) !== key && !this.#writer.has(chatWrite.to)
    ) {
      this.#aliases.set(chatWrite.to, key);
      lane.aliases.push(chatWrite.to);
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
        await this.#storageRetry.attempt(() => this.#writeNext(lane), !lane.waiting[0]?.wasTried);
      } catch (error) {
        this.#lastError = error;
        this.#onOutage(error as Error);
      }
    }
    this.#writer.delete(lane.key);
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
    const chatWrite = batch[0]?.chatWrite;
    if (chatWrite?.kind === "migration") batch[0]?.resolve(await writeOne(this.#storing, chatWrite));
    else if (chatWrite !== undefined) {
      const tried = batch.map(({ chatWrite, wasTried }) => ({
        event: (chatWrite as EventWrite).event,
        wasTried,
      }));
      const applied = await this.#storing.apply(chatWrite.chatId, tried.map(({ event }) => event));
      resultsOf(applied, tried).forEach((result, index) => batch[index]?.resolve(result));
    }
  }
}

/** A migration, or what has been heard of one chat: that is one write. */
function nextOf(waiting: readonly Waiting[]): Waiting[] {
  const [first] = waiting;
  if (first?.chatWrite.kind !== "event") return waiting.slice(0, 1);
  const { chatId } = first.chatWrite;
  const end = waiting.findIndex(({ chatWrite }) => chatWrite.kind !== "event" || chatWrite.chatId !== chatId);
  return waiting.slice(0, Math.min(end < 0 ? waiting.length : end, entriesAtOnce));
}

/** Attempts under way at once while all is well; the storage has a limit of its own for requests. */
const widest = 256;

const firstWaitMs = 500;

const longestWaitMs = 15_000;

const momentMs = 250;

/** So many failures in a row are no hiccup: from then on one attempt at a time asks whether it is over. */
const hiccups = 3;

/** Lets attempts through as the storage can bear them. */
export class StorageRetry {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #fresh: (() => void)[] = [];
  readonly #failed: (() => void)[] = [];
  #width = widest;
  #running = 0;
  #failures = 0;
  #succeededAt = -Infinity;
  /** The pause after a failure; to abort it lets the next attempts through. */
  #pause: AbortController | undefined;
  #longestWaitMs = longestWaitMs;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = steady(clock);
  }

  /** Whether the last attempt has failed for an outage. */
  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** When an attempt has succeeded last, in milliseconds since whenever. */
  get succeededAt(): number {
    return this.#succeededAt;
  }

  /**
   * Runs the task when its turn has come; rejects as the task does, and learns from it. One that is tried for the first
   * time waits for no pause: what fails for one chat may succeed for another.
   */
  async attempt<T>(task: () => Promise<T>, isFresh: boolean = false): Promise<T> {
    while (this.#running >= this.#width || (this.#pause !== undefined && !isFresh)) {
      await new Promise<void>((resolve) => (isFresh ? this.#fresh : this.#failed).push(resolve));
    }
    this.#running++;
    try {
      const result = await task();
      this.#succeededAt = this.#now();
      this.#succeeded();
      return result;
    } catch (error) {
      if (isOutage(error)) this.#hasFailed();
      else this.#succeeded();
      throw error;
    } finally {
      this.#running--;
      this.#letIn();
    }
  }

  /** Begins anew, and waits no longer than a moment from now on: there is little time left. */
  shortenWaits(): void {
    this.#longestWaitMs = momentMs;
    this.#succeeded();
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#width = Math.min(widest, 2 * this.#width);
    this.#pause?.abort();
  }

  #hasFailed(): void {
    this.#failures++;
    this.#width = this.#failures < hiccups ? Math.max(1, this.#width >> 1) : 1;
    if (this.#pause === undefined) void this.#rest();
  }

  async #rest(): Promise<void> {
    const pause = this.#pause = new AbortController();
    const waitMs = Math.min(firstWaitMs * 2 ** (this.#failures - 1), this.#longestWaitMs);
    await this.#clock.sleep(waitMs * (0.5 + this.#clock.random() / 2), pause.signal).catch(() => {});
    this.#pause = undefined;
    this.#letIn();
  }

  #letIn(): void {
    const free = Math.max(0, this.#width - this.#running);
    const fresh = this.#fresh.splice(0, free);
    const failed = this.#pause === undefined ? this.#failed.splice(0, free - fresh.length) : [];
    for (const enter of [...fresh, ...failed]) enter();
  }
}

/** One chat's entries are written in their order, as many at once as have gathered; different chats' side by side. */
import { setImmediate } from "node:timers";
import { type Entry, type EventEntry, type Step, stepsOf, type Storing, writeOne } from "./entry.ts";
import { isOutage, type Recovery } from "./recovery.ts";

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

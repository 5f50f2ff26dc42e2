/** Which updates Telegram may forget: a batch's book-keeping. */
import type { Update } from "grammy/types";

/** An update that is being handled. */
export interface Taken {
  readonly updateId: number;
  /** Resolves once others may go on; rejects where the update must come again. */
  readonly heard: Promise<unknown>;
  /** Resolves once what it says outlives this process; may come much later, and may never. */
  readonly safe: Promise<unknown>;
  /** To be called when Telegram is told to forget it. */
  confirmed(): void;
}

interface State {
  readonly taken: Taken;
  readonly heard: Promise<void>;
  isHeard: boolean;
  isSafe: boolean;
}

/** So many of a hundred updates make room for others, when all of them wait. */
const roomAtOnce = 20;

/**
 * What is heard and safe is confirmed, up to the first that is not. As long as the unconfirmed ones fit into one
 * answer, Telegram is the safest place for what waits in memory; then it has to make room for what comes after.
 */
export class Received {
  readonly #states = new Map<number, State>();
  /** Those that are to come again. */
  #failed = new Set<number>();
  #offset = 0;

  /** For the next `getUpdates`. */
  get offset(): number {
    return this.#offset;
  }

  /** Those that are not in hand already. */
  newsIn(updates: readonly Update[]): Update[] {
    return updates.filter(isUpdate).filter(({ update_id }) => !this.#states.has(update_id));
  }

  add(batch: readonly Taken[]): void {
    for (const taken of batch) {
      this.#failed.delete(taken.updateId);
      this.#states.set(taken.updateId, this.#follow(taken));
    }
  }

  /** Resolves once each of them is heard, or is to come again. */
  async heard(): Promise<void> {
    await Promise.all([...this.#states.values()].map(({ heard }) => heard));
  }

  /** Moves the offset on after an answer; `isFull` says that nothing newer was to be had beside these. */
  advance(updates: readonly Update[], isFull: boolean): void {
    const told = updates.filter(isUpdate).map(({ update_id }) => update_id);
    // What Telegram does not tell again is forgotten there.
    this.#failed = new Set(told.filter((updateId) => this.#failed.has(updateId)));
    this.#move(told, isFull);
  }

  /** Moves the offset on after the last answer. */
  end(): void {
    this.#move([], false);
  }

  #move(told: readonly number[], isFull: boolean): void {
    const isDone = ({ isHeard, isSafe }: State): boolean => isHeard && isSafe;
    const held = [...this.#states].filter(([, state]) => !isDone(state)).map(([updateId]) => updateId);
    if (isFull) this.#makeRoom(held);
    const first = Math.min(...held, ...this.#failed);
    const handled = [...this.#states.keys(), ...told];
    // It may go down: after a week without updates Telegram's ids start again anywhere.
    if (first < Infinity) this.#offset = first;
    else if (handled.length > 0) this.#offset = Math.max(...handled) + 1;
    for (const [updateId, { taken }] of this.#states) {
      if (updateId >= first) continue;
      taken.confirmed();
      this.#states.delete(updateId);
    }
  }

  /** The oldest of those that only wait to be safe are given up to Telegram's forgetting, and no more than needed. */
  #makeRoom(held: number[]): void {
    const oldest = held.sort((a, b) => a - b).slice(0, roomAtOnce);
    const end = oldest.findIndex((updateId) => !this.#states.get(updateId)?.isHeard);
    held.splice(0, end < 0 ? oldest.length : end);
  }

  #follow(taken: Taken): State {
    const state: State = { taken, heard: this.#hear(taken), isHeard: false, isSafe: false };
    taken.safe.then(() => state.isSafe = true, () => {});
    return state;
  }

  /** One that is to come again is none that is in hand. */
  async #hear({ updateId, heard }: Taken): Promise<void> {
    try {
      await heard;
      const state = this.#states.get(updateId);
      if (state !== undefined) state.isHeard = true;
    } catch {
      this.#states.delete(updateId);
      this.#failed.add(updateId);
    }
  }
}

/** What has no id cannot be confirmed: heeded, one beyond all others would keep every later one from being so. */
function isUpdate(update: Update | null): update is Update {
  return Number.isSafeInteger(update?.update_id);
}

import type { Clock } from "./clock.ts";

/** What is done once, however often it is asked for; where it fails, the next call tries again. */
export class Lazy<T> {
  readonly #task: () => Promise<T>;
  #result: Promise<T> | undefined;

  constructor(task: () => Promise<T>) {
    this.#task = task;
  }

  /** Begins, or joins what has begun. */
  get(): Promise<T> {
    return this.#result ??= this.#task().catch((error) => {
      this.#result = undefined;
      throw error;
    });
  }

  /** Resolves when nothing is under way, whatever became of it. */
  async settled(): Promise<void> {
    await this.#result?.catch(() => {});
  }
}

/** Runs the tasks of one key one after another, those of different keys side by side. */
export type KeyedMutex<K = number> = <T>(key: K, task: () => Promise<T>) => Promise<T>;

export function createKeyedMutex<K = number>(): KeyedMutex<K> {
  const last = new Map<K, Promise<unknown>>();
  return async (key, task) => {
    const before = last.get(key);
    const mine = before === undefined ? task() : before.then(task, task);
    last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (last.get(key) === mine) last.delete(key);
    }
  };
}

/** Runs at most `most` of the given tasks at once, in the order in which they came. */
export type Semaphore = <T>(task: () => Promise<T>) => Promise<T>;

export function createSemaphore(most: number): Semaphore {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

export interface DeadlineOptions {
  readonly ms: number;
  readonly clock: Clock;
  /** Ends it before its time. */
  readonly signal?: AbortSignal | undefined;
}

/** A task has taken too long. */
export class DeadlineError extends Error {
  override readonly name = "LateError";
}

/** What the task gives; rejects with a `LateError` where that takes too long, or with the signal's reason. The task itself goes on. */
export async function deadline<T>(task: Promise<T>, { ms, clock, signal }: DeadlineOptions): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(ms, signal ? AbortSignal.any([done.signal, signal]) : done.signal).then(() => {
    throw new DeadlineError(`it has taken longer than ${ms / 1000} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([task, late]);
  } finally {
    done.abort();
  }
}

/** Resolves when the task has settled, or when it has been waited for long enough. */
export async function settleWithin(task: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  const done = new AbortController();
  const settled = task.then(() => {}, () => {});
  await Promise.race([settled, clock.sleep(ms, done.signal).catch(() => {})]);
  done.abort();
}

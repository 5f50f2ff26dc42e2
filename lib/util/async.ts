/**
 * How tasks run: once, one after another, a few at a time, within a time, again after a failure. The folder `util` holds
 * what every other folder may use, and imports none of them.
 */
import { type Clock, startTimer } from "./clock.ts";

/** Runs a task when it is first asked for, and gives every caller its result. A task that fails is run again by the next call. */
export class Lazy<T> {
  readonly #task: () => Promise<T>;
  #result: Promise<T> | undefined;

  constructor(task: () => Promise<T>) {
    this.#task = task;
  }

  /** The result of the task, which begins now if it has not begun. */
  get(): Promise<T> {
    return this.#result ??= this.#task().catch((error) => {
      this.#result = undefined;
      throw error;
    });
  }

  /** Resolves when the task is not running, whether it succeeded or not. */
  async settled(): Promise<void> {
    await this.#result?.catch(() => {});
  }
}

/** A promise that is settled from outside, once. Nobody has to wait for it. */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve: (value: T | Promise<T>) => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {});
  }
}

/** What a task gives, or another value where it fails: objects of others have getters and methods that may. */
export function attempt<T>(task: () => T, otherwise: T): T {
  try {
    return task();
  } catch {
    return otherwise;
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
  /** Ends the wait before its time. */
  readonly signal?: AbortSignal | undefined;
}

/** A task did not end within its time. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * The result of a task within `ms` milliseconds. A task that is given as a function gets a signal, which aborts when the
 * time is over or when `signal` aborts; a promise goes on without anybody who waits for it.
 * @throws {DeadlineError} If it takes longer; with the reason of `signal` if that aborts first.
 */
export async function deadline<T>(
  task: Promise<T> | ((signal: AbortSignal) => Promise<T>),
  { ms, clock, signal }: DeadlineOptions,
): Promise<T> {
  const ended = typeof task === "function" ? new AbortController() : undefined;
  let end: (error: unknown) => void = () => {};
  const late = new Promise<never>((_, reject) => {
    end = (error) => {
      reject(error);
      ended?.abort(error);
    };
  });
  late.catch(() => {});
  const abort = (): void => end(signal?.reason);
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  const clearTimer = startTimer(
    clock,
    ms,
    (error) => end(error ?? new DeadlineError(`it has taken longer than ${ms / 1000} s`)),
  );
  try {
    return await Promise.race([
      typeof task === "function" ? task((ended as AbortController).signal) : task,
      late,
    ]);
  } finally {
    clearTimer();
    signal?.removeEventListener("abort", abort);
  }
}

/** Resolves when the task has settled, after `ms` milliseconds at the latest; true if the task has settled. */
export function settleWithin(task: Promise<unknown>, ms: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const clearTimer = startTimer(clock, ms, () => resolve(false));
    const settled = (): void => {
      clearTimer();
      resolve(true);
    };
    task.then(settled, settled);
  });
}

/** The result of a promise, which goes on after the signal aborts without anybody who waits for it. Rejects then with its reason. */
export async function abortable<T>(task: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await task;
  signal.throwIfAborted();
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([task, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** How long to wait before each further attempt, in milliseconds. */
export interface BackoffOptions {
  readonly firstMs: number;
  readonly longestMs: number;
  /** How many times longer each wait is than the one before. Default: 2. */
  readonly factor?: number;
  /** The part of a wait that is left to chance, 0 to 1. Default: 0. */
  readonly jitter?: number;
}

/** The wait after the failed attempt of this number, counted from 0, in milliseconds; `random` is in [0, 1). */
export function backoffMs(
  attempt: number,
  { firstMs, longestMs, factor = 2, jitter = 0 }: BackoffOptions,
  random: number = 0,
): number {
  return Math.min(longestMs, firstMs * factor ** attempt) * (1 - jitter * random);
}

export interface RetryOptions extends BackoffOptions {
  readonly clock: Clock;
  /** Ends the wait for the next attempt. */
  readonly signal?: AbortSignal | undefined;
  /** Whether a failed attempt is worth another one. Default: each is. */
  readonly isRetryable?: (error: unknown) => boolean;
  /** Called before each wait. */
  readonly onRetry?: (error: unknown, waitMs: number) => void;
}

/**
 * Runs the task until it succeeds, with exponential back-off between attempts.
 * @throws What the task throws, if that is not retryable; the reason of `signal` if that aborts during a wait.
 */
export async function retry<T>(
  task: (attempt: number) => Promise<T>,
  { clock, signal, isRetryable = () => true, onRetry, ...backoff }: RetryOptions,
): Promise<T> {
  for (let attempt = 0;; attempt++) {
    try {
      return await task(attempt);
    } catch (error) {
      if (!isRetryable(error)) throw error;
      const waitMs = backoffMs(attempt, backoff, clock.random());
      onRetry?.(error, waitMs);
      await clock.sleep(waitMs, signal);
    }
  }
}

import type { Clock } from "./clock.ts";

export interface Patience {
  readonly ms: number;
  readonly clock: Clock;
  /** Ends it before its time. */
  readonly signal?: AbortSignal | undefined;
}

/** A task has taken too long. */
export class LateError extends Error {
  override readonly name = "LateError";
}

/** What the task gives; rejects with a `LateError` where that takes too long, or with the signal's reason. The task itself goes on. */
export async function inTime<T>(task: Promise<T>, { ms, clock, signal }: Patience): Promise<T> {
  const done = new AbortController();
  const late = clock.sleep(ms, signal ? AbortSignal.any([done.signal, signal]) : done.signal).then(() => {
    throw new LateError(`it has taken longer than ${ms / 1000} s`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([task, late]);
  } finally {
    done.abort();
  }
}

/** Resolves when the task has settled, or when it has been waited for long enough. */
export async function waitFor(task: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  const done = new AbortController();
  const settled = task.then(() => {}, () => {});
  await Promise.race([settled, clock.sleep(ms, done.signal).catch(() => {})]);
  done.abort();
}

import type { Clock } from "./clock.ts";

/** Resolves when the task has settled, or when it has been waited for long enough. */
export async function waitFor(task: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  const done = new AbortController();
  const settled = task.then(() => {}, () => {});
  await Promise.race([settled, clock.sleep(ms, done.signal).catch(() => {})]);
  done.abort();
}

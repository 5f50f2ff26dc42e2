/** Tests that mostly wait run side by side, and each still reports its own result. */
import { createSemaphore } from "../../lib/util/async.ts";

/** Starts all tasks when the first result is asked for, `atOnce` at a time; gives each one's result by its title. */
export function runTogether<T>(
  atOnce: number,
  tasks: Readonly<Record<string, () => Promise<T>>>,
): (title: string) => Promise<T> {
  let running: ReadonlyMap<string, Promise<T>> | undefined;
  const start = (): ReadonlyMap<string, Promise<T>> => {
    const limit = createSemaphore(atOnce);
    const started = new Map(Object.entries(tasks).map(([title, task]) => [title, limit(task)]));
    // A failure is its own test's; it must not be an unhandled rejection meanwhile.
    for (const result of started.values()) result.catch(() => {});
    return started;
  };
  return (title) => (running ??= start()).get(title) ?? Promise.reject(new Error(`There is no "${title}"`));
}

/** Runs the tasks of one key one after another, those of different keys side by side. */
export type InOrder<K = number> = <T>(key: K, task: () => Promise<T>) => Promise<T>;

export function createInOrder<K = number>(): InOrder<K> {
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

/** Measures competitors in turns, so that a machine that slows down slows all of them, and summarizes their samples. */
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export interface Spread {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** The quartiles. */
export function spreadOf(values: readonly number[]): Spread {
  const at = (share: number): number => quantileOf(values, share);
  return { low: at(1 / 4), median: at(1 / 2), high: at(3 / 4) };
}

/** The value that this share of them does not exceed; between two where it falls between them. */
export function quantileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] ?? NaN;
  return below + (place % 1) * ((sorted[Math.ceil(place)] ?? NaN) - below);
}

export function medianOf(values: readonly number[]): number {
  return spreadOf(values).median;
}

/** The ratios of our turns to the other's of the same round. */
export function ratioOf(ours: readonly number[], other: readonly number[]): Spread {
  return spreadOf(ours.map((value, round) => value / (other[round] ?? NaN)));
}

/**
 * Gives every competitor a turn in every round, after a warm-up round that is not counted. The order changes from round to
 * round, as a server may still be busy with the turn before; our garbage is collected before each turn.
 */
export async function takeTurns<K extends string, T>(
  rounds: number,
  turns: Readonly<Record<K, () => Promise<T>>>,
): Promise<Record<K, T[]>> {
  const names = Object.keys(turns) as K[];
  const taken = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<K, T[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of orderOf(names, round)) {
      collectGarbage();
      const turn = await turns[name]();
      if (round > 0) taken[name].push(turn);
    }
  }
  return taken;
}

/** Alternately forwards and backwards, from another one each time. */
function orderOf<K>(names: readonly K[], round: number): K[] {
  const first = Math.floor(round / 2) % names.length;
  const order = [...names.slice(first), ...names.slice(0, first)];
  return round % 2 === 0 ? order : order.reverse();
}

/** What a task took: time as it passes, and this process's time on the processor, all threads together. */
export interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export async function costOf(task: () => Promise<unknown>): Promise<Cost> {
  const start = performance.now();
  const cpu = process.cpuUsage();
  await task();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/** Needs no flag at the start, on any runtime. */
export const collectGarbage: () => void = ((): () => void => {
  const { Bun } = globalThis as { readonly Bun?: { gc(isBlocking: boolean): void } };
  if (Bun) return () => Bun.gc(true);
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
})();

/** Runs `task` for 0 to `count - 1`, so many of them at a time. */
export async function inParallel(
  count: number,
  atOnce: number,
  task: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

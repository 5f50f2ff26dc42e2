/** Shortens a history that fails: leaves out what it does not need to fail in the same way. */
import { type HistoryResult, playHistory } from "./history.ts";
import type { HistoryPlan } from "./plan.ts";

/** Shortens for so long at most, in real time. */
const withinMs = 60_000;

type Play = (plan: HistoryPlan) => Promise<Pick<HistoryResult, "problems">>;

/**
 * The shortest plan found whose history has a problem of a kind that is among these.
 * @param play Default: plays it in the simulation.
 */
export async function shrink(
  plan: HistoryPlan,
  problems: readonly string[],
  play: Play = playHistory,
): Promise<HistoryPlan> {
  const kinds = new Set(problems.map(kindOf));
  const endsAt = performance.now() + withinMs;
  let best = plan;
  const isTaken = async (candidate: HistoryPlan): Promise<boolean> => {
    if (performance.now() > endsAt) return false;
    const { problems } = await play(candidate);
    if (!problems.some((problem) => kinds.has(kindOf(problem)))) return false;
    best = candidate;
    return true;
  };
  await isTaken({ ...best, readers: 0 });
  await shortenList("events");
  await shortenList("disturbances");
  for (const service of ["telegram", "dynamodb"] as const) {
    const conditions = { baseMs: 5, tailMs: 5 };
    await isTaken({ ...best, conditions: { ...best.conditions, [service]: conditions } });
  }
  await isTaken({
    ...best,
    machines: best.machines.map((machine) => ({ ...machine, skewMs: 0, lateMs: 0 })),
  });
  await shortenList("events");
  return best;

  /** Leaves out halves, quarters and so on, as long as it still fails. */
  async function shortenList(name: "events" | "disturbances"): Promise<void> {
    for (
      let size = Math.ceil(best[name].length / 2);
      size >= 1;
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let start = 0; start < best[name].length;) {
        const rest = [...best[name].slice(0, start), ...best[name].slice(start + size)];
        if (!await isTaken({ ...best, [name]: rest })) start += size;
      }
    }
  }
}

/** `12.345 SILENCE broadcast ...` is of the kind `SILENCE`. */
export function kindOf(problem: string): string {
  return /\b[A-Z]{4,}\b/.exec(problem)?.[0] ?? problem;
}

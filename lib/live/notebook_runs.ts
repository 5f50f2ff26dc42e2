/**
 * In a notebook a cell is run again, with a strategy that was changed: the run of before is stopped, as nothing else could
 * name it any more.
 */
import type { Logger } from "../util/log.ts";
import { isNotebook } from "../util/notebook.ts";

interface Stoppable {
  readonly finished: Promise<void>;
  stop(): Promise<void>;
}

/** The runs of this notebook, and the names of their strategies. A changed module may be loaded beside the one of before. */
const runsKey = Symbol.for("telegram-signals.runs");

function openRuns(): Map<Stoppable, readonly string[]> {
  const world = globalThis as { [runsKey]?: Map<Stoppable, readonly string[]> };
  return world[runsKey] ??= new Map();
}

/** Stops the notebook's runs that have a strategy of one of these names; does nothing elsewhere. */
export function stopEarlierRuns(names: readonly string[], logger: Logger): void {
  if (!isNotebook()) return;
  for (const [run, itsNames] of openRuns()) {
    const same = itsNames.filter((name) => names.includes(name));
    if (same.length === 0) continue;
    logger.info(
      `${same.join(", ")} runs already in this notebook: that run is stopped, and this one takes its place.`,
    );
    void run.stop();
  }
}

export function noteRun(run: Stoppable, names: readonly string[]): void {
  if (!isNotebook()) return;
  const runs = openRuns();
  runs.set(run, names);
  const forget = (): void => void runs.delete(run);
  run.finished.then(forget, forget);
}

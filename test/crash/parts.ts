/** The parts of the full proof, and the options of a run. */
import { parseArgs } from "node:util";
import type { suite } from "../harness.ts";

export type Test = ReturnType<typeof suite>;

export interface RunOptions {
  /** Everything is drawn from it. Points in time are drawn, too, but no machine keeps them exactly. */
  readonly seed: number;
  /** How many histories, or outages of each kind. Default: the part's own. */
  readonly count?: number;
  /** How many of these run at the same time. Default: the part's own. */
  readonly atOnce?: number;
  /** Runs only the scenarios with this text in their title. @default all */
  readonly row?: string;
}

interface Part {
  readonly title: string;
  /** What one test may take. */
  readonly limitMinutes: number;
  readonly load: () => Promise<{ readonly register: (test: Test, options: RunOptions) => void }>;
}

export type PartName =
  | "updates"
  | "broadcasts"
  | "schedulers"
  | "instances"
  | "signals"
  | "adversaries"
  | "outages";

const part = (title: string, limitMinutes: number, load: Part["load"]): Part => ({
  title,
  limitMinutes,
  load,
});

export const parts: Readonly<Record<PartName, Part>> = {
  updates: part("nothing lost", 15, () => import("./updates.ts")),
  broadcasts: part("broadcasts", 20, () => import("./broadcasts.ts")),
  schedulers: part("schedulers", 30, () => import("./schedulers.ts")),
  instances: part("a /stop at one, a broadcast at the other", 60, () => import("./instances.ts")),
  signals: part("a signal gets out", 5, () => import("./signals.ts")),
  adversaries: part("adversaries", 60, () => import("./adversaries.ts")),
  outages: part("outages in a signal", 60, () => import("./signal_outages.ts")),
};

export function isPart(name: string): name is PartName {
  return name in parts;
}

const text = { type: "string" } as const;
const options = { seed: text, count: text, "at-once": text, row: text, only: text } as const;

/** @throws {RangeError} If a number is not one. */
export function parseRunOptions(): RunOptions & { readonly only?: string; readonly args: string[] } {
  const { values } = parseArgs({ options, allowPositionals: true });
  const number = (name: "seed" | "count" | "at-once", least: number): number | undefined => {
    const value = values[name] === undefined ? undefined : Number(values[name]);
    if (value === undefined || Number.isSafeInteger(value) && value >= least) return value;
    throw new RangeError(
      `--${name} must be a whole number from ${least} on: current value is ${values[name]}`,
    );
  };
  const seed = number("seed", 0) ?? Date.now() % 1_000_000;
  const [count, atOnce] = [number("count", 1), number("at-once", 1)];
  const { row, only } = values;
  return {
    seed,
    ...count !== undefined && { count },
    ...atOnce !== undefined && { atOnce },
    ...row !== undefined && { row },
    ...only !== undefined && { only },
    args: [
      `--seed=${seed}`,
      ...(["count", "at-once", "row"] as const)
        .flatMap((name) => values[name] === undefined ? [] : [`--${name}=${values[name]}`]),
    ],
  };
}

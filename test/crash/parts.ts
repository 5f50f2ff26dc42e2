/** The parts of the full proof. */
import type { RunOptions, Test } from "./run_options.ts";

interface Part {
  readonly title: string;
  /** What one test may take. */
  readonly limitMinutes: number;
  readonly load: () => Promise<{ readonly register: (test: Test, options: RunOptions) => void }>;
}

export type PartName = "updates" | "broadcasts" | "instances" | "signals" | "adversaries" | "outages";

export const parts: Readonly<Record<PartName, Part>> = {
  updates: {
    title: "nothing lost",
    limitMinutes: 15,
    load: () => import("./updates.ts"),
  },
  broadcasts: {
    title: "broadcasts",
    limitMinutes: 20,
    load: () => import("./broadcasts.ts"),
  },
  instances: {
    title: "a /stop at one, a broadcast at the other",
    limitMinutes: 60,
    load: () => import("./instances.ts"),
  },
  signals: {
    title: "a signal gets out",
    limitMinutes: 5,
    load: () => import("./signals.ts"),
  },
  adversaries: {
    title: "adversaries",
    limitMinutes: 60,
    load: () => import("./adversaries.ts"),
  },
  outages: {
    title: "outages in a signal",
    limitMinutes: 60,
    load: () => import("./signal_outages.ts"),
  },
};

export function isPart(name: string): name is PartName {
  return name in parts;
}

/** The measurements by their names. */
import type { Row } from "./report.ts";

export const benchNames = [
  "storage",
  "inbound",
  "load",
  "import",
  "newcomer",
  "chart",
  "strategies",
  "broadcast",
  "first_message",
  "cost",
  "adoption",
  "broadcast_million",
] as const;
export type BenchName = (typeof benchNames)[number];

/** Takes many minutes, so it runs only where it is named. */
export const longest: BenchName = "broadcast_million";

/** Loads a measurement. */
type Load = () => Promise<{ readonly measure: () => Promise<Row[]> }>;

export const benches: Readonly<Record<BenchName, Load>> = {
  storage: () => import("./storage.ts"),
  inbound: () => import("./inbound.ts"),
  load: () => import("./load.ts"),
  import: () => import("./import.ts"),
  newcomer: () => import("./newcomer.ts"),
  chart: () => import("./chart.ts"),
  strategies: () => import("./strategies.ts"),
  broadcast: () => import("./broadcast.ts"),
  first_message: () => import("./first_message.ts"),
  cost: () => import("./month.ts"),
  adoption: () => import("./adoption.ts"),
  broadcast_million: async () => ({ measure: (await import("./broadcast_cost.ts")).measureMillion }),
};

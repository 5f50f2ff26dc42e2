/** A signal always gets out: every scenario that may keep it from that, and its line of numbers. */
import { runtime } from "../support/runtime.ts";
import { floodScenarios } from "./flood_scenarios.ts";
import { outageScenarios } from "./outage_scenarios.ts";
import { promiseScenarios } from "./promise_scenarios.ts";
import type { RunOptions, Test } from "./parts.ts";
import { type Scenario, strangerScenarios } from "./stranger_scenarios.ts";
import { tableScenarios } from "./table_scenarios.ts";

/** By their titles. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  ...strangerScenarios,
  ...floodScenarios,
  ...outageScenarios,
  ...tableScenarios,
  ...promiseScenarios,
};

/** The full form. */
export function register(test: Test, { row = "" }: RunOptions): void {
  const size = { people: 600, factor: 1, bounds: { times: 1.1, slackMs: 0, firstMs: 1000 } };
  for (const [title, scenario] of Object.entries(scenarios)) {
    if (!title.includes(row)) continue;
    test(title, async () => console.log(`${runtime}  ${title}: ${await scenario(size)}`));
  }
}

/** A confirmed /stop holds for every process on a table: many histories of two bots, one after another. */
import { instanceHistoryOf } from "./instance_history.ts";
import { assert } from "../harness.ts";
import { type InstanceMutant, simulateInstances } from "./instance_simulation.ts";
import { instanceMutants } from "./mutants.ts";
import { assertSound, instancesLine } from "./report.ts";
import type { RunOptions, Test } from "./parts.ts";

export interface InstancesOptions {
  readonly seed: number;
  readonly histories: number;
  readonly mutant?: InstanceMutant;
  /** Whether the first late message ends it. */
  readonly endsAtFirst?: boolean;
}

export interface InstancesReport {
  readonly histories: number;
  /** Those in which DynamoDB was too slow for a signal, so that it went by the list in memory. */
  readonly fromMemory: number;
  /** Those in which the list could not be read, so that no chat was written to. */
  readonly refused: number;
  readonly sent: number;
  /** How many /stops of active chats were confirmed. */
  readonly confirmed: number;
  /** Messages after a confirmed /stop where the report says that the table was read, and where it says that it was not. */
  readonly late: readonly string[];
  readonly lateFromMemory: number;
  readonly problems: readonly string[];
}

export async function runInstances(
  { seed, histories, mutant, endsAtFirst = false }: InstancesOptions,
): Promise<InstancesReport> {
  const sum = { histories: 0, fromMemory: 0, refused: 0, sent: 0, confirmed: 0, lateFromMemory: 0 };
  const late: string[] = [];
  const problems: string[] = [];
  while (sum.histories < histories && !(endsAtFirst && late.length > 0)) {
    const result = await simulateInstances(instanceHistoryOf(seed + sum.histories), mutant);
    const isFromMemory = result.report?.recipientsFrom === "memory";
    sum.histories++;
    sum.sent += result.sent;
    sum.confirmed += result.confirmed;
    if (result.refusal !== undefined) sum.refused++;
    if (isFromMemory) sum.fromMemory++;
    if (isFromMemory) sum.lateFromMemory += result.late.length;
    else late.push(...result.late);
    problems.push(...result.problems);
  }
  return { ...sum, late, problems };
}

/** The full form: `count` histories, and the mutants. */
export function register(test: Test, { seed, count = 10_000 }: RunOptions): void {
  test("nobody is written to after a confirmed /stop", async () => {
    const report = await runInstances({ seed, histories: count });
    console.log(instancesLine(report));
    assertSound("instances", [...report.late, ...report.problems]);
    assert.ok(report.fromMemory < report.histories / 5, "DynamoDB was too slow to tell");
  });

  for (const [does, mutant] of Object.entries(instanceMutants)) {
    test(`a pair that ${does} is caught`, async () => {
      const report = await runInstances({ seed, histories: 300, mutant, endsAtFirst: true });
      console.log(`${does}: caught by history ${report.histories}`);
      assert.ok(report.late.length > 0);
    });
  }
}

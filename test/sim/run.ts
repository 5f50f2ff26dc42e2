/**
 * The simulation:
 *
 *     npm run sim [-- --seed N | --from N --histories N] [--trace FILE] [--twice] [--stop]
 *
 * A history that fails is shortened, and printed with its seed; with `--stop` the first that fails is printed in one line as
 * it is, and no other is played. Exit status: 1 if one failed.
 */
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs } from "node:util";
import { type HistoryResult, playHistory } from "./history.ts";
import { describePlan, type HistoryPlan, planOf } from "./plan.ts";
import { kindOf, shrink } from "./shrink.ts";
import { warmUp } from "./warm_up.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    from: { type: "string", default: "1" },
    histories: { type: "string", default: "100" },
    trace: { type: "string" },
    twice: { type: "boolean", default: false },
    stop: { type: "boolean", default: false },
  },
});

const from = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.histories) : 1;
const totals = { histories: 0, failed: 0, events: 0, virtualMs: 0 };
const counts: Record<string, number> = {};

await warmUp();
const startedAt = performance.now();
const cpu = process.cpuUsage();
for (let seed = from; seed < from + count; seed++) {
  const plan = planOf(seed);
  const result = await playHistory(plan, { keepsTrace: values.trace !== undefined });
  totals.histories++;
  totals.events += result.events;
  totals.virtualMs += result.virtualMs;
  for (const [name, number] of Object.entries(result.counts)) counts[name] = (counts[name] ?? 0) + number;
  if (values.trace !== undefined) await writeFile(values.trace, `${result.trace?.join("\n")}\n`);
  if (values.twice) await compareWithAgain(plan, result);
  if (result.problems.length > 0) {
    totals.failed++;
    if (values.stop) {
      tellInOneLine(result);
      break;
    }
    await tellOf(plan, result);
  }
  if (values.stop) console.log(`played seed ${seed}`);
}
const { user, system } = process.cpuUsage(cpu);
const seconds = (performance.now() - startedAt) / 1000;
const perSecond = (number: number): string => (number / seconds).toFixed(0);
console.log(
  `${totals.histories} histories, ${totals.failed} failed: ${totals.events} events and ` +
    `${(totals.virtualMs / 3_600_000).toFixed(1)} hours of virtual time in ${seconds.toFixed(1)} s ` +
    `(${((user + system) / 1e6).toFixed(1)} s of CPU): ${
      (totals.histories / seconds).toFixed(1)
    } histories, ` +
    `${perSecond(totals.events)} events, ${perSecond(totals.virtualMs / 1000)} virtual seconds a second`,
);
console.log(Object.entries(counts).map(([name, number]) => `${number} ${name}`).join(", "));
process.exit(totals.failed > 0 ? 1 : 0);

async function compareWithAgain(plan: HistoryPlan, { hash }: HistoryResult): Promise<void> {
  const again = await playHistory(plan);
  if (again.hash === hash) return;
  totals.failed++;
  console.log(`seed ${plan.seed}: its trace is another one the second time: ${hash}, ${again.hash}`);
}

/** `mutants.ts` reads this line. */
function tellInOneLine({ seed, problems: [problem = ""] }: HistoryResult): void {
  console.log(`seed ${seed} fails by ${kindOf(problem)}: ${problem.replace(/\s+/g, " ").slice(0, 300)}`);
}

async function tellOf(plan: HistoryPlan, { problems }: HistoryResult): Promise<void> {
  const indent = (text: string): string => text.replace(/^/gm, "    ");
  console.log(`seed ${plan.seed}: ${problems.length} problems\n${indent(describePlan(plan))}`);
  for (const problem of problems.slice(0, 5)) console.log(indent(problem.slice(0, 600)));
  const shrunk = await shrink(plan, problems);
  const played = await playHistory(shrunk, { keepsTrace: true });
  console.log(`  the shortest history found that fails so:\n${indent(describePlan(shrunk))}`);
  for (const problem of played.problems.slice(0, 3)) console.log(indent(problem.slice(0, 600)));
  const wrongAt = played.trace?.findIndex((line) => line.includes(" WRONG ")) ?? -1;
  const lines = wrongAt < 0
    ? played.trace?.slice(-30)
    : played.trace?.slice(Math.max(0, wrongAt - 30), wrongAt + 1);
  console.log(`  the trace before it:\n${indent(lines?.join("\n") ?? "")}`);
}

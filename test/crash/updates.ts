/** Nothing is lost and nothing counted twice: the full form, with kills, outages, and ends in outages. */
import { assert } from "../harness.ts";
import { type KillOptions, runKills } from "./kills.ts";
import type { UpdateMutant } from "./mutants.ts";
import { runSpooledKills, runStop } from "./outage_endings.ts";
import { type Outage, type OutageReport, outages, runOutage, titleOf } from "./outages.ts";
import { assertSound, killLine, outageTable } from "./report.ts";
import type { RunOptions, Test } from "./parts.ts";

export function register(test: Test, { seed }: RunOptions): void {
  const kills = (title: string, options: Omit<KillOptions, "seed">, add: number): void => {
    test(title, async () => {
      const report = await runKills({ ...options, seed: seed + add });
      console.log(killLine(title, report));
      assertSound(title, report.problems);
      assert.ok(report.signals > 0 && report.excluded > 0, "no broadcast was put to the test");
    });
  };
  kills("killed under traffic", { kills: 100 }, 0);
  kills("killed, two bots at a time", { kills: 50, bots: 2 }, 1);
  kills("killed, two bots at a time, 30 % of the answers lost", { kills: 50, bots: 2, lostAnswers: 0.3 }, 2);

  const mutant = (title: string, name: UpdateMutant, loss: "messages" | "repeated"): void => {
    test(`a bot that ${title} is caught`, async () => {
      const { losses } = await runKills({ kills: 10, seed, mutant: name });
      assert.ok(losses[loss] > 0);
    });
  };
  mutant("confirms before it has written", "early", "messages");
  mutant("forgets what it has counted", "twice", "repeated");

  const tasks = outageTasks(seed);
  const reports: OutageReport[] = [];
  for (const [title, task] of Object.entries(tasks)) {
    test(title, async () => {
      const report = await task();
      reports.push(report);
      assertSound(report.title, report.problems);
    });
  }
  test.after(() => console.log(`\n${outageTable(reports)}\n`));
}

function outageTasks(seed: number): Record<string, () => Promise<OutageReport>> {
  const tasks: Record<string, () => Promise<OutageReport>> = {};
  for (const [index, outage] of outages.entries()) {
    tasks[titleOf(outage)] = () => runOutage(outage, { seed: seed + index, lastsMs: 12_000 });
  }
  const down = outageOf("down, in the middle");
  for (const outage of [down, outageOf("hanging, in the middle")]) {
    for (const stops of ["in the outage", "when it is over"] as const) {
      tasks[`${outage.name}: stopped ${stops}`] = () => runStop(outage, { seed, lastsMs: 8000, stops });
    }
  }
  for (const kills of [1, 5]) {
    tasks[`down: killed ${kills} times, with a spool`] = () =>
      runSpooledKills(down, { seed, lastsMs: 8000, kills });
  }
  return tasks;
}

function outageOf(title: string): Outage {
  const outage = outages.find((it) => titleOf(it) === title);
  if (outage === undefined) throw new Error(`There is no outage "${title}"`);
  return outage;
}

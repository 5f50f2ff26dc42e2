/** A killed scheduler sends each fresh signal, and none twice: the full form. */
import { assert } from "../harness.ts";
import type { RunOptions, Test } from "./parts.ts";
import { assertSound, schedulerKillLine } from "./report.ts";
import { runSchedulerKills } from "./scheduler_kills.ts";

const mutants = [
  ["alone", "gives signals ids of its process"],
  ["liveOnly", "does not send what it has missed"],
] as const;

export function register(test: Test, { seed }: RunOptions): void {
  for (const [index, onUnknown] of (["skip", "resend"] as const).entries()) {
    for (const schedulers of [1, 2] as const) {
      const title = `killed over a day, ${schedulers === 1 ? "alone" : "two side by side"}, "${onUnknown}"`;
      test(title, async () => {
        const report = await runSchedulerKills({
          ...{ kills: 25, schedulers, onUnknown },
          seed: seed + 2 * index + schedulers,
        });
        console.log(schedulerKillLine(title, report));
        assertSound(title, report.problems);
        assert.ok(report.takenOver > 0 && report.inDoubt + report.doubled > 0, "no kill fell in a send");
      });
    }
  }
  for (const [mutant, does] of mutants) {
    test(`a scheduler that ${does} is caught`, async () => {
      const options = { kills: 10, schedulers: 1, onUnknown: "skip", hours: 12 } as const;
      const { problems } = await runSchedulerKills({ ...options, seed, mutant });
      console.log(`${mutant}: ${problems[0] ?? "not caught"}`);
      assert.ok(problems.length > 0);
    });
  }
}

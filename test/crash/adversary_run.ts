/**
 * Random strangers around a signal, on the runtime that runs it: see `all.ts`. History number n of a seed is the seed
 * plus n; `--count=N` plays so many, `--at-once=N` so many at a time.
 */
import { parseArgs } from "node:util";
import { createSemaphore } from "../../lib/util/async.ts";
import { suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { historyLine, playHistory } from "./adversaries.ts";
import { assertSound } from "./report.ts";

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { seed: text, count: text, "at-once": text } });
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const count = Number(values.count ?? 200);
const atOnce = createSemaphore(Number(values["at-once"] ?? 1));
if (![seed, count].every(Number.isSafeInteger)) {
  throw new RangeError("--seed and --count must be whole numbers");
}
console.log(`${runtime}, seed ${seed}`);

const size = { people: 300, factor: 3, bounds: { times: 2, slackMs: 0, firstMs: 1000 } };
const test = suite(`adversaries (seed ${seed})`, undefined, 60 * 60_000);

test(`${count} histories`, async () => {
  const reports = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      atOnce(async () => {
        const report = await playHistory(seed + index, size);
        console.log(`${historyLine(report)}${report.problems.map((problem) => `\n  ${problem}`).join("")}`);
        return report;
      })),
  );
  const share = Math.max(...reports.map(({ lastMs, ownMs }) => lastMs / ownMs));
  const deeds = reports.reduce((sum, report) => sum + report.deeds, 0);
  console.log(
    `${count} histories, ${deeds} deeds; the slowest took ${share.toFixed(2)} times the pace's own time`,
  );
  assertSound(
    "adversaries",
    reports.flatMap(({ seed, problems }) => problems.map((each) => `${seed}: ${each}`)),
  );
});

test.run();

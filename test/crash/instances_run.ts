/**
 * The full proof that a confirmed /stop holds for every process on a table, on the runtime that runs it: see `all.ts`.
 * `--seed=N` is the first history's, `--histories=N` how many there are.
 */
import { parseArgs } from "node:util";
import { assert, suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { carelessInstances } from "./careless_instances.ts";
import { instancesLine, runInstances } from "./instances.ts";
import { assertSound } from "./report.ts";

const { values } = parseArgs({ options: { seed: { type: "string" }, histories: { type: "string" } } });
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const histories = Number(values.histories ?? 10_000);
if (!Number.isSafeInteger(seed)) throw new RangeError(`--seed must be a whole number: it is ${values.seed}`);
if (!(histories > 0)) throw new RangeError(`--histories must be above 0: it is ${values.histories}`);
console.log(`${runtime}, seed ${seed}`);

const test = suite(`a /stop at one, a broadcast at the other (seed ${seed})`, undefined, 60 * 60_000);

test("nobody is written to after a confirmed /stop", async () => {
  const report = await runInstances({ seed, histories });
  console.log(instancesLine(report));
  assertSound("instances", [...report.late, ...report.problems]);
  assert.ok(report.fromMemory < report.histories / 5, "DynamoDB was too slow to tell");
});

for (const [does, careless] of Object.entries(carelessInstances)) {
  test(`a pair that ${does} is caught`, async () => {
    const report = await runInstances({ seed, histories: 300, careless, endsAtFirst: true });
    console.log(`${does}: caught by history ${report.histories}`);
    assert.ok(report.late.length > 0);
  });
}

test.run();

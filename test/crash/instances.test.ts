/** A confirmed /stop holds for every process on a table: the short form of `instances.ts`. */
import { assert, suite } from "../harness.ts";
import { runInstances } from "./instances.ts";
import { instanceMutants } from "./mutants.ts";
import { assertSound } from "./report.ts";

const test = suite("a /stop at one process, a broadcast at another", undefined, 120_000);

test("nobody is written to after a confirmed /stop, and everybody else is, once", async () => {
  const { late, problems, confirmed, fromMemory, histories } = await runInstances({
    seed: 1,
    histories: 200,
  });
  assertSound("instances", [...late, ...problems]);
  assert.ok(confirmed > 1000);
  assert.ok(fromMemory < histories / 5);
});

test("it holds where the clocks of two machines are almost eight minutes apart", async () => {
  for (const seed of [557554, 557803, 557830]) {
    const { late, problems } = await runInstances({ seed, histories: 1 });
    assertSound("instances", [...late, ...problems]);
  }
});

for (const [does, mutant] of Object.entries(instanceMutants)) {
  test(`a pair that ${does} is caught`, async () => {
    const { late } = await runInstances({ seed: 1, histories: 100, mutant, endsAtFirst: true });
    assert.ok(late.length > 0);
  });
}

test.run();

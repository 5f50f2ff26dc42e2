/**
 * The full proof that a signal gets out in an outage of DynamoDB, and that nothing of it is lost, on the runtime that
 * runs it: see `all.ts`. `--seed=N` is the first outage's, `--times=N` how many there are of each of the six.
 */
import { parseArgs } from "node:util";
import { assert, suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { outageKillLine, runOutageKills } from "./outage_kill.ts";
import { assertSound } from "./report.ts";
import { outageTimes } from "./signal_outage.ts";
import { runSignalOutages, signalOutagesLine, signalOutageTitle } from "./signal_outages.ts";

const { values } = parseArgs({ options: { seed: { type: "string" }, times: { type: "string" } } });
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const times = Number(values.times ?? 50);
if (!Number.isSafeInteger(seed)) throw new RangeError(`--seed must be a whole number: it is ${values.seed}`);
if (!(times > 0)) throw new RangeError(`--times must be above 0: it is ${values.times}`);
console.log(`${runtime}, seed ${seed}`);

const test = suite(`outages in a signal (seed ${seed})`, undefined, 60 * 60_000);

for (const when of outageTimes) {
  for (const hasId of [false, true]) {
    const title = signalOutageTitle({ when, hasId });
    test(title, async () => {
      const report = await runSignalOutages({ seed, when, hasId, times });
      console.log(signalOutagesLine(title, report));
      assertSound(title, report.problems);
      assert.ok(report.arrivedBefore > 0 || when !== "in the middle of");
      assert.ok(report.fromMemory > 0);
    });
  }
}

test("killed in an outage in the middle of a signal", async () => {
  const report = await runOutageKills({ seed, kills: times });
  console.log(outageKillLine(report));
  assertSound("killed in an outage", report.problems);
  assert.ok(report.arrivedBefore > 0 && report.arrivedAfter > 0 && report.unknown > 0);
});

test.run();

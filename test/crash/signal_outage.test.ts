/** A signal gets out in an outage of DynamoDB: the short form of `signal_outages.ts`, in full `npm run test:crash`. */
import { assert, suite } from "../harness.ts";
import { runOutageKills } from "./outage_kill.ts";
import { assertSound } from "./report.ts";
import { outageTimes, runSignalOutages, signalOutageTitle } from "./signal_outages.ts";
import { runTogether } from "./together.ts";

const test = suite("an outage of DynamoDB in a signal", undefined, 180_000);

const all = outageTimes.flatMap((when) => [false, true].map((hasId) => ({ when, hasId })));
const tasks = all.map((one, index) =>
  [signalOutageTitle(one), () => runSignalOutages({ ...one, seed: 3 + index, times: 1 })] as const
);
const resultOf = runTogether(3, Object.fromEntries(tasks));

for (const [title] of tasks) {
  test(title, async () => {
    const { problems, sent } = await resultOf(title);
    assertSound(title, problems);
    assert.ok(sent >= 144);
  });
}

test("a bot that is killed in it has sent to nobody twice", async () => {
  const { problems, arrived, arrivedBefore } = await runOutageKills({ seed: 1, kills: 2 });
  assertSound("killed in an outage", problems);
  assert.ok(arrivedBefore > 0 && arrived > arrivedBefore);
});

test.run();

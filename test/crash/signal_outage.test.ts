/** A signal gets out in an outage of DynamoDB: a part of `signal_outages.ts`, in full `npm run test:crash`. */
import { assert, suite } from "../harness.ts";
import { runOutageKills } from "./outage_kill.ts";
import { assertSound } from "./report.ts";
import { outageTimes, runSignalOutages, signalOutageTitle } from "./signal_outages.ts";

const test = suite("an outage of DynamoDB in a signal", undefined, 120_000);

const all = outageTimes.flatMap((when) => [false, true].map((hasId) => ({ when, hasId })));
for (const [index, one] of all.entries()) {
  const title = signalOutageTitle(one);
  test(title, async () => {
    const { problems, sent } = await runSignalOutages({ ...one, seed: 3 + index, times: 2 });
    assertSound(title, problems);
    assert.ok(sent >= 2 * 144);
  });
}

test("a bot that is killed in it has sent to nobody twice", async () => {
  const { problems, arrived, arrivedBefore } = await runOutageKills({ seed: 1, kills: 2 });
  assertSound("killed in an outage", problems);
  assert.ok(arrivedBefore > 0 && arrived > arrivedBefore);
});

test.run();

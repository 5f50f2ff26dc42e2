/** A signal gets out in an outage of DynamoDB: the short form of `test/crash/signal_outages_run.ts`. */
import { createSemaphore } from "../../lib/util/async.ts";
import { runOutageKills } from "./outage_kill.ts";
import { assertSound } from "./report.ts";
import { outageTimes } from "./signal_outage.ts";
import { runSignalOutages, type SignalOutagesReport, signalOutageTitle } from "./signal_outages.ts";
import { assert, suite } from "../harness.ts";

const test = suite("an outage of DynamoDB in a signal", undefined, 180_000);

/** An outage is mostly waiting: they are played together with the first of them. */
const playing = new Map<string, Promise<SignalOutagesReport>>();
const atOnce = createSemaphore(3);
const all = outageTimes.flatMap((when) => [false, true].map((hasId) => ({ when, hasId })));

function playAll(): void {
  if (playing.size > 0) return;
  for (const [index, one] of all.entries()) {
    const play = atOnce(() => runSignalOutages({ ...one, seed: 3 + index, times: 1 }));
    play.catch(() => {});
    playing.set(signalOutageTitle(one), play);
  }
}

for (const one of all) {
  const title = signalOutageTitle(one);
  test(title, async () => {
    playAll();
    const { problems, sent } = await playing.get(title) as SignalOutagesReport;
    assertSound(title, problems);
    assert.ok(sent >= 144);
  });
}

test("a bot that is killed in it has sent to nobody twice", async () => {
  const { problems, arrivedBefore, arrivedAfter } = await runOutageKills({ seed: 1, kills: 2 });
  assertSound("killed in an outage", problems);
  assert.ok(arrivedBefore > 0 && arrivedAfter > 0);
});

test.run();

/** A killed scheduler sends each fresh signal, and none twice: the short form of `schedulers.ts`. */
import { assert, suite } from "../harness.ts";
import { assertSound } from "./report.ts";
import { runSchedulerKills } from "./scheduler_kills.ts";

const test = suite("scheduler kills", undefined, 120_000);

for (const [onUnknown, schedulers] of [["skip", 1], ["resend", 2]] as const) {
  test(`killed and started again, ${schedulers} at a time, "${onUnknown}"`, async () => {
    const { problems, sent } = await runSchedulerKills({
      seed: 1,
      kills: 3,
      schedulers,
      onUnknown,
      ...{ hours: 2, chats: 5 },
    });
    assertSound(onUnknown, problems);
    assert.ok(sent > 0);
  });
}

test.run();

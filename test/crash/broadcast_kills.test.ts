/** A broadcast with an id is never sent twice and forgets no chat: the short form of `broadcasts.ts`. */
import { assert, suite } from "../harness.ts";
import { runBroadcastKills } from "./broadcast_kills.ts";
import { runDoubleStarts } from "./concurrent_broadcasts.ts";
import { assertSound } from "./report.ts";

const test = suite("broadcast kills", undefined, 120_000);
const short = { seed: 1, kills: 2, chats: 250 };

for (const onUnknown of ["skip", "resend"] as const) {
  test(`killed in the middle and finished by others, "${onUnknown}"`, async () => {
    const { problems, arrived } = await runBroadcastKills({ ...short, onUnknown });
    assertSound(onUnknown, problems);
    assert.ok(arrived > 0);
  });
}

test("begun by two at once, one runs, and both give its report", async () => {
  const { problems, broadcasts, missed, unknown } = await runDoubleStarts({ seed: 1, times: 3, chats: 100 });
  assertSound("begun by two at once", problems);
  assert.equal({ broadcasts, missed, unknown }, { broadcasts: 3, missed: 0, unknown: 0 });
});

test.run();

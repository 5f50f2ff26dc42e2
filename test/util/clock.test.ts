/** The machine's own clock. */
import { systemClock } from "../../lib/util/clock.ts";
import { assert, suite } from "../harness.ts";

const test = suite("systemClock");

test("sleep() for longer than a timer can take does not end at once", async () => {
  const leaving = new AbortController();
  const thirtyDays = systemClock.sleep(30 * 86_400_000, leaving.signal).then(() => "long", () => "aborted");
  const soon = systemClock.sleep(50).then(() => "short");
  assert.is(await Promise.race([thirtyDays, soon]), "short");
  leaving.abort();
  assert.is(await thirtyDays, "aborted");
});

test.run();

/** Nothing is lost: a part of `updates.ts`. In full: `npm run test:crash`. */
import { assert, suite } from "../harness.ts";
import { runKills } from "./kills.ts";
import { runStop } from "./outage_endings.ts";
import { outages, runOutage, titleOf } from "./outages.ts";
import { assertSound } from "./report.ts";

const test = suite("updates in kills and outages", undefined, 120_000);
const seed = 1;

test("killed at random points under traffic, the bot loses nothing and counts nothing twice", async () => {
  const { problems, updates } = await runKills({ kills: 4, killsARound: 2, seed });
  assertSound("kills", problems);
  assert.ok(updates > 50);
});

for (const [index, outage] of outages.entries()) {
  const options = { seed: seed + index, lastsMs: 4000 };
  test(`outage: ${titleOf(outage)}`, async () => {
    const { problems, updates } = await runOutage(outage, options);
    assertSound(titleOf(outage), problems);
    assert.ok(updates > 50);
  });
  if (outage.when === "at the start") continue;
  for (const stops of ["in the outage", "when it is over"] as const) {
    test(`${outage.name}: stopBot() ${stops} ends, and says what could not be kept`, async () => {
      const { problems, updates } = await runStop(outage, { ...options, lastsMs: 4000, stops });
      assertSound(outage.name, problems);
      assert.ok(updates > 50);
    });
  }
}

test.run();

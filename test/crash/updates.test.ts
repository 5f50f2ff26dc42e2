/** Nothing is lost: the short form of `updates.ts`. In full: `npm run test:crash`. */
import { assert, suite } from "../harness.ts";
import { FastClock } from "../support/bot.ts";
import { runKills } from "./kills.ts";
import { runStop } from "./outage_endings.ts";
import { type OutageReport, outages, runOutage, titleOf } from "./outages.ts";
import { assertSound } from "./report.ts";
import { runTogether } from "./together.ts";

const test = suite("updates in kills and outages", undefined, 120_000);
const seed = 1;

test("killed at random points under traffic, the bot loses nothing and counts nothing twice", async () => {
  const { problems, updates } = await runKills({ kills: 4, killsARound: 2, seed });
  assertSound("kills", problems);
  assert.ok(updates > 50);
});

const tasks: Record<string, () => Promise<OutageReport>> = {};
for (const [index, outage] of outages.entries()) {
  const options = { seed: seed + index, lastsMs: 800 };
  const clock = (): FastClock => new FastClock(20);
  tasks[`outage: ${titleOf(outage)}`] = () => runOutage(outage, { ...options, clock: clock() });
  if (outage.name !== "down" || outage.when !== "in the middle") continue;
  tasks["stopBot() in an outage ends, and says what could not be kept"] = () =>
    runStop(outage, { ...options, clock: clock(), stops: "in the outage" });
}
const resultOf = runTogether(4, tasks);

for (const title of Object.keys(tasks)) {
  test(title, async () => {
    const { problems, updates } = await resultOf(title);
    assertSound(title, problems);
    assert.ok(updates > 10);
  });
}

test.run();

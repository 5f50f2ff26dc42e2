/** Nothing is lost: the short form of `test/crash`. In full: `npm run test:crash`. */
import { createSemaphore } from "../../lib/util/async.ts";
import { runStop } from "./ending_run.ts";
import { runKills } from "./kills.ts";
import { type OutageReport, runOutage } from "./outage_run.ts";
import { outages, titleOf } from "./outages.ts";
import { assertSound } from "./report.ts";
import { assert, suite } from "../harness.ts";
import { FastClock } from "../support/bot.ts";

const test = suite("faults", undefined, 120_000);
const seed = 1;
/** An outage is mostly waiting, so several may be played at once. */
const atOnce = createSemaphore(4);

test("killed at random moments under traffic, the bot loses nothing and counts nothing twice", async () => {
  const { problems, updates } = await runKills({ kills: 4, killsARound: 2, seed });
  assertSound("kills", problems);
  assert.ok(updates > 50);
});

/** They are played together with the first of them. */
const playing = new Map<string, Promise<OutageReport>>();

function playAll(): void {
  if (playing.size > 0) return;
  for (const [index, outage] of outages.entries()) {
    const options = { seed: seed + index, lastsMs: 800, clock: new FastClock(20) };
    playing.set(titleOf(outage), atOnce(() => runOutage(outage, options)));
    if (outage.name !== "down" || outage.when !== "in the middle") continue;
    playing.set("stopped", atOnce(() => runStop(outage, { ...options, stops: "in the outage" })));
  }
  for (const play of playing.values()) play.catch(() => {});
}

async function judge(title: string): Promise<void> {
  playAll();
  const { problems, updates } = await playing.get(title) as OutageReport;
  assertSound(title, problems);
  assert.ok(updates > 10);
}

for (const outage of outages) {
  test(`outage: ${titleOf(outage)}`, () => judge(titleOf(outage)));
}

test("stopBot() in an outage ends, and says what could not be kept", () => judge("stopped"));

test.run();

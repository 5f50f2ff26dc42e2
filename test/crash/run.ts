/**
 * The full proof that nothing is lost, on the runtime that runs it: see `all.ts`. Everything is drawn from one seed,
 * which is printed; `--seed=N` draws the same again (moments are drawn too, but no machine keeps them to the hair).
 */
import { parseArgs } from "node:util";
import { createSemaphore } from "../../lib/util/async.ts";
import { assert, suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { runSpooledKills, runStop } from "./ending_run.ts";
import { type KillOptions, runKills } from "./kills.ts";
import { type OutageReport, runOutage } from "./outage_run.ts";
import { type Outage, outages, titleOf } from "./outages.ts";
import { assertSound, killLine, outageTable } from "./report.ts";

const { values } = parseArgs({ options: { seed: { type: "string" } } });
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (!Number.isSafeInteger(seed)) throw new RangeError(`--seed must be a whole number: it is ${values.seed}`);
console.log(`${runtime}, seed ${seed}`);

const limitMs = 15 * 60_000;
const test = suite(`nothing lost (seed ${seed})`, undefined, limitMs);
const reports: OutageReport[] = [];
/** An outage is mostly waiting, so several may be played at once. */
const atOnce = createSemaphore(3);

function outageOf(title: string): Outage {
  const outage = outages.find((it) => titleOf(it) === title);
  if (outage === undefined) throw new Error(`There is no outage "${title}"`);
  return outage;
}

function kills(title: string, options: Omit<KillOptions, "seed">, add: number): void {
  test(title, async () => {
    const report = await runKills({ ...options, seed: seed + add });
    console.log(killLine(title, report));
    assertSound(title, report.problems);
    assert.ok(report.signals > 0 && report.silences > 0, "no broadcast was put to the test");
  });
}

kills("killed under traffic", { kills: 100 }, 0);
kills("killed, two bots at a time", { kills: 50, bots: 2 }, 1);
kills("killed, two bots at a time, 30 % of the answers lost", { kills: 50, bots: 2, lostAnswers: 0.3 }, 2);

test("a bot that confirms before it has written is caught", async () => {
  const { losses } = await runKills({ kills: 10, seed, script: ["careless.ts", "early"] });
  assert.ok(losses.messages > 0);
});

test("a bot that forgets what it has counted is caught", async () => {
  const { losses } = await runKills({ kills: 10, seed, script: ["careless.ts", "twice"] });
  assert.ok(losses.repeated > 0);
});

/** All are begun with the first, and each is judged by a test of its own. */
const begun = new Map<string, Promise<OutageReport>>();
const plans = new Map<string, () => Promise<OutageReport>>();

function plan(title: string, play: () => Promise<OutageReport>): void {
  plans.set(title, play);
  test(title, async () => {
    for (const [name, begin] of plans) if (!begun.has(name)) begun.set(name, started(begin));
    const report = await begun.get(title) as OutageReport;
    reports.push(report);
    assertSound(report.title, report.problems);
  });
}

function started(play: () => Promise<OutageReport>): Promise<OutageReport> {
  const playing = atOnce(play);
  playing.catch(() => {});
  return playing;
}

for (const [index, outage] of outages.entries()) {
  plan(titleOf(outage), () => runOutage(outage, { seed: seed + index, lastsMs: 12_000 }));
}
const down = outageOf("down, in the middle");
const hanging = outageOf("hanging, in the middle");
for (const outage of [down, hanging]) {
  for (const stops of ["in the outage", "when it is over"] as const) {
    plan(`${outage.name}: stopped ${stops}`, () => runStop(outage, { seed, lastsMs: 8000, stops }));
  }
}
for (const kills of [1, 5]) {
  plan(
    `down: killed ${kills} times, with a spool`,
    () => runSpooledKills(down, { seed, lastsMs: 8000, kills }),
  );
}

test.after(() => console.log(`\n${outageTable(reports)}\n`));
test.run();

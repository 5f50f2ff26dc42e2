/**
 * The full proof that a broadcast with an id is never sent twice and forgets nobody, on the runtime that runs it: see
 * `all.ts`. Everything is drawn from one seed, as in `run.ts`.
 */
import { parseArgs } from "node:util";
import { assert, suite } from "../harness.ts";
import { type BroadcastKillOptions, runBroadcastKills } from "./broadcast_kills.ts";
import { ledgerOutages, runLedgerOutage } from "./broadcast_outages.ts";
import { runExpiries } from "./broadcast_expiry.ts";
import { broadcastKillLine, expiryLine, ledgerOutageLine, rivalLine } from "./broadcast_report.ts";
import { runDoubleStarts, runSuspensions } from "./broadcast_rivals.ts";
import { runtime } from "../support/runtime.ts";
import { assertSound } from "./report.ts";

const { values } = parseArgs({ options: { seed: { type: "string" } } });
const seed = Number(values.seed ?? Date.now() % 1_000_000);
if (!Number.isSafeInteger(seed)) throw new RangeError(`--seed must be a whole number: it is ${values.seed}`);
console.log(`${runtime}, seed ${seed}`);

const test = suite(`broadcasts (seed ${seed})`, undefined, 20 * 60_000);

function kills(title: string, options: Omit<BroadcastKillOptions, "seed">, add: number): void {
  test(title, async () => {
    const report = await runBroadcastKills({ ...options, seed: seed + add });
    console.log(broadcastKillLine(title, report));
    assertSound(title, report.problems);
    assert.ok(report.unknown > 0 || options.onUnknown === "resend", "no kill left anybody in doubt");
    assert.ok(report.doubled > 0 || options.onUnknown === "skip", "no kill left anybody in doubt");
  });
}

kills('killed in a broadcast, "skip"', { kills: 100, onUnknown: "skip" }, 0);
kills('killed in a broadcast, "resend"', { kills: 100, onUnknown: "resend" }, 1);
const lossy = { kills: 30, onUnknown: "skip", lostAnswers: 0.1 } as const;
kills('killed in a broadcast, "skip", 10 % of DynamoDB\'s answers lost', lossy, 2);
for (const onUnknown of ["skip", "resend"] as const) {
  for (const kind of ["parts", "photo"] as const) {
    kills(`killed in a broadcast of ${kind}, "${onUnknown}"`, { kills: 40, chats: 500, kind, onUnknown }, 3);
  }
  const title = `its time is over when it goes on, "${onUnknown}"`;
  test(title, async () => {
    const report = await runExpiries({ seed, kills: 10, onUnknown });
    console.log(expiryLine(title, report));
    assertSound(title, report.problems);
    assert.ok(report.kills > 0 && report.expired > 0, "no kill came in time");
  });
}

const mutants = [
  ["late", "skip", "writes its windows when it has sent them"],
  ["again", "skip", "sends again what another has left in doubt"],
  ["forgets", "resend", "forgets whom another has left in doubt"],
] as const;

for (const [mutant, onUnknown, does] of mutants) {
  test(`a bot that ${does} is caught`, async () => {
    const script = ["careless_broadcaster.ts", mutant] as const;
    const { doubled, missed, problems } = await runBroadcastKills({ kills: 30, seed, onUnknown, script });
    console.log(`${mutant}: ${problems[0]?.split("\n")[0] ?? "not caught"}`);
    assert.ok(onUnknown === "skip" ? doubled > 0 : missed > 0);
  });
}

test("a bot that writes what is another's is caught, begun twice or suspended", async () => {
  const script = ["careless_broadcaster.ts", "unfenced"] as const;
  const twice = await runDoubleStarts({ seed, times: 20, script });
  const suspended = await runSuspensions({ seed, times: 10, script });
  for (const { problems } of [twice, suspended]) {
    console.log(`unfenced: ${problems[0]?.split("\n")[0] ?? "not caught"}`);
  }
  assert.ok(twice.doubled > 0 && suspended.doubled > 0);
});

test("begun by two at once", async () => {
  const report = await runDoubleStarts({ seed, times: 100 });
  console.log(rivalLine("begun by two at once", report));
  assertSound("begun by two at once", report.problems);
  assert.is(report.missed, 0);
});

test("suspended for longer than its lease", async () => {
  const report = await runSuspensions({ seed, times: 20 });
  console.log(rivalLine("suspended for longer than its lease", report));
  assertSound("suspended for longer than its lease", report.problems);
});

for (const [index, outage] of ledgerOutages.entries()) {
  const title = `DynamoDB in the middle of a broadcast: ${outage.name}`;
  test(title, async () => {
    const report = await runLedgerOutage(outage, { seed: seed + index, lastsMs: 5000 });
    console.log(ledgerOutageLine(title, report));
    assertSound(title, report.problems);
    assert.ok(report.arrivedAfter > 0, "nothing was left to send after it");
  });
}

test.run();

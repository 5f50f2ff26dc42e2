/** A broadcast with an id is never sent twice and forgets no chat: the full form. */
import { assert } from "../harness.ts";
import { type BroadcastKillOptions, runBroadcastKills, runExpiries } from "./broadcast_kills.ts";
import type { BroadcastCounters } from "./broadcast_run.ts";
import { runDoubleStarts, runSuspensions } from "./concurrent_broadcasts.ts";
import { ledgerOutages, runLedgerOutage } from "./ledger_outages.ts";
import { assertSound, broadcastKillLine, concurrentLine, expiryLine, ledgerOutageLine } from "./report.ts";
import type { RunOptions, Test } from "./parts.ts";

const mutants = [
  ["late", "skip", "writes its windows when it has sent them"],
  ["again", "skip", "sends again what another has left in doubt"],
  ["forgets", "resend", "forgets whom another has left in doubt"],
] as const;

export function register(test: Test, { seed }: RunOptions): void {
  registerKills(test, seed);
  registerMutants(test, seed);
  registerConcurrent(test, seed);
  for (const [index, [name, fault]] of Object.entries(ledgerOutages).entries()) {
    const title = `DynamoDB in the middle of a broadcast: ${name}`;
    test(title, async () => {
      const report = await runLedgerOutage(fault, { seed: seed + index, lastsMs: 5000 });
      console.log(ledgerOutageLine(title, report));
      assertSound(title, report.problems);
      const arrivedAfter = report.arrived - report.arrivedBefore - report.arrivedMeanwhile;
      assert.ok(arrivedAfter > 0, "nothing was left to send after it");
    });
  }
}

function registerKills(test: Test, seed: number): void {
  const kills = (title: string, options: Omit<BroadcastKillOptions, "seed">, add: number): void => {
    test(title, async () => {
      const report = await runBroadcastKills({ ...options, seed: seed + add });
      console.log(broadcastKillLine(title, report));
      assertSound(title, report.problems);
      assert.ok(report.unknown > 0 || options.onUnknown === "resend", "no kill left anybody in doubt");
      assert.ok(report.doubled > 0 || options.onUnknown === "skip", "no kill left anybody in doubt");
    });
  };
  kills('killed in a broadcast, "skip"', { kills: 100, onUnknown: "skip" }, 0);
  kills('killed in a broadcast, "resend"', { kills: 100, onUnknown: "resend" }, 1);
  const lossy = { kills: 30, onUnknown: "skip", lostAnswers: 0.1 } as const;
  kills('killed in a broadcast, "skip", 10 % of DynamoDB\'s answers lost', lossy, 2);
  for (const onUnknown of ["skip", "resend"] as const) {
    for (const kind of ["parts", "photo"] as const) {
      kills(
        `killed in a broadcast of ${kind}, "${onUnknown}"`,
        { kills: 40, chats: 500, kind, onUnknown },
        3,
      );
    }
    const title = `its time is over when it goes on, "${onUnknown}"`;
    test(title, async () => {
      const report = await runExpiries({ seed, kills: 10, onUnknown });
      console.log(expiryLine(title, report));
      assertSound(title, report.problems);
      assert.ok(report.killed > 0 && report.expired > 0, "no kill came in time");
    });
  }
}

const firstProblem = ({ problems }: BroadcastCounters): string => problems[0]?.split("\n")[0] ?? "not caught";

function registerMutants(test: Test, seed: number): void {
  for (const [mutant, onUnknown, does] of mutants) {
    test(`a bot that ${does} is caught`, async () => {
      const report = await runBroadcastKills({ kills: 30, seed, onUnknown, mutant });
      console.log(`${mutant}: ${firstProblem(report)}`);
      assert.ok(onUnknown === "skip" ? report.doubled > 0 : report.missed > 0);
    });
  }

  test("a bot that writes what is another's is caught, begun twice or suspended", async () => {
    const twice = await runDoubleStarts({ seed, times: 20, mutant: "unfenced" });
    const suspended = await runSuspensions({ seed, times: 10, mutant: "unfenced" });
    for (const report of [twice, suspended]) console.log(`unfenced: ${firstProblem(report)}`);
    assert.ok(twice.doubled > 0 && suspended.doubled > 0);
  });
}

function registerConcurrent(test: Test, seed: number): void {
  test("begun by two at once", async () => {
    const report = await runDoubleStarts({ seed, times: 100 });
    console.log(concurrentLine("begun by two at once", report));
    assertSound("begun by two at once", report.problems);
    assert.is(report.missed, 0);
  });

  test("suspended for longer than its lease", async () => {
    const report = await runSuspensions({ seed, times: 20 });
    console.log(concurrentLine("suspended for longer than its lease", report));
    assertSound("suspended for longer than its lease", report.problems);
  });
}

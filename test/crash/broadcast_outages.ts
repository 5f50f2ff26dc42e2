/** DynamoDB is away in the middle of a broadcast: it waits, and goes on. */
import type { FaultGate } from "../../lib/local/mod.ts";
import { gatherAudience } from "./audience.ts";
import { strikeAt } from "./moments.ts";
import { pause } from "./traffic.ts";
import { Trial } from "./trial.ts";
import { verdict } from "./verdict.ts";
import { type Script, Victim } from "./victim.ts";

export interface LedgerOutage {
  readonly name: string;
  begin(gate: FaultGate): void;
}

export const ledgerOutages: readonly LedgerOutage[] = [
  { name: "down", begin: (gate) => void gate.refuse() },
  { name: "hanging", begin: (gate) => void gate.hang() },
  { name: "throttled", begin: (gate) => void gate.throttle() },
  { name: "every answer lost", begin: (gate) => void gate.loseAnswers() },
  {
    name: "errors of its own (500)",
    begin: (gate) => void gate.fail({ status: 500, type: "InternalServerError", message: "Try again" }),
  },
];

export interface LedgerOutageReport {
  readonly arrivedBefore: number;
  readonly arrivedMeanwhile: number;
  readonly arrivedAfter: number;
  readonly doubled: number;
  readonly missed: number;
  readonly problems: readonly string[];
}

export interface LedgerOutageOptions {
  readonly seed: number;
  readonly lastsMs: number;
  readonly script?: Script;
}

export async function runLedgerOutage(
  outage: LedgerOutage,
  { seed, lastsMs, script }: LedgerOutageOptions,
): Promise<LedgerOutageReport> {
  const audience = await gatherAudience({ seed, chats: 500, clockFactor: 5 });
  const trial = new Trial(audience, { onUnknown: "skip", messagesPerSecond: 50 });
  const victim = new Victim(audience, trial.options, script);
  try {
    await victim.printed("READY");
    const playing = victim.play(trial.id, "broadcast");
    const isInMiddle = await strikeAt("in the first half", audience, trial, playing, () => {});
    const arrivedBefore = trial.arrived;
    outage.begin(audience.gate);
    await pause(lastsMs);
    audience.gate.clear();
    const arrivedMeanwhile = trial.arrived - arrivedBefore;
    const answer = await playing;
    trial.report = answer?.report;
    const problems = answer?.error === undefined ? verdict(audience, trial) : [answer.error];
    if (!isInMiddle) problems.push("it was through before the outage");
    if (trial.missed.length > 0) problems.push(`${trial.missed.length} chats did not get it`);
    const arrivedAfter = trial.arrived - arrivedBefore - arrivedMeanwhile;
    const { doubled, missed } = trial;
    return {
      arrivedBefore,
      arrivedMeanwhile,
      arrivedAfter,
      doubled: doubled.length,
      missed: missed.length,
      problems,
    };
  } finally {
    await victim.kill();
    await audience.close();
  }
}

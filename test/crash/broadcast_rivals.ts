/** Two bots and one broadcast: begun by both in the same moment, or by one that falls asleep in the middle of it. */
import { type Audience, gatherAudience } from "./audience.ts";
import type { Answer } from "./broadcaster_commands.ts";
import { moments, strikeAt } from "./moments.ts";
import { Trial, type TrialOptions } from "./trial.ts";
import { pause } from "./traffic.ts";
import { verdict } from "./verdict.ts";
import { differenceOf, type Script, Victim, ways } from "./victim.ts";

export interface RivalOptions {
  readonly seed: number;
  readonly times: number;
  readonly chats?: number;
  readonly script?: Script;
}

export interface RivalReport {
  readonly broadcasts: number;
  readonly arrived: number;
  readonly doubled: number;
  readonly missed: number;
  readonly unknown: number;
  readonly problems: readonly string[];
}

type Tally = { -readonly [Name in keyof RivalReport]: RivalReport[Name] extends number ? number : string[] };

const newTally = (): Tally => ({
  broadcasts: 0,
  arrived: 0,
  doubled: 0,
  missed: 0,
  unknown: 0,
  problems: [],
});

/** Both begin in the same moment: one runs, both give its report, every chat gets it exactly once. */
export async function runDoubleStarts(options: RivalOptions): Promise<RivalReport> {
  const { seed, times, chats = 250, script } = options;
  const trialOptions: TrialOptions = { onUnknown: "skip", messagesPerSecond: 100 };
  // A lease that is renewed in time lapses for nobody, however slow the machine.
  const audience = await gatherAudience({ seed, chats, clockFactor: 3 });
  const pair = [1, 2].map(() => new Victim(audience, trialOptions, script));
  const tally = newTally();
  try {
    // The roster is there, the ledger's table is not.
    await Promise.all(pair.map((victim) => victim.ask("initialize")));
    while (tally.broadcasts < times && tally.problems.length === 0) {
      const trial = new Trial(audience, trialOptions);
      const [one, other] = await Promise.all(
        pair.map((victim) => startAlmostAtOnce(audience, victim, trial)),
      );
      judge(audience, trial, tally, one, other);
      await trial.end();
    }
  } finally {
    await Promise.all(pair.map((victim) => victim.kill()));
    await audience.close();
  }
  return tally;
}

async function startAlmostAtOnce(
  audience: Audience,
  victim: Victim,
  trial: Trial,
): Promise<Answer | undefined> {
  if (audience.random() < 0.5) await pause(audience.random() * 5);
  return await victim.play(trial.id, "broadcast");
}

/** One is suspended for longer than its lease, another finishes what it left, and the first one goes on. */
export async function runSuspensions(options: RivalOptions): Promise<RivalReport> {
  const { seed, times, chats = 500, script } = options;
  const trialOptions: TrialOptions = { onUnknown: "skip", messagesPerSecond: 30, blocked: 0.1 };
  const audience = await gatherAudience({ seed, chats, clockFactor: 20 });
  const tally = newTally();
  try {
    while (tally.broadcasts < times && tally.problems.length === 0) {
      const trial = new Trial(audience, trialOptions);
      await playSuspension(audience, trial, tally, script);
      await trial.end();
    }
  } finally {
    await audience.close();
  }
  return tally;
}

async function playSuspension(
  audience: Audience,
  trial: Trial,
  tally: Tally,
  script: Script | undefined,
): Promise<void> {
  const draw = <T>(items: readonly T[]): T => items[Math.floor(audience.random() * items.length)] as T;
  const first = new Victim(audience, trial.options, script);
  const second = new Victim(audience, trial.options, script);
  try {
    await Promise.all([first, second].map((victim) => victim.printed("READY")));
    const playing = first.play(trial.id, "broadcast");
    // A write that never gets to DynamoDB is for those who are killed.
    const moment = draw(moments.filter((it) => it !== "before a write"));
    await strikeAt(moment, audience, trial, playing, () => first.suspend());
    await pause(300);
    const isKnown = await trial.noteCrash() !== undefined;
    const finished = await second.play(trial.id, isKnown ? draw(ways) : "broadcast");
    first.wake();
    // It gives way, and then the other one's report.
    judge(audience, trial, tally, finished, await playing);
  } finally {
    await Promise.all([first.kill(), second.kill()]);
  }
}

function judge(
  audience: Audience,
  trial: Trial,
  tally: Tally,
  one: Answer | undefined,
  other: Answer | undefined,
): void {
  trial.report = one?.report;
  for (const answer of [one, other]) {
    if (answer?.report === undefined) tally.problems.push(`${trial.id}: ${JSON.stringify(answer)}`);
  }
  tally.problems.push(...differenceOf(one?.report, other?.report), ...verdict(audience, trial));
  tally.broadcasts++;
  tally.arrived += trial.arrived;
  tally.doubled += trial.doubled.length;
  tally.missed += trial.missed.length;
  tally.unknown += one?.report?.unknown ?? 0;
}

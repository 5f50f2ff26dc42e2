/** A bot is killed in an outage in which it sends a signal: with a spool file, nobody who had it gets it again. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BroadcastReport } from "../../mod.ts";
import { until } from "../support/bot.ts";
import { type Audience, gatherAudience } from "./audience.ts";
import { pause } from "./traffic.ts";
import { Trial } from "./trial.ts";
import { differenceOf, Victim } from "./victim.ts";

export interface OutageKillOptions {
  readonly seed: number;
  readonly kills: number;
  readonly chats?: number;
}

export interface OutageKillReport {
  readonly kills: number;
  /** Messages that had arrived when a bot was killed, and those that came later. */
  readonly arrivedBefore: number;
  readonly arrivedAfter: number;
  /** Chats that were counted as unknown, as the kill left them in doubt. */
  readonly unknown: number;
  readonly problems: readonly string[];
}

const signal = { whenUnreadable: "send", whenLedgerDown: "send" } as const;
/** By the bots' clock. */
const messagesPerSecond = 30;
/** A window, and those under way when it is written. */
const inDoubtAtMost = 130;

export async function runOutageKills(
  { seed, kills, chats = 300 }: OutageKillOptions,
): Promise<OutageKillReport> {
  const audience = await gatherAudience({ seed, chats, clockFactor: 5 });
  const folder = await mkdtemp(join(tmpdir(), "outage-"));
  const sum = { kills: 0, arrivedBefore: 0, arrivedAfter: 0, unknown: 0 };
  const problems: string[] = [];
  try {
    for (let kill = 0; kill < kills; kill++) {
      const trial = new Trial(audience, { onUnknown: "skip", messagesPerSecond });
      const arrivedBefore = await killOne(audience, trial, join(folder, `spool${kill}`), kill % 2 === 0);
      problems.push(...await judge(audience, trial));
      sum.kills++;
      sum.arrivedBefore += arrivedBefore;
      sum.arrivedAfter += trial.arrived - arrivedBefore;
      sum.unknown += trial.report?.unknown ?? 0;
      await trial.end();
    }
  } finally {
    await audience.close();
    await rm(folder, { recursive: true });
  }
  return { ...sum, problems };
}

/** Gives how many had it when the bot was killed. @param isBack Whether DynamoDB is back before the next bot begins. */
async function killOne(
  audience: Audience,
  trial: Trial,
  spoolFile: string,
  isBack: boolean,
): Promise<number> {
  const { gate, random } = audience;
  const begin = (): Victim => new Victim(audience, trial.options, undefined, { ...signal, spoolFile });
  const victim = begin();
  let next: Victim | undefined;
  try {
    await victim.printed("READY");
    await victim.ask("initialize");
    if (random() < 0.7) gate.refuse();
    else gate.deny();
    const share = random() * 0.9;
    const playing = victim.play(trial.id, "broadcast");
    await until(() => trial.arrived > share * audience.people.length, "nobody gets it in the outage");
    await victim.kill();
    await playing;
    // What is on its way arrives.
    await pause(100);
    const { arrived } = trial;
    if (isBack) gate.clear();
    next = begin();
    await next.printed("READY");
    const answer = next.play(trial.id, "broadcast");
    if (!isBack) await pause(random() * 2000);
    gate.clear();
    trial.report = (await answer)?.report;
    const hasProblems = trial.report !== undefined && trial.report.errors.length > 0;
    const isFinished = async (): Promise<boolean> => {
      const { state, problem_parts } = await audience.record(trial.id) ?? {};
      // What went wrong is written last.
      return state === "finished" && hasProblems === (problem_parts !== undefined);
    };
    await until(isFinished, "the ledger does not have it", 30_000);
    return arrived;
  } finally {
    gate.clear();
    await victim.kill();
    await next?.kill();
  }
}

/** What is wrong; empty where nothing is. */
async function judge(audience: Audience, trial: Trial): Promise<string[]> {
  const { report, doubled, missed, id } = trial;
  if (report === undefined) return [`${id}: there is no report`];
  const { people } = audience;
  const problems = [...trial.problems];
  const check = (isRight: boolean, problem: string): void =>
    void (isRight || problems.push(`${id}: ${problem}`));
  check(doubled.length === 0, `${doubled.length} chats got it twice`);
  check(report.recipients === people.length, `${report.recipients} recipients of ${people.length}`);
  check(
    report.sent + report.unknown === people.length,
    `not everybody is sent to or unknown: ${JSON.stringify(report)}`,
  );
  check(
    missed.length <= report.unknown,
    `${missed.length} did not get it, and ${report.unknown} are unknown`,
  );
  check(report.unknown <= inDoubtAtMost, `${report.unknown} are unknown`);
  problems.push(...await later(audience, trial, report));
  return problems;
}

/** Whoever calls with its id finds its report, without the file. */
async function later(audience: Audience, trial: Trial, report: BroadcastReport): Promise<string[]> {
  const { arrived } = trial;
  const another = new Victim(audience, trial.options);
  try {
    await another.printed("READY");
    const answer = await another.play(trial.id, "broadcast");
    return [
      ...differenceOf(report, answer?.report),
      ...trial.arrived === arrived ? [] : [`${trial.id}: a later call sends it again`],
    ];
  } finally {
    await another.kill();
  }
}

export function outageKillLine(
  { kills, arrivedBefore, arrivedAfter, unknown, problems }: OutageKillReport,
): string {
  return `${kills} bots killed in an outage: ${arrivedBefore} messages before, ${arrivedAfter} after, ${unknown} in doubt; ` +
    `${problems.length} problems`;
}

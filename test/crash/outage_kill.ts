/** A bot is killed while it sends a signal in an outage: with a spool file, no chat that has it gets it again. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BroadcastReport } from "../../mod.ts";
import { pause, until } from "../support/bot.ts";
import { type BroadcastCounters, runBroadcasts, type ScenarioOptions } from "./broadcast_run.ts";
import { BroadcasterProcess, differenceOf } from "./broadcaster_process.ts";
import type { Subscribers } from "./subscribers.ts";
import type { TestBroadcast } from "./test_broadcast.ts";
import { rm } from "../support/leaks.ts";

export interface OutageKillOptions extends ScenarioOptions {
  readonly kills: number;
}

const signal = { whenUnreadable: "send", whenLedgerDown: "send" } as const;
/** By the bots' clock. */
const messagesPerSecond = 30;
/** A window, and the messages under way when it is written. */
const mostInDoubt = 130;

export async function runOutageKills(options: OutageKillOptions): Promise<BroadcastCounters> {
  const { seed, kills, chats = 300 } = options;
  const folder = await mkdtemp(join(tmpdir(), "outage-"));
  try {
    return await runBroadcasts({ seed, chats, clockFactor: 5 }, async (run) => {
      const { subscribers, counters } = run;
      for (let kill = 0; kill < kills; kill++) {
        await run.broadcast({ onUnknown: "skip", messagesPerSecond }, async (broadcast) => {
          counters.arrivedBefore += await killOne(
            subscribers,
            broadcast,
            join(folder, `spool${kill}`),
            kill % 2 === 0,
          );
        }, (broadcast) => problemsAfter(subscribers, broadcast));
      }
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Gives how many chats had it when the bot was killed. @param isBack Whether DynamoDB is back before the next bot begins. */
async function killOne(
  subscribers: Subscribers,
  broadcast: TestBroadcast,
  spoolFile: string,
  isBack: boolean,
): Promise<number> {
  const { gate, random } = subscribers;
  const start = (): BroadcasterProcess =>
    new BroadcasterProcess(subscribers, broadcast.options, { ...signal, spoolFile });
  await using bot = start();
  let next: BroadcasterProcess | undefined;
  try {
    await bot.printed("READY");
    await bot.ask("initialize");
    if (random() < 0.7) gate.refuse();
    else gate.deny();
    const share = random() * 0.9;
    const sending = bot.send(broadcast.id, "broadcast");
    await until(
      () => broadcast.arrived > share * subscribers.users.length,
      "nobody gets it in the outage",
    );
    await bot.kill();
    await sending;
    // Messages on their way arrive.
    await pause(100);
    const { arrived } = broadcast;
    if (isBack) gate.clear();
    next = start();
    await next.printed("READY");
    const answer = next.send(broadcast.id, "broadcast");
    if (!isBack) await pause(random() * 2000);
    gate.clear();
    broadcast.report = (await answer)?.report;
    const hasErrors = broadcast.report !== undefined && broadcast.report.errors.length > 0;
    const isFinished = async (): Promise<boolean> => {
      const { state, problem_parts } = await subscribers.record(broadcast.id) ?? {};
      // The errors are written last.
      return state === "finished" && hasErrors === (problem_parts !== undefined);
    };
    await until(isFinished, "the ledger does not have it", 30_000);
    return arrived;
  } finally {
    gate.clear();
    await next?.kill();
  }
}

/** What is wrong; empty where nothing is. */
async function problemsAfter(subscribers: Subscribers, broadcast: TestBroadcast): Promise<string[]> {
  const { report, doubled, missed, id } = broadcast;
  if (report === undefined) return [`${id}: there is no report`];
  const { length: chats } = subscribers.users;
  const problems = [...broadcast.problems];
  const check = (isRight: boolean, problem: string): void =>
    void (isRight || problems.push(`${id}: ${problem}`));
  check(doubled.length === 0, `${doubled.length} chats got it twice`);
  check(report.recipients === chats, `${report.recipients} recipients of ${chats}`);
  check(
    report.sent + report.unknown === chats,
    `some are neither sent to nor unknown: ${JSON.stringify(report)}`,
  );
  check(
    missed.length <= report.unknown,
    `${missed.length} did not get it, and ${report.unknown} are unknown`,
  );
  check(report.unknown <= mostInDoubt, `${report.unknown} are unknown`);
  return [...problems, ...await problemsOfFurtherCall(subscribers, broadcast, report)];
}

/** A further call with its id gives its report, without the spool file. */
async function problemsOfFurtherCall(
  subscribers: Subscribers,
  broadcast: TestBroadcast,
  report: BroadcastReport,
): Promise<string[]> {
  const { arrived } = broadcast;
  await using another = new BroadcasterProcess(subscribers, broadcast.options);
  await another.printed("READY");
  const answer = await another.send(broadcast.id, "broadcast");
  return [
    ...differenceOf(report, answer?.report),
    ...broadcast.arrived === arrived ? [] : [`${broadcast.id}: a further call sends it again`],
  ];
}

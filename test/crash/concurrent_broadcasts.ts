/** Two bots and one broadcast: both begin it at the same time, or one is suspended in the middle of it. */
import { pause } from "../support/bot.ts";
import type { Answer } from "./bot.ts";
import { problemsOf } from "./broadcast_oracle.ts";
import {
  type BroadcastCounters,
  type BroadcastRun,
  runBroadcasts,
  type ScenarioOptions,
} from "./broadcast_run.ts";
import { BroadcasterProcess, differenceOf, ways } from "./broadcaster_process.ts";
import { actAt, killPoints, restOf } from "./kill_points.ts";
import type { LedgerMutant } from "./mutants.ts";
import type { TestBroadcast, TestBroadcastOptions } from "./test_broadcast.ts";

export interface ConcurrentOptions extends ScenarioOptions {
  readonly times: number;
}

/** Both begin at the same time: one sends, both give its report, every chat gets it exactly once. */
export function runDoubleStarts(options: ConcurrentOptions): Promise<BroadcastCounters> {
  const { seed, times, chats = 250, mutant } = options;
  const broadcastOptions: TestBroadcastOptions = { onUnknown: "skip", messagesPerSecond: 100 };
  // The clock is slow enough that a lease is always renewed in time, however slow the machine.
  return runBroadcasts({ seed, chats, clockFactor: 3 }, async (run) => {
    const { counters, subscribers } = run;
    await using first = new BroadcasterProcess(subscribers, broadcastOptions, { mutant });
    await using second = new BroadcasterProcess(subscribers, broadcastOptions, { mutant });
    const bots = [first, second];
    // Then the list of chats is read; the ledger's table does not exist yet.
    await Promise.all(bots.map((bot) => bot.ask("initialize")));
    while (counters.broadcasts < times && counters.problems.length === 0) {
      let answers: (Answer | undefined)[] = [];
      await run.broadcast(broadcastOptions, async (broadcast) => {
        answers = await Promise.all(bots.map(async (bot) => {
          if (subscribers.random() < 0.5) await pause(subscribers.random() * 5);
          return await bot.send(broadcast.id, "broadcast");
        }));
        broadcast.report = answers[0]?.report;
      }, (broadcast) => problemsOfBoth(broadcast, chats, answers));
    }
  });
}

/** One is suspended for longer than its lease, another finishes the broadcast, and the first one is resumed. */
export function runSuspensions(options: ConcurrentOptions): Promise<BroadcastCounters> {
  const { seed, times, chats = 500, mutant } = options;
  return runBroadcasts({ seed, chats, clockFactor: 20 }, async (run) => {
    const { counters } = run;
    while (counters.broadcasts < times && counters.problems.length === 0) {
      let answers: (Answer | undefined)[] = [];
      await run.broadcast({ onUnknown: "skip", messagesPerSecond: 30, blocked: 0.1 }, async (broadcast) => {
        answers = await sendSuspended(run, broadcast, mutant);
        broadcast.report = answers[0]?.report;
      }, (broadcast) => problemsOfBoth(broadcast, chats, answers));
    }
  });
}

/** The answers of the second bot, and of the first one, which gives way. */
async function sendSuspended(
  run: BroadcastRun,
  broadcast: TestBroadcast,
  mutant: LedgerMutant | undefined,
): Promise<(Answer | undefined)[]> {
  const { subscribers } = run;
  await using first = new BroadcasterProcess(subscribers, broadcast.options, { mutant });
  await using second = new BroadcasterProcess(subscribers, broadcast.options, { mutant });
  await Promise.all([first.printed("READY"), second.printed("READY")]);
  const sending = first.send(broadcast.id, "broadcast");
  // A suspended bot's write would reach DynamoDB in the end; only a killed bot's never does.
  const point = run.draw(killPoints.filter((it) => it !== "before a write"));
  await actAt(point, restOf(subscribers, broadcast), sending, () => first.suspend());
  await pause(300);
  const isKnown = await broadcast.noteCrash() !== undefined;
  const answer = await second.send(broadcast.id, isKnown ? run.draw(ways) : "broadcast");
  first.wake();
  return [answer, await sending];
}

function problemsOfBoth(
  broadcast: TestBroadcast,
  chats: number,
  answers: readonly (Answer | undefined)[],
): string[] {
  const [one, other] = answers;
  return [
    ...answers.filter((answer) => answer?.report === undefined)
      .map((answer) => `${broadcast.id}: ${JSON.stringify(answer)}`),
    ...differenceOf(one?.report, other?.report),
    ...problemsOf(broadcast, chats),
  ];
}

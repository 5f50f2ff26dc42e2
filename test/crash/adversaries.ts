/** Random histories: a hundred adversaries around a signal to three hundred people, some of whom leave meanwhile. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { randomOf } from "../support/histories.ts";
import { createSemaphore } from "../../lib/util/async.ts";
import { Adversary } from "./adversary.ts";
import { assertSound, historyLine } from "./report.ts";
import type { RunOptions, Test } from "./parts.ts";
import { type Numbers, type SignalCheck, type Size, timesIn, withSignalCheck } from "./signal_check.ts";

export interface HistoryReport extends Numbers {
  readonly seed: number;
  /** What adversaries did. */
  readonly actions: number;
  /** People who said /stop, and those of them who had the signal before that was confirmed. */
  readonly leavers: number;
  readonly inTime: number;
  readonly problems: readonly string[];
}

const [adversariesCount, leaversCount] = [100, 20];
/** Adversaries begin so long before the signal; people leave within so long. */
const [beforeMs, lastsMs] = [3000, 15_000];

export async function playHistory(seed: number, size: Size): Promise<HistoryReport> {
  const random = randomOf(seed);
  const isInMemory = random() < 0.5;
  const maxHoldSeconds = random() < 0.3 ? 8 : 0;
  const broadcastId = random() < 0.5 ? `history${seed}` : undefined;
  const leavers: LocalUser[] = [];
  return await withSignalCheck(size, (check) => playWith(check, { seed, random, leavers, broadcastId }), {
    isInMemory,
    hasLedger: broadcastId !== undefined,
    server: { chatMessagesPerSecond: 1, groupMessagesPerMinute: 20, maxHoldSeconds },
    alsoSubscribed(server) {
      leavers.push(...Array.from({ length: leaversCount }, () => server.user({ opened: true })));
      return leavers;
    },
  });
}

interface History {
  readonly seed: number;
  readonly random: () => number;
  readonly leavers: readonly LocalUser[];
  readonly broadcastId: string | undefined;
}

async function playWith(
  check: SignalCheck,
  { seed, random, leavers, broadcastId }: History,
): Promise<HistoryReport> {
  const { server } = check.fixture;
  const adversaries = Array.from({ length: adversariesCount }, () => new Adversary(server, random));
  let actions = 0;
  const act = (): void => {
    for (let count = Math.floor(random() * 4); count > 0; count--) {
      adversaries[Math.floor(random() * adversaries.length)]?.act();
      actions++;
    }
  };
  const traffic = check.repeat(100, act);
  const leaving = leavers.map(async (leaver) => {
    await check.clock.sleep(random() * lastsMs);
    leaver.say("/stop");
  });
  await check.clock.sleep(beforeMs);
  const sent = check.send({ broadcastId });
  const problems: string[] = [];
  await check.arrived(sent).catch((error: Error) => void problems.push(error.message));
  const numbers = check.numbersOf(sent);
  await Promise.all(leaving);
  await traffic.stop();
  await check.fixture.settled();
  await check.finished(sent);
  problems.push(...problemsOf(check, sent.mark, numbers, leavers));
  const inTime = leavers.filter((leaver) => timesIn(leaver, sent.mark) > 0).length;
  return { seed, actions, leavers: leavers.length, inTime, ...numbers, problems };
}

function problemsOf(
  { people, size: { bounds } }: SignalCheck,
  mark: string,
  { lastMs, ownMs }: Numbers,
  leavers: readonly LocalUser[],
): string[] {
  const problems: string[] = [];
  for (const person of people) {
    const times = timesIn(person, mark);
    if (times !== 1) problems.push(`person ${person.chatId} has it ${times} times`);
  }
  const atMost = ownMs * bounds.times + bounds.slackMs;
  if (!(lastMs <= atMost)) problems.push(`the last has it after ${lastMs} ms of ${Math.round(atMost)}`);
  let confirmed = 0;
  for (const { chatId, inbox } of leavers) {
    const texts = inbox.map(({ text = "" }) => text);
    const stoppedAt = texts.findIndex((text) => text.includes("You are unsubscribed"));
    if (stoppedAt >= 0) confirmed++;
    if (stoppedAt >= 0 && texts.slice(stoppedAt).some((text) => text.includes(mark))) {
      problems.push(`person ${chatId} has it after the confirmed /stop`);
    }
  }
  // On a busy machine a confirmation may wait too long for its turn, and is dropped.
  if (confirmed < leavers.length / 2) problems.push(`${confirmed} /stops of ${leavers.length} are confirmed`);
  return problems;
}

/** The full form: `count` histories, `atOnce` at a time. History number n has the seed plus n. */
export function register(test: Test, { seed, count = 200, atOnce = 1 }: RunOptions): void {
  const size = { people: 300, factor: 3, bounds: { times: 2, slackMs: 0, firstMs: 1000 } };
  const limit = createSemaphore(atOnce);

  test(`${count} histories`, async () => {
    const reports = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        limit(async () => {
          const report = await playHistory(seed + index, size);
          console.log(`${historyLine(report)}${report.problems.map((problem) => `\n  ${problem}`).join("")}`);
          return report;
        })),
    );
    const share = Math.max(...reports.map(({ lastMs, ownMs }) => lastMs / ownMs));
    const actions = reports.reduce((sum, report) => sum + report.actions, 0);
    console.log(
      `${count} histories, ${actions} actions; the slowest took ${
        share.toFixed(2)
      } times the pace's own time`,
    );
    assertSound(
      "adversaries",
      reports.flatMap(({ seed, problems }) => problems.map((each) => `${seed}: ${each}`)),
    );
  });
}

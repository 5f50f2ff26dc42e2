/** A random history: a hundred strangers around a signal to three hundred people, some of whom leave meanwhile. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { randomOf } from "../support/histories.ts";
import { type Numbers, onStage, type Size, type Stage, timesIn } from "./stage.ts";
import { Stranger } from "./stranger.ts";

export interface HistoryReport extends Numbers {
  readonly seed: number;
  /** What strangers did. */
  readonly deeds: number;
  /** People who said /stop, and those of them who had the signal before that was confirmed. */
  readonly leavers: number;
  readonly inTime: number;
  readonly problems: readonly string[];
}

const [strangersCount, leaversCount] = [100, 20];
/** Strangers begin so long before the signal, and go on for so long. */
const [beforeMs, lastsMs] = [3000, 15_000];

export async function playHistory(seed: number, size: Size): Promise<HistoryReport> {
  const random = randomOf(seed);
  const isInMemory = random() < 0.5;
  const maxHoldSeconds = random() < 0.3 ? 8 : 0;
  const broadcastId = random() < 0.5 ? `history${seed}` : undefined;
  const leavers: LocalUser[] = [];
  let report: HistoryReport | undefined;
  await onStage(size, async (stage) => {
    report = await playOn(stage, { seed, random, leavers, broadcastId });
  }, {
    isInMemory,
    hasLedger: broadcastId !== undefined,
    server: { chatMessagesPerSecond: 1, groupMessagesPerMinute: 20, maxHoldSeconds },
    alsoSubscribed(server) {
      leavers.push(...Array.from({ length: leaversCount }, () => server.user({ opened: true })));
      return leavers;
    },
  });
  if (report === undefined) {
    throw new Error("unreachable: a stage that is left without an error has a report");
  }
  return report;
}

interface History {
  readonly seed: number;
  readonly random: () => number;
  readonly leavers: readonly LocalUser[];
  readonly broadcastId: string | undefined;
}

async function playOn(stage: Stage, { seed, random, leavers, broadcastId }: History): Promise<HistoryReport> {
  const { server } = stage.scene;
  const strangers = Array.from({ length: strangersCount }, () => new Stranger(server, random));
  let deeds = 0;
  const act = (): void => {
    for (let count = Math.floor(random() * 4); count > 0; count--) {
      strangers[Math.floor(random() * strangers.length)]?.act();
      deeds++;
    }
  };
  const traffic = stage.repeat(100, act);
  const leaving = leavers.map(async (leaver) => {
    await stage.clock.sleep(random() * lastsMs);
    leaver.say("/stop");
  });
  await stage.clock.sleep(beforeMs);
  const sent = stage.send({ broadcastId });
  const problems: string[] = [];
  await stage.arrived(sent).catch((error: Error) => void problems.push(error.message));
  const numbers = stage.numbersOf(sent);
  await Promise.all(leaving);
  await traffic.stop();
  await stage.scene.settled();
  await stage.finished(sent);
  problems.push(...problemsOf(stage, sent.mark, numbers, leavers));
  const inTime = leavers.filter((leaver) => timesIn(leaver, sent.mark) > 0).length;
  return { seed, deeds, leavers: leavers.length, inTime, ...numbers, problems };
}

function problemsOf(
  { people, size: { bounds } }: Stage,
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
  // On a busy machine a confirmation may wait for too long, and is dropped.
  if (confirmed < leavers.length / 2) problems.push(`${confirmed} /stops of ${leavers.length} are confirmed`);
  return problems;
}

/** `history 5: 120 deeds; first after …` */
export function historyLine({ seed, deeds, lastMs, ownMs, others, leavers, inTime }: HistoryReport): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  return `history ${seed}: ${deeds} deeds of strangers, ${others} messages to them meanwhile; all have it after ` +
    `${seconds(lastMs)} s (the pace's own time: ${
      seconds(ownMs)
    } s); ${inTime} of ${leavers} who left had it before`;
}

/**
 * DynamoDB fails before, at or in the middle of a signal: every known subscriber gets it once, and afterwards the table and
 * the ledger hold what they would hold otherwise.
 */
import type { BroadcastOptions, BroadcastReport, MeanReversionTelegramBot } from "../../mod.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import { createSemaphore } from "../../lib/util/async.ts";
import { assert } from "../harness.ts";
import { botOn, FastClock, Logs, pause, said, until } from "../support/bot.ts";
import { inVirtualTime } from "../sim/world.ts";
import { type Random, randomOf } from "../support/histories.ts";
import { runOutageKills } from "./outage_kill.ts";
import { faults } from "./outages.ts";
import { assertSound, outageKillLine, signalOutagesLine } from "./report.ts";
import type { RunOptions, Test } from "./parts.ts";
import { Subscribers } from "./subscribers.ts";

export const outageTimes = ["before", "at", "in the middle of"] as const;
export type OutageTime = typeof outageTimes[number];

const kinds = ["down", "hanging", "denied", "throttled"] as const;

interface SignalOutageOptions {
  readonly seed: number;
  readonly when: OutageTime;
  readonly hasId: boolean;
}

interface SignalOutageReport {
  readonly kind: typeof kinds[number];
  readonly report: BroadcastReport;
  /** Messages that had arrived when the outage began. */
  readonly arrivedBefore: number;
  readonly problems: readonly string[];
}

/** The signal, and the users who do not only receive it. */
interface SignalInOutage {
  readonly subscribers: Subscribers;
  readonly random: Random;
  readonly text: string;
  readonly options: BroadcastOptions;
  readonly bot: MeanReversionTelegramBot;
  readonly clock: FastClock;
  readonly logs: Logs;
  readonly leavers: readonly LocalUser[];
  readonly blockers: readonly LocalUser[];
  /** What a user has been sent since it began. */
  readonly receivedSince: (user: LocalUser) => string[];
}

const unsubscribed = "You are unsubscribed.";
const clockFactor = 8;
/** By the bot's clock: 200 a second in real time. */
const messagesPerSecond = 25;

async function runSignalOutage(
  subscribers: Subscribers,
  { seed, when, hasId }: SignalOutageOptions,
): Promise<SignalOutageReport> {
  const random = randomOf(seed * 7919);
  const kind = kinds[Math.floor(random() * kinds.length)] as typeof kinds[number];
  const text = `Signal ${seed} ${when}${hasId ? ", with an id" : ""}`;
  const signal = { priority: "urgent", whenUnreadable: "send", whenLedgerDown: "send" } as const;
  const options = { ...signal, broadcastId: hasId ? text : undefined };
  const clock = new FastClock(clockFactor);
  const logs = new Logs();
  const bot = botOn(subscribers.server, subscribers.gate.endpoint, {
    clock,
    messagesPerSecond,
    logger: logs,
  });
  const users = [...subscribers.users].sort(() => random() - 0.5);
  const play: SignalInOutage = {
    ...{ subscribers, random, text, options, bot, clock, logs },
    leavers: users.slice(0, 3),
    blockers: users.slice(3, 6),
    receivedSince: receivedFromNowOn(subscribers.users),
  };
  try {
    await bot.startBot();
    subscribers.server.unheard(() => play.blockers.forEach((user) => user.block()));
    const begin = (): unknown => faults[kind](subscribers.gate);
    const { report, arrivedBefore } = await send(play, when, begin);
    subscribers.gate.clear();
    const problems = await problemsOf(play, report);
    const explained = problems.length === 0
      ? []
      : [`${text}, ${kind}, ${arrivedBefore} before: ${report}`, ...problems, logs.text];
    return { kind, report, arrivedBefore, problems: explained };
  } finally {
    subscribers.gate.clear();
    await bot.stopBot();
    await restore(play);
  }
}

function receivedFromNowOn(users: readonly LocalUser[]): SignalInOutage["receivedSince"] {
  const before = new Map(users.map((user) => [user, user.inbox.length]));
  return (user) => said(user).slice(before.get(user));
}

/** Sends the signal while some users say /stop; resolves when it has ended, in the outage. */
async function send(
  { subscribers, random, text, options, bot, logs, leavers, receivedSince }: SignalInOutage,
  when: OutageTime,
  begin: () => unknown,
): Promise<{ readonly report: BroadcastReport; readonly arrivedBefore: number }> {
  let arrivedBefore = 0;
  let left = 1 + Math.floor(random() * (subscribers.users.length - 10));
  const beginOutage = (): void => {
    arrivedBefore = arrivedAt(subscribers.users, text);
    begin();
    leavers.forEach((leaver, index) => void pause(random() * 300 * index).then(() => leaver.say("/stop")));
  };
  const ends = subscribers.users.map((user) => {
    return user.onMessage((message) => {
      if (message.text === text && when === "in the middle of" && --left === 0) beginOutage();
    });
  });
  if (when === "before") {
    beginOutage();
    await pause(random() * 600);
  }
  const run = bot.broadcast({ text }, options);
  if (when === "at") await pause(random() < 0.5 ? 0 : random() * 50).then(beginOutage);
  const report = await run;
  for (const end of ends) end();
  // Every /stop is answered; an answer that waits too long for its turn is dropped, and that is logged.
  for (const leaver of leavers) {
    const isDropped = (): boolean => logs.text.includes(`Chat ${leaver.chatId} is not answered`);
    await until(
      () => receivedSince(leaver).includes(unsubscribed) || isDropped(),
      `${leaver.chatId} is not answered`,
    );
  }
  return { report, arrivedBefore };
}

function arrivedAt(users: readonly LocalUser[], text: string): number {
  return users.reduce((sum, user) => sum + timesOf(user, text), 0);
}

function timesOf(user: LocalUser, text: string): number {
  return said(user).filter((message) => message === text).length;
}

/** What is wrong; empty where nothing is. */
async function problemsOf(play: SignalInOutage, report: BroadcastReport): Promise<string[]> {
  const { subscribers, text, leavers, blockers, options: { broadcastId } } = play;
  const problems: string[] = [];
  const check = (isRight: boolean, problem: string): void => void (isRight || problems.push(problem));
  for (const user of subscribers.users) {
    const times = timesOf(user, text);
    if (blockers.includes(user)) check(times === 0, `${user.chatId} has blocked the bot and has it`);
    else if (!leavers.includes(user)) check(times === 1, `${user.chatId} has it ${times} times`);
    else {
      check(times <= 1, `${user.chatId} has it ${times} times`);
      const since = play.receivedSince(user);
      const isAfter = since.includes(unsubscribed) && since.lastIndexOf(text) > since.indexOf(unsubscribed);
      check(!isAfter, `${user.chatId} has it after its confirmed /stop`);
    }
  }
  check(report.stopped === undefined, `it was stopped: ${report.stopped}`);
  check(report.sent === arrivedAt(subscribers.users, text), `it says that it was sent to ${report.sent}`);
  check(report.deactivated === blockers.length, `it says that ${report.deactivated} are gone`);
  await tableProblem(play).then((problem) => problem === undefined || problems.push(problem));
  if (broadcastId !== undefined) problems.push(...await ledgerProblems(play, broadcastId, report));
  return problems;
}

/** The table holds each /stop that was said, and each chat that answered 403. */
async function tableProblem({ subscribers, leavers, blockers }: SignalInOutage): Promise<string | undefined> {
  const { storage } = subscribers;
  const isRight = async (user: LocalUser): Promise<boolean> => {
    const { is_active, removed_reason } = await storage.getChat(user.chatId).catch(() => {}) ?? {};
    if (leavers.includes(user)) return is_active === false && removed_reason === "stopped";
    if (blockers.includes(user)) return is_active === false && removed_reason === "blocked";
    return is_active === true;
  };
  const areRight = async (users: readonly LocalUser[]): Promise<boolean> =>
    (await Promise.all(users.map(isRight))).every(Boolean);
  try {
    await until(
      () => areRight([...leavers, ...blockers]),
      "the table does not hold the /stops and the refusals",
      20_000,
    );
    // One scan: hundreds of reads at once would be more than a busy emulator answers in time.
    const areActive = async (): Promise<boolean> => {
      const active = await storage.loadActiveChats();
      const isOut = (user: LocalUser): boolean => leavers.includes(user) || blockers.includes(user);
      return subscribers.users.every((user) => active.has(user.chatId) !== isOut(user));
    };
    await until(areActive, "the table does not hold who is active", 20_000);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The ledger has the run as finished, and a further call with its id gives its report and sends nothing. */
async function ledgerProblems(
  { subscribers, options, text }: SignalInOutage,
  id: string,
  report: BroadcastReport,
): Promise<string[]> {
  const isFinished = async (): Promise<boolean> => (await subscribers.record(id))?.state === "finished";
  try {
    await until(isFinished, "the ledger does not have it", 20_000);
  } catch (error) {
    return [(error as Error).message];
  }
  const arrived = subscribers.users.map((user) => timesOf(user, text));
  const other = botOn(subscribers.server, subscribers.gate.endpoint, { logger: new Logs() });
  try {
    // On a busy machine a slow answer is not an outage.
    const later = await other.broadcast({ text }, { ...options, whenLedgerDown: "wait" });
    const one = [later.sent, later.deactivated, later.skipped, later.failed, later.unknown];
    const first = [report.sent, report.deactivated, report.skipped, report.failed, report.unknown];
    return [
      ...String(one) === String(first) ? [] : [`a later call finds ${one} instead of ${first}`],
      ...subscribers.users.filter((user, index) => timesOf(user, text) !== arrived[index])
        .map(({ chatId }) => `a later call sends it again to ${chatId}`),
    ];
  } finally {
    await other.stopBot();
  }
}

/** Subscribes all users again. */
async function restore({ subscribers, leavers, blockers }: SignalInOutage): Promise<void> {
  subscribers.server.unheard(() => blockers.forEach((user) => user.unblock()));
  await subscribers.subscribe([...leavers, ...blockers]);
}

export interface SignalOutagesOptions {
  readonly seed: number;
  readonly when: OutageTime;
  readonly hasId: boolean;
  readonly times: number;
  /** How many run at the same time. @default 2 */
  readonly atOnce?: number;
}

export interface SignalOutagesReport {
  readonly times: number;
  readonly sent: number;
  /** Messages that had arrived when the outages began. */
  readonly arrivedBefore: number;
  /** Signals that went by the list in memory. */
  readonly fromMemory: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

const chats = 150;

/** Each outage has subscribers of its own. Takes virtual time. */
export function runSignalOutages(options: SignalOutagesOptions): Promise<SignalOutagesReport> {
  return inVirtualTime(() => playSignalOutages(options));
}

async function playSignalOutages(
  { seed, when, hasId, times, atOnce = 2 }: SignalOutagesOptions,
): Promise<SignalOutagesReport> {
  const sum = { times: 0, sent: 0, arrivedBefore: 0, fromMemory: 0 };
  const kinds: Record<string, number> = {};
  const problems: string[] = [];
  const limit = createSemaphore(atOnce);
  await Promise.all(Array.from({ length: times }, (_, index) =>
    limit(async () => {
      await using subscribers = await Subscribers.start({ seed: seed + index, chats, clockFactor: 1 });
      const result = await runSignalOutage(subscribers, { seed: seed + index, when, hasId });
      sum.times++;
      sum.sent += result.report.sent;
      sum.arrivedBefore += result.arrivedBefore;
      if (result.report.recipientsFrom === "memory") sum.fromMemory++;
      kinds[result.kind] = (kinds[result.kind] ?? 0) + 1;
      problems.push(...result.problems);
    })));
  return { ...sum, kinds, problems };
}

export function signalOutageTitle({ when, hasId }: Pick<SignalOutagesOptions, "when" | "hasId">): string {
  return `DynamoDB goes away ${when} a signal ${hasId ? "with an id" : "without one"}`;
}

/** The full form: `count` outages of each kind, `atOnce` at a time. */
export function register(test: Test, { seed, count = 50, atOnce }: RunOptions): void {
  for (const when of outageTimes) {
    for (const hasId of [false, true]) {
      const title = signalOutageTitle({ when, hasId });
      test(title, async () => {
        const report = await runSignalOutages({ seed, when, hasId, times: count, ...atOnce && { atOnce } });
        console.log(signalOutagesLine(title, report));
        assertSound(title, report.problems);
        assert.ok(report.arrivedBefore > 0 || when !== "in the middle of");
        assert.ok(report.fromMemory > 0);
      });
    }
  }

  test("killed in an outage in the middle of a signal", async () => {
    const report = await runOutageKills({ seed, kills: count });
    console.log(outageKillLine(report));
    assertSound("killed in an outage", report.problems);
    assert.ok(report.arrived > report.arrivedBefore && report.arrivedBefore > 0 && report.unknown > 0);
  });
}

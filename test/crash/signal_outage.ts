/**
 * DynamoDB goes away before, at or in the middle of a signal: everyone who is known has it, once, and afterwards the
 * table and the ledger hold what they would hold otherwise.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { BroadcastOptions, BroadcastReport, MeanReversionTelegramBot } from "../../mod.ts";
import type { FaultGate, LocalUser } from "../../lib/local/mod.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { botOn, FastClock, Logs, said, until } from "../support/bot.ts";
import { type Random, randomOf } from "../support/histories.ts";
import type { Audience } from "./audience.ts";
import { TableName } from "./scene.ts";

export const outageTimes = ["before", "at", "in the middle of"] as const;
export type OutageTime = typeof outageTimes[number];

const kinds: Readonly<Record<string, (gate: FaultGate) => unknown>> = {
  down: (gate) => gate.refuse(),
  hanging: (gate) => gate.hang(),
  denied: (gate) => gate.deny(),
  throttled: (gate) => gate.throttle(),
};

export interface SignalOutageOptions {
  readonly seed: number;
  readonly when: OutageTime;
  readonly hasId: boolean;
}

export interface SignalOutageReport {
  readonly kind: string;
  readonly report: BroadcastReport;
  /** Messages that had arrived when the outage began. */
  readonly arrivedBefore: number;
  readonly problems: readonly string[];
}

/** What is played: the signal, and those who do not only listen. */
interface Play {
  readonly audience: Audience;
  readonly random: Random;
  readonly text: string;
  readonly options: BroadcastOptions;
  readonly bot: MeanReversionTelegramBot;
  readonly clock: FastClock;
  readonly logs: Logs;
  readonly leavers: readonly LocalUser[];
  readonly blockers: readonly LocalUser[];
  /** What a person has been sent since it began. */
  readonly heard: (person: LocalUser) => string[];
}

const unsubscribed = "You are unsubscribed.";
const clockFactor = 8;
/** By the bot's clock: 200 a second in real time. */
const messagesPerSecond = 25;

export async function runSignalOutage(
  audience: Audience,
  { seed, when, hasId }: SignalOutageOptions,
): Promise<SignalOutageReport> {
  const random = randomOf(seed * 7919);
  const names = Object.keys(kinds);
  const kind = names[Math.floor(random() * names.length)] as string;
  const text = `Signal ${seed} ${when}${hasId ? ", with an id" : ""}`;
  const signal = { priority: "urgent", whenUnreadable: "send", whenLedgerDown: "send" } as const;
  const options = { ...signal, broadcastId: hasId ? text : undefined };
  const clock = new FastClock(clockFactor);
  const logs = new Logs();
  const bot = botOn(audience.server, audience.gate.endpoint, { clock, messagesPerSecond, logger: logs });
  const people = [...audience.people].sort(() => random() - 0.5);
  const play = {
    ...{ audience, random, text, options, bot, clock, logs },
    leavers: people.slice(0, 3),
    blockers: people.slice(3, 6),
    heard: heardFromNowOn(audience.people),
  };
  try {
    await bot.startBot();
    audience.server.unheard(() => play.blockers.forEach((person) => person.block()));
    const begin = (): unknown => kinds[kind]?.(audience.gate);
    const { report, arrivedBefore } = await send(play, when, begin);
    audience.gate.clear();
    const problems = await judge(play, report);
    const told = problems.length === 0
      ? []
      : [`${text}, ${kind}, ${arrivedBefore} before: ${report}`, ...problems, logs.text];
    return { kind, report, arrivedBefore, problems: told };
  } finally {
    audience.gate.clear();
    await bot.stopBot();
    await restore(play);
  }
}

function heardFromNowOn(people: readonly LocalUser[]): Play["heard"] {
  const before = new Map(people.map((person) => [person, person.inbox.length]));
  return (person) => said(person).slice(before.get(person));
}

/** Sends the signal, while somebody says /stop; resolves when all of it is through, in the outage. */
async function send(
  { audience, random, text, options, bot, logs, leavers, heard }: Play,
  when: OutageTime,
  begin: () => unknown,
): Promise<{ readonly report: BroadcastReport; readonly arrivedBefore: number }> {
  let arrivedBefore = 0;
  let left = 1 + Math.floor(random() * (audience.people.length - 10));
  const strike = (): void => {
    arrivedBefore = arrivedAt(audience.people, text);
    begin();
    leavers.forEach((leaver, index) => void pause(random() * 300 * index).then(() => leaver.say("/stop")));
  };
  const ends = audience.people.map((person) => {
    return person.onMessage((message) => {
      if (message.text === text && when === "in the middle of" && --left === 0) strike();
    });
  });
  if (when === "before") {
    strike();
    await pause(random() * 600);
  }
  const run = bot.broadcast({ text }, options);
  if (when === "at") await pause(random() < 0.5 ? 0 : random() * 50).then(strike);
  const report = await run;
  for (const end of ends) end();
  // Who says /stop is heard, whatever else; an answer whose turn does not come in time is dropped, and told.
  for (const leaver of leavers) {
    const isDropped = (): boolean => logs.text.includes(`Chat ${leaver.chatId} is not answered`);
    await until(
      () => heard(leaver).includes(unsubscribed) || isDropped(),
      `${leaver.chatId} is not answered`,
    );
  }
  return { report, arrivedBefore };
}

function arrivedAt(people: readonly LocalUser[], text: string): number {
  return people.reduce((sum, person) => sum + timesOf(person, text), 0);
}

function timesOf(person: LocalUser, text: string): number {
  return said(person).filter((message) => message === text).length;
}

/** What is wrong; empty where nothing is. */
async function judge(play: Play, report: BroadcastReport): Promise<string[]> {
  const { audience, text, leavers, blockers, options: { broadcastId } } = play;
  const problems: string[] = [];
  const check = (isRight: boolean, problem: string): void => void (isRight || problems.push(problem));
  for (const person of audience.people) {
    const times = timesOf(person, text);
    if (blockers.includes(person)) check(times === 0, `${person.chatId} has blocked the bot and has it`);
    else if (!leavers.includes(person)) check(times === 1, `${person.chatId} has it ${times} times`);
    else {
      check(times <= 1, `${person.chatId} has it ${times} times`);
      const since = play.heard(person);
      const isAfter = since.includes(unsubscribed) && since.lastIndexOf(text) > since.indexOf(unsubscribed);
      check(!isAfter, `${person.chatId} has it after its confirmed /stop`);
    }
  }
  check(report.stopped === undefined, `it was stopped: ${report.stopped}`);
  check(report.sent === arrivedAt(audience.people, text), `it says that it was sent to ${report.sent}`);
  check(report.deactivated === blockers.length, `it says that ${report.deactivated} are gone`);
  await tableProblem(play).then((problem) => problem === undefined || problems.push(problem));
  if (broadcastId !== undefined) problems.push(...await ledgerProblems(play, broadcastId, report));
  return problems;
}

/** The table holds each /stop that was said, and each 403 that was met. */
async function tableProblem({ audience, leavers, blockers }: Play): Promise<string | undefined> {
  const storage = new TelegramDynamoDBStorage({ tableName: TableName, client: audience.direct });
  const isRight = async (person: LocalUser): Promise<boolean> => {
    const { is_active, removed_reason } = await storage.getChat(person.chatId).catch(() => {}) ?? {};
    if (leavers.includes(person)) return is_active === false && removed_reason === "stopped";
    if (blockers.includes(person)) return is_active === false && removed_reason === "blocked";
    return is_active === true;
  };
  const areRight = async (people: readonly LocalUser[]): Promise<boolean> =>
    (await Promise.all(people.map(isRight))).every(Boolean);
  try {
    await until(
      () => areRight([...leavers, ...blockers]),
      "the table does not hold what was said and met",
      20_000,
    );
    // One reading: hundreds at once would be more than a busy emulator answers in time.
    const areActive = async (): Promise<boolean> => {
      const active = await storage.loadActiveChats();
      const isOut = (person: LocalUser): boolean => leavers.includes(person) || blockers.includes(person);
      return audience.people.every((person) => active.has(person.chatId) !== isOut(person));
    };
    await until(areActive, "the table does not hold who is active", 20_000);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The ledger has the run, finished, and whoever calls with its id finds its report and sends nothing. */
async function ledgerProblems(
  { audience, options, text }: Play,
  id: string,
  report: BroadcastReport,
): Promise<string[]> {
  const isFinished = async (): Promise<boolean> => (await audience.record(id))?.state === "finished";
  try {
    await until(isFinished, "the ledger does not have it", 20_000);
  } catch (error) {
    return [(error as Error).message];
  }
  const arrived = audience.people.map((person) => timesOf(person, text));
  const other = botOn(audience.server, audience.gate.endpoint, { logger: new Logs() });
  try {
    // A slow answer of a busy machine is no outage.
    const later = await other.broadcast({ text }, { ...options, whenLedgerDown: "wait" });
    const one = [later.sent, later.deactivated, later.skipped, later.failed, later.unknown];
    const first = [report.sent, report.deactivated, report.skipped, report.failed, report.unknown];
    return [
      ...String(one) === String(first) ? [] : [`a later call finds ${one} instead of ${first}`],
      ...audience.people.filter((person, index) => timesOf(person, text) !== arrived[index])
        .map(({ chatId }) => `a later call sends it again to ${chatId}`),
    ];
  } finally {
    await other.stopBot();
  }
}

/** All are subscribed again. */
async function restore({ audience, leavers, blockers }: Play): Promise<void> {
  audience.server.unheard(() => blockers.forEach((person) => person.unblock()));
  await audience.subscribe([...leavers, ...blockers]);
}

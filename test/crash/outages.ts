/** Outages of DynamoDB: users write on through each, and afterwards the table holds what it would hold without it. */
import type { FaultGate } from "../../lib/local/mod.ts";
import type { BotOptions } from "../../mod.ts";
import { inVirtualTime } from "../sim/world.ts";
import { botOn, Logs, pause, within } from "../support/bot.ts";
import { describe, type Difference, lossesOf } from "./model.ts";
import { World } from "./world.ts";

export interface Outage {
  readonly name: string;
  /** Whether it begins before the bot starts, or while it works. */
  readonly when: "at the start" | "in the middle";
  readonly fault: DynamoDBFault;
  /**
   * What the bot logs: one line when it begins and one when it ends; or pairs of them, but far fewer than there were
   * updates, where some requests get through; or perhaps nothing, where the bot can work without what is missing.
   */
  readonly logged: "once" | "in pairs" | "perhaps";
  /** A shorter one passes unnoticed, as a request that is not answered in time is repeated. */
  readonly lastsAtLeastMs?: number;
}

/** How DynamoDB fails: sets a fault on the gate. */
export type DynamoDBFault = (gate: FaultGate) => void;

type FaultName =
  | "down"
  | "hanging"
  | "throttled"
  | "halfThrottled"
  | "denied"
  | "answersLost"
  | "someAnswersLost"
  | "failing";

export const faults: Readonly<Record<FaultName, DynamoDBFault>> = {
  down: (gate) => void gate.refuse(),
  hanging: (gate) => void gate.hang(),
  throttled: (gate) => void gate.throttle(),
  halfThrottled: (gate) => void gate.throttle({ share: 0.5 }),
  denied: (gate) => void gate.deny(),
  answersLost: (gate) => void gate.loseAnswers(),
  someAnswersLost: (gate) => void gate.loseAnswers({ share: 0.3 }),
  failing: (gate) =>
    void gate.fail({
      status: 500,
      type: "InternalServerError",
      message: "The request could not be processed",
    }),
};

const deny = (action: string): DynamoDBFault => (gate) => void gate.deny(action);

export const outages: readonly Outage[] = [
  { name: "down", when: "at the start", fault: faults.down, logged: "once" },
  { name: "down", when: "in the middle", fault: faults.down, logged: "once" },
  { name: "errors of its own (500)", when: "in the middle", fault: faults.failing, logged: "once" },
  {
    name: "half of all requests throttled",
    when: "in the middle",
    fault: faults.halfThrottled,
    logged: "in pairs",
  },
  { name: "hanging", when: "at the start", fault: faults.hanging, logged: "once" },
  { name: "hanging", when: "in the middle", fault: faults.hanging, logged: "once", lastsAtLeastMs: 5500 },
  { name: "every answer lost", when: "in the middle", fault: faults.answersLost, logged: "once" },
  {
    name: "30 % of the answers lost",
    when: "in the middle",
    fault: faults.someAnswersLost,
    logged: "in pairs",
  },
  { name: "everything denied", when: "in the middle", fault: faults.denied, logged: "once" },
  { name: "UpdateItem denied", when: "in the middle", fault: deny("UpdateItem"), logged: "once" },
  { name: "UpdateItem denied", when: "at the start", fault: deny("UpdateItem"), logged: "once" },
  { name: "GetItem denied", when: "in the middle", fault: deny("GetItem"), logged: "perhaps" },
  { name: "Scan denied", when: "at the start", fault: deny("Scan"), logged: "once" },
  { name: "Scan denied", when: "in the middle", fault: deny("Scan"), logged: "perhaps" },
  { name: "DescribeTable denied", when: "at the start", fault: deny("DescribeTable"), logged: "perhaps" },
  { name: "DescribeTable denied", when: "in the middle", fault: deny("DescribeTable"), logged: "perhaps" },
];

export function titleOf({ name, when }: Outage): string {
  return `${name}, ${when}`;
}

export interface OutageOptions {
  readonly seed: number;
  readonly lastsMs: number;
  readonly spoolFile?: string;
  /** How long the bot has afterwards until all is in the table. @default 60000 */
  readonly recoveryTimeoutMs?: number;
}

/** A row of the table of outages. */
export interface OutageReport {
  readonly title: string;
  /** Updates while it lasted. */
  readonly updates: number;
  /** Updates confirmed to Telegram while it lasted and not in the table yet: only the bot has these. */
  readonly queued: number;
  /** Those of them that the table had in the end. */
  readonly replayed: number;
  /** Registrations, stops and messages that the table never got. */
  readonly lost: number;
  /** What was wrong, for a person to read; empty where nothing was. */
  readonly problems: readonly string[];
}

/** Takes virtual time. */
export function runOutage(outage: Outage, options: OutageOptions): Promise<OutageReport> {
  return inVirtualTime(() => playOutage(outage, options));
}

async function playOutage(outage: Outage, options: OutageOptions): Promise<OutageReport> {
  await using world = await World.start(options.seed);
  const logs = new Logs();
  const bot = createBot(world, logs, options);
  try {
    await bot.startBot();
    const before = await writeBefore(world);
    if (outage.when === "at the start") await bot.stopBot();
    const from = logs.lines.length;
    const used = outage.when === "at the start" ? createBot(world, logs, options) : bot;
    const start = { updates: world.users.updates, messages: await countedMessages(world) };
    outage.fault(world.gate);
    if (used !== bot) await used.startBot();
    await writeThrough(world, Math.max(options.lastsMs, outage.lastsAtLeastMs ?? 0));
    const updates = world.users.updates - start.updates;
    const counted = await countedMessages(world) - start.messages;
    const queued = Math.max(0, updates - world.server.pendingUpdates - counted);
    world.gate.clear();
    const differences = await world.recovered(options.recoveryTimeoutMs);
    // The table is right as soon as it has the last write; the bot knows when it has the answer.
    await within(options.recoveryTimeoutMs ?? 60_000, () => !used.health.isDegraded);
    const problems = [
      ...before,
      ...problemsOf(world, differences),
      ...logProblems(outage, logs, from, updates),
    ];
    await used.stopBot();
    return reportOf(titleOf(outage), updates, queued, differences, problems);
  } finally {
    world.gate.clear();
    await bot.stopBot();
  }
}

/** A bot in this process on the world's services. */
export function createBot(world: World, logs: Logs, options: OutageOptions): ReturnType<typeof botOn> {
  const { spoolFile } = options;
  const more = { logger: logs, ...spoolFile && { spoolFile } };
  return botOn(world.server, world.gate.endpoint, more as Partial<BotOptions>);
}

/** Updates before the outage, so that it meets chats of every state. */
export async function writeBefore(world: World): Promise<string[]> {
  for (let count = 0; count < 25; count++) world.users.act();
  const differences = await world.recovered();
  return differences.length === 0 ? [] : [`before the outage:\n${describe(differences)}`];
}

/** Each kind of update happens at least once in the outage; the rest is random. */
export async function writeThrough(world: World, lastsMs: number): Promise<void> {
  const { users } = world;
  for (const text of ["/start", "/stop", "hello"]) users.say(users.newUser(), text);
  users.migrateNewGroup("start");
  const traffic = world.startTraffic({ everyMs: 25 });
  await pause(lastsMs / 2);
  await world.writeForeign();
  const [user, blocker] = [users.newUser(), users.newUser()];
  for (const text of ["/start", "one", "/stop", "two"]) users.say(user, text);
  users.say(blocker, "/start");
  users.block(blocker);
  users.migrateNewGroup("stop");
  await pause(lastsMs / 2);
  await traffic.stop();
}

export function reportOf(
  title: string,
  updates: number,
  queued: number,
  differences: readonly Difference[],
  problems: readonly string[],
): OutageReport {
  const { registrations, stops, messages } = lossesOf(differences);
  const lost = registrations + stops + messages;
  return { title, updates, queued, replayed: Math.max(0, queued - lost), lost, problems };
}

export function problemsOf({ server }: World, differences: readonly Difference[]): string[] {
  const problems = [];
  if (server.pendingUpdates > 0) problems.push(`${server.pendingUpdates} updates were never confirmed`);
  if (differences.length > 0) problems.push(describe(differences));
  return problems;
}

export async function countedMessages(world: World): Promise<number> {
  const items = await world.items();
  return [...items.values()].reduce((sum, { message_count }) => sum + Number(message_count), 0);
}

/** One line when it begins and one when it ends, not one for each update. */
function logProblems(outage: Outage, logs: Logs, from: number, updates: number): string[] {
  const lines = logs.lines.slice(from).filter(({ message }) =>
    !/ is ready: |could not be answered|is not answered/.test(message)
  );
  const begun = lines.filter(({ level }) => level !== "info").length;
  const ended = lines.length - begun;
  const isGood = {
    "once": begun === 1 && ended === 1,
    "perhaps": begun === ended && begun <= 1,
    "in pairs": begun === ended && begun <= updates / 10,
  };
  if (isGood[outage.logged]) return [];
  const shown = lines.slice(0, 6).map(({ level, message }) => `  ${level}: ${message}`);
  return [
    `it was logged wrongly (${begun} begun, ${ended} ended of ${updates} updates):\n${shown.join("\n")}`,
  ];
}

/** Plays one outage: a bot in this process, people who talk through it, other programs that write meanwhile. */
import type { BotOptions, Clock } from "../../mod.ts";
import { botOn, Logs } from "../support/bot.ts";
import { type Outage, titleOf } from "./outages.ts";
import { recovered } from "./recovery.ts";
import { type Difference, lossesOf, type Scene, startScene, told } from "./scene.ts";
import { pause, startTraffic, within } from "./traffic.ts";

export interface OutageOptions {
  readonly seed: number;
  /** How long it lasts, in real time. */
  readonly lastsMs: number;
  /** The bot's clock: a fast one shortens its own waits, not those of the network. */
  readonly clock?: Clock;
  readonly spoolFile?: string;
  /** How long the bot has afterwards until all is in the table. @default 60000 */
  readonly recoversWithinMs?: number;
}

/** A row of the table of outages. */
export interface OutageReport {
  readonly title: string;
  /** What people did while it lasted. */
  readonly updates: number;
  /** Confirmed to Telegram while it lasted and not in the table yet: only the bot has these. */
  readonly queued: number;
  /** Of those, what the table had in the end. */
  readonly replayed: number;
  /** Registrations, stops and messages that the table never got. */
  readonly lost: number;
  /** What was wrong, for a person to read; empty where nothing was. */
  readonly problems: readonly string[];
}

export async function runOutage(outage: Outage, options: OutageOptions): Promise<OutageReport> {
  const scene = await startScene(options.seed);
  const logs = new Logs();
  const bot = botFor(scene, logs, options);
  try {
    await bot.startBot();
    const before = await talkBefore(scene);
    if (outage.when === "at the start") await bot.stopBot();
    const from = logs.lines.length;
    const used = outage.when === "at the start" ? botFor(scene, logs, options) : bot;
    const start = { updates: scene.town.updates, messages: await countedMessages(scene) };
    outage.begin(scene.gate);
    if (used !== bot) await used.startBot();
    await talkThrough(scene, Math.max(options.lastsMs, outage.lastsAtLeastMs ?? 0));
    const updates = scene.town.updates - start.updates;
    const counted = await countedMessages(scene) - start.messages;
    const queued = Math.max(0, updates - scene.server.pendingUpdates - counted);
    scene.gate.clear();
    const differences = await recovered(scene, options.recoversWithinMs);
    // The table is right as soon as it has the last write, the bot knows of it when it has the answer.
    await within(options.recoversWithinMs ?? 60_000, () => !used.health.isDegraded);
    const problems = [
      ...before,
      ...problemsOf(scene, differences),
      ...saidWrong(outage, logs, from, updates),
    ];
    await used.stopBot();
    return report(titleOf(outage), updates, queued, differences, problems);
  } finally {
    scene.gate.clear();
    await bot.stopBot();
    await scene.close();
  }
}

/** A bot of this process on the scene's services. */
export function botFor(scene: Scene, logs: Logs, options: OutageOptions): ReturnType<typeof botOn> {
  const { clock, spoolFile } = options;
  const more = { logger: logs, ...clock && { clock }, ...spoolFile && { spoolFile } };
  return botOn(scene.server, scene.gate.endpoint, more as Partial<BotOptions>);
}

/** A quiet hour, so that the outage meets chats of every standing. */
export async function talkBefore(scene: Scene): Promise<string[]> {
  for (let count = 0; count < 25; count++) scene.town.act();
  const differences = await recovered(scene);
  return differences.length === 0 ? [] : [`before the outage:\n${told(differences)}`];
}

/** Everything that may happen happens at least once; the rest is chance. */
export async function talkThrough(scene: Scene, lastsMs: number): Promise<void> {
  const { town } = scene;
  for (const text of ["/start", "/stop", "hello"]) town.say(town.newUser(), text);
  town.moveHouse("start");
  const traffic = startTraffic(scene, { everyMs: 25 });
  await pause(lastsMs / 2);
  await scene.othersWrite();
  const [user, blocker] = [town.newUser(), town.newUser()];
  for (const text of ["/start", "one", "/stop", "two"]) town.say(user, text);
  town.say(blocker, "/start");
  town.block(blocker);
  town.moveHouse("stop");
  await pause(lastsMs / 2);
  await traffic.stop();
}

export function report(
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

export function problemsOf({ server }: Scene, differences: readonly Difference[]): string[] {
  const problems = [];
  if (server.pendingUpdates > 0) problems.push(`${server.pendingUpdates} updates were never confirmed`);
  if (differences.length > 0) problems.push(told(differences));
  return problems;
}

export async function countedMessages(scene: Scene): Promise<number> {
  const items = await scene.items();
  return [...items.values()].reduce((sum, { message_count }) => sum + Number(message_count), 0);
}

/** One message when it begins and one when it ends, not one for each update. */
function saidWrong(outage: Outage, logs: Logs, from: number, updates: number): string[] {
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
  if (isGood[outage.told]) return [];
  const shown = lines.slice(0, 6).map(({ level, message }) => `  ${level}: ${message}`);
  return [`it was told wrongly (${begun} begun, ${ended} ended of ${updates} updates):\n${shown.join("\n")}`];
}

/** What becomes of the write queue when the bot ends in an outage: it is stopped, or killed. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Logs, pause, soon, within } from "../support/bot.ts";
import { inVirtualTime } from "../sim/world.ts";
import { BotProcess } from "./bot_process.ts";
import { describe } from "./model.ts";
import {
  countedMessages,
  createBot,
  type Outage,
  type OutageOptions,
  type OutageReport,
  problemsOf,
  reportOf,
  writeBefore,
  writeThrough,
} from "./outages.ts";
import { World } from "./world.ts";
import { rm } from "../support/leaks.ts";

const stopTimeoutMs = 20_000;

export interface StopOptions extends OutageOptions {
  readonly stops: "in the outage" | "when it is over";
}

/**
 * `stopBot()` in the outage, or just when it is over; then another bot goes on. What is missing in the end must have been
 * logged, and nothing may be missing where there is a spool file, or where DynamoDB is back.
 */
export function runStop(outage: Outage, options: StopOptions): Promise<OutageReport> {
  return inVirtualTime(() => playStop(outage, options));
}

async function playStop(outage: Outage, options: StopOptions): Promise<OutageReport> {
  await using world = await World.start(options.seed);
  const logs = new Logs();
  const bot = createBot(world, logs, options);
  const next = createBot(world, new Logs(), options);
  try {
    await bot.startBot();
    const problems = await writeBefore(world);
    const start = { updates: world.users.updates, messages: await countedMessages(world) };
    outage.fault(world.gate);
    await writeThrough(world, Math.max(options.lastsMs, outage.lastsAtLeastMs ?? 0));
    const updates = world.users.updates - start.updates;
    const counted = await countedMessages(world) - start.messages;
    const queued = Math.max(0, updates - world.server.pendingUpdates - counted);
    if (options.stops === "when it is over") world.gate.clear();
    const from = logs.lines.length;
    if (!await soon(bot.stopBot(), stopTimeoutMs)) problems.push(`stopBot() took over ${stopTimeoutMs} ms`);
    world.gate.clear();
    await next.startBot();
    const differences = await world.recovered(options.recoveryTimeoutMs ?? 15_000);
    const hasLogged = logs.lines.slice(from).some(({ level }) => level !== "info");
    const mayLose = options.stops === "in the outage" && options.spoolFile === undefined && hasLogged;
    if (!mayLose) problems.push(...problemsOf(world, differences));
    const spool = options.spoolFile === undefined ? "" : ", with a spool";
    return reportOf(
      `${outage.name}; stopped ${options.stops}${spool}`,
      updates,
      queued,
      differences,
      problems,
    );
  } finally {
    world.gate.clear();
    await Promise.all([bot.stopBot(), next.stopBot()]);
  }
}

/** Kills in the outage, with the write queue on disk: the first bot, and all but the last that are started in it. */
export async function runSpooledKills(
  outage: Outage,
  options: OutageOptions & { readonly kills: number },
): Promise<OutageReport> {
  await using world = await World.start(options.seed);
  const folder = await mkdtemp(join(tmpdir(), "crash-"));
  const spoolFile = join(folder, "spool");
  const startBot = (): BotProcess =>
    new BotProcess(world, { polls: true, messagesPerSecond: 1000, spoolFile });
  let bot = startBot();
  try {
    await bot.printed("READY");
    const problems = await writeBefore(world);
    const start = { updates: world.users.updates, messages: await countedMessages(world) };
    outage.fault(world.gate);
    await writeThrough(world, options.lastsMs);
    for (let kills = 1; kills < options.kills; kills++) {
      await bot.kill();
      bot = startBot();
      const traffic = world.startTraffic();
      await bot.printed("READY");
      await pause(world.random() * 1500);
      await traffic.stop();
    }
    // The last one may confirm everything: then only its spool file has it.
    await within(5000, () => world.server.pendingUpdates === 0);
    const updates = world.users.updates - start.updates;
    const counted = await countedMessages(world) - start.messages;
    const queued = Math.max(0, updates - world.server.pendingUpdates - counted);
    await bot.kill();
    world.gate.clear();
    bot = startBot();
    const differences = await world.recovered(options.recoveryTimeoutMs);
    if (differences.length > 0) problems.push(`${describe(differences)}\n${bot.output}`);
    const times = options.kills === 1 ? "once" : `${options.kills} times`;
    return reportOf(`${outage.name}; killed ${times}, with a spool`, updates, queued, differences, problems);
  } finally {
    await bot.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

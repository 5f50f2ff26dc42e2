/** What becomes of the queue when the bot ends in an outage: it is stopped, or killed. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Logs, soon } from "../support/bot.ts";
import { BotProcess } from "./child.ts";
import type { Outage } from "./outages.ts";
import {
  botFor,
  countedMessages,
  type OutageOptions,
  type OutageReport,
  problemsOf,
  report,
  talkBefore,
  talkThrough,
} from "./outage_run.ts";
import { recovered } from "./recovery.ts";
import { startScene, told } from "./scene.ts";
import { pause, startTraffic, within } from "./traffic.ts";

const stopsWithinMs = 20_000;

/**
 * `stopBot()` in the outage, or in the moment in which it is over: then another bot goes on. What is missing in the
 * end has to have been told, and nothing may be missing where there is a spool, or where DynamoDB is back.
 */
export async function runStop(
  outage: Outage,
  options: OutageOptions & { readonly stops: "in the outage" | "when it is over" },
): Promise<OutageReport> {
  const scene = await startScene(options.seed);
  const logs = new Logs();
  const bot = botFor(scene, logs, options);
  const next = botFor(scene, new Logs(), options);
  try {
    await bot.startBot();
    const problems = await talkBefore(scene);
    const start = { updates: scene.town.updates, messages: await countedMessages(scene) };
    outage.begin(scene.gate);
    await talkThrough(scene, Math.max(options.lastsMs, outage.lastsAtLeastMs ?? 0));
    const updates = scene.town.updates - start.updates;
    const counted = await countedMessages(scene) - start.messages;
    const queued = Math.max(0, updates - scene.server.pendingUpdates - counted);
    if (options.stops === "when it is over") scene.gate.clear();
    const from = logs.lines.length;
    if (!await soon(bot.stopBot(), stopsWithinMs)) problems.push(`stopBot() took over ${stopsWithinMs} ms`);
    scene.gate.clear();
    await next.startBot();
    const differences = await recovered(scene, options.recoversWithinMs ?? 15_000);
    const hasSaid = logs.lines.slice(from).some(({ level }) => level !== "info");
    const mayLose = options.stops === "in the outage" && options.spoolFile === undefined && hasSaid;
    if (!mayLose) problems.push(...problemsOf(scene, differences));
    const spool = options.spoolFile === undefined ? "" : ", with a spool";
    return report(
      `${outage.name}; stopped ${options.stops}${spool}`,
      updates,
      queued,
      differences,
      problems,
    );
  } finally {
    scene.gate.clear();
    await Promise.all([bot.stopBot(), next.stopBot()]);
    await scene.close();
  }
}

/** Kills in the outage, with the queue on disk: the first bot, and all but the last that are started in it. */
export async function runSpooledKills(
  outage: Outage,
  options: OutageOptions & { readonly kills: number },
): Promise<OutageReport> {
  const scene = await startScene(options.seed);
  const folder = await mkdtemp(join(tmpdir(), "faults-"));
  const spoolFile = join(folder, "spool");
  let bot = new BotProcess(scene, { spoolFile });
  try {
    await bot.printed("READY");
    const problems = await talkBefore(scene);
    const start = { updates: scene.town.updates, messages: await countedMessages(scene) };
    outage.begin(scene.gate);
    await talkThrough(scene, options.lastsMs);
    for (let kills = 1; kills < options.kills; kills++) {
      await bot.kill();
      bot = new BotProcess(scene, { spoolFile });
      const traffic = startTraffic(scene);
      await bot.printed("READY");
      await pause(scene.random() * 1500);
      await traffic.stop();
    }
    // The last one may get as far as to confirm everything: what it holds then is nowhere else.
    await within(5000, () => scene.server.pendingUpdates === 0);
    const updates = scene.town.updates - start.updates;
    const counted = await countedMessages(scene) - start.messages;
    const queued = Math.max(0, updates - scene.server.pendingUpdates - counted);
    await bot.kill();
    scene.gate.clear();
    bot = new BotProcess(scene, { spoolFile });
    const differences = await recovered(scene, options.recoversWithinMs);
    if (differences.length > 0) problems.push(`${told(differences)}\n${bot.output}`);
    const times = options.kills === 1 ? "once" : `${options.kills} times`;
    return report(`${outage.name}; killed ${times}, with a spool`, updates, queued, differences, problems);
  } finally {
    await bot.kill();
    await scene.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The bot is killed at random points under traffic and started again at once. Then the table is compared, at the moment when
 * the last update is confirmed: whatever is confirmed has to be in it. Only where answers are lost may the bot take this for
 * an outage; then what it has confirmed is in its spool file and is replayed later.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Fault } from "../../lib/local/mod.ts";
import { pause, within } from "../support/bot.ts";
import { BotProcess, type BotProcessOptions } from "./bot_process.ts";
import { describe, type Difference, type Losses, lossesOf } from "./model.ts";
import type { UpdateMutant } from "./mutants.ts";
import { StopCheck } from "./stop_check.ts";
import { World } from "./world.ts";
import { rm } from "../support/leaks.ts";

export interface KillOptions {
  readonly seed: number;
  readonly kills: number;
  /** How many bots poll with the one token, as in a rolling deployment. @default 1 */
  readonly bots?: number;
  /** The share of DynamoDB's answers that are lost after it has done what it was asked. @default 0 */
  readonly lostAnswers?: number;
  /** The table is compared after so many kills. @default 5 */
  readonly killsARound?: number;
  readonly mutant?: UpdateMutant;
}

export interface KillReport {
  readonly kills: number;
  readonly updates: number;
  readonly chats: number;
  /** Messages of broadcasts that arrived, and chats that were not to get one, over all broadcasts. */
  readonly signals: number;
  readonly excluded: number;
  readonly losses: Losses;
  /** What was wrong, for a person to read; empty where nothing was. */
  readonly problems: readonly string[];
}

const settleTimeoutMs = 120_000;
const replayTimeoutMs = 60_000;

export async function runKills(options: KillOptions): Promise<KillReport> {
  const { seed, kills, bots: count = 1, lostAnswers = 0, killsARound = 5, mutant } = options;
  await using world = await World.start(seed);
  const check = new StopCheck(world);
  const folder = await mkdtemp(join(tmpdir(), "crash-"));
  const spoolFile = (index: number): string | undefined =>
    lostAnswers > 0 ? join(folder, `spool${index}`) : undefined;
  const bots = Array.from({ length: count }, (_, index) => {
    const botOptions = { polls: true, messagesPerSecond: 1000, mutant, spoolFile: spoolFile(index) };
    return new RestartedBot(world, check, botOptions);
  });
  const problems: string[] = [];
  let losses: Losses = lossesOf([]);
  let killed = 0;
  try {
    if (lostAnswers > 0) world.gate.loseAnswers({ share: lostAnswers });
    while (killed < kills && problems.length === 0) {
      const round = Math.min(killsARound, kills - killed);
      await playRound(world, bots, round);
      killed += round;
      const differences = await settledDifferences(world, bots, lostAnswers > 0);
      if (typeof differences === "string") problems.push(differences);
      else if (differences.length > 0) {
        losses = lossesOf(differences);
        problems.push(`after ${killed} kills (seed ${seed}):\n${describe(differences)}`);
      }
    }
    problems.push(...check.violations);
  } finally {
    await Promise.all(bots.map((bot) => bot.kill()));
    await rm(folder, { recursive: true, force: true });
  }
  const { updates, model } = world.users;
  const { arrived: signals, excluded } = check;
  return { kills: killed, updates, chats: model.entries.size, signals, excluded, losses, problems };
}

/** So many kills, shared out among the bots; each is up again at the end. */
async function playRound(world: World, bots: readonly RestartedBot[], kills: number): Promise<void> {
  world.users.unblockAll();
  const traffic = world.startTraffic();
  let left = kills;
  await Promise.all(bots.map(async (bot) => {
    while (left-- > 0) await bot.runUntilKilled();
    bot.start();
  }));
  await traffic.stop();
}

/** How the table differs from the model at the moment when every update is confirmed; a text where that never comes. */
async function settledDifferences(
  world: World,
  bots: readonly RestartedBot[],
  mayReplay: boolean,
): Promise<Difference[] | string> {
  const isSettled = (): boolean => {
    // A bot that has given up is started again, as its operator would.
    for (const bot of bots) bot.start();
    return world.server.pendingUpdates === 0;
  };
  if (await within(settleTimeoutMs, isSettled)) {
    return mayReplay ? await world.recovered(replayTimeoutMs) : await world.differences();
  }
  const output = bots.map((bot) => bot.output).join("\n");
  return `${world.server.pendingUpdates} updates were not confirmed within ${settleTimeoutMs} ms:\n${output}`;
}

/** A bot that is started again after each kill. */
class RestartedBot {
  readonly #world: World;
  readonly #check: StopCheck;
  readonly #options: BotProcessOptions;
  #process: BotProcess | undefined;
  #hook: Fault | undefined;

  constructor(world: World, check: StopCheck, options: BotProcessOptions) {
    this.#world = world;
    this.#check = check;
    this.#options = options;
  }

  get output(): string {
    return this.#process?.output ?? "";
  }

  /** Starts it, unless it runs. */
  start(): BotProcess {
    if (this.#process === undefined || this.#process.hasEnded) {
      this.#process = new BotProcess(this.#world, this.#options);
    }
    return this.#process;
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async runUntilKilled(): Promise<void> {
    const { random } = this.#world;
    const bot = this.start();
    const draw = random();
    if (draw < 0.1) await pause(random() * 700);
    else {
      await bot.printed("READY");
      if (random() < 0.3) await this.#check.broadcast(bot);
      if (draw < 0.4) await pause(random() ** 2 * 800);
      else await this.#nextWrites(1 + Math.floor(random() * 25), draw);
    }
    await bot.kill();
  }

  /** Kills during a write: before DynamoDB has it, or after that and before the answer. */
  async #nextWrites(count: number, draw: number): Promise<void> {
    const { gate } = this.#world;
    let left = count;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const killed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, 1500);
      const hook = gate.before("UpdateItem", async () => {
        if (--left > 0) return;
        hook.clear();
        this.#process?.kill().catch(() => {});
        resolve();
        // The write may be another bot's, which runs on: for that one, DynamoDB just hangs once.
        if (draw < 0.7) await new Promise(() => {});
      });
      this.#hook = hook;
    });
    await killed;
    clearTimeout(timer);
    this.#hook?.clear();
  }
}

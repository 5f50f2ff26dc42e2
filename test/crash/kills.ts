/**
 * The bot is killed at random moments under traffic, and started again at once; then the table is compared:
 * in the moment in which the last update is confirmed, as whatever is confirmed has to be in it. Only where answers are
 * lost may the bot take this for an outage: then what it has confirmed is in a file, and comes later.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Fault } from "../../lib/local/mod.ts";
import { Broadcasts } from "./broadcasts.ts";
import { BotProcess, type ChildOptions } from "./child.ts";
import { recovered } from "./recovery.ts";
import { type Losses, lossesOf, type Scene, startScene, told } from "./scene.ts";
import { pause, startTraffic, within } from "./traffic.ts";

export interface KillOptions extends ChildOptions {
  readonly seed: number;
  readonly kills: number;
  /** How many bots poll with the one token, as in a rolling deployment. @default 1 */
  readonly bots?: number;
  /** The share of DynamoDB's answers that are lost after it has done what it was asked. @default 0 */
  readonly lostAnswers?: number;
  /** How often the table is compared. Default: after every fifth kill. */
  readonly killsARound?: number;
}

export interface KillReport {
  readonly kills: number;
  readonly updates: number;
  readonly chats: number;
  /** Messages of broadcasts that arrived, and how often one might have gone to somebody who had stopped. */
  readonly signals: number;
  readonly silences: number;
  readonly losses: Losses;
  /** What was wrong, for a person to read; empty where nothing was. */
  readonly problems: readonly string[];
}

const settledWithinMs = 120_000;
const replayedWithinMs = 60_000;

export async function runKills(options: KillOptions): Promise<KillReport> {
  const { seed, kills, bots = 1, lostAnswers = 0, killsARound = 5 } = options;
  const scene = await startScene(seed);
  const broadcasts = new Broadcasts(scene);
  const folder = await mkdtemp(join(tmpdir(), "faults-"));
  const spoolOf = (index: number): Pick<ChildOptions, "spoolFile"> =>
    lostAnswers > 0 ? { spoolFile: join(folder, `spool${index}`) } : {};
  const crew = Array.from(
    { length: bots },
    (_, index) => new Victim(scene, broadcasts, { ...options, ...spoolOf(index) }),
  );
  const problems: string[] = [];
  let losses: Losses = lossesOf([]);
  let killed = 0;
  try {
    if (lostAnswers > 0) scene.gate.loseAnswers({ share: lostAnswers });
    while (killed < kills && problems.length === 0) {
      const round = Math.min(killsARound, kills - killed);
      await playRound(scene, crew, round);
      killed += round;
      const differences = await settledDifferences(scene, crew, lostAnswers > 0);
      if (typeof differences === "string") problems.push(differences);
      else if (differences.length > 0) {
        losses = lossesOf(differences);
        problems.push(`after ${killed} kills (seed ${seed}):\n${told(differences)}`);
      }
    }
    problems.push(...broadcasts.violations);
  } finally {
    await Promise.all(crew.map((victim) => victim.kill()));
    await scene.close();
    await rm(folder, { recursive: true, force: true });
  }
  const { updates, model } = scene.town;
  const { arrived: signals, silences } = broadcasts;
  return { kills: killed, updates, chats: model.entries.size, signals, silences, losses, problems };
}

/** So many kills, shared out among the bots; each is up again at the end. */
async function playRound(scene: Scene, crew: readonly Victim[], kills: number): Promise<void> {
  scene.town.unblockAll();
  const traffic = startTraffic(scene);
  let left = kills;
  await Promise.all(crew.map(async (victim) => {
    while (left-- > 0) await victim.liveAndDie();
    victim.start();
  }));
  await traffic.stop();
}

/** How the table differs from what it has to be, in the moment in which every update is confirmed. */
async function settledDifferences(
  scene: Scene,
  crew: readonly Victim[],
  isPatient: boolean,
): Promise<Awaited<ReturnType<Scene["differences"]>> | string> {
  const isSettled = (): boolean => {
    // One that has given up is started again, as whoever runs it would.
    for (const victim of crew) victim.start();
    return scene.server.pendingUpdates === 0;
  };
  if (await within(settledWithinMs, isSettled)) {
    return isPatient ? await recovered(scene, replayedWithinMs) : await scene.differences();
  }
  const output = crew.map((victim) => victim.output).join("\n");
  return `${scene.server.pendingUpdates} updates were not confirmed within ${settledWithinMs} ms:\n${output}`;
}

/** One of the bots, life after life. */
class Victim {
  readonly #scene: Scene;
  readonly #broadcasts: Broadcasts;
  readonly #options: ChildOptions;
  #process: BotProcess | undefined;
  #hook: Fault | undefined;

  constructor(scene: Scene, broadcasts: Broadcasts, options: ChildOptions) {
    this.#scene = scene;
    this.#broadcasts = broadcasts;
    this.#options = options;
  }

  get output(): string {
    return this.#process?.output ?? "";
  }

  /** Starts it, unless it lives. */
  start(): BotProcess {
    if (this.#process === undefined || this.#process.hasEnded) {
      this.#process = new BotProcess(this.#scene, this.#options);
    }
    return this.#process;
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async liveAndDie(): Promise<void> {
    const { random } = this.#scene;
    const bot = this.start();
    const draw = random();
    if (draw < 0.1) await pause(random() * 700);
    else {
      await bot.printed("READY");
      if (random() < 0.3) await this.#broadcasts.order(bot);
      if (draw < 0.4) await pause(random() ** 2 * 800);
      else await this.#nextWrites(1 + Math.floor(random() * 25), draw);
    }
    await bot.kill();
  }

  /** Kills in a write: before DynamoDB has it, or when it has it and has not answered. */
  async #nextWrites(count: number, draw: number): Promise<void> {
    const { gate } = this.#scene;
    let left = count;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const killed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, 1500);
      const hook = gate.before("UpdateItem", async () => {
        if (--left > 0) return;
        hook.clear();
        this.#process?.kill().catch(() => {});
        resolve();
        // It may be another bot's, which lives on: to that one DynamoDB just hangs for once.
        if (draw < 0.7) await new Promise(() => {});
      });
      this.#hook = hook;
    });
    await killed;
    clearTimeout(timer);
    this.#hook?.clear();
  }
}

/**
 * A bot is killed in the middle of a broadcast, and another one finishes it, or is killed in turn. In the end the
 * chats' inboxes are compared with the report, and with what the ledger had in doubt after each kill.
 */
import type { BroadcastReport } from "../../mod.ts";
import type { Kind } from "./announcement.ts";
import { type Audience, gatherAudience } from "./audience.ts";
import { killSometime, type Moment, moments } from "./moments.ts";
import { Trial } from "./trial.ts";
import { verdict } from "./verdict.ts";
import { differenceOf, type Script, Victim, type Way, ways, waysOfAPicture } from "./victim.ts";

export interface BroadcastKillOptions {
  readonly seed: number;
  readonly kills: number;
  readonly onUnknown: "skip" | "resend";
  /** @default 1000 */
  readonly chats?: number;
  /** What is broadcast. @default "text" */
  readonly kind?: Kind | undefined;
  /** The share of DynamoDB's answers that are lost after it has done what it was asked. @default 0 */
  readonly lostAnswers?: number;
  readonly script?: Script;
  /** Whether it goes on when something was wrong, to see all that is. @default false */
  readonly goesOn?: boolean;
}

export interface BroadcastKillReport {
  /** How many of each kind, all of them in a broadcast that was then finished. */
  readonly kills: Readonly<Record<Moment, number>>;
  readonly broadcasts: number;
  /** Chats that were to get one, over all broadcasts. */
  readonly recipients: number;
  readonly arrived: number;
  readonly unknown: number;
  /** Answers of Telegram's that were lost. */
  readonly lost: number;
  /** Chats that got one twice, or none though they should have, over all broadcasts. */
  readonly doubled: number;
  readonly missed: number;
  /** What was wrong, for a person to read; empty where nothing was. */
  readonly problems: readonly string[];
}

const killsABroadcast = 8;
const clockFactor = 20;
const paces = [30, 50, 100] as const;

export async function runBroadcastKills(options: BroadcastKillOptions): Promise<BroadcastKillReport> {
  const { seed, kills, onUnknown, chats = 1000, kind, lostAnswers = 0, script, goesOn = false } = options;
  const audience = await gatherAudience({ seed, chats, clockFactor });
  const tally = new Tally();
  try {
    if (lostAnswers > 0) audience.gate.loseAnswers({ share: lostAnswers });
    while (tally.killed < kills && (goesOn || tally.problems.length === 0)) {
      const { random } = audience;
      const messagesPerSecond = paces[Math.floor(random() * paces.length)] as number;
      const trial = new Trial(audience, { onUnknown, kind, messagesPerSecond, blocked: 0.1, lost: 0.02 });
      const most = Math.min(kills - tally.killed, 1 + Math.floor(random() * killsABroadcast));
      const play = new Play(audience, trial, script);
      tally.add(await play.killed(most), trial);
      tally.problems.push(...verdict(audience, trial));
      await trial.end();
    }
  } finally {
    await audience.close();
  }
  if (tally.problems.length > 0) tally.problems.push(`(seed ${seed})`);
  return tally;
}

/** One broadcast, from the first bot to the last. */
class Play {
  readonly #audience: Audience;
  readonly #trial: Trial;
  readonly #script: Script | undefined;

  constructor(audience: Audience, trial: Trial, script: Script | undefined) {
    this.#audience = audience;
    this.#trial = trial;
    this.#script = script;
  }

  /** Kills up to so many bots in the middle, and has another one finish it. */
  async killed(most: number): Promise<Moment[]> {
    const { id } = this.#trial;
    const struck: Moment[] = [];
    let victim = await this.#next();
    try {
      let playing = victim.play(id, await this.#way());
      while (struck.length < most) {
        const moment = await killSometime(this.#audience, this.#trial, victim, playing);
        if (moment === undefined) break;
        struck.push(moment);
        victim = await this.#next();
        playing = victim.play(id, await this.#way());
      }
      const answer = await playing;
      this.#trial.report = answer?.report;
      if (answer?.report === undefined) this.#complain(JSON.stringify(answer) ?? victim.output);
      await this.#askAgain(victim);
    } finally {
      await victim.kill();
    }
    return struck;
  }

  async #next(): Promise<Victim> {
    const victim = new Victim(this.#audience, this.#trial.options, this.#script);
    if (!await victim.printed("READY")) this.#complain(victim.output);
    return victim;
  }

  /** Looks into the ledger first: whatever the last one had sent off has come by now, and what it had in doubt counts. */
  async #way(): Promise<Way> {
    const record = await this.#trial.noteCrash();
    // Nobody else knows of it yet.
    if (record === undefined) return "broadcast";
    const isWithoutPicture = record.state === "running" && record.message_name === undefined;
    const possible = isWithoutPicture ? waysOfAPicture : ways;
    return possible[Math.floor(this.#audience.random() * possible.length)] as Way;
  }

  /** A further call with the same id, by this bot or by another one, sends nothing and gives the same report. */
  async #askAgain(victim: Victim): Promise<void> {
    const { id, arrived } = this.#trial;
    const isOther = this.#audience.random() < 0.2;
    const asked = isOther ? await this.#next() : victim;
    const answer = await asked.play(id, "broadcast");
    if (isOther) await asked.kill();
    if (answer?.error !== undefined) this.#complain(answer.error);
    this.#trial.problems.push(...differenceOf(this.#trial.report, answer?.report));
    const more = this.#trial.arrived - arrived;
    if (more > 0) this.#complain(`a further call has sent it to ${more} chats`);
  }

  #complain(problem: string): void {
    this.#trial.problems.push(`${this.#trial.id}: ${problem}`);
  }
}

class Tally implements BroadcastKillReport {
  readonly kills: Record<Moment, number> = {
    "at random": 0,
    "before a write": 0,
    "after a write": 0,
    "after a send": 0,
  };
  readonly problems: string[] = [];
  broadcasts = 0;
  recipients = 0;
  arrived = 0;
  unknown = 0;
  lost = 0;
  doubled = 0;
  missed = 0;

  get killed(): number {
    return moments.reduce((sum, moment) => sum + this.kills[moment], 0);
  }

  add(struck: readonly Moment[], trial: Trial): void {
    const report: Partial<BroadcastReport> = trial.report ?? {};
    for (const moment of struck) this.kills[moment]++;
    this.broadcasts++;
    this.recipients += report.recipients ?? 0;
    this.arrived += trial.arrived;
    this.unknown += report.unknown ?? 0;
    this.lost += trial.lost.length;
    this.doubled += trial.doubled.length;
    this.missed += trial.missed.length;
  }
}

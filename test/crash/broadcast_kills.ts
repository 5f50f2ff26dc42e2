/**
 * A bot is killed in the middle of a broadcast, and another one finishes it, or is killed in turn. In the end the
 * chats' inboxes are compared with the report, and with what the ledger had in doubt after each kill.
 */
import { FastClock } from "../support/clocks.ts";
import type { Kind } from "./announcement.ts";
import { problemsOf } from "./broadcast_oracle.ts";
import {
  type BroadcastCounters,
  type BroadcastRun,
  runBroadcasts,
  type ScenarioOptions,
} from "./broadcast_run.ts";
import { BroadcasterProcess, differenceOf, type Way, ways, waysWithoutPhoto } from "./broadcaster_process.ts";
import { killAtRandomPoint, restOf } from "./kill_points.ts";
import type { LedgerMutant } from "./mutants.ts";
import { positionIn, type TestBroadcast } from "./test_broadcast.ts";

export interface BroadcastKillOptions extends ScenarioOptions {
  readonly kills: number;
  readonly onUnknown: "skip" | "resend";
  /** What is broadcast. @default "text" */
  readonly kind?: Kind | undefined;
  /** The share of DynamoDB's answers that are lost after it has done what it was asked. @default 0 */
  readonly lostAnswers?: number;
}

const mostKillsOfABroadcast = 8;
const paces = [30, 50, 100] as const;

export function runBroadcastKills(options: BroadcastKillOptions): Promise<BroadcastCounters> {
  const { seed, kills, onUnknown, chats = 1000, kind, lostAnswers = 0, mutant } = options;
  return runBroadcasts({ seed, chats, clockFactor: 20 }, async (run) => {
    const { counters, subscribers: { gate, random } } = run;
    if (lostAnswers > 0) gate.loseAnswers({ share: lostAnswers });
    while (counters.killed < kills && counters.problems.length === 0) {
      const messagesPerSecond = run.draw(paces);
      await run.broadcast(
        { onUnknown, kind, messagesPerSecond, blocked: 0.1, lost: 0.02 },
        async (broadcast) => {
          const most = Math.min(kills - counters.killed, 1 + Math.floor(random() * mostKillsOfABroadcast));
          await new KilledBroadcast(run, broadcast, mutant).send(most);
        },
      );
    }
  });
}

/** One broadcast, from the first bot to the last. */
class KilledBroadcast {
  readonly #run: BroadcastRun;
  readonly #broadcast: TestBroadcast;
  readonly #mutant: LedgerMutant | undefined;

  constructor(run: BroadcastRun, broadcast: TestBroadcast, mutant: LedgerMutant | undefined) {
    this.#run = run;
    this.#broadcast = broadcast;
    this.#mutant = mutant;
  }

  /** Kills up to so many bots in the middle, and has another one finish it. */
  async send(mostKills: number): Promise<void> {
    const { id } = this.#broadcast;
    const { counters, subscribers } = this.#run;
    let bot = await this.#nextBot();
    try {
      let sending = bot.send(id, await this.#drawWay());
      for (let killed = 0; killed < mostKills; killed++) {
        const point = await killAtRandomPoint(restOf(subscribers, this.#broadcast), sending, bot);
        if (point === undefined) break;
        counters.kills[point]++;
        bot = await this.#nextBot();
        sending = bot.send(id, await this.#drawWay());
      }
      const answer = await sending;
      this.#broadcast.report = answer?.report;
      if (answer?.report === undefined) this.#complain(JSON.stringify(answer) ?? bot.output);
      await this.#callAgain(bot);
    } finally {
      await bot.kill();
    }
  }

  async #nextBot(): Promise<BroadcasterProcess> {
    const bot = new BroadcasterProcess(this.#run.subscribers, this.#broadcast.options, {
      mutant: this.#mutant,
    });
    if (!await bot.printed("READY")) this.#complain(bot.output);
    return bot;
  }

  /** Reads the ledger first: whatever the last bot had sent off has arrived by now, and what it had in doubt counts. */
  async #drawWay(): Promise<Way> {
    const record = await this.#broadcast.noteCrash();
    // No other bot can know of it yet.
    if (record === undefined) return "broadcast";
    const isWithoutPhoto = record.state === "running" && record.message_name === undefined;
    return this.#run.draw<Way>(isWithoutPhoto ? waysWithoutPhoto : ways);
  }

  /** A further call with the same id, by this bot or by another one, sends nothing and gives the same report. */
  async #callAgain(bot: BroadcasterProcess): Promise<void> {
    const { id, arrived } = this.#broadcast;
    const isOther = this.#run.subscribers.random() < 0.2;
    const called = isOther ? await this.#nextBot() : bot;
    const answer = await called.send(id, "broadcast");
    if (isOther) await called.kill();
    if (answer?.error !== undefined) this.#complain(answer.error);
    this.#broadcast.problems.push(...differenceOf(this.#broadcast.report, answer?.report));
    const more = this.#broadcast.arrived - arrived;
    if (more > 0) this.#complain(`a further call has sent it to ${more} chats`);
  }

  #complain(problem: string): void {
    this.#broadcast.problems.push(`${this.#broadcast.id}: ${problem}`);
  }
}

const expiresAfterMs = 40_000;

/** The broadcast expires after the kill and before another bot takes it over: no further chat may get it then. */
export function runExpiries(options: BroadcastKillOptions): Promise<BroadcastCounters> {
  const { seed, kills, onUnknown, chats = 600 } = options;
  return runBroadcasts({ seed, chats, clockFactor: 20 }, async (run) => {
    const { counters, subscribers: { clock: origin } } = run;
    const clock = new FastClock(origin.factor, origin);
    while (counters.killed < kills && counters.endedBefore < kills && counters.problems.length === 0) {
      const expiresAt = clock.now() + expiresAfterMs;
      let isKilled = false;
      await run.broadcast(
        { onUnknown, messagesPerSecond: 30, blocked: 0.1, expiresAt },
        async (broadcast) => isKilled = await sendUntilExpired(run, broadcast, clock, expiresAt),
        (broadcast) => isKilled ? problemsOf(broadcast, chats) : [],
      );
    }
  });
}

/** False where it had ended, or had expired by itself, before the kill. */
async function sendUntilExpired(
  run: BroadcastRun,
  broadcast: TestBroadcast,
  clock: FastClock,
  expiresAt: number,
): Promise<boolean> {
  const { subscribers, counters } = run;
  await using first = new BroadcasterProcess(subscribers, broadcast.options);
  await using second = new BroadcasterProcess(subscribers, broadcast.options);
  await Promise.all([first.printed("READY"), second.printed("READY")]);
  await broadcast.noteCrash();
  const sending = first.send(broadcast.id, "broadcast");
  const point = await killAtRandomPoint(restOf(subscribers, broadcast), sending, first);
  const record = await broadcast.noteCrash();
  if (point === undefined || record?.state !== "running") {
    counters.endedBefore++;
    return false;
  }
  const position = positionIn(record);
  const left = subscribers.users.filter(({ chatId }) => position(chatId) > position(record.cursor)).length;
  await clock.sleep(expiresAt + 1 - clock.now());
  const { arrived } = broadcast;
  broadcast.report = (await second.send(broadcast.id, run.draw(ways)))?.report;
  const late = broadcast.arrived - arrived;
  if (late > 0) broadcast.problems.push(`${broadcast.id}: ${late} got it too late`);
  const { expired } = broadcast.report?.skips ?? {};
  if (expired !== left) broadcast.problems.push(`${broadcast.id}: ${left} were left, but ${expired} expired`);
  counters.kills[point]++;
  return true;
}

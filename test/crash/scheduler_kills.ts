/**
 * Schedulers are killed with SIGKILL and started again while the market of a replayed day goes on, or stands still. The
 * strategies are two, on three symbols and two timeframes; what they find is known beforehand. It is promised:
 *
 * - A signal that was fresh while a scheduler was up is sent, also if that scheduler started only then.
 * - Where no kill fell in its send, each subscriber gets it exactly once.
 * - Where one did, another process takes it over. With `"skip"` nobody gets it twice, and nobody misses it but those whom the
 *   report counts as unknown: they may be in doubt, a window of a hundred at most. With `"resend"` nobody misses it, and only
 *   those may get it once more for each process that has died.
 * - A signal that became too old while no scheduler was up is not sent, unless its send had begun.
 * - Nothing else is sent.
 *
 * The schedulers wait for the ledger where it does not answer, so that "never twice" has no exception: how outages end is
 * the matter of `signal_outages.ts`.
 */
import type { FaultGate } from "../../lib/local/mod.ts";
import { pause, within } from "../support/bot.ts";
import { Deliveries, type DeliveryCounts } from "./deliveries.ts";
import { killAtRandomPoint, type KillPoint, killPoints } from "./kill_points.ts";
import type { SchedulerMutant } from "./mutants.ts";
import { ProgramProcess } from "./program_process.ts";
import { ReplayedDay } from "./replayed_day.ts";
import type { SchedulerProgramOptions } from "./scheduler.ts";
import { Subscribers } from "./subscribers.ts";

export interface SchedulerKillOptions {
  readonly seed: number;
  readonly kills: number;
  /** How many run side by side. */
  readonly schedulers: 1 | 2;
  readonly onUnknown: "skip" | "resend";
  /** How long the day is. @default 24 */
  readonly hours?: number;
  readonly chats?: number;
  readonly mutant?: SchedulerMutant;
}

const moments: readonly (KillPoint | "when all was sent" | "in its start")[] = [
  ...killPoints,
  "when all was sent",
  "in its start",
];
type Moment = typeof moments[number];

export interface SchedulerKillReport extends DeliveryCounts {
  readonly kills: Readonly<Record<Moment, number>>;
  /** What was wrong, for a person to read; empty where nothing was. */
  readonly problems: readonly string[];
}

/** A lease lapses after three seconds: a slow machine must not need so long for a write. */
const clockFactor = 5;
const messagesPerSecond = 30;
const settleWithinMs = 60_000;
const lookEveryMs = 200;

export async function runSchedulerKills(options: SchedulerKillOptions): Promise<SchedulerKillReport> {
  const { seed, schedulers: count, onUnknown, hours = 24, chats = 12, mutant } = options;
  await using subscribers = await Subscribers.start({ seed, chats, clockFactor });
  await using day = await ReplayedDay.start(seed, hours);
  const { clock } = subscribers;
  const argument: SchedulerProgramOptions = { market: day.endpoint, clock, onUnknown, mutant };
  const gates = [subscribers.gate, ...count === 2 ? [await subscribers.openGate()] : []];
  const schedulers = gates.map((gate) => new Scheduler(subscribers, gate, argument));
  const deliveries = new Deliveries({ subscribers, day, onUnknown });
  const run = new KilledDay({ subscribers, day, schedulers, deliveries, wanted: options.kills });
  try {
    await run.play();
    const counts = await deliveries.judge();
    const { problems } = deliveries;
    const outputs = schedulers.flatMap((scheduler) => scheduler.outputs);
    if (problems.length > 0) problems.push(`(seed ${seed})`, ...outputs.slice(-2));
    return { ...counts, kills: run.kills, problems };
  } finally {
    await Promise.all(schedulers.map((scheduler) => scheduler.kill()));
  }
}

/** One that is started again after each kill. */
class Scheduler {
  readonly gate: FaultGate;
  readonly #subscribers: Subscribers;
  readonly #argument: SchedulerProgramOptions;
  readonly #processes: ProgramProcess[] = [];
  #isUp = false;

  constructor(subscribers: Subscribers, gate: FaultGate, argument: SchedulerProgramOptions) {
    this.#subscribers = subscribers;
    this.gate = gate;
    this.#argument = argument;
  }

  /** What each process has printed. */
  get outputs(): string[] {
    return this.#processes.map(({ output }) => output);
  }

  /** Whether it was started, and not killed since. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Whether it has ended by itself. */
  get hasFailed(): boolean {
    return this.#isUp && this.#processes.at(-1)?.hasEnded === true;
  }

  start(): void {
    const { server } = this.#subscribers;
    const options = { file: "scheduler.ts", argument: this.#argument };
    this.#processes.push(new ProgramProcess({ server, gate: this.gate }, options));
    this.#isUp = true;
  }

  /** Resolves to false where it does not come up. */
  async isReady(): Promise<boolean> {
    return await this.#processes.at(-1)?.printed("READY", settleWithinMs) ?? false;
  }

  async kill(): Promise<void> {
    this.#isUp = false;
    await this.#processes.at(-1)?.kill();
  }
}

interface KilledDayOptions {
  readonly subscribers: Subscribers;
  readonly day: ReplayedDay;
  readonly schedulers: readonly Scheduler[];
  readonly deliveries: Deliveries;
  /** How many kills. */
  readonly wanted: number;
}

/** The day, from its first candle to its last. */
class KilledDay {
  readonly kills: Record<Moment, number>;
  readonly #options: KilledDayOptions;

  constructor(options: KilledDayOptions) {
    this.#options = options;
    this.kills = Object.fromEntries(moments.map((moment) => [moment, 0])) as Record<Moment, number>;
  }

  async play(): Promise<void> {
    const { day, schedulers, deliveries, subscribers: { random } } = this.#options;
    await this.#start(schedulers);
    while (!day.isOver && deliveries.problems.length === 0) {
      const isDue = day.coming.length > 0 && random() < this.#killsLeft / day.stepsLeft;
      if (isDue) await this.#stepWithKill();
      else await this.#step();
    }
    await this.#settle({ isStrict: true });
  }

  get #killsLeft(): number {
    const killed = Object.values(this.kills).reduce((sum, count) => sum + count, 0);
    return this.#options.wanted - killed;
  }

  /** Lets five minutes pass, and waits until what was found is sent, if anybody is up. */
  async #step(): Promise<void> {
    const { day, schedulers } = this.#options;
    const isDue = day.coming.length > 0;
    day.step();
    if (isDue && schedulers.some(({ isUp }) => isUp)) await this.#settle();
  }

  async #stepWithKill(): Promise<void> {
    const { day, subscribers: { random } } = this.#options;
    const victims = this.#drawVictims();
    const [first] = victims as [Scheduler];
    const sending = this.#comingFrom(first);
    day.step();
    const ending = new AbortController();
    const settled = this.#settle({ signal: ending.signal });
    const point = await killAtRandomPoint(sending, settled, ...victims);
    ending.abort();
    await settled;
    if (point === undefined) await Promise.all(victims.map((victim) => victim.kill()));
    await this.#noteKills(point ?? "when all was sent", victims);
    await this.#playWithout();
    if (this.#killsLeft > 0 && random() < 0.25) await this.#killInStart(first);
    await this.#start(victims);
  }

  /** The market stands still while they are dead; or goes on, perhaps until all that was found is too old. */
  async #playWithout(): Promise<void> {
    const { day, deliveries, schedulers, subscribers: { random } } = this.#options;
    const steps = random() < 0.5 ? 0 : random() < 0.6 ? 1 : 4;
    for (let left = steps; left > 0 && !day.isOver; left--) await this.#step();
    if (!schedulers.some(({ isUp }) => isUp)) deliveries.noteLate();
  }

  async #killInStart(scheduler: Scheduler): Promise<void> {
    scheduler.start();
    await pause(this.#options.subscribers.random() * 1500);
    await scheduler.kill();
    await this.#noteKills("in its start", [scheduler]);
  }

  async #noteKills(moment: Moment, victims: readonly Scheduler[]): Promise<void> {
    this.kills[moment] += victims.length;
    await this.#options.deliveries.noteKills(victims.length);
  }

  async #start(schedulers: readonly Scheduler[]): Promise<void> {
    const { deliveries } = this.#options;
    for (const scheduler of schedulers) scheduler.start();
    for (const scheduler of schedulers) {
      if (!await scheduler.isReady()) {
        deliveries.problems.push("a scheduler does not start");
      }
    }
    await this.#settle();
  }

  /** One of them or, at times, both; the first one's ledger writes and messages may decide when. */
  #drawVictims(): Scheduler[] {
    const { schedulers, subscribers: { random } } = this.#options;
    const drawn = random() < 0.5 ? [...schedulers] : [...schedulers].reverse();
    return this.#killsLeft > 1 && random() < 0.3 ? drawn : drawn.slice(0, 1);
  }

  /** What the next step brings. */
  #comingFrom({ gate }: Scheduler): Parameters<typeof killAtRandomPoint>[0] {
    const { day, deliveries, subscribers: { random, users } } = this.#options;
    const signals = day.coming.length;
    const messages = signals * users.length;
    return {
      ...{ gate, random, messages, lastsMs: 150 + 1000 * messages / (messagesPerSecond * clockFactor) },
      // A signal's text, its beginning and its end.
      writes: 3 * signals,
      onArrival: (listener) => deliveries.onArrival(listener),
    };
  }

  /** Waits until nothing is open any more. */
  async #settle(
    { isStrict = false, signal }: { readonly isStrict?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    const { deliveries, schedulers } = this.#options;
    const { problems } = deliveries;
    let lookedAt = Date.now();
    const isOver = async (): Promise<boolean> => {
      if (schedulers.some(({ hasFailed }) => hasFailed)) problems.push("a scheduler has ended by itself");
      if (signal?.aborted === true || problems.length > 0) return true;
      if (!isStrict && deliveries.areWhole) return true;
      // The schedulers' own requests must not wait for these.
      if (Date.now() < lookedAt + lookEveryMs) return false;
      lookedAt = Date.now();
      return (await deliveries.open(isStrict)).length === 0;
    };
    if (await within(settleWithinMs, isOver)) return;
    const open = await deliveries.open(isStrict);
    problems.push(`not sent within ${settleWithinMs / 1000} s: ${open.join(", ")}`);
  }
}

/** Sends broadcasts one after another to the same subscribers, checks each, and counts. */
import type { Kind } from "./announcement.ts";
import { problemsOf } from "./broadcast_oracle.ts";
import { type KillPoint, killPoints } from "./kill_points.ts";
import type { LedgerMutant } from "./mutants.ts";
import { Subscribers, type SubscribersOptions } from "./subscribers.ts";
import { TestBroadcast, type TestBroadcastOptions } from "./test_broadcast.ts";

/** What a scenario of broadcasts is given. */
export interface ScenarioOptions {
  readonly seed: number;
  readonly chats?: number;
  readonly mutant?: LedgerMutant;
}

/** What a scenario has counted. Each uses the counters that it is about. */
export class BroadcastCounters {
  /** Kills of each kind, all of them in a broadcast that was then finished. */
  readonly kills: Record<KillPoint, number> = {
    "at random": 0,
    "before a write": 0,
    "after a write": 0,
    "after a send": 0,
  };
  broadcasts = 0;
  /** Broadcasts that ended before the bot was killed. */
  endedBefore = 0;
  /** Chats that should get one, over all broadcasts. */
  recipients = 0;
  /** Messages. */
  arrived = 0;
  /** Messages that had arrived when the outage began or the bot was killed, and those of the outage. */
  arrivedBefore = 0;
  arrivedMeanwhile = 0;
  unknown = 0;
  expired = 0;
  /** Telegram's answers that were lost. */
  lost = 0;
  /** Chats that got one twice, or none though they should have, over all broadcasts. */
  doubled = 0;
  missed = 0;
  /** What was wrong, for a person to read; empty where nothing was. */
  readonly problems: string[] = [];

  get killed(): number {
    return killPoints.reduce((sum, point) => sum + this.kills[point], 0);
  }

  add({ report, arrived, lost, doubled, missed }: TestBroadcast): void {
    this.broadcasts++;
    this.recipients += report?.recipients ?? 0;
    this.arrived += arrived;
    this.unknown += report?.unknown ?? 0;
    this.expired += report?.skips.expired ?? 0;
    this.lost += lost.length;
    this.doubled += doubled.length;
    this.missed += missed.length;
  }
}

export class BroadcastRun {
  readonly subscribers: Subscribers;
  readonly counters: BroadcastCounters = new BroadcastCounters();

  constructor(subscribers: Subscribers) {
    this.subscribers = subscribers;
  }

  /** A broadcast, by the scenario's `send`, which sets its report. Problems are found by `check`, by default the oracle. */
  async broadcast(
    options: TestBroadcastOptions & { readonly kind?: Kind | undefined },
    send: (broadcast: TestBroadcast) => Promise<unknown>,
    check: (broadcast: TestBroadcast) => string[] | Promise<string[]> = (broadcast) =>
      problemsOf(broadcast, this.subscribers.users.length),
  ): Promise<void> {
    const broadcast = new TestBroadcast(this.subscribers, options);
    try {
      await send(broadcast);
      this.counters.problems.push(...await check(broadcast));
      this.counters.add(broadcast);
    } finally {
      await broadcast.end();
    }
  }

  /** One of them, at random. */
  draw<T>(items: readonly T[]): T {
    return items[Math.floor(this.subscribers.random() * items.length)] as T;
  }
}

/** Runs a scenario with subscribers of its own; gives what it counted. */
export async function runBroadcasts(
  options: SubscribersOptions,
  scenario: (run: BroadcastRun) => Promise<void>,
): Promise<BroadcastCounters> {
  await using subscribers = await Subscribers.start(options);
  const run = new BroadcastRun(subscribers);
  await scenario(run);
  const { problems } = run.counters;
  if (problems.length > 0) problems.push(`(seed ${options.seed})`);
  return run.counters;
}

/** A broadcast's time is over before anybody has taken it over from the bot that was killed: nobody gets it then. */
import { type Audience, gatherAudience } from "./audience.ts";
import { killSometime } from "./moments.ts";
import { SharedClock } from "./shared_clock.ts";
import { placeIn, Trial } from "./trial.ts";
import { verdict } from "./verdict.ts";
import { Victim, ways } from "./victim.ts";

export interface ExpiryOptions {
  readonly seed: number;
  readonly kills: number;
  readonly onUnknown: "skip" | "resend";
}

export interface ExpiryReport {
  kills: number;
  /** Broadcasts that were through, or had expired by themselves, before the kill. */
  missed: number;
  arrived: number;
  expired: number;
  unknown: number;
  readonly problems: string[];
}

const lastsMs = 40_000;

export async function runExpiries({ seed, kills, onUnknown }: ExpiryOptions): Promise<ExpiryReport> {
  const audience = await gatherAudience({ seed, chats: 600, clockFactor: 20 });
  const tally: ExpiryReport = { kills: 0, missed: 0, arrived: 0, expired: 0, unknown: 0, problems: [] };
  const mostMissed = kills;
  try {
    while (tally.kills < kills && tally.missed < mostMissed && tally.problems.length === 0) {
      await playExpiry(audience, onUnknown, tally);
    }
  } finally {
    await audience.close();
  }
  return tally;
}

async function playExpiry(
  audience: Audience,
  onUnknown: ExpiryOptions["onUnknown"],
  tally: ExpiryReport,
): Promise<void> {
  const clock = new SharedClock(audience.clock);
  const expiresAt = clock.now() + lastsMs;
  const trial = new Trial(audience, { onUnknown, messagesPerSecond: 30, blocked: 0.1, expiresAt });
  const victims = [1, 2].map(() => new Victim(audience, trial.options)) as [Victim, Victim];
  try {
    await Promise.all(victims.map((victim) => victim.printed("READY")));
    await trial.noteCrash();
    const playing = victims[0].play(trial.id, "broadcast");
    const isKilled = await killSometime(audience, trial, victims[0], playing) !== undefined;
    const record = await trial.noteCrash();
    if (isKilled && record?.state === "running") {
      const place = placeIn(record);
      const left = audience.people.filter(({ chatId }) => place(chatId) > place(record.cursor)).length;
      await clock.sleep(expiresAt + 1 - clock.now());
      const { arrived } = trial;
      const way = ways[Math.floor(audience.random() * ways.length)] as (typeof ways)[number];
      trial.report = (await victims[1].play(trial.id, way))?.report;
      if (trial.arrived > arrived) {
        trial.problems.push(`${trial.id}: ${trial.arrived - arrived} got it too late`);
      }
      const { expired } = trial.report?.skips ?? {};
      if (expired !== left) trial.problems.push(`${trial.id}: ${left} were left, but ${expired} too late`);
      tally.problems.push(...verdict(audience, trial));
      tally.kills++;
    } else tally.missed++;
    tally.arrived += trial.arrived;
    tally.expired += trial.report?.skips.expired ?? 0;
    tally.unknown += trial.report?.unknown ?? 0;
  } finally {
    await Promise.all(victims.map((victim) => victim.kill()));
    await trial.end();
  }
}

/** When a bot is killed: at random, or in the moments in which it hurts most. */
import { messagesOf } from "./announcement.ts";
import { type Audience, LedgerName } from "./audience.ts";
import { pause } from "./traffic.ts";
import type { Trial } from "./trial.ts";
import type { Victim } from "./victim.ts";

export const moments = ["at random", "before a write", "after a write", "after a send"] as const;
export type Moment = (typeof moments)[number];

/** Calls `strike` when the moment has come. Returns what calls it off. */
type Ambush = (audience: Audience, trial: Trial, strike: () => void) => () => void;

/** With so much left that what goes on afterwards is seen. */
const early = "in the first half";

const ambushes: Record<Moment | typeof early, Ambush> = {
  "at random": (audience, trial, strike) => {
    const { factor } = audience.clock;
    // What a start and a lease take of it, and what the sending.
    const lastsMs = 400 + 15_000 / factor + messagesLeft(audience, trial) / paceOf(audience, trial) * 1000;
    let isOff = false;
    pause(audience.random() ** 1.5 * lastsMs).then(() => isOff || strike());
    return () => isOff = true;
  },
  "before a write": (audience, trial, strike) =>
    inWrite(audience, trial, async () => {
      strike();
      // It never gets there.
      await new Promise(() => {});
    }),
  "after a write": (audience, trial, strike) => inWrite(audience, trial, strike),
  "after a send": (audience, trial, strike) => onArrival(audience.random() ** 1.5, audience, trial, strike),
  [early]: (audience, trial, strike) => onArrival(audience.random() / 2, audience, trial, strike),
};

/** When such a share of what is left has arrived. */
function onArrival(share: number, audience: Audience, trial: Trial, strike: () => void): () => void {
  let left = Math.max(1, Math.ceil(share * messagesLeft(audience, trial)));
  return trial.onArrival(() => --left === 0 && strike());
}

function chatsLeft({ people }: Audience, { reached }: Trial): number {
  return Math.max(1, people.length - reached);
}

function messagesLeft(audience: Audience, trial: Trial): number {
  return chatsLeft(audience, trial) * messagesOf(trial.id).length;
}

/** In messages a second of real time. */
function paceOf({ clock }: Audience, { options }: Trial): number {
  return options.messagesPerSecond * clock.factor;
}

/** Meets one of the ledger's writes, on its way to DynamoDB. */
function inWrite(audience: Audience, trial: Trial, strike: () => void | Promise<void>): () => void {
  const window = Math.max(100, 2 * trial.options.messagesPerSecond);
  let left = 1 + Math.floor(audience.random() * chatsLeft(audience, trial) / window);
  const hook = audience.gate.before("UpdateItem", async ({ TableName }) => {
    if (TableName === LedgerName && --left === 0) await strike();
  });
  return () => hook.clear();
}

/** Does it to the bot at a moment of that kind; false where the bot is through before. */
export async function strikeAt(
  moment: Moment | typeof early,
  audience: Audience,
  trial: Trial,
  playing: Promise<unknown>,
  strike: () => void,
): Promise<boolean> {
  let callOff = (): void => {};
  const struck = new Promise<true>((resolve) => {
    callOff = ambushes[moment](audience, trial, () => {
      strike();
      resolve(true);
    });
  });
  try {
    return await Promise.race([struck, playing.then(() => false)]);
  } finally {
    callOff();
  }
}

/** Kills it at a moment drawn at random; gives the moment, or undefined where it was through before. */
export async function killSometime(
  audience: Audience,
  trial: Trial,
  victim: Victim,
  playing: Promise<unknown>,
): Promise<Moment | undefined> {
  const moment = moments[Math.floor(audience.random() * moments.length)] as Moment;
  let killed: Promise<void> | undefined;
  const kill = (): void => void (killed = victim.kill());
  if (!await strikeAt(moment, audience, trial, playing, kill)) return undefined;
  await killed;
  return moment;
}

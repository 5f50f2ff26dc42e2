/** When a bot is killed: at a random time, or around a write or a send, where it is most harmful. */
import type { FaultGate } from "../../lib/local/mod.ts";
import { pause } from "../support/bot.ts";
import type { Random } from "../support/histories.ts";
import { LedgerName } from "../support/storage.ts";
import { messagesOf } from "./announcement.ts";
import type { ProgramProcess } from "./program_process.ts";
import type { Subscribers } from "./subscribers.ts";
import type { TestBroadcast } from "./test_broadcast.ts";

export const killPoints = ["at random", "before a write", "after a write", "after a send"] as const;
export type KillPoint = (typeof killPoints)[number];

/** What a bot is about to send. */
export interface Sending {
  /** The bot's way to DynamoDB. */
  readonly gate: FaultGate;
  readonly random: Random;
  /** About how long it will take, in milliseconds. */
  readonly lastsMs: number;
  readonly messages: number;
  /** About how often the ledger will be written. */
  readonly writes: number;
  /** Calls the listener on each arrival, before the bot has the answer. */
  onArrival(listener: () => void): () => void;
}

/** What is left of a broadcast. */
export function restOf({ gate, random, users, clock }: Subscribers, broadcast: TestBroadcast): Sending {
  const { id, reached, options: { messagesPerSecond } } = broadcast;
  const chats = Math.max(1, users.length - reached);
  const messages = chats * messagesOf(id).length;
  // The bot's start, its lease, and the messages.
  const lastsMs = 400 + (15_000 + messages / messagesPerSecond * 1000) / clock.factor;
  return {
    ...{ gate, random, lastsMs, messages },
    writes: chats / Math.max(100, 2 * messagesPerSecond),
    onArrival: (listener) => broadcast.onArrival(listener),
  };
}

/** Calls `act` when the point is reached. Returns what cancels that. */
type Trigger = (sending: Sending, act: () => void) => () => void;

/** Early enough that there is more to send afterwards. */
const early = "in the first half";

const triggers: Record<KillPoint | typeof early, Trigger> = {
  "at random": ({ random, lastsMs }, act) => {
    let isCancelled = false;
    pause(random() ** 1.5 * lastsMs).then(() => isCancelled || act());
    return () => isCancelled = true;
  },
  "before a write": (sending, act) =>
    inWrite(sending, async () => {
      act();
      // The write never gets there.
      await new Promise(() => {});
    }),
  "after a write": inWrite,
  "after a send": (sending, act) => onArrival(sending.random() ** 1.5, sending, act),
  [early]: (sending, act) => onArrival(sending.random() / 2, sending, act),
};

/** When such a share of the messages has arrived. */
function onArrival(share: number, sending: Sending, act: () => void): () => void {
  let left = Math.max(1, Math.ceil(share * sending.messages));
  return sending.onArrival(() => --left === 0 && act());
}

/** On one of the ledger's writes, on its way to DynamoDB. */
function inWrite({ gate, random, writes }: Sending, act: () => void | Promise<void>): () => void {
  let left = 1 + Math.floor(random() * writes);
  const hook = gate.before("UpdateItem", async ({ TableName }) => {
    if (TableName === LedgerName && --left === 0) await act();
  });
  return () => hook.clear();
}

/** Acts when such a point is reached; false where it has all been sent before. */
export async function actAt(
  point: KillPoint | typeof early,
  sending: Sending,
  ended: Promise<unknown>,
  act: () => void,
): Promise<boolean> {
  let cancel = (): void => {};
  const acted = new Promise<true>((resolve) => {
    cancel = triggers[point](sending, () => {
      act();
      resolve(true);
    });
  });
  try {
    return await Promise.race([acted, ended.then(() => false)]);
  } finally {
    cancel();
  }
}

/** Kills the bots at a point drawn at random; gives the point, or undefined where it has all been sent before. */
export async function killAtRandomPoint(
  sending: Sending,
  ended: Promise<unknown>,
  ...bots: readonly Pick<ProgramProcess, "kill">[]
): Promise<KillPoint | undefined> {
  const point = killPoints[Math.floor(sending.random() * killPoints.length)] as KillPoint;
  let killed: Promise<unknown> | undefined;
  const kill = (): void => void (killed = Promise.all(bots.map((bot) => bot.kill())));
  if (!await actAt(point, sending, ended, kill)) return undefined;
  await killed;
  return point;
}

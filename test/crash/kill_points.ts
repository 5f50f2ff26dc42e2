/** When a bot is killed: at a random time, or around a write or a send, where it is most harmful. */
import { messagesOf } from "./announcement.ts";
import { pause } from "../support/bot.ts";
import { LedgerName } from "../support/storage.ts";
import type { BroadcasterProcess } from "./broadcaster_process.ts";
import type { Subscribers } from "./subscribers.ts";
import type { TestBroadcast } from "./test_broadcast.ts";

export const killPoints = ["at random", "before a write", "after a write", "after a send"] as const;
export type KillPoint = (typeof killPoints)[number];

/** Calls `act` when the point is reached. Returns what cancels that. */
type Trigger = (subscribers: Subscribers, broadcast: TestBroadcast, act: () => void) => () => void;

/** Early enough that there is more to send afterwards. */
const early = "in the first half";

const triggers: Record<KillPoint | typeof early, Trigger> = {
  "at random": (subscribers, broadcast, act) => {
    const { factor } = subscribers.clock;
    // The bot's start, its lease, and the sending.
    const lastsMs = 400 + 15_000 / factor +
      messagesLeft(subscribers, broadcast) / paceOf(subscribers, broadcast) * 1000;
    let isCancelled = false;
    pause(subscribers.random() ** 1.5 * lastsMs).then(() => isCancelled || act());
    return () => isCancelled = true;
  },
  "before a write": (subscribers, broadcast, act) =>
    inWrite(subscribers, broadcast, async () => {
      act();
      // The write never gets there.
      await new Promise(() => {});
    }),
  "after a write": (subscribers, broadcast, act) => inWrite(subscribers, broadcast, act),
  "after a send": (subscribers, broadcast, act) =>
    onArrival(subscribers.random() ** 1.5, subscribers, broadcast, act),
  [early]: (subscribers, broadcast, act) => onArrival(subscribers.random() / 2, subscribers, broadcast, act),
};

/** When such a share of what is left has arrived. */
function onArrival(
  share: number,
  subscribers: Subscribers,
  broadcast: TestBroadcast,
  act: () => void,
): () => void {
  let left = Math.max(1, Math.ceil(share * messagesLeft(subscribers, broadcast)));
  return broadcast.onArrival(() => --left === 0 && act());
}

function chatsLeft({ users }: Subscribers, { reached }: TestBroadcast): number {
  return Math.max(1, users.length - reached);
}

function messagesLeft(subscribers: Subscribers, broadcast: TestBroadcast): number {
  return chatsLeft(subscribers, broadcast) * messagesOf(broadcast.id).length;
}

/** Messages a second of real time. */
function paceOf({ clock }: Subscribers, { options }: TestBroadcast): number {
  return options.messagesPerSecond * clock.factor;
}

/** On one of the ledger's writes, on its way to DynamoDB. */
function inWrite(
  subscribers: Subscribers,
  broadcast: TestBroadcast,
  act: () => void | Promise<void>,
): () => void {
  const window = Math.max(100, 2 * broadcast.options.messagesPerSecond);
  let left = 1 + Math.floor(subscribers.random() * chatsLeft(subscribers, broadcast) / window);
  const hook = subscribers.gate.before("UpdateItem", async ({ TableName }) => {
    if (TableName === LedgerName && --left === 0) await act();
  });
  return () => hook.clear();
}

/** Acts when such a point is reached; false where the broadcast ends before. */
export async function actAt(
  point: KillPoint | typeof early,
  subscribers: Subscribers,
  broadcast: TestBroadcast,
  sending: Promise<unknown>,
  act: () => void,
): Promise<boolean> {
  let cancel = (): void => {};
  const acted = new Promise<true>((resolve) => {
    cancel = triggers[point](subscribers, broadcast, () => {
      act();
      resolve(true);
    });
  });
  try {
    return await Promise.race([acted, sending.then(() => false)]);
  } finally {
    cancel();
  }
}

/** Kills the bot at a point drawn at random; gives the point, or undefined where the broadcast ended before. */
export async function killAtRandomPoint(
  subscribers: Subscribers,
  broadcast: TestBroadcast,
  bot: BroadcasterProcess,
  sending: Promise<unknown>,
): Promise<KillPoint | undefined> {
  const point = killPoints[Math.floor(subscribers.random() * killPoints.length)] as KillPoint;
  let killed: Promise<void> | undefined;
  const kill = (): void => void (killed = bot.kill());
  if (!await actAt(point, subscribers, broadcast, sending, kill)) return undefined;
  await killed;
  return point;
}

/** A broadcast of somebody's from its start to the last chat, at a Telegram of its own. */
import type { Began } from "./broadcaster.ts";
import type { BroadcasterName, Task } from "./broadcasters.ts";
import { own, root, type RunningServer, runWell } from "./child.ts";
import type { Arrivals, TelegramOptions } from "./telegram.ts";
import { OpenTelegram } from "./telegram_client.ts";

/** What a bot waits for an answer. */
const latencyMs = 80;

/** Who sends what to how many, at which pace, and what Telegram's limit is. */
export interface Race {
  readonly name: BroadcasterName;
  readonly chats: number;
  readonly limit: number;
  /** Default: the limit. */
  readonly messagesPerSecond?: number;
  readonly photoBytes?: number;
}

/** How it went. */
export interface Finish extends Race, Arrivals {
  /** From the start to the last message that arrived. */
  readonly seconds: number;
  /** What the limit alone would have taken. */
  readonly limitSeconds: number;
  /** Of all calls. */
  readonly refusedPercent: number;
  readonly lost: number;
}

export async function broadcastOf(place: RunningServer, race: Race): Promise<Finish> {
  const { name, chats, limit, messagesPerSecond = limit, photoBytes = 0 } = race;
  const options: TelegramOptions = { chats, messagesPerSecond: limit, latencyMs };
  await using telegram = await OpenTelegram.at(place, options);
  const task: Task = { ...telegram.address, chats, messagesPerSecond, photoBytes };
  const [program, ...args] = own("broadcaster.ts", name, JSON.stringify(task));
  const output = await runWell(program, args, { cwd: root });
  const { startedAt } = JSON.parse(output.trim().split("\n").at(-1) ?? "") as Began;
  return finishOf(race, await telegram.arrivals(), startedAt);
}

/** What the times and counts come to. */
export function finishOf(race: Race, arrivals: Arrivals, startedAt: number): Finish {
  const { delivered, refused, reached, lastAt } = arrivals;
  return {
    ...race,
    ...arrivals,
    seconds: (lastAt - startedAt) / 1000,
    limitSeconds: race.chats / race.limit,
    refusedPercent: 100 * refused / (delivered + refused),
    lost: race.chats - reached,
  };
}

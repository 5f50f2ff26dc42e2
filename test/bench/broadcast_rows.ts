/** One broadcast measured from its start to the last chat, and the rows that compare two of them. */
import { type Arrivals, OpenServer, type ServerOptions } from "./bot_api_servers.ts";
import type { BroadcasterName, Task } from "./broadcasters.ts";
import { childCommand, runForJson, type RunningServer } from "./processes.ts";
import { comparison, type Row, type Target } from "./report.ts";

/** What the server takes to answer a call. */
const latencyMs = 80;

/** The broadcaster, its recipients and pace, and Telegram's limit in messages a second. */
export interface Broadcast {
  readonly name: BroadcasterName;
  readonly chats: number;
  readonly limit: number;
  /** Default: the limit. */
  readonly messagesPerSecond?: number;
  readonly photoBytes?: number;
}

/** How it went. */
export interface BroadcastResult extends Broadcast, Arrivals {
  /** From the start to the last message that arrived. */
  readonly seconds: number;
  /** What the limit alone would have taken. */
  readonly limitSeconds: number;
  /** Of all calls. */
  readonly refusedPercent: number;
  readonly lost: number;
}

export async function measureBroadcast(
  servers: RunningServer,
  broadcast: Broadcast,
): Promise<BroadcastResult> {
  const { name, chats, limit, messagesPerSecond = limit, photoBytes = 0 } = broadcast;
  const options: ServerOptions = { chats, messagesPerSecond: limit, latencyMs };
  await using server = await OpenServer.at(servers, options);
  const task: Task = { ...server.address, chats, messagesPerSecond, photoBytes };
  const [program, ...args] = childCommand("broadcaster", name, JSON.stringify(task));
  const { startedAt } = await runForJson<{ readonly startedAt: number }>(program, args);
  return resultOf(broadcast, await server.arrivals(), startedAt);
}

/** Times and shares from the counts. */
export function resultOf(broadcast: Broadcast, arrivals: Arrivals, startedAt: number): BroadcastResult {
  const { delivered, refused, reached, lastAt } = arrivals;
  return {
    ...broadcast,
    ...arrivals,
    seconds: (lastAt - startedAt) / 1000,
    limitSeconds: broadcast.chats / broadcast.limit,
    refusedPercent: 100 * refused / (delivered + refused),
    lost: broadcast.chats - reached,
  };
}

/** How many times the limit's own time a broadcast of ours may take, and which share of its calls may be refused. */
export interface Bounds {
  readonly times: number;
  readonly refusedPercent: number;
}

/** Ours against Telegram's limit: time, refusals, and chats not reached. */
export function limitRows(ours: BroadcastResult, { times, refusedPercent }: Bounds): Row[] {
  const title = titleOf(ours);
  return [
    comparison(`${title}: to the last chat`, " s", [ours.seconds], {
      name: "the limit itself",
      values: [ours.limitSeconds],
    }, { of: "ratio", is: "at most", value: times }),
    {
      measure: `${title}: calls refused`,
      unit: " %",
      ours: ours.refusedPercent,
      target: { of: "ours", is: "at most", value: refusedPercent },
    },
    {
      measure: `${title}: chats not reached`,
      unit: "",
      ours: ours.lost,
      target: { of: "ours", is: "exactly", value: 0 },
    },
  ];
}

/** Ours beside another broadcaster's, which may have had fewer chats. */
export function besideRows(ours: BroadcastResult, other: BroadcastResult): Row[] {
  const title = titleOf(ours);
  const name = other.chats === ours.chats ? other.name : `${other.name}, ${count(other.chats)} chats`;
  return [
    comparison(`${title}: time a chat`, " ms", [msAChat(ours)], { name, values: [msAChat(other)] }),
    {
      measure: `${title}: calls refused`,
      unit: " %",
      ours: ours.refusedPercent,
      other: { name, value: other.refusedPercent },
    },
    ...other.lost === 0 ? [] : [{
      measure: `${title}: chats not reached`,
      unit: "",
      ours: ours.lost,
      other: { name, value: other.lost },
    }],
  ];
}

/** A chart against a text, and against a loop that uploads it for every chat. */
export function chartRows(chart: BroadcastResult, text: BroadcastResult, uploading: BroadcastResult): Row[] {
  const title = `${titleOf(chart)}, with a chart of ${(chart.photoBytes ?? 0) / 1000} KB`;
  const toOther = (other: BroadcastResult, name: string, target?: Target): Row =>
    comparison(
      `${title}: to the last chat`,
      " s",
      [chart.seconds],
      { name, values: [other.seconds] },
      target,
    );
  return [
    toOther(text, "a text", { of: "ratio", is: "at most", value: 1.05 }),
    toOther(uploading, uploading.name),
    {
      measure: `${title}: uploads`,
      unit: "",
      ours: chart.uploads,
      other: { name: uploading.name, value: uploading.uploads },
      target: { of: "ours", is: "exactly", value: 1 },
    },
  ];
}

/** `broadcast to 3,000 chats at 15/s where 30/s is set` */
function titleOf({ chats, limit, messagesPerSecond = limit }: BroadcastResult): string {
  const setting = messagesPerSecond === limit ? "" : ` where ${count(messagesPerSecond)}/s is set`;
  return `broadcast to ${count(chats)} chats at ${count(limit)}/s${setting}`;
}

function msAChat({ seconds, chats }: BroadcastResult): number {
  return 1000 * seconds / chats;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

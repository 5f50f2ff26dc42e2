/** What the finishes of broadcasts come to, in rows. */
import type { Finish } from "./broadcast_race.ts";
import type { Row } from "./row.ts";
import type { Spread } from "./sample.ts";

/** What a broadcast of ours may take, to the limit's own time, and which share of its calls may be refused. */
export interface Bounds {
  readonly times: number;
  readonly refusedPercent: number;
}

/** Ours against Telegram's limit: time, refusals, and chats that were left out. */
export function limitRows(ours: Finish, { times, refusedPercent }: Bounds): Row[] {
  const title = titleOf(ours);
  return [
    {
      measure: `${title}: to the last chat`,
      unit: " s",
      ours: ours.seconds,
      other: { name: "the limit itself", value: ours.limitSeconds },
      ratio: only(ours.seconds / ours.limitSeconds),
      target: { of: "ratio", is: "at most", value: times },
    },
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

/** Ours beside somebody else, who may have had fewer chats. */
export function besideRows(ours: Finish, other: Finish): Row[] {
  const title = titleOf(ours);
  const name = other.chats === ours.chats ? other.name : `${other.name}, ${count(other.chats)} chats`;
  const [ourMs, otherMs] = [msAChat(ours), msAChat(other)];
  return [
    {
      measure: `${title}: time a chat`,
      unit: " ms",
      ours: ourMs,
      other: { name, value: otherMs },
      ratio: only(ourMs / otherMs),
    },
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
export function chartRows(chart: Finish, text: Finish, uploading: Finish): Row[] {
  const title = `${titleOf(chart)}, with a chart of ${(chart.photoBytes ?? 0) / 1000} KB`;
  const toOther = (other: Finish, name: string): Row => ({
    measure: `${title}: to the last chat`,
    unit: " s",
    ours: chart.seconds,
    other: { name, value: other.seconds },
    ratio: only(chart.seconds / other.seconds),
  });
  return [
    { ...toOther(text, "a text"), target: { of: "ratio", is: "at most", value: 1.05 } },
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

/** `broadcast to 3,000 chats at 30/s, told 60/s` */
function titleOf({ chats, limit, messagesPerSecond = limit }: Finish): string {
  const told = messagesPerSecond === limit ? "" : ` where ${count(messagesPerSecond)}/s is set`;
  return `broadcast to ${count(chats)} chats at ${count(limit)}/s${told}`;
}

function msAChat({ seconds, chats }: Finish): number {
  return 1000 * seconds / chats;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** Of one run. */
function only(value: number): Spread {
  return { low: value, median: value, high: value };
}

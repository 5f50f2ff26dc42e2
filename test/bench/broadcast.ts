/**
 * How long a broadcast takes to the last chat where Telegram has a limit that the bot does not know, what it costs, and
 * how others fare at the same.
 */
import { cpuRows } from "./broadcast_cost.ts";
import { broadcastOf, type Finish, type Race } from "./broadcast_race.ts";
import { besideRows, chartRows, limitRows } from "./broadcast_rows.ts";
import { statusRow } from "./broadcast_status.ts";
import { type RunningServer, startServer } from "./child.ts";
import { report } from "./report.ts";
import type { Row } from "./row.ts";

/** Telegram's limit is what the bot was told, or half of it. */
const known = { times: 1.05, refusedPercent: 0.1 };
const halved = { times: 1.25, refusedPercent: 2 };
const photoBytes = 150_000;

/** At 30/s everyone only waits, and so all at the same time. */
async function freeRows(place: RunningServer): Promise<Row[]> {
  const of = (race: Partial<Race>): Promise<Finish> =>
    broadcastOf(place, { name: "ours", chats: 3000, limit: 30, ...race });
  const chart = { chats: 500, photoBytes };
  const [ours, half, retry, both, five, text, once, uploading] = await Promise.all([
    of({}),
    of({ limit: 15, messagesPerSecond: 30 }),
    of({ name: "grammY + auto-retry" }),
    of({ name: "grammY + both plugins" }),
    of({ name: "five senders" }),
    of({ ...chart, photoBytes: 0 }),
    of(chart),
    of({ ...chart, name: "grammY + auto-retry" }),
  ]);
  return [
    ...limitRows(ours, known),
    ...limitRows(half, halved),
    ...[retry, both, five].flatMap((other) => besideRows(ours, other)),
    ...chartRows(once, text, uploading),
  ];
}

/** At 1,000/s everyone needs the processor; whoever is slow has fewer chats. */
async function paidRows(place: RunningServer): Promise<Row[]> {
  const of = (race: Partial<Race>): Promise<Finish> =>
    broadcastOf(place, { name: "ours", chats: 20_000, limit: 1000, ...race });
  const ours = await of({});
  const half = await of({ limit: 500, messagesPerSecond: 1000 });
  const others = [
    await of({ name: "grammY + auto-retry" }),
    await of({ name: "grammY + both plugins", chats: 5000 }),
    await of({ name: "five senders", chats: 1000 }),
  ];
  return [
    ...limitRows(ours, known),
    ...limitRows(half, halved),
    ...others.flatMap((other) => besideRows(ours, other)),
  ];
}

await report(async () => {
  await using place = await startServer("telegram_server.ts");
  return [
    ...await freeRows(place),
    ...await paidRows(place),
    await statusRow(place),
    ...await cpuRows(),
  ];
});

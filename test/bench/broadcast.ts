/**
 * How long a broadcast takes to the last chat where Telegram has a limit that the bot does not know, what it costs, and
 * how other broadcasters do under the same limit.
 */
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { OpenServer } from "./bot_api_servers.ts";
import { cpuRows } from "./broadcast_cost.ts";
import {
  besideRows,
  type Broadcast,
  type BroadcastResult,
  chartRows,
  limitRows,
  measureBroadcast,
} from "./broadcast_rows.ts";
import { type RunningServer, startServer } from "./processes.ts";
import { storageOf } from "./broadcasters.ts";
import type { Row } from "./report.ts";
import { quantileOf } from "./sampling.ts";

/** The bounds where Telegram's limit is the bot's setting, and where it is half of that. */
const known = { times: 1.05, refusedPercent: 0.1 };
const halved = { times: 1.25, refusedPercent: 2 };
const photoBytes = 150_000;

/** At 30/s every broadcaster only waits, so they all run at the same time. */
async function freeRows(servers: RunningServer): Promise<Row[]> {
  const of = (broadcast: Partial<Broadcast>): Promise<BroadcastResult> =>
    measureBroadcast(servers, { name: "ours", chats: 3000, limit: 30, ...broadcast });
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

/** At 1,000/s every broadcaster needs the processor, so they run in turn; slow ones have fewer chats. */
async function paidRows(servers: RunningServer): Promise<Row[]> {
  const of = (broadcast: Partial<Broadcast>): Promise<BroadcastResult> =>
    measureBroadcast(servers, { name: "ours", chats: 20_000, limit: 1000, ...broadcast });
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

export async function measure(): Promise<Row[]> {
  await using servers = await startServer("bot_api_servers");
  return [
    ...await freeRows(servers),
    ...await paidRows(servers),
    await statusRow(servers),
    ...await cpuRows(),
  ];
}

// How long a command waits for its answer during a broadcast.

/** So many that the broadcast lasts until the last answer. */
const chats = 9000;
const questions = 60;
const limit = 30;
const latencyMs = 80;
/** Between an answer and the next question. */
const restMs = 250;
/** The beginning of the answer, which no broadcast contains. */
const answer = "This chat is subscribed.";

async function statusRow(servers: RunningServer): Promise<Row> {
  await using server = await OpenServer.at(servers, { chats, messagesPerSecond: limit, latencyMs });
  const { apiRoot, token } = server.address;
  await using bot = new MeanReversionTelegramBot({
    botToken: token,
    apiRoot,
    storage: await storageOf(chats),
    logger: { info() {}, warn() {}, error: console.error },
  });
  await bot.startBot();
  const without = await p95Seconds(server, 0);
  const ending = new AbortController();
  const broadcast = bot.broadcast("The market is closed today.", { signal: ending.signal });
  const during = await p95Seconds(server, questions);
  const { reached } = await server.arrivals();
  ending.abort();
  await broadcast;
  if (reached === chats) throw new Error("The broadcast ended before the questions did");
  return {
    measure: `/status during a broadcast at ${limit}/s: answered, p95`,
    unit: " s",
    ours: during,
    other: { name: "without a broadcast", value: without },
    target: { of: "ours", is: "at most", value: Math.round(100 * (without + 1)) / 100 },
  };
}

/** Each question comes from another chat, as each chat has a rate limit of its own. */
async function p95Seconds(server: OpenServer, first: number): Promise<number> {
  const times: number[] = [];
  for (let index = first; index < first + questions; index++) {
    times.push(await server.ask(chats - 1 - index, "/status", answer) / 1000);
    await systemClock.sleep(restMs);
  }
  return quantileOf(times, 0.95);
}

/** What a message of a broadcast costs this process, beside grammY's own call: processor time, and memory. */
import process from "node:process";
import { Api } from "grammy";
import { Api as WebApi } from "grammy/web";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import type { ChatStorage } from "../../lib/chats/storage.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { FastClock } from "../support/clocks.ts";
import { paid, storageOf, text } from "./broadcasters.ts";
import { chatIdAt, GeneratedChats } from "./chats.ts";
import { type RunningServer, startServer } from "./processes.ts";
import { comparison, type Row } from "./report.ts";
import { collectGarbage, type Cost, costOf, inParallel, medianOf, takeTurns } from "./sampling.ts";

const chats = 10_000;
const rounds = 3;
const messagesPerSecond = 1000;
const latencyMs = 80;
const token = "1:counted";

type Name = "ours" | "grammY" | "grammY/web";

/** Starts a counting server that takes 80 ms for a call, by a clock so many times as fast as real time. */
function startCounting(timesAsFast: number): Promise<RunningServer> {
  return startServer("counting_server", String(latencyMs / timesAsFast));
}

/** A bot at the highest pace, its clock that many times as fast. */
function fastBot(
  endpoint: string,
  storage: ChatStorage,
  timesAsFast: number,
): MeanReversionTelegramBot {
  return new MeanReversionTelegramBot({
    botToken: token,
    apiRoot: endpoint,
    messagesPerSecond,
    storage,
    clock: new FastClock(timesAsFast),
    logger: { info() {}, warn: console.error, error: console.error },
  });
}

/** Sends to every chat. @throws {Error} If one was not reached. */
async function broadcastToAll(bot: MeanReversionTelegramBot, recipients: number): Promise<void> {
  const report = await bot.broadcast(text, paid);
  if (report.sent === recipients) return;
  throw new Error(
    `Of ${recipients} chats not all were reached: ${report} ${JSON.stringify(report.errors[0])}`,
  );
}

/**
 * Compares with as many bare calls at once as the pace needs at this latency. Both of grammY's builds are measured, as one is
 * the cheaper on Node and the other on Deno: the cheaper one sets the target.
 */
export async function cpuRows(): Promise<Row[]> {
  await using server = await startCounting(1);
  const { endpoint } = server;
  await using bot = fastBot(endpoint, await storageOf(chats), 1);
  await bot.initialize();
  const atOnce = messagesPerSecond * latencyMs / 1000;
  const loop = (api: Pick<Api, "sendMessage">) => (): Promise<Cost> =>
    costOf(() => inParallel(chats, atOnce, (index) => api.sendMessage(chatIdAt(index, chats), text)));
  return rowsOf(
    await takeTurns<Name, Cost>(rounds, {
      "ours": () => costOf(() => broadcastToAll(bot, chats)),
      "grammY": loop(new Api(token, { apiRoot: endpoint })),
      "grammY/web": loop(new WebApi(token, { apiRoot: endpoint }) as unknown as Api),
    }),
  );
}

function rowsOf(turns: Record<Name, Cost[]>): Row[] {
  const microseconds = (name: Name): number[] =>
    turns[name].map(({ cpuSeconds }) => 1e6 * cpuSeconds / chats);
  const others: Exclude<Name, "ours">[] = ["grammY", "grammY/web"];
  others.sort((a, b) => medianOf(microseconds(a)) - medianOf(microseconds(b)));
  return others.map((name, index) =>
    comparison(
      `broadcast at ${messagesPerSecond.toLocaleString("en-US")}/s: CPU a message`,
      " µs",
      microseconds("ours"),
      { name: `${name}'s bare call`, values: microseconds(name) },
      index === 0 ? { of: "ratio", is: "at most", value: 1.3 } : undefined,
    )
  );
}

// Memory: what a broadcast to a million chats keeps.

const million = 1_000_000;
/** As fast as a machine can be: beyond that, calls would pile up in the server's queue. */
const timesAsFast = 2;
const sampleEveryMs = 200;
const megabyte = 2 ** 20;

/** At rest, without garbage. */
async function bytesAtRest(): Promise<number> {
  await systemClock.sleep(200);
  collectGarbage();
  collectGarbage();
  return bytesInUse();
}

/** Heap and buffers, with the garbage that is there. */
function bytesInUse(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

interface Usage extends Cost {
  readonly mostBytes: number;
  readonly mostHeldBytes: number;
}

/** The most that was in use while the task ran: as it is, and, every hundredth time, what garbage collection leaves. */
async function watch(task: () => Promise<void>): Promise<Usage> {
  let [mostBytes, mostHeldBytes, samples] = [0, 0, 0];
  const timer = setInterval(() => {
    mostBytes = Math.max(mostBytes, bytesInUse());
    if (samples++ % 100 !== 0) return;
    collectGarbage();
    mostHeldBytes = Math.max(mostHeldBytes, bytesInUse());
  }, sampleEveryMs);
  try {
    return { ...await costOf(task), mostBytes, mostHeldBytes };
  } finally {
    clearInterval(timer);
  }
}

/** Takes minutes. */
export async function measureMillion(): Promise<Row[]> {
  await using server = await startCounting(timesAsFast);
  await using bot = fastBot(server.endpoint, new GeneratedChats(million), timesAsFast);
  await bot.initialize();
  const idle = await bytesAtRest();
  const { mostBytes, mostHeldBytes, seconds, cpuSeconds } = await watch(() => broadcastToAll(bot, million));
  const measure = "broadcast to 1,000,000 chats, the bot's clock twice as fast";
  const megabytes = (bytes: number): number => (bytes - idle) / megabyte;
  return [
    {
      measure: `${measure}: memory above idle, garbage included`,
      unit: " MB",
      ours: megabytes(mostBytes),
      target: { of: "ours", is: "at most", value: 150 },
    },
    { measure: `${measure}: memory above idle, held`, unit: " MB", ours: megabytes(mostHeldBytes) },
    { measure: `${measure}: CPU a message`, unit: " µs", ours: 1e6 * cpuSeconds / million },
    { measure: `${measure}: time`, unit: " s", ours: seconds },
  ];
}

/** What a broadcast to a million chats keeps in memory: for minutes, so only where it is named. */
import process from "node:process";
import { systemClock } from "../../lib/util/clock.ts";
import { broadcastToAll, fastBot, startCounting } from "./broadcast_cost.ts";
import { ManyChats } from "./many_chats.ts";
import { report } from "./report.ts";
import { collectGarbage, type Cost, costOf } from "./sample.ts";

const chats = 1_000_000;
/** What a machine can still do: beyond that, calls pile up in the server's queue, and it is that which is measured. */
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

interface Watched extends Cost {
  readonly mostBytes: number;
  readonly mostHeldBytes: number;
}

/** The most that was in use while the task ran: as it is, and, every hundredth time, what garbage collection leaves. */
async function watch(task: () => Promise<void>): Promise<Watched> {
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

await report(async () => {
  await using server = await startCounting(timesAsFast);
  await using bot = fastBot(server.endpoint, new ManyChats(chats), timesAsFast);
  await bot.initialize();
  const idle = await bytesAtRest();
  const { mostBytes, mostHeldBytes, seconds, cpuSeconds } = await watch(() => broadcastToAll(bot, chats));
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
    { measure: `${measure}: CPU a message`, unit: " µs", ours: 1e6 * cpuSeconds / chats },
    { measure: `${measure}: time`, unit: " s", ours: seconds },
  ];
});

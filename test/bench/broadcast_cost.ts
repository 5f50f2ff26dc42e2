/** What a message of a broadcast costs this process, beside grammY's own call: processor time, and memory. */
import { Api } from "grammy";
import { Api as WebApi } from "grammy/web";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import type { ChatStorage } from "../../lib/chats/storage.ts";
import { FastClock } from "../support/fast_clock.ts";
import { paid, storageOf, text } from "./broadcasters.ts";
import { chatIdAt } from "./chat_ids.ts";
import { type RunningServer, startServer } from "./child.ts";
import type { Row } from "./row.ts";
import { type Cost, costOf, medianOf, ratioOf, takeTurns } from "./sample.ts";
import { inParallel } from "./traffic.ts";

const chats = 10_000;
const rounds = 3;
const messagesPerSecond = 1000;
const latencyMs = 80;
const token = "1:counted";

type Name = "ours" | "grammY" | "grammY/web";

/** A Telegram that only counts, and to a bot whose clock is so many times as fast takes 80 ms for a call. */
export function startCounting(timesAsFast: number): Promise<RunningServer> {
  return startServer("counting_server.ts", String(latencyMs / timesAsFast));
}

/** A bot at the highest pace, that many times as fast. */
export function fastBot(
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

/** Sends to everyone, or fails. */
export async function broadcastToAll(bot: MeanReversionTelegramBot, recipients: number): Promise<void> {
  const report = await bot.broadcast(text, paid);
  if (report.sent === recipients) return;
  throw new Error(
    `Of ${recipients} chats not all were reached: ${report} ${JSON.stringify(report.errors[0])}`,
  );
}

/**
 * As many bare calls at once as the pace needs at this latency, so that everyone sends at the same pace. Both of grammY's
 * builds, as one is the cheaper on Node and the other on Deno: the cheaper one sets the target.
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
  const row = (name: Name): Row => ({
    measure: `broadcast at ${messagesPerSecond.toLocaleString("en-US")}/s: CPU a message`,
    unit: " µs",
    ours: medianOf(microseconds("ours")),
    other: { name: `${name}'s bare call`, value: medianOf(microseconds(name)) },
    ratio: ratioOf(microseconds("ours"), microseconds(name)),
  });
  const others: Exclude<Name, "ours">[] = ["grammY", "grammY/web"];
  const [cheap = "grammY", dear = "grammY/web"] = others.sort((a, b) =>
    medianOf(microseconds(a)) - medianOf(microseconds(b))
  );
  return [{ ...row(cheap), target: { of: "ratio", is: "at most", value: 1.3 } }, row(dear)];
}

/** What a message of a broadcast costs this process, beside grammY's own call: processor time, and memory. */
import { Api } from "grammy";
import { Api as WebApi } from "grammy/web";
import { MeanReversionTelegramBot } from "../../lib/bot.ts";
import type { ChatStorage } from "../../lib/storage/chat_storage.ts";
import { FastClock } from "../support/fast_clock.ts";
import { paid, storageOf, text } from "./broadcasters.ts";
import { chatIdAt } from "./chat_ids.ts";
import { type RunningServer, startServer } from "./child.ts";
import { countsAt } from "./counting_telegram.ts";
import type { Row } from "./row.ts";
import { type Cost, costOf, medianOf, ratioOf, takeTurns } from "./sample.ts";
import { inParallel } from "./traffic.ts";

const chats = 20_000;
const rounds = 4;
/** The bot's clock, so that its pace of 1,000/s is more than any machine can do. */
const timesAsFast = 10;
/** To the bot, with its clock, 80 ms. */
const latencyMs = 8;
const token = "1:counted";

type Name = "ours" | "grammY" | "grammY/web";

/** The counting Telegram as these measurements have it. */
export function startCounting(): Promise<RunningServer> {
  return startServer("counting_server.ts", String(latencyMs));
}

/** A bot that sends as fast as it can. */
export function hurriedBot(endpoint: string, storage: ChatStorage): MeanReversionTelegramBot {
  return new MeanReversionTelegramBot({
    botToken: token,
    apiRoot: endpoint,
    messagesPerSecond: 1000,
    storage,
    clock: new FastClock(timesAsFast),
    logger: { info() {}, warn: console.error, error: console.error },
  });
}

/** Sends to everyone, or fails. */
export async function broadcastToAll(bot: MeanReversionTelegramBot, recipients: number): Promise<void> {
  const { sent } = await bot.broadcast(text, paid);
  if (sent !== recipients) throw new Error(`The broadcast reached ${sent} of ${recipients} chats`);
}

/** Both of grammY's builds, as one is the cheaper on Node and the other on Deno: the cheaper one sets the target. */
export async function cpuRows(): Promise<Row[]> {
  await using server = await startCounting();
  const { endpoint } = server;
  await using bot = hurriedBot(endpoint, await storageOf(chats));
  await bot.initialize();
  await broadcastToAll(bot, chats);
  const { atOnce } = await countsAt(endpoint);
  const loop = (api: Pick<Api, "sendMessage">) => (): Promise<Cost> =>
    costOf(() => inParallel(chats, atOnce, (index) => api.sendMessage(chatIdAt(index, chats), text)));
  const turns = await takeTurns<Name, Cost>(rounds, {
    "ours": () => costOf(() => broadcastToAll(bot, chats)),
    "grammY": loop(new Api(token, { apiRoot: endpoint })),
    "grammY/web": loop(new WebApi(token, { apiRoot: endpoint }) as unknown as Api),
  });
  return rowsOf(turns, atOnce);
}

function rowsOf(turns: Record<Name, Cost[]>, atOnce: number): Row[] {
  const microseconds = (name: Name): number[] =>
    turns[name].map(({ cpuSeconds }) => 1e6 * cpuSeconds / chats);
  const row = (name: Name): Row => ({
    measure: `broadcast, ${atOnce} calls at once: CPU a message`,
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

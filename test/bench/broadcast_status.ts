/** How long a command waits for its answer while everybody is being written to. */
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { systemClock } from "../../lib/util/clock.ts";
import type { RunningServer } from "./child.ts";
import { storageOf } from "./broadcasters.ts";
import type { Row } from "./row.ts";
import { quantileOf } from "./sample.ts";
import { OpenTelegram } from "./telegram_client.ts";

/** More than are written to before the last answer. */
const chats = 9000;
const questions = 60;
const limit = 30;
const latencyMs = 80;
/** Between an answer and the next question. */
const restMs = 250;
/** What the answer begins with, and no broadcast says. */
const answer = "This chat is subscribed.";

export async function statusRow(place: RunningServer): Promise<Row> {
  await using telegram = await OpenTelegram.at(place, { chats, messagesPerSecond: limit, latencyMs });
  const { apiRoot, token } = telegram.address;
  await using bot = new MeanReversionTelegramBot({
    botToken: token,
    apiRoot,
    storage: await storageOf(chats),
    logger: { info() {}, warn() {}, error: console.error },
  });
  await bot.startBot();
  const without = await p95Seconds(telegram, 0);
  const ending = new AbortController();
  const broadcast = bot.broadcast("The market is closed today.", { signal: ending.signal });
  const during = await p95Seconds(telegram, questions);
  const { reached } = await telegram.arrivals();
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

/** Each question is another chat's, as what is said to one chat has a limit of its own. */
async function p95Seconds(telegram: OpenTelegram, first: number): Promise<number> {
  const times: number[] = [];
  for (let index = first; index < first + questions; index++) {
    times.push(await telegram.ask(chats - 1 - index, "/status", answer) / 1000);
    await systemClock.sleep(restMs);
  }
  return quantileOf(times, 0.95);
}

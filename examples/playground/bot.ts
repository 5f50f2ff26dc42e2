/**
 * The playground's bot, as you would write yours. It runs in a process of its own and may be killed at any moment. Its
 * settings come from the environment. A line on standard input asks for a signal; the end of the input ends the bot.
 */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createTelegramBotFromEnv } from "telegram-signals";
import { findSignals, type FoundSignal } from "./signal_source.ts";

const [stateFile = ".signals/playground.jsonl"] = process.argv.slice(2);
const retryAfterMs = 3000;

const bot = createTelegramBotFromEnv();
const lines = createInterface({ input: process.stdin });
const ending = new AbortController();
const { signal } = ending;

/** Sends a signal once: after a kill, chats that have it already do not get it again. */
async function send({ signal: found, time, candles }: FoundSignal): Promise<void> {
  const broadcastId = `${found.symbol} ${new Date(time).toISOString()}`;
  console.log(`Sending ${found.direction.toUpperCase()} ${broadcastId}`);
  let isFirst = true;
  while (!signal.aborted) {
    try {
      return console.log(String(await bot.sendSignal(found, { broadcastId, candles })));
    } catch (error) {
      if (isFirst) console.error(`Not sent yet. ${(error as Error).message}`);
      isFirst = false;
      await sleep(retryAfterMs, undefined, { signal });
    }
  }
}

async function run(): Promise<void> {
  const last = await lastBegun();
  const signals = findSignals();
  let next = signals.next();
  for (let found = (await next).value; found && found.time < last; found = (await next).value) {
    next = signals.next();
  }
  await bot.startBot();
  console.log("Listening to Telegram.");
  for (let found = (await next).value; found; found = (await next).value) {
    // A kill may have interrupted the last one: it is sent again, and reaches only the chats that lack it.
    if (found.time > last) {
      await once(lines, "line", { signal });
      await writeFile(stateFile, String(found.time));
    }
    // The next one is there when it is asked for.
    next = signals.next();
    await send(found);
  }
}

/** The time of the signal that was begun last, in milliseconds since 1970; before the first one -Infinity. */
async function lastBegun(): Promise<number> {
  return Number(await readFile(stateFile, "utf8").catch(() => "-Infinity"));
}

function end(): void {
  ending.abort();
}

lines.once("close", end);
process.once("SIGINT", end);
process.once("SIGTERM", end);

run().catch((error) => {
  if (signal.aborted) return;
  console.error((error as Error).message);
  process.exitCode = 1;
}).finally(async () => {
  await bot.stopBot();
  lines.close();
});

/**
 * Cells in a process that is interrupted meanwhile: one that awaits a broadcast, or one that runs a strategy, whose signal is
 * under way, and a later one. What became of all is the last line, as JSON. Run by `notebook.test.ts`.
 */
import process from "node:process";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import { runStrategies, syntheticFeed } from "../../lib/live/mod.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { type BroadcastProgress, InMemoryChatStorage, type Logger, SignalBot } from "../../mod.ts";
import { playKernel } from "./kernel.ts";

const [place, cell] = process.argv.slice(2);
if (place === "notebook") playKernel();

await using server = await startBotApiServer();
const storage = new InMemoryChatStorage();
for (let index = 0; index < 60; index++) {
  await storage.saveChat(server.user({ opened: true }).chatId, { first_name: "Ada" });
}
const lines: string[] = [];
const log = (line: string): number => lines.push(line);
const logger: Logger = { info: log, warn: log, error: log };
await using bot = new SignalBot({
  ...{ botToken: server.token, apiRoot: server.apiRoot, messagesPerSecond: 20 },
  ...{ storage, ledger: new InMemoryLedger(), logger },
});
const onProgress = ({ sent }: BroadcastProgress): void => void (sent > 2 && console.log("some are sent"));

/** The cell's end, and what its broadcast's id gives afterwards. */
async function awaitsBroadcast(): Promise<object> {
  const signal = new AbortController().signal;
  const run = bot.broadcast("Hello", { broadcastId: "hello", onProgress, signal });
  const ended = await run.then(String, (error: Error) => error.message);
  const next = String(await bot.broadcast("Goodbye", { filter: ({ chat_id }) => chat_id === 0 }));
  return { ended, next, others: (await bot.broadcast("Hello", { broadcastId: "hello" })).sent };
}

/** What is logged of a strategy's signal. */
async function runsStrategy(): Promise<object> {
  const run = runStrategies({
    bot: {
      sendSignal: (signal, options) => bot.sendSignal(signal, { ...options, onProgress }),
      broadcast: (message, options) => bot.broadcast(message, options),
    },
    feed: syntheticFeed({ seed: 1, intervalSeconds: 0.1 }),
    strategies: [{
      ...{ name: "Mine", symbols: ["X"], timeframes: ["5m"], warmUp: 1 },
      onCandle: ([{ close } = { close: 1 }], { isLive, openSignal }) =>
        isLive && openSignal === undefined
          ? { direction: "long", entry: close, stop: close / 2, target: close * 2 }
          : undefined,
    }],
    logger,
  });
  while (!lines.some((line) => line.includes("Sent to"))) await new Promise((go) => setTimeout(go, 20));
  const told = lines.filter((line) => /^LONG|: LONG/.test(line));
  await run.stop();
  return { told };
}

const outcome = await (cell === "live" ? runsStrategy() : awaitsBroadcast());
const calls = server.countCalls("sendMessage");
// A second press of the button, within two seconds, does nothing more.
const listening = process.listenerCount("SIGINT");
while (process.listenerCount("SIGINT") > 0) await new Promise((go) => setTimeout(go, 50));
console.log(JSON.stringify({ ...outcome, calls, listening }));

/**
 * What a notebook does when its cells are run again, in a process of its own: bots of one token, and then others. What
 * became of them is its last line, as JSON. Run by `notebook.test.ts`.
 */
import process from "node:process";
import { InMemoryChatStorage, MeanReversionTelegramBot } from "../../mod.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { playKernel } from "./kernel.ts";

if (process.argv[2] === "notebook") playKernel();

await using server = await startBotApiServer();
await using elsewhere = await startBotApiServer();
const lines: string[] = [];
const log = (message: string): number => lines.push(message);

function make({ token, apiRoot }: { token: string; apiRoot: string }): MeanReversionTelegramBot {
  const logger = { info: log, warn: log, error: log };
  return new MeanReversionTelegramBot({
    ...{ botToken: token, apiRoot, storage: new InMemoryChatStorage(), logger },
  });
}

const other = make(elsewhere);
await other.startBot();
const first = make(server);
await first.startBot();
const second = make(server);
// Two cells that are run before the first of them is done.
const third = make(server);
const starts = await Promise.allSettled([second.startBot(), third.startBot()]);
await third.startBot();
const arePolling = [other, first, second, third].map(({ health }) => health.isPolling);
await third.stopBot();
const fourth = make(server);
await fourth.startBot();
const takenOver = lines.filter((line) => line.includes("takes over")).length;
for (const bot of [other, first, second, third, fourth]) await bot.stopBot();
console.log(JSON.stringify({ arePolling, starts: starts.map(({ status }) => status), takenOver }));

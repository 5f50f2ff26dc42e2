/**
 * A cell that awaits a broadcast, and a later cell, in a process that is interrupted meanwhile: what became of both is its last
 * line, as JSON. Run by `notebook.test.ts`.
 */
import process from "node:process";
import { InMemoryChatStorage, MeanReversionTelegramBot } from "../../mod.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { playKernel } from "./kernel.ts";

if (process.argv[2] === "notebook") playKernel();

await using server = await startBotApiServer();
const storage = new InMemoryChatStorage();
for (let index = 0; index < 60; index++) {
  await storage.saveChat(server.user({ opened: true }).chatId, { first_name: "Ada" });
}
await using bot = new MeanReversionTelegramBot({
  ...{ botToken: server.token, apiRoot: server.apiRoot, storage, messagesPerSecond: 20 },
});
const run = bot.broadcast("Hello", {
  onProgress: ({ sent }) => sent > 2 && console.log("some are sent"),
  signal: new AbortController().signal,
});
const cell = await run.then(String, (error: Error) => error.message);
const next = String(await bot.broadcast("Goodbye", { filter: ({ chat_id }) => chat_id === 0 }));
const listeners = process.listenerCount("SIGINT");
console.log(JSON.stringify({ cell, next, listeners }));

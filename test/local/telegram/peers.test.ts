/** Bots of other libraries on the server. */
import type { BotApiServer } from "../../../lib/local/mod.ts";
import { suite } from "../../harness.ts";
import { withServer } from "../../support/bot_api.ts";
import { runtime } from "../../support/runtime.ts";
import { startGramio } from "./peers/gramio.ts";
import { startNodeTelegramBotApi } from "./peers/node_telegram_bot_api.ts";
import { type Peer, playWith } from "./peers/peer.ts";
import { findPython, startPythonTelegramBot } from "./peers/python_telegram_bot.ts";
import { startTelegraf } from "./peers/telegraf.ts";

const test = suite("local/telegram/peers");

const libraries: Readonly<Record<string, (server: BotApiServer) => Promise<Peer>>> = {
  telegraf: startTelegraf,
  gramio: startGramio,
  "node-telegram-bot-api": startNodeTelegramBotApi,
};

for (const [name, start] of Object.entries(libraries)) {
  // Deno and Bun do not send what telegraf uploads, to whatever server.
  const sendsFiles = name !== "telegraf" || runtime === "Node";
  const what = sendsFiles ? "/start, a button and a file" : "/start and a button";
  test(`a bot of ${name} answers ${what}, and stops`, () =>
    withServer((server) => playWith(server, start, sendsFiles)));
}

const python = await findPython();

const titled = "a bot of python-telegram-bot answers /start, a button and a file, and stops";

if (python === undefined) {
  console.log(`not run: Python has no python-telegram-bot 13 here, so not "${titled}"`);
} else {
  test(titled, () => withServer((server) => playWith(server, (it) => startPythonTelegramBot(python, it))));
}

test.run();

/**
 * A bit of everything that a dependency or a peer is for; prints what has worked. In a project that has installed the package:
 * DynamoDB, `.env`, a proxy, a chart and ccxt.
 */
import { rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import process from "node:process";
import { createTelegramBotFromEnv } from "telegram-signals";
import { ccxtFeed } from "telegram-signals/live";
import { startBotApiServer, startDynamoDB } from "telegram-signals/local";

const telegram = await startBotApiServer();
const database = await startDynamoDB();

/** Telegram is behind a proxy, at a name that only the proxy knows. */
const root = new URL(telegram.apiRoot);
let proxied = 0;
const proxy = createServer((incoming, outgoing) => {
  proxied++;
  const { pathname, search } = new URL(incoming.url);
  const { method } = incoming;
  const headers = { ...incoming.headers, host: root.host };
  const target = { host: root.hostname, port: root.port, path: pathname + search, method, headers };
  incoming.pipe(
    request(target, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    }).on("error", () => outgoing.destroy()),
  );
});
await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
process.env.HTTP_PROXY = `http://127.0.0.1:${proxy.address().port}`;
process.env.NO_PROXY = "127.0.0.1";

writeFileSync(".env", `TELEGRAM_BOT_TOKEN=${telegram.token}\n`);
process.env.AWS_ENDPOINT_URL_DYNAMODB = database.endpoint;
process.env.AWS_REGION = database.region;
process.env.AWS_ACCESS_KEY_ID = database.credentials.accessKeyId;
process.env.AWS_SECRET_ACCESS_KEY = database.credentials.secretAccessKey;

const bot = createTelegramBotFromEnv({ apiRoot: "http://telegram.invalid" });
const { storage } = await bot.initialize();
await bot.startBot();
const ada = telegram.user({ first_name: "Ada" });
ada.say("/start");
await ada.received("subscribed");

const candles = [1, 2, 3].map((time) => ({ time, open: 2, high: 3, low: 1, close: 2, volume: 1 }));
const signal = { direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 };
const { sent } = await bot.sendSignal(signal, { candles, broadcastId: "1" });
console.log(`${storage}, ${sent} sent, ${ada.inbox.at(-1)?.photo ? "a picture" : "a text"}`);
console.log(proxied > 2 ? "by proxy" : "not by proxy");
await bot.stopBot();
rmSync(".env");

await ccxtFeed("kraken").load();
console.log("ccxt");

proxy.closeAllConnections?.();
proxy.close();
await telegram.close();
await database.close();

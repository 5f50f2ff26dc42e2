/**
 * Loads what the library and the AWS SDK load when it is first needed: an import takes real time, in which virtual time would
 * go on.
 */
import { Bot } from "grammy/web";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { subscriptions } from "../../lib/bot/plugin.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { signalCallback } from "../../lib/live/signal_callback.ts";
import { webhookCallback } from "../../lib/telegram/webhook.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { clientOn } from "./bot_machine.ts";
import { SimulatedDynamoDB } from "./dynamodb/dynamodb.ts";
import { dynamodbHost, telegramRoot } from "./endpoints.ts";
import { fetchOf } from "./service_fetch.ts";
import { SimulatedTelegram } from "./telegram.ts";

let loading: Promise<void> | undefined;

/** Resolves when everything is loaded but the chart, the proxies and AWS's search for credentials. */
export async function loadLazyModules(): Promise<void> {
  await (loading ??= load());
}

async function load(): Promise<void> {
  await Promise.all([
    import("../../lib/broadcast/display.ts"),
    import("../../lib/chats/display.ts"),
  ]);
  await useBot();
}

/** Has a bot do what it does every day, in real time: that takes a tenth of a second. */
async function useBot(): Promise<void> {
  const telegram = new SimulatedTelegram({ clock: systemClock });
  const services = { telegram: fetchOf(telegram), dynamodb: fetchOf(new SimulatedDynamoDB()) };
  const fetch: typeof globalThis.fetch = (input, init) =>
    services[String(input).includes(dynamodbHost) ? "dynamodb" : "telegram"](input, init);
  const { token } = telegram.server;
  const logger = { info() {}, warn() {}, error() {} };
  const bot = new MeanReversionTelegramBot({
    ...{ botToken: token, apiRoot: telegramRoot, client: clientOn(fetch), fetch, logger },
  });
  await bot.startBot();
  telegram.server.user().say("/start");
  await bot.broadcast("warm-up", { broadcastId: "warm-up" });
  await bot.stopBot();
  const webhook = webhookCallback({ handleUpdate: () => Promise.resolve() }, {
    secretToken: "warm-up-of-a-simulation",
  });
  await webhook(new Request(telegramRoot));
  await signalCallback(bot, { secret: "warm-up-of-a-simulation", logger })(new Request(telegramRoot));

  const theirs = new Bot(token, { client: { apiRoot: telegramRoot, fetch } });
  const subscribers = subscriptions({ storage: new InMemoryChatStorage(), logger });
  theirs.use(subscribers);
  await theirs.init();
  await theirs.handleUpdate({ update_id: 1 });
  await subscribers.broadcast(theirs.api, "warm-up");
  await subscribers.close();
}

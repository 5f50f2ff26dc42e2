/** Hostile options: each is taken, or refused by an error that says what is wrong, and the bot goes on. */
import process from "node:process";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { createTelegramBotFromEnv } from "../../lib/bot/env.ts";
import { subscriptions } from "../../lib/bot/plugin.ts";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import { drawChart } from "../../lib/signals/chart/mod.ts";
import { decimalText, riskReward } from "../../lib/signals/signal.ts";
import { signalMessage } from "../../lib/signals/ticket.ts";
import { webhookCallback } from "../../lib/telegram/webhook.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { suite } from "../harness.ts";
import { type Scene, subscribers, withBot } from "../support/bot.ts";
import { clientAt } from "../support/client.ts";
import { type Random, randomOf } from "../support/histories.ts";
import {
  countOf,
  expectClear,
  expectQuiet,
  expectServed,
  expectUnharmed,
  limitMs,
  playAll,
  seed,
} from "./corpus.ts";
import { pick } from "./updates.ts";
import {
  botToken,
  broadcastOptions,
  oddFunctions,
  oddOptions,
  oddValue,
  oddVariables,
  OfTheCaller,
  signal,
  withoutTokens,
} from "./options.ts";

const test = suite(`hostile options (HOSTILE_SEED=${seed})`, undefined, limitMs);

type Fields = Readonly<Record<string, unknown>>;
const nowhere = "http://127.0.0.1:1";
const storage = new InMemoryChatStorage();
const common: Fields = {
  ...{
    autoRegisterChats: true,
    chatTypes: ["private"],
    chatsPerAdder: 1,
    messages: {},
    messagesPerSecond: 1,
  },
  ...{ ledger: new InMemoryLedger(), clock: systemClock },
};
const quiet = { info: (): void => {}, warn: (): void => {}, error: (): void => {} };
const botOptions: Fields = {
  ...common,
  ...{ botToken, useDynamoDB: true, tableName: "chats", broadcastsTableName: "runs", client: undefined },
  ...{ regionName: "us-east-1", allowedUsers: [1], authorize: () => true, spoolFile: "a", apiRoot: nowhere },
  ...{ logger: quiet, storage, fetch },
};
const tableOptions: Fields = {
  ...{ tableName: "chats", regionName: "us-east-1", client: clientAt(nowhere), clock: systemClock },
};
const candle = { time: 1e12, open: 1, high: 2, low: 1, close: 1, volume: 0 };

/** Whatever takes options, given good ones of which some are odd. */
const places: Readonly<Record<string, (random: Random) => readonly unknown[]>> = {
  "a bot": (random) => [oddOptions(random, botOptions)],
  "subscriptions": (random) => [oddOptions(random, { ...common, storage, logger: quiet })],
  "a bot of variables": (random) => [oddVariables(random)],
  "a bot of variables and options": (random) => [{}, oddOptions(random, { botToken })],
  "a webhook": (random) => [oddOptions(random, { secretToken: "secret-of-sixteen-letters" })],
  "a storage": (random) => [oddOptions(random, { ...tableOptions, logger: quiet })],
  "a ledger": (random) => [oddOptions(random, tableOptions)],
  "a storage in memory": (random) => [oddOptions(random, { logger: quiet, clock: systemClock })],
  "a signal": (random) => [oddOptions(random, signal), {}],
  "a signal's options": (random) => [signal, withoutTokens(oddOptions(random, broadcastOptions))],
  "a signal's text": (random) => [oddOptions(random, signal), oddValue(random)],
  "a ratio": (random) => [oddOptions(random, signal)],
  "a decimal": (random) => [oddValue(random), "entry"],
  "a message": (random) => [oddOptions(random, { text: "x", entities: [], photo: "id" }), {}],
  "a broadcast's options": (random) => ["x", withoutTokens(oddOptions(random, broadcastOptions))],
  "a broadcast's functions": (random) => ["x", oddFunctions(random)],
  "a plugin's broadcast": (random) => [oddOptions(random, { token: botToken, options: {} }), "x"],
  "a start": (random) => [oddOptions(random, { retry: false })],
  "a cleanup": (random) => [oddOptions(random, { daysThreshold: 1e6 })],
  "a chat that is saved": (random) => [
    7001,
    withoutTokens(oddOptions(random, { username: "x", first_name: "y", user_id: 5 })),
  ],
  "a chat's id": (random) => [oddValue(random)],
  "a load": (random) => [oddOptions(random, { onProgress: () => {}, signal: undefined })],
  "a chart": (random) => [
    oddOptions(random, signal),
    [candle, oddOptions(random, { ...candle, time: 2e12 })],
    oddOptions(random, { theme: "light", bands: {} }),
  ],
};

// deno-lint-ignore ban-types -- whatever is called with arguments of any type
const calls = ({ bot, storage }: Stage): Readonly<Record<keyof typeof places, Function>> => ({
  "a bot": (options: never) => new MeanReversionTelegramBot(options),
  "subscriptions": subscriptions,
  "a bot of variables": fromVariables,
  "a bot of variables and options": fromVariables,
  "a webhook": (options: never) => webhookCallback(bot, options),
  "a storage": (options: never) => new TelegramDynamoDBStorage(options),
  "a ledger": (options: never) => new DynamoDBLedger(options),
  "a storage in memory": (options: never) => new InMemoryChatStorage(options),
  "a signal": (...args: [never]) => bot.sendSignal(...args),
  "a signal's options": (...args: [never]) => bot.sendSignal(...args),
  "a signal's text": signalMessage,
  "a ratio": riskReward,
  "a decimal": decimalText,
  "a message": (...args: [never]) => bot.broadcast(...args),
  "a broadcast's options": (...args: [never]) => bot.broadcast(...args),
  "a broadcast's functions": (...args: [never]) => bot.broadcast(...args),
  "a plugin's broadcast": (...args: [never, never]) => subscriptions({ storage }).broadcast(...args),
  "a start": (options: never) => bot.startBot(options),
  "a cleanup": (options: never) => bot.cleanupInactiveChats(options),
  "a chat that is saved": (...args: [never]) => storage.saveChat(...args),
  "a chat's id": (id: never) => storage.getChat(id),
  "a load": (work: never) => storage.loadActiveChats(work),
  "a chart": drawChart,
});

interface Stage {
  readonly bot: MeanReversionTelegramBot;
  readonly storage: TelegramDynamoDBStorage;
}

async function fromVariables(variables: Readonly<Record<string, string>>, options?: never): Promise<void> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    await createTelegramBotFromEnv(options).stopBot();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

interface Case {
  readonly place: string;
  readonly args: readonly unknown[];
}

async function playCase(stage: Stage, { place, args }: Case): Promise<void> {
  try {
    await calls(stage)[place]?.(...args);
  } catch (error) {
    if (error instanceof OfTheCaller) return;
    try {
      expectClear(error);
    } catch (unclear) {
      throw Object.assign(new Error((unclear as Error).message, { cause: error }), { name: place });
    }
  }
}

async function withStage(body: (stage: Stage, scene: Scene) => Promise<void>): Promise<void> {
  await withBot(async (scene) => {
    await subscribers(scene, 3);
    await body({ bot: scene.bot, storage: scene.table.storage({ logger: scene.logs }) }, scene);
  }, { hasLedger: true, mayTrespass: true });
}

test("options of any shape are taken, or refused by an error that says what is wrong", async () => {
  const random = randomOf(seed);
  const names = Object.keys(places);
  const cases = Array.from({ length: countOf("options") }, (): Case => {
    const place = pick(random, names);
    return { place, args: places[place]?.(random) ?? [] };
  });
  await playAll(cases, (some) =>
    withStage(async (stage, scene) => {
      for (const each of some) await playCase(stage, each);
      expectUnharmed();
      expectQuiet(scene.logs);
      await expectServed(scene);
    }));
});

test.run();

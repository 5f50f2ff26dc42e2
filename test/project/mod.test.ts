/** What the package exports, and what it does not drag in. */
import { readFile } from "node:fs/promises";
import * as mod from "../../mod.ts";
import * as chart from "../../lib/signals/chart/mod.ts";
import * as storage from "../../lib/bot/storage.ts";
import * as live from "../../lib/live/mod.ts";
import * as local from "../../lib/local/mod.ts";
import * as signals from "../../lib/signals/mod.ts";
import { assert, suite } from "../harness.ts";

const test = suite("mod.ts");

test("mod.ts exports these names, and no other", () => {
  assert.equal(Object.keys(mod).sort(), [
    "ConfigError",
    "InMemoryChatStorage",
    "MeanReversionTelegramBot",
    "SignalBot",
    "StorageError",
    "TelegramDynamoDBStorage",
    "TelegramError",
    "bold",
    "code",
    "createTelegramBotFromEnv",
    "format",
    "lines",
    "loadEnvFile",
    "signalCallback",
    "subscriptions",
    "tradingView",
    "tradingViewMessage",
    "webhookCallback",
  ]);
});

test("SignalBot is the class that had the name MeanReversionTelegramBot first", () => {
  assert.is(mod.SignalBot, mod.MeanReversionTelegramBot);
  const bot: mod.SignalBot = new mod.MeanReversionTelegramBot({ botToken: "123456:AA-of-the-tests" });
  assert.instance(bot, mod.SignalBot);
});

test("lib/local/mod.ts exports these names, and no other", () => {
  assert.equal(Object.keys(local).sort(), [
    "iamActions",
    "iamPolicy",
    "ledgerActions",
    "startBotApiServer",
    "startDynamoDB",
    "startFaultGate",
  ]);
});

test("telegram-signals/live exports these names, and no other", () => {
  assert.equal(Object.keys(live).sort(), [
    "BacktestReport",
    "FeedError",
    "backtest",
    "ccxtFeed",
    "closeTime",
    "coinbaseFeed",
    "positionSize",
    "replayFeed",
    "runStrategies",
    "syntheticFeed",
    "timeframeMs",
    "timeframes",
    "toTick",
    "tradingHours",
  ]);
});

test("telegram-signals/signals and /storage export these names, and no other", () => {
  assert.equal(Object.keys(signals).sort(), ["decimalText", "riskReward", "signalMessage", "validateSignal"]);
  assert.equal(Object.keys(storage).sort(), [
    "ChatStorage",
    "StorageError",
    "consoleLogger",
    "fold",
    "systemClock",
    "transition",
  ]);
});

test("lib/signals/chart/mod.ts exports these names, and no other", () => {
  assert.equal(Object.keys(chart).sort(), ["createVwapBands", "drawChart", "renderSvg"]);
});

/** The files that a module imports, directly or not, types apart. */
async function reachable(
  url: URL,
  seen: Map<string, Set<string>> = new Map(),
): Promise<Map<string, Set<string>>> {
  if (seen.has(url.href)) return seen;
  const source = await readFile(url, "utf8");
  const specifiers = [...source.matchAll(/(?:^|\n)(?:import|export)(?! type)[^;]*?from "([^"]+)";/g)]
    .map(([, specifier = ""]) => specifier);
  seen.set(url.href, new Set(specifiers));
  for (const specifier of specifiers) {
    if (specifier.startsWith(".")) await reachable(new URL(specifier, url), seen);
  }
  return seen;
}

test("mod.ts imports no server for tests, no chart, and only the packages that it cannot begin without", async () => {
  const root = new URL("../../mod.ts", import.meta.url);
  const files = await reachable(root);
  assert.ok(files.size > 20, "the imports were found");
  assert.equal(
    [...files.keys()].filter((file) => /\/lib\/(local|signals\/chart)\/(?!options\.ts)/.test(file)),
    [],
  );
  const packages = new Set(
    [...files.values()].flatMap((each) => [...each]).filter((it) => !it.startsWith(".")),
  );
  const foreign = [...packages].filter((name) => !name.startsWith("node:")).sort();
  assert.equal(foreign, ["@aws-sdk/client-dynamodb", "dotenv", "fastest-levenshtein", "grammy/web"]);
});

test.run();

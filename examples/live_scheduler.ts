#!/usr/bin/env -S deno run -P
/**
 * Trades mean reversion on live candles and sends its signals to the bot's subscribers. The candles come from Coinbase
 * Exchange, which needs no account, or from another one by way of ccxt; for trials, from a file, or synthetic.
 *
 *     npx tsx examples/live_scheduler.ts --symbol BTC-USD --symbol ETH-USD --timeframe 5m --timeframe 15m
 *     deno run -P examples/live_scheduler.ts --interval 0.5 --signals 3 --dry-run
 *
 * Under Deno, files are read from `.signals/`, or with `--allow-read=.env,.signals,lib,FILE`; an exchange of your own
 * needs `--allow-net=HOST,api.telegram.org,dynamodb.REGION.amazonaws.com`.
 * `--help` names the exit statuses.
 */
import "./strategy/begin.ts";
import process from "node:process";
import { createTelegramBotFromEnv, type SignalBot } from "telegram-signals";
import { runStrategies } from "telegram-signals/live";
import { isMistake } from "../cli/failure.ts";
import { safeLines } from "../cli/safe_print.ts";
import { assertCanAsk, isSendingConfirmed } from "../cli/sending.ts";
import { whyNotSubscribed } from "../cli/standing.ts";
import { chooseFeed, paceOf } from "./strategy/feed.ts";
import { meanReversion } from "./strategy/mean_reversion.ts";
import { originalMeanReversion } from "./strategy/original.ts";
import { openScreen } from "./strategy/screen.ts";
import { readSettings, type Settings } from "./strategy/settings.ts";

const say = (line: string): void => console.log(safeLines(line));

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2));
  const feed = await chooseFeed(settings);
  const strategy = settings.rules === "original" ? originalMeanReversion(settings) : meanReversion(settings);
  const { from, to, timeZone } = settings.hours;
  say(`Signals come from ${from} to ${to} ${timeZone}.`);
  const pace = paceOf(settings);
  if (pace !== undefined) say(pace);
  const { dryRun } = settings;
  await using screen = dryRun === "screen" ? await openScreen(say) : undefined;
  await using bot = screen?.bot ?? createTelegramBotFromEnv({ useDynamoDB: true });
  const signal = bot.stopOnSignals();
  if (
    dryRun === undefined && feed.caution !== undefined &&
    !await isUnrealWanted(bot, signal, feed.caution, settings)
  ) {
    if (!signal.aborted) process.exitCode = 1;
    return say("Nothing was sent.");
  }
  let sent = 0;
  await using run = runStrategies({
    ...{ bot, feed, signal, strategies: [strategy] },
    charts: settings.hasCharts,
    onlyTo: dryRun === "screen" ? undefined : dryRun,
    verbose: settings.verbose,
    similar: settings.similar,
    dailySummary: settings.dailySummary,
    onSent: ({ isRepeated }) => {
      if (!isRepeated && ++sent >= settings.signals) void run.stop();
    },
  });
  // Trading begins though Telegram may be out of reach: a signal waits for it as long as it is fresh.
  const started = bot.startBot({ retry: true }).catch((error) => {
    if (!signal.aborted) throw error;
  });
  if (typeof dryRun === "number") void started.then(() => tellWhyNot(dryRun), () => {});
  await Promise.race([started.then(() => run.finished), run.finished]);
  say(`${sent === 1 ? "1 signal" : `${sent} signals`}; stopping.`);
}

/** Says why the only chat would get nothing. */
async function tellWhyNot(chatId: number): Promise<void> {
  const why = await whyNotSubscribed(chatId);
  if (why !== undefined) say(`Nobody gets the signals as yet: ${why}`);
}

/** Asks before signals of candles that are no market's go to people. */
async function isUnrealWanted(
  bot: SignalBot,
  signal: AbortSignal,
  caution: string,
  { yes }: Settings,
): Promise<boolean> {
  assertCanAsk(yes);
  const opened = await bot.initialize({ retry: true }).catch((error) => {
    if (!signal.aborted) throw error;
  });
  if (opened === undefined) return false;
  const question = (chats: string): string => `The candles are ${caution}. Send their signals to ${chats}?`;
  return await isSendingConfirmed({ yes, chats: opened.chats, question });
}

main().catch((error) => {
  console.error(isMistake(error) ? safeLines(error.message) : error);
  process.exitCode = isMistake(error) ? 2 : 1;
});

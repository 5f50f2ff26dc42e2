#!/usr/bin/env -S deno run -P
/**
 * Trades a mean-reversion strategy on five-minute candles and sends its signals to the bot's subscribers. The candles
 * come live from Coinbase Exchange, which needs no account; for trials, from a file, or synthetic.
 *
 *     npx tsx examples/live_scheduler.ts --symbol BTC-USD
 *     deno run -P examples/live_scheduler.ts --interval 0.5 --signals 3
 *
 * Under Deno, candles to replay are read from `.signals/`, or with `--allow-read=.env,.signals,lib,FILE`; an exchange of
 * your own needs `--allow-net=HOST,api.telegram.org,dynamodb.REGION.amazonaws.com`.
 * Exit status: 0 after the last signal, the last candle, SIGINT or SIGTERM; 2 for a mistake in the arguments, a file
 * or the bot's settings; 130 for a second SIGINT or SIGTERM.
 */
import "./cli/permissions.ts";
import process from "node:process";
import { ConfigError, createTelegramBotFromEnv, StorageError, TelegramError } from "telegram-signals";
import { UsageError } from "./cli/arguments.ts";
import { safeLines } from "./cli/safe_print.ts";
import { stopOnSignals } from "./cli/stop_on_signals.ts";
import { chooseFeed, type ChosenFeed, resumeFeed } from "./strategy/choose_feed.ts";
import { createMeanReversion, tradingHours } from "./strategy/mean_reversion.ts";
import { createNotifier } from "./strategy/notifier.ts";
import { createSignalSender, formatUtc, tooOldLine } from "./strategy/send_signal.ts";
import { openSentLog, type SentLog } from "./strategy/sent_log.ts";
import { help, readSettings, type Settings } from "./strategy/settings.ts";
import { trade } from "./strategy/trade.ts";

const say = (line: string): void => console.log(safeLines(line));

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2));
  if (!settings) return say(help);
  const chosen = chooseFeed(settings, { say });
  const sent = await openSentLog(settings.state, chosen.feed.name);
  introduce(settings, chosen, sent);
  const signal = stopOnSignals(say);
  const notifier = createNotifier({
    createBot: () => createTelegramBotFromEnv({ useDynamoDB: true }),
    isFatal: isMistakeInSettings,
    isBeforeSending: (error) => error instanceof StorageError || error instanceof TelegramError,
    hasCharts: settings.hasCharts,
    say,
    stopping: signal,
  });
  try {
    await notifier.start();
    const send = createSignalSender({ sent, notifier, say, marketNow: chosen.feed.now });
    const strategy = createMeanReversion(settings);
    const count = await trade({
      ...resumeFeed(chosen, sent.last),
      strategy,
      send,
      tooOld: (found) => say(tooOldLine(found)),
      limit: settings.signals,
      signal,
    });
    say(`${count === 1 ? "1 signal" : `${count} signals`}; stopping.`);
  } finally {
    await notifier.stop();
  }
}

function introduce(settings: Settings, { feed, liveFrom }: ChosenFeed, { last }: SentLog): void {
  const { symbol, state, replay, seed, intervalSeconds } = settings;
  const { opensAtHour, closesAtHour } = tradingHours;
  say(
    `Mean reversion on ${symbol}, five-minute candles, signals from ${opensAtHour}:00 to ${closesAtHour}:00 UTC.`,
  );
  say(`Candles: ${feed.name}${feed.caution ? ` (${feed.caution})` : ""}.`);
  if (replay === undefined && intervalSeconds === undefined) {
    say(`For a day in minutes${seed === undefined ? ", of synthetic candles" : ""}: --interval 0.5`);
  }
  if (last > liveFrom) say(`Going on after the signal of ${formatUtc(new Date(last))} (${state}).`);
}

/** Errors that a retry does not solve: a setting that is missing or malformed, or a token that Telegram refuses. */
function isMistakeInSettings(error: unknown): boolean {
  return error instanceof ConfigError || (error instanceof TelegramError && error.reason === "token");
}

main().catch((error) => {
  const expected = error instanceof UsageError || isMistakeInSettings(error);
  console.error(expected ? safeLines(error.message) : error);
  process.exitCode = expected ? 2 : 1;
});

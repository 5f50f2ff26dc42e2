#!/usr/bin/env -S deno run -P
/**
 * Shows that the bot's chats outlive it: connects, loads them, counts them, and sends them a test message.
 *
 *     npx tsx examples/test_persistence.ts [--yes | --no-send | --dry-run [CHAT_ID]]
 *     deno run -P examples/test_persistence.ts [--yes | --no-send | --dry-run [CHAT_ID]]
 *
 * `--help` names the exit statuses.
 */
import "./persistence/begin.ts";
import process from "node:process";
import { createTelegramBotFromEnv, type MeanReversionTelegramBot } from "telegram-signals";
import { parseArguments } from "../cli/arguments.ts";
import { dryRunOf, joinDryRun } from "../cli/dry_run.ts";
import { isMistake } from "../cli/failure.ts";
import { printReport } from "../cli/report.ts";
import { safeLines } from "../cli/safe_print.ts";
import { isSendingConfirmed, onlyTo } from "../cli/sending.ts";
import { nothingSent } from "../cli/standing.ts";

const flag = { type: "boolean" } as const;
const options = { yes: flag, "no-send": flag, "dry-run": { type: "string" } } as const;

const text = "This is a test message: your subscription to trading signals is kept safely.";

/** Gives the exit status. */
async function main(): Promise<number> {
  const args = joinDryRun(process.argv.slice(2));
  const { yes = false, "no-send": noSend, "dry-run": dryRunText } = parseArguments({ args, options }).values;
  const dryRun = dryRunOf(dryRunText);
  await using bot = createTelegramBotFromEnv({ useDynamoDB: true });
  const signal = bot.stopOnSignals();
  const { storage, chats } = await bot.initialize();
  if (storage !== "dynamodb") {
    console.log("Chats are kept in memory only: nothing would outlive this program.");
    return 1;
  }
  console.log(`Loaded ${count(chats)} from DynamoDB.`);
  await showStatistics(bot);
  if (noSend) return console.log("Nothing was sent."), 0;
  if (dryRun === "screen") return console.log(`${text}\nNothing was sent: this is a dry run.`), 0;
  if (dryRun === undefined) {
    if (chats === 0) return console.log("Nobody to write to yet: send /start to the bot while it runs."), 1;
    const question = (): string => `Send a test message to ${count(chats)}?`;
    if (!await isSendingConfirmed({ yes, chats, question })) return console.log("Nothing was sent."), 1;
  }
  const report = await bot.broadcast(text, { signal, ...dryRun !== undefined && { filter: onlyTo(dryRun) } });
  if (dryRun !== undefined && report.recipients === 0) return console.log(await nothingSent(dryRun)), 1;
  return printReport(report, false);
}

async function showStatistics(bot: MeanReversionTelegramBot): Promise<void> {
  const figures = await bot.getStatistics();
  console.log(`  Chats     ${figures.totalChats}`);
  console.log(`  Active    ${figures.activeChats}`);
  console.log(`  Inactive  ${figures.inactiveChats}`);
  console.log(`  Messages  ${figures.totalMessages}, ${figures.averageMessagesPerChat.toFixed(1)} a chat`);
}

function count(chats: number): string {
  return chats === 1 ? "1 active chat" : `${chats} active chats`;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(safeLines((error as Error).message));
  process.exitCode = isMistake(error) ? 2 : 1;
}

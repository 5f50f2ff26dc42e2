#!/usr/bin/env -S deno run -P
/**
 * Shows that the bot's chats outlive it: connects, loads them, counts them, and sends them a test message.
 *
 *     npx tsx examples/test_persistence.ts [--yes | --no-send | --dry-run [CHAT_ID]]
 *     deno run -P examples/test_persistence.ts [--yes | --no-send | --dry-run [CHAT_ID]]
 *
 * Exit status: 0; 1 where chats are kept in memory only, or the bot cannot start; 2 for a mistake in the arguments.
 */
import "../cli/bot_permissions.ts";
import process from "node:process";
import { createTelegramBotFromEnv, type MeanReversionTelegramBot } from "telegram-signals";
import { parseArguments, UsageError } from "../cli/arguments.ts";
import { isConfirmed } from "../cli/confirm.ts";
import { dryRunOf, joinDryRun } from "../cli/dry_run.ts";
import { onlyTo } from "../cli/sending.ts";

const usage = `Loads the bot's chats from DynamoDB, shows their statistics, and sends them a test message.

  --yes      sends without asking
  --no-send  only looks
  --dry-run [CHAT_ID]
             shows the message, and sends nothing; with a chat's id it goes to that chat alone
  --help`;

const flag = { type: "boolean" } as const;
const options = { yes: flag, "no-send": flag, "dry-run": { type: "string" }, help: flag } as const;

const text = "This is a test message: your subscription to trading signals is kept safely.";

async function main(): Promise<void> {
  const args = joinDryRun(process.argv.slice(2));
  const { yes, "no-send": noSend, "dry-run": dryRunText, help } = parseArguments({ args, options }).values;
  if (help) return console.log(usage);
  const dryRun = dryRunOf(dryRunText);
  await using bot = createTelegramBotFromEnv({ useDynamoDB: true });
  const { storage, chats } = await bot.initialize();
  if (storage !== "dynamodb") {
    process.exitCode = 1;
    return console.log("Chats are kept in memory only: nothing would outlive this program.");
  }
  console.log(`Loaded ${count(chats)} from DynamoDB.`);
  await showStatistics(bot);
  if (chats === 0) return console.log("Nobody to write to yet: send /start to the bot while it runs.");
  if (dryRun === "screen") return console.log(`${text}\nNothing was sent: this is a dry run.`);
  const question = `Send a test message to ${count(chats)}?`;
  const isWanted = !noSend &&
    (yes || dryRun !== undefined || await isConfirmed(question, "sends without asking"));
  if (!isWanted) return console.log("Nothing was sent.");
  const report = await bot.broadcast(text, dryRun === undefined ? {} : { filter: onlyTo(dryRun) });
  console.log(String(report));
  for (const { chat_id, outcome, message } of report.errors) {
    console.log(`  ${chat_id} ${outcome}: ${message}`);
  }
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

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});

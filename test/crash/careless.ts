/**
 * Two bots that break the promise, made of the same parts: the suite has to catch both.
 * `early` lets Telegram know that an update is handled before it is written; `twice` forgets which it has counted.
 */
import process from "node:process";
import { Bot } from "grammy/web";
import {
  type ApplyResult,
  type ChatEvent,
  type ExpectedState,
  subscriptions,
  TelegramDynamoDBStorage,
} from "../../mod.ts";

class Forgetful extends TelegramDynamoDBStorage {
  override apply(chatId: number, events: readonly ChatEvent[], belief?: ExpectedState): Promise<ApplyResult> {
    return super.apply(chatId, events.map((event) => ({ ...event, updateId: undefined })), belief);
  }
}

const mode = process.argv[2];
const storage = mode === "twice" ? new Forgetful() : new TelegramDynamoDBStorage();
const commands = subscriptions({ storage }).middleware();
const apiRoot = process.env["TELEGRAM_API_ROOT"] ?? "";
const bot = new Bot(process.env["TELEGRAM_BOT_TOKEN"] ?? "", { client: { apiRoot } });
bot.use(async (ctx, next) => {
  const written = commands(ctx, next).catch(() => {});
  if (mode !== "early") await written;
});
process.stdin.on("end", () => process.exit()).resume();
await bot.start({ onStart: () => console.log("READY") });

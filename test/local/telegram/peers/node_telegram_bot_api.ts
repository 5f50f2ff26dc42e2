import { Bot, InlineKeyboardBuilder, InputFile } from "node-telegram-bot-api";
import type { BotApiServer } from "../../../../lib/local/mod.ts";
import { echoOf, type Peer, words } from "./peer.ts";

export function startNodeTelegramBotApi({ token, apiRoot }: BotApiServer): Promise<Peer> {
  const bot = new Bot(token, { apiRoot });
  const keyboard = new InlineKeyboardBuilder().text(words.button, words.data).build();
  bot.command("start", (ctx) => ctx.reply(words.greeting, { reply_markup: keyboard }));
  bot.on("callback_query", async (ctx) => {
    await ctx.answerCallbackQuery({ text: words.thanks });
    const { chat, message_id } = ctx.callbackQuery?.message ?? {};
    if (chat && message_id) {
      await bot.api.editMessageText({ chat_id: chat.id, message_id, text: words.edited });
    }
  });
  bot.on("message", async (ctx) => {
    const { chat, document } = ctx.message ?? {};
    if (chat === undefined || document === undefined) return;
    const { file_path } = await bot.api.getFile({ file_id: document.file_id });
    const text = await (await fetch(`${apiRoot}/file/bot${token}/${file_path}`)).text();
    const echo = new InputFile(new TextEncoder().encode(echoOf(text)), { filename: "echo.txt" });
    await bot.api.sendDocument({ chat_id: chat.id, document: echo });
  });
  const ended = bot.startPolling();
  return Promise.resolve({
    stop: async (): Promise<void> => {
      bot.stop();
      await ended;
    },
  });
}

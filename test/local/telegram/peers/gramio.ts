import { Bot, InlineKeyboard, MediaUpload } from "gramio";
import type { BotApiServer } from "../../../../lib/local/mod.ts";
import { echoOf, type Peer, words } from "./peer.ts";

export async function startGramio({ token, apiRoot }: BotApiServer): Promise<Peer> {
  const keyboard = new InlineKeyboard().text(words.button, words.data);
  const bot = new Bot(token, { api: { baseURL: `${apiRoot}/bot` } })
    .command("start", (ctx) => ctx.send(words.greeting, { reply_markup: keyboard }))
    .on("callback_query", async (ctx) => {
      await ctx.answer(words.thanks);
      await ctx.editText(words.edited);
    })
    .on("message", async (ctx) => {
      if (ctx.document === undefined) return;
      const text = new TextDecoder().decode(await bot.downloadFile(ctx.document.fileId));
      await ctx.sendDocument(MediaUpload.text(echoOf(text), "echo.txt"));
    });
  await bot.start({ longPolling: { timeout: 1 } });
  return {
    stop: async (): Promise<void> => {
      // By itself it leaves its last poll behind.
      await bot.updates.stopPolling(true);
      await bot.stop();
    },
  };
}

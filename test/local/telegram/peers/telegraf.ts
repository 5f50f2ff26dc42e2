import { Buffer } from "node:buffer";
import { Input, Markup, Telegraf } from "telegraf";
import { message } from "telegraf/filters";
import type { BotApiServer } from "../../../../lib/local/mod.ts";
import { echoOf, type Peer, words } from "./peer.ts";

export async function startTelegraf({ token, apiRoot }: BotApiServer): Promise<Peer> {
  const bot = new Telegraf(token, { telegram: { apiRoot } });
  const keyboard = Markup.inlineKeyboard([Markup.button.callback(words.button, words.data)]);
  bot.start((ctx) => ctx.reply(words.greeting, keyboard));
  bot.action(words.data, async (ctx) => {
    await ctx.answerCbQuery(words.thanks);
    await ctx.editMessageText(words.edited);
  });
  bot.on(message("document"), async (ctx) => {
    const link = await ctx.telegram.getFileLink(ctx.message.document.file_id);
    const text = await (await fetch(link)).text();
    await ctx.replyWithDocument(Input.fromBuffer(Buffer.from(echoOf(text)), "echo.txt"));
  });
  let ended: Promise<void> | undefined;
  await new Promise<void>((resolve, reject) => {
    ended = bot.launch(resolve);
    ended.catch(reject);
  });
  return {
    stop: async (): Promise<void> => {
      bot.stop();
      await ended;
    },
  };
}

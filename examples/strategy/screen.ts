/** A dry run on the screen: a bot with one subscriber, whose messages are printed. Its Telegram is in this process. */
import { InMemoryChatStorage, MeanReversionTelegramBot } from "telegram-signals";
import { startBotApiServer } from "telegram-signals/local";

/** The bot is the caller's to start and to stop; then this ends its Telegram. */
export interface Screen extends AsyncDisposable {
  readonly bot: MeanReversionTelegramBot;
}

/** @param print Called with each message's text. */
export async function openScreen(print: (text: string) => void): Promise<Screen> {
  const telegram = await startBotApiServer({ username: "dry_run_bot" });
  const reader = telegram.user({ first_name: "Screen", opened: true });
  reader.onMessage(({ text, caption }) => print(`\n${text ?? caption ?? ""}\n`));
  const storage = new InMemoryChatStorage();
  await storage.saveChat(reader.chatId, { first_name: "Screen" });
  const { token: botToken, apiRoot } = telegram;
  return {
    bot: new MeanReversionTelegramBot({ botToken, apiRoot, storage, useDynamoDB: false }),
    [Symbol.asyncDispose]: () => telegram.close(),
  };
}

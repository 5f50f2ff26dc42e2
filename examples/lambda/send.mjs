/** Sends a signal. The function has no URL: it answers callers that AWS permits to invoke it. */
import { readSecrets } from "./secrets.mjs";
import { createTelegramBotFromEnv } from "./telegram-signals.mjs";

const [botToken] = await readSecrets("TELEGRAM_BOT_TOKEN");
const bot = createTelegramBotFromEnv({ botToken });

export async function handler({ signal, broadcastId }) {
  return String(await bot.sendSignal(signal, { broadcastId }));
}

/** Takes Telegram's updates, which come by the function's URL. Nothing here sends a signal. */
import { readSecrets } from "./secrets.mjs";
import { createTelegramBotFromEnv, webhookCallback } from "./telegram-signals.mjs";

const [botToken, secretToken] = await readSecrets("TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET");

export const handler = webhookCallback(createTelegramBotFromEnv({ botToken }), { secretToken });

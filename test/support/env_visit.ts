/** A user's program: makes a bot of the environment and of `.env`, asks Telegram once, and prints where, or what is wrong. */
import { createTelegramBotFromEnv } from "../../mod.ts";

const fetch = (request: string | URL | Request): Promise<Response> => {
  console.log(new URL(request instanceof Request ? request.url : request).origin);
  return Promise.reject(new Error("no network"));
};

try {
  const bot = createTelegramBotFromEnv({ useDynamoDB: false, fetch: fetch as typeof globalThis.fetch });
  await bot.grammy.api.getMe().catch(() => {});
} catch (error) {
  console.log((error as Error).message);
}

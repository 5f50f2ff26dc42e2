/** A bot of a few lines, as a process of its own: it hears people until it is ended. */
import { createTelegramBotFromEnv } from "../../mod.ts";

const bot = createTelegramBotFromEnv({ useDynamoDB: false });
await bot.startBot();
console.log("hears");

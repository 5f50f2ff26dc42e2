/** A program whose bot stops on signals. With "idle" it does nothing with its bot; with "busy" a handler takes a minute. */
import process from "node:process";
import { createTelegramBotFromEnv } from "../../mod.ts";

const bot = createTelegramBotFromEnv({ useDynamoDB: false });
const stopping = bot.stopOnSignals();
stopping.addEventListener("abort", () => console.log("told"));
const [mode] = process.argv.slice(2);
if (mode !== "idle") {
  if (mode === "busy") bot.grammy.use(() => new Promise((resolve) => setTimeout(resolve, 60_000)));
  await bot.startBot();
  console.log("hears");
  await bot.finished;
}
console.log("ended");

/**
 * The bot that is killed, as a user would write it: all it is told is in the environment. It says READY when it hears
 * commands; `broadcast NAME` on its standard input sends a message to all subscribers; it ends with its parent.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { createTelegramBotFromEnv } from "../../mod.ts";

const bot = createTelegramBotFromEnv({ messagesPerSecond: 1000 });
bot.finished.catch(() => process.exit(3));

async function obey(line: string): Promise<void> {
  const [command, name = ""] = line.split(" ");
  if (command === "stop") {
    await bot.stopBot();
    console.log("STOPPED");
  }
  if (command !== "broadcast") return;
  // One that is cut off, or cannot read the list, is the operator's to repeat.
  await bot.broadcast(`Signal ${name}`).catch((error: Error) =>
    console.log(`no broadcast: ${error.message}`)
  );
  console.log(`SENT ${name}`);
}

createInterface({ input: process.stdin })
  .on("line", (line) => void obey(line))
  .on("close", () => process.exit());

await bot.startBot();
console.log("READY");

/** A bot in a container: it answers people until the container is stopped, and tells Docker whether it is well. */
import { createServer } from "node:http";
import process from "node:process";
import { createTelegramBotFromEnv } from "telegram-signals";

const bot = createTelegramBotFromEnv();
const stopping = bot.stopOnSignals(); // as `docker stop` sends one

/** For the container's own HEALTHCHECK: 200 while the bot hears commands, else 503. */
const health = createServer((_request, response) => {
  response.writeHead(bot.health.isHearing ? 200 : 503).end(JSON.stringify(bot.health));
}).listen(Number(process.env["HEALTH_PORT"] ?? 8080), "127.0.0.1");

try {
  await bot.startBot({ retry: true });
  // Your strategies go here: runStrategies({ bot, feed, strategies }) of "telegram-signals/live".
  await bot.finished;
} catch (error) {
  // A start that waits for the network ends so, too.
  if (!stopping.aborted) throw error;
} finally {
  health.close();
}

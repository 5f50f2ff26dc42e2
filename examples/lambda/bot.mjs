/**
 * The bot on AWS Lambda, from the one file that `npm run bundle -- examples/lambda` puts beside this one. Telegram's
 * updates come by the function's URL; a signal comes from a caller that may invoke the function:
 *
 *     aws lambda invoke --function-name NAME --cli-binary-format raw-in-base64-out \
 *       --payload '{"signal":{"direction":"long","symbol":"X","entry":2,"stop":1,"target":4},"broadcastId":"1"}' out
 */
import { createTelegramBotFromEnv, webhookCallback } from "./telegram-signals.mjs";

const bot = createTelegramBotFromEnv();
const handleUpdate = webhookCallback(bot);

/** AWS wraps every request to the URL in an event of its own, so that no stranger can send a signal. */
export async function handler(event) {
  const { signal, broadcastId } = event;
  return signal ? String(await bot.sendSignal(signal, { broadcastId })) : await handleUpdate(event);
}

/** The notebook's cells, as far as they use the network, in a rehearsal; then the environment is as it was. */
import process from "node:process";
import { createTelegramBotFromEnv, TelegramDynamoDBStorage } from "telegram-signals";
import { rehearse } from "../../examples/notebook/rehearsal.ts";

const environment = (): string => JSON.stringify(Object.entries(process.env).sort());
const before = environment();
const rehearsal = await rehearse();
if (rehearsal === undefined) throw new Error("there is no rehearsal");
const bot = createTelegramBotFromEnv();
await bot.startBot();
rehearsal.ada.say("/start");
await rehearsal.ada.received("subscribed");
const storage = new TelegramDynamoDBStorage();
console.log(JSON.stringify(await storage.getChat(7001)));
console.log(String(await bot.broadcast("The market is closed tomorrow.", { broadcastId: "closed" })));
await bot.stopBot();
storage.close();
await rehearsal.close();
if (environment() !== before) throw new Error("the environment is another one afterwards");

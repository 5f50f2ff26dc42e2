/**
 * A rehearsal of the notebook, for when no token is set: a Bot API server and a DynamoDB in this process, with sixty
 * simulated people who have talked to the bot in the last month. Nothing leaves the machine.
 */
import process from "node:process";
import { TelegramDynamoDBStorage } from "telegram-signals";
import { type BotApiServer, type LocalUser, startBotApiServer, startDynamoDB } from "telegram-signals/local";
import { environmentVariables, isolateEnvironment } from "../../cli/sandbox/environment_variables.ts";

export interface Rehearsal {
  readonly telegram: BotApiServer;
  /** A user who has not talked to the bot yet. */
  readonly ada: LocalUser;
  /** Ends both servers, and restores the environment variables. */
  close(): Promise<void>;
}

const people = 60;
const dayMs = 24 * 60 * 60 * 1000;

let running: Promise<Rehearsal> | undefined;

/**
 * Changes the environment variables so that every bot of this process takes part in the rehearsal. Returns `undefined`, and
 * does nothing, where a token is set. A cell that is run again gets the rehearsal that is running.
 */
export async function rehearse(): Promise<Rehearsal | undefined> {
  if (running === undefined && process.env["TELEGRAM_BOT_TOKEN"]) return undefined;
  return await (running ??= begin());
}

async function begin(): Promise<Rehearsal> {
  const database = await startDynamoDB();
  const telegram = await startBotApiServer({ username: "rehearsal_bot" });
  const restore = isolateEnvironment();
  Object.assign(process.env, environmentVariables(telegram, database));
  await fillTable(telegram);
  const ada = telegram.user({ id: 7001, first_name: "Ada", username: "ada" });
  return {
    telegram,
    ada,
    async close() {
      running = undefined;
      restore();
      await telegram.close();
      await database.close();
    },
  };
}

/** Fills the table with a month of chats: more came lately than before, some left, and two have just blocked the bot. */
async function fillTable(telegram: BotApiServer): Promise<void> {
  const storage = new TelegramDynamoDBStorage();
  await storage.createTableIfNotExists();
  for (let index = 0; index < people; index++) {
    const person = telegram.user({ id: 8000 + index, first_name: `Reader ${index + 1}`, opened: true });
    const at = Date.now() - dayMs * Math.floor(29 * (index / people) ** 2);
    const messages = Array.from({ length: 1 + index % 7 }, () => ({ kind: "message", at }) as const);
    const last = index % 10 === 9 ? [{ kind: "stop", at } as const] : [];
    await storage.apply(person.chatId, [
      { kind: "start", at, userInfo: { first_name: person.user.first_name } },
      ...messages,
      ...last,
    ], "absent");
    if (index % 25 === 20) telegram.unheard(() => person.block());
  }
  storage.close();
}

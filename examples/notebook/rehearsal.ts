/**
 * Where no token is set, a notebook is rehearsed: with a Telegram and a DynamoDB of its own, in this process, and a few
 * dozen people who have talked to the bot in the last month. Nothing leaves the machine.
 */
import process from "node:process";
import {
  type BotApiServer,
  type LocalDynamoDB,
  type LocalUser,
  startBotApiServer,
  startDynamoDB,
} from "telegram-signals/local";
import { TelegramDynamoDBStorage } from "telegram-signals";

export interface Rehearsal {
  readonly telegram: BotApiServer;
  /** Has not talked to the bot yet. */
  readonly ada: LocalUser;
  /** Forgets everything, and puts the environment back as it was. */
  close(): Promise<void>;
}

const people = 60;
const dayMs = 24 * 60 * 60 * 1000;

let running: Promise<Rehearsal> | undefined;

/**
 * Sets the environment so that every bot of this process is in the rehearsal. Where a token is set it does nothing, and
 * gives `undefined`. A cell that is run again finds the rehearsal that is running.
 */
export async function rehearse(): Promise<Rehearsal | undefined> {
  if (running === undefined && process.env["TELEGRAM_BOT_TOKEN"]) return undefined;
  return await (running ??= begin());
}

async function begin(): Promise<Rehearsal> {
  const database = await startDynamoDB();
  const telegram = await startBotApiServer({ username: "rehearsal_bot" });
  const restore = setEnvironment(settingsOf(telegram, database));
  await remember(telegram);
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

function settingsOf(
  { token, apiRoot }: BotApiServer,
  { endpoint, region, credentials }: LocalDynamoDB,
): Record<string, string> {
  return {
    TELEGRAM_BOT_TOKEN: token,
    TELEGRAM_API_ROOT: apiRoot,
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  };
}

/** Gives what puts it back. */
function setEnvironment(settings: Readonly<Record<string, string>>): () => void {
  const former = Object.keys(settings).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, settings);
  return () => {
    for (const [name, value] of former) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

/** The table as a month has left it: more people came lately than before, some left, and two have just gone silently. */
async function remember(telegram: BotApiServer): Promise<void> {
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

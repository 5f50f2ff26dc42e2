/** The bot's surroundings on this machine: a Bot API server, DynamoDB, and a fault gate between the bot and DynamoDB. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BotApiServer,
  type FaultGate,
  type LocalDynamoDB,
  startBotApiServer,
  startDynamoDB,
  startFaultGate,
} from "telegram-signals/local";
import { environmentVariables } from "../../sandbox/environment_variables.ts";

export const chatsTable = "telegram-chats";

export interface Environment {
  readonly telegram: BotApiServer;
  readonly database: LocalDynamoDB;
  readonly gate: FaultGate;
  /** A temporary folder. */
  readonly folder: string;
  /** The bot's environment variables. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Runs the body in a new environment, and removes all of it afterwards. */
export async function withEnvironment(body: (environment: Environment) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "telegram-signals-playground-"));
  try {
    await using database = await startDynamoDB();
    await using gate = await startFaultGate({ target: database.endpoint });
    await using telegram = await startBotApiServer({ username: "signals_playground_bot" });
    const parts = { telegram, database, gate, folder };
    await body({ ...parts, settings: settingsOf(parts) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function settingsOf(
  { telegram, database, gate, folder }: Omit<Environment, "settings">,
): Environment["settings"] {
  return {
    ...environmentVariables(telegram, database, gate.endpoint),
    TELEGRAM_CHATS_TABLE: chatsTable,
    TELEGRAM_AUTO_REGISTER: "true",
    TELEGRAM_ALLOWED_USERS: "everyone",
    TELEGRAM_SPOOL_FILE: join(folder, "spool.jsonl"),
  };
}

/** What the playground's bot lives on: a Telegram and a DynamoDB of its own, and a gate between it and the latter. */
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

export const chatsTable = "telegram-chats";

export interface Stage {
  readonly telegram: BotApiServer;
  readonly database: LocalDynamoDB;
  readonly gate: FaultGate;
  /** A folder that goes with the stage. */
  readonly folder: string;
  /** The bot's environment. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Runs the body on a stage of its own; nothing is left of it afterwards. */
export async function onStage(body: (stage: Stage) => Promise<void>): Promise<void> {
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

function settingsOf({ telegram, database, gate, folder }: Omit<Stage, "settings">): Stage["settings"] {
  return {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    TELEGRAM_CHATS_TABLE: chatsTable,
    TELEGRAM_AUTO_REGISTER: "true",
    TELEGRAM_ALLOWED_USERS: "everyone",
    TELEGRAM_SPOOL_FILE: join(folder, "spool.jsonl"),
    AWS_ENDPOINT_URL_DYNAMODB: gate.endpoint,
    AWS_REGION: database.region,
    AWS_ACCESS_KEY_ID: database.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: database.credentials.secretAccessKey,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
}

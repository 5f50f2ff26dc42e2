/** Subscribers of a local Telegram, and the programs in front of it. */
import { type BotApiServer, type LocalUser, startBotApiServer } from "../../lib/local/mod.ts";
import { plantActive } from "./bot.ts";
import { startTable, type TableFixture } from "./storage.ts";

/** A token that Telegram might have given, so that nobody can be certain that its bot writes to no people. */
export const realToken: string = `${123_456_789}:AA${"abcdefghijklmnopqrstuvwxyzABCDEFG"}`;

export interface Subscribers {
  readonly telegram: BotApiServer;
  readonly users: readonly LocalUser[];
  readonly table: TableFixture;
  /** For a bot of this Telegram. */
  readonly env: Readonly<Record<string, string>>;
  /** The same past the table's gate, which does not know the ledger's table. */
  readonly ledgerEnv: Readonly<Record<string, string>>;
}

export interface SubscribersOptions {
  readonly count: number;
  readonly latencyMs?: number;
  readonly token?: string;
}

export async function withSubscribers(
  { count, ...options }: SubscribersOptions,
  body: (stage: Subscribers) => Promise<void>,
): Promise<void> {
  await using telegram = await startBotApiServer(options);
  const table = await startTable({ isOverHttp: true });
  const users = Array.from({ length: count }, () => telegram.user({ opened: true }));
  await plantActive(table, ...users.map(({ chatId }) => chatId));
  const env = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_ENDPOINT_URL_DYNAMODB: table.gate.endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  const ledgerEnv = { ...env, AWS_ENDPOINT_URL_DYNAMODB: table.db.endpoint };
  try {
    await body({ telegram, users, table, env, ledgerEnv });
  } finally {
    await table.close();
  }
}

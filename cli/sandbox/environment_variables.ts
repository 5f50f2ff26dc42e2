/** The environment of a process that uses the local Bot API server and the local DynamoDB, and nothing of the caller's. */
import { devNull } from "node:os";
import process from "node:process";
import { loadEnvFile } from "telegram-signals";
import type { BotApiServer, LocalDynamoDB } from "telegram-signals/local";

/** Names of variables that lead to an account, a bot, a file or a server of the caller's, or of Deno's. */
const foreign = /^(AWS|TELEGRAM|DOTENV)_|^(HTTPS?|ALL)_PROXY$|^DENO_NO_UPDATE_CHECK$/i;

/** Keeps the AWS SDK from its files and from the machine's role, the bot from the file `.env`, and Deno from its updates. */
const isolation = {
  AWS_CONFIG_FILE: devNull,
  AWS_SHARED_CREDENTIALS_FILE: devNull,
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  DOTENV_PATH: devNull,
  DENO_NO_UPDATE_CHECK: "1",
};

/**
 * Changes this process's environment, which its children inherit: no account, no bot and no proxy of the caller's is left
 * in it. Variables in `.env` that are about none of these are taken from there. Returns a function that restores the
 * former values.
 */
export function isolateEnvironment(): () => void {
  const former = Object.fromEntries(Object.entries(process.env).filter(([name]) => foreign.test(name)));
  loadEnvFile({ except: foreign });
  replaceForeign(isolation);
  return () => replaceForeign(former);
}

function replaceForeign(variables: Readonly<Record<string, string | undefined>>): void {
  for (const name of Object.keys(process.env)) {
    if (foreign.test(name)) delete process.env[name];
  }
  Object.assign(process.env, variables);
}

/** With these a bot uses the local servers. `endpoint` is DynamoDB's, or that of a fault gate before it. */
export function environmentVariables(
  { token, apiRoot }: BotApiServer,
  { endpoint: own, region, credentials }: LocalDynamoDB,
  endpoint: string = own,
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

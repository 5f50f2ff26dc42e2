/** An environment in which everything leads elsewhere: to another account, another bot, a proxy, and files of theirs. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const elsewhere = "elsewhere.invalid";

/** Variables that a shell has; a file `.env` has them with other values. */
const variables = {
  AWS_PROFILE: "work",
  AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true",
  AWS_ENDPOINT_URL: `http://${elsewhere}`,
  AWS_ENDPOINT_URL_STS: `http://sts.${elsewhere}`,
  AWS_REGION: "eu-central-1",
  AWS_ACCOUNT_ID: "1".repeat(12),
  AWS_SESSION_TOKEN: "a session of theirs",
  AWS_USE_FIPS_ENDPOINT: "true",
  AWS_ROLE_ARN: `arn:aws:iam::${"1".repeat(12)}:role/theirs`,
  AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/credentials",
  TELEGRAM_BOT_TOKEN: `1234567:${"x".repeat(35)}`,
  TELEGRAM_API_ROOT: `https://telegram.${elsewhere}`,
  TELEGRAM_ALLOWED_USERS: "1",
  TELEGRAM_CHAT_TYPES: "channel",
};

/** @param folder Where the files are made: it is the home, with an `.aws`, and the current folder, with an `.env`. */
export async function hostileEnvironment(folder: string): Promise<Record<string, string>> {
  const [config, credentials, token] = ["config", "credentials", "token"]
    .map((name) => join(folder, ".aws", name)) as [string, string, string];
  await mkdir(join(folder, ".aws"), { recursive: true });
  await writeFile(token, "a token of theirs");
  await writeFile(credentials, "[base]\naws_access_key_id = theirs\naws_secret_access_key = theirs\n");
  const role =
    `role_arn = ${variables.AWS_ROLE_ARN}\nsource_profile = base\nignore_configured_endpoint_urls = true\n`;
  await writeFile(config, ["default", "profile work"].map((name) => `[${name}]\n${role}`).join(""));
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}-of-the-file\n`);
  await writeFile(join(folder, ".env"), lines.join(""));
  const proxy = `http://proxy.${elsewhere}:3128`;
  const proxies = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"];
  return {
    ...variables,
    HOME: folder,
    USERPROFILE: folder,
    AWS_CONFIG_FILE: config,
    AWS_SHARED_CREDENTIALS_FILE: credentials,
    AWS_WEB_IDENTITY_TOKEN_FILE: token,
    AWS_EC2_METADATA_DISABLED: "false",
    TELEGRAM_SPOOL_FILE: join(folder, "spool.jsonl"),
    // Lets `.env` beat the environment.
    DOTENV_OVERRIDE: "true",
    ...Object.fromEntries(proxies.map((name) => [name, proxy])),
  };
}

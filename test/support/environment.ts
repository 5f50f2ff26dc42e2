/** An environment and a folder of a test's own, and what is wrong there. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createTelegramBotFromEnv } from "../../lib/bot/env.ts";
import type { BotOptions } from "../../lib/bot/options.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert } from "../harness.ts";
import { rm } from "./leaks.ts";

export const token: string = "123456:AAsecret-token_of-the-tests";
export const ours: readonly string[] = [
  "TELEGRAM_BOT_TOKEN",
  "TELEGRAM_CHATS_TABLE",
  "TELEGRAM_AUTO_REGISTER",
  "TELEGRAM_ALLOWED_USERS",
  "TELEGRAM_API_ROOT",
  "TELEGRAM_CHAT_TYPES",
  "TELEGRAM_CHATS_PER_ADDER",
  "AWS_REGION",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_ENDPOINT_URL_DYNAMODB",
];

/** Runs the body in an empty folder with these variables and no other of a bot, of AWS or of a proxy. */
export async function withEnvironment(
  variables: Readonly<Record<string, string>>,
  body: () => unknown,
  dotenv?: string,
): Promise<void> {
  const before = { ...process.env };
  const cwd = process.cwd();
  const folder = await mkdtemp(join(tmpdir(), "env-"));
  if (dotenv !== undefined) await writeFile(join(folder, ".env"), dotenv);
  for (const name of Object.keys(before)) {
    if (/^(AWS|TELEGRAM)_|_PROXY$/i.test(name)) delete process.env[name];
  }
  Object.assign(process.env, variables);
  process.chdir(folder);
  try {
    await body();
  } finally {
    process.chdir(cwd);
    for (const name of new Set([...Object.keys(before), ...Object.keys(process.env)])) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
    await rm(folder, { recursive: true });
  }
}

export function mistakes(options?: Partial<BotOptions>): string {
  try {
    createTelegramBotFromEnv(options);
  } catch (error) {
    assert.instance(error, ConfigError);
    return (error as Error).message;
  }
  throw new Error("no mistake was found");
}

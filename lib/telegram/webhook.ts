/** Webhooks: Telegram sends updates by itself to a server of any kind, or to AWS Lambda. */
import process from "node:process";
import type { Update } from "grammy/types";
import { registerSecret } from "../util/safe_text.ts";
import {
  assertNoMistakes,
  configMistakes,
  mistakesInNames,
  namesOf,
  type Rule,
  textRule,
} from "../util/validate.ts";
import type { Answer, Incoming } from "./webhook_adapters.ts";
import { createHttpCallback, isSecret, type WebhookCallback } from "./http_callback.ts";

/** An update of Telegram's is a few kilobytes. */
const maxBodyBytes = 1_000_000;
const secretVariable = "TELEGRAM_WEBHOOK_SECRET";
const secretHeader = "x-telegram-bot-api-secret-token";

/** Handles updates: a `SignalBot`, or a bot of your own. */
export interface UpdateHandler {
  /** Resolves once the update is kept and may be forgotten; rejects where it must be sent again. */
  handleUpdate(update: Update): Promise<void>;
}

/** Options of a webhook. */
export interface WebhookOptions {
  /**
   * The `secret_token` that you gave to setWebhook, so that only Telegram's requests are accepted: 16 to 256
   * letters, digits, _ and -, made by chance, such as by `openssl rand -hex 32`. Default: TELEGRAM_WEBHOOK_SECRET.
   */
  readonly secretToken?: string | undefined;
}

const webhookNames = { known: namesOf<WebhookOptions>({ secretToken: true }) };
const secretRule: Rule = {
  ...textRule(
    "16 to 256 letters, digits, _ and -, such as openssl rand -hex 32 makes: the same that you give to setWebhook as " +
      "secret_token",
    /^[A-Za-z0-9_-]{16,256}$/,
  ),
  isSecret: true,
};

/**
 * Makes the function to which Telegram's updates go, on a server or on AWS Lambda:
 *
 * ```ts
 * const bot = createTelegramBotFromEnv();
 * export const handler = webhookCallback(bot, { secretToken });
 * ```
 *
 * It answers 200 only once the bot has kept the update, and 500 where it could not, so that Telegram sends it again.
 * A request without the secret gets a 401, and its body is not read.
 * @throws {ConfigError} If the secret is missing, malformed or shorter than 16, or an option unknown.
 */
export function webhookCallback(bot: UpdateHandler, options: WebhookOptions = {}): WebhookCallback {
  const secret = readSecret(bot, options);
  return createHttpCallback((incoming) => answerTo(incoming, bot, secret));
}

async function answerTo(incoming: Incoming, bot: UpdateHandler, secret: string): Promise<Answer> {
  const { method } = incoming;
  if (method !== undefined && method !== "POST") {
    return { status: 405, text: "Method Not Allowed", headers: { Allow: "POST" }, isUnread: true };
  }
  if (!isSecret(incoming.header(secretHeader), secret)) {
    return { status: 401, text: "Unauthorized", isUnread: true };
  }
  try {
    const update = parseUpdate(await incoming.body(maxBodyBytes));
    if (update === undefined) return { status: 400, text: "Bad Request: this is no update" };
    return await handled(bot, update);
  } catch (error) {
    if ((error as Error).name === "TooLargeError") {
      return { status: 413, text: "Content Too Large", isUnread: true };
    }
    return { status: 400, text: "Bad Request: the body cannot be read", isUnread: true };
  }
}

async function handled(bot: UpdateHandler, update: Update): Promise<Answer> {
  try {
    await bot.handleUpdate(update);
    return { status: 200, text: "" };
  } catch {
    // The bot says why, once and not for each update.
    return { status: 500, text: "The update was not kept: send it again" };
  }
}

/** Undefined unless it is a JSON object with an integer as its id. */
function parseUpdate(body: unknown): Update | undefined {
  const value = body instanceof Uint8Array || typeof body === "string" ? parseJson(body) : body;
  return Number.isInteger((value as Update | null | undefined)?.update_id) ? value as Update : undefined;
}

function parseJson(body: Uint8Array | string): unknown {
  try {
    return JSON.parse(typeof body === "string" ? body : new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

function readSecret(bot: unknown, options: WebhookOptions): string {
  const mistakes = mistakesInNames(options ?? {}, webhookNames, "secretToken");
  if (typeof (bot as UpdateHandler | null | undefined)?.handleUpdate !== "function") {
    mistakes.push("The first argument must be a bot: something with a method handleUpdate.");
  }
  const given = options?.secretToken ?? undefined;
  const secret = given ?? (process.env[secretVariable] || undefined);
  const name = given === undefined && secret !== undefined ? secretVariable : "secretToken";
  const rule = { ...secretRule, isRequired: secret === undefined };
  mistakes.push(...configMistakes(name, secret, rule, ` Give it here, or set ${secretVariable}.`));
  assertNoMistakes(mistakes);
  registerSecret(secret);
  return secret ?? "";
}

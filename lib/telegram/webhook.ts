/** Webhooks: Telegram sends updates by itself to a server of any kind, or to AWS Lambda. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import process from "node:process";
import type { Update } from "grammy/types";
import { attempt, Lazy } from "../util/async.ts";
import { registerSecret } from "../util/safe_text.ts";
import {
  assertNoMistakes,
  configMistakes,
  mistakesInNames,
  namesOf,
  type Rule,
  textRule,
} from "../util/validate.ts";
import type { Answer, Incoming, LambdaAnswer, LambdaEvent } from "./webhook_adapters.ts";

export type { LambdaAnswer, LambdaEvent };

/** Loaded with the first request. */
const adapters = new Lazy(() => import("./webhook_adapters.ts"));

const secretVariable = "TELEGRAM_WEBHOOK_SECRET";
const secretHeader = "x-telegram-bot-api-secret-token";

/** Handles updates: a `MeanReversionTelegramBot`, or a bot of your own. */
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

/** Handles a request in whichever form it comes. It never throws, and never rejects. */
export interface WebhookCallback {
  /** For `Deno.serve`, Bun, Hono and whatever else has web standard requests. */
  (request: Request): Promise<Response>;
  /** For `http.createServer` and Express, with a body parser or without. Resolves once the answer is on its way. */
  (request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** For AWS Lambda behind API Gateway, a function URL or a load balancer. */
  (event: LambdaEvent, context?: unknown): Promise<LambdaAnswer>;
}

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
  const answer = (incoming: Incoming): Promise<Answer> => answerTo(incoming, bot, secret);
  const callback = async (first: unknown, second?: unknown): Promise<unknown> => {
    const { fromLambda, fromNode, fromWeb, toLambda, toNode, toWeb } = await adapters.get();
    if (isNodeResponse(second)) {
      const request = first as IncomingMessage;
      return toNode(await answer(fromNode(request)), request, second);
    }
    if (isWebRequest(first)) return toWeb(await answer(fromWeb(first)));
    const event = attempt(() => fromLambda(first as LambdaEvent | undefined), fromLambda(undefined));
    return toLambda(await answer(event));
  };
  return callback as WebhookCallback;
}

async function answerTo(incoming: Incoming, bot: UpdateHandler, secret: string): Promise<Answer> {
  const { method } = incoming;
  if (method !== undefined && method !== "POST") {
    return { status: 405, text: "Method Not Allowed", headers: { Allow: "POST" }, isUnread: true };
  }
  if (!isEqual(incoming.header(secretHeader), secret)) {
    return { status: 401, text: "Unauthorized", isUnread: true };
  }
  try {
    const update = parseUpdate(await incoming.body());
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

/** Takes the same time for any wrong value. */
function isEqual(given: unknown, secret: string): boolean {
  const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(typeof given === "string" ? given : ""), digest(secret));
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

function isNodeResponse(value: unknown): value is ServerResponse {
  return attempt(() => typeof (value as ServerResponse | null | undefined)?.writeHead === "function", false);
}

function isWebRequest(value: unknown): value is Request {
  return attempt(() => typeof (value as Request | null | undefined)?.headers?.get === "function", false);
}

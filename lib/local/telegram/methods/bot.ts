/** The methods about the bot itself: its description, commands, files, callback answers, updates and webhook. */
import type { BotCommand, Update, UserFromGetMe } from "grammy/types";
import { wholeSecond } from "../../../util/clock.ts";
import { isLoopback } from "../../loopback.ts";
import { badRequest } from "../errors.ts";
import { integerOr, isTrue, type Payload, type RequestBody, requireUserId } from "../request_body.ts";
import type { ServerState } from "../server_state.ts";
import type { WebhookSettings } from "../webhook.ts";

export function getMe(server: ServerState): UserFromGetMe {
  return server.bot;
}

export function setMyCommands(server: ServerState, { payload }: RequestBody): true {
  const commands = payload["commands"];
  if (!Array.isArray(commands)) throw badRequest("can't parse commands: expected an Array of BotCommand");
  for (const { command, description } of commands) {
    if (!/^\/?[a-z0-9_]{1,32}$/.test(String(command))) throw badRequest("BOT_COMMAND_INVALID");
    if (!/^.{1,256}$/su.test(String(description))) throw badRequest("BOT_COMMAND_DESCRIPTION_INVALID");
  }
  server.commands.set(commandsKey(payload), commands as BotCommand[]);
  return true;
}

export function getMyCommands(server: ServerState, { payload }: RequestBody): BotCommand[] {
  return server.commands.get(commandsKey(payload)) ?? [];
}

export function deleteMyCommands(server: ServerState, { payload }: RequestBody): true {
  server.commands.delete(commandsKey(payload));
  return true;
}

function commandsKey(payload: Payload): string {
  return JSON.stringify([payload["scope"] ?? { type: "default" }, payload["language_code"] ?? ""]);
}

export function getFile({ files }: ServerState, { payload }: RequestBody): object {
  return files.describe(String(payload["file_id"] ?? ""));
}

/** On this server nobody has a photo of themselves. */
export function getUserProfilePhotos(server: ServerState, { payload }: RequestBody): object {
  const userId = requireUserId(payload);
  if (!server.people.has(userId)) throw badRequest("user not found");
  return { total_count: 0, photos: [] };
}

/** In characters. */
const maxAnswerLength = 200;

export function answerCallbackQuery({ callbackQueries }: ServerState, { payload }: RequestBody): true {
  const press = callbackQueries.find(String(payload["callback_query_id"] ?? ""));
  const text = String(payload["text"] ?? "");
  if ([...text].length > maxAnswerLength) throw badRequest("MESSAGE_TOO_LONG");
  press.take({
    text,
    show_alert: isTrue(payload["show_alert"]),
    url: String(payload["url"] ?? ""),
    cache_time: Number(payload["cache_time"] ?? 0),
  });
  return true;
}

// Updates: long polling and the webhook.

const maxPollSeconds = 50;
const maxPollLimit = 100;

export function getUpdates(
  server: ServerState,
  { payload }: RequestBody,
  signal: AbortSignal,
): Promise<Update[]> {
  if (server.updates.webhook === undefined) server.updates.allow(payload["allowed_updates"]);
  return server.updates.poll({
    offset: integerOr(0, payload["offset"]),
    limit: clamp(integerOr(maxPollLimit, payload["limit"]), 1, maxPollLimit),
    timeoutSeconds: clamp(integerOr(0, payload["timeout"]), 0, maxPollSeconds),
    signal,
  });
}

const defaultMaxConnections = 40;
const mostConnections = 100;

export function setWebhook({ updates }: ServerState, { payload }: RequestBody): true {
  const settings = readSettings(payload);
  updates.allow(payload["allowed_updates"]);
  updates.setWebhook(settings, isTrue(payload["drop_pending_updates"]));
  return true;
}

export function deleteWebhook({ updates }: ServerState, { payload }: RequestBody): true {
  updates.setWebhook(undefined, isTrue(payload["drop_pending_updates"]));
  return true;
}

export function getWebhookInfo({ updates }: ServerState): object {
  const { webhook, allowed } = updates;
  const error = webhook?.lastError;
  return {
    url: webhook?.settings.url ?? "",
    has_custom_certificate: false,
    pending_update_count: updates.size,
    ...error && { last_error_date: wholeSecond(error.at), last_error_message: error.message },
    ...webhook && { max_connections: webhook.settings.maxConnections },
    ...allowed && { allowed_updates: allowed },
  };
}

/** Undefined for an empty address, which deletes the webhook. */
function readSettings(payload: Payload): WebhookSettings | undefined {
  const url = String(payload["url"] ?? "");
  if (url === "") return undefined;
  const secretToken = String(payload["secret_token"] ?? "");
  if (secretToken.length > 256) throw badRequest("secret token is too long");
  if (!/^[\w-]*$/.test(secretToken)) throw badRequest("secret token contains unallowed characters");
  return { url: checkedUrl(url), secretToken, maxConnections: readMaxConnections(payload) };
}

/** As with Telegram, https is the default where no protocol is named; on loopback plain http is taken, too. */
function checkedUrl(text: string): string {
  const url = text.includes("://") ? text : `https://${text}`;
  if (!URL.canParse(url) || !/^https?:/i.test(url)) throw badRequest("invalid webhook URL specified");
  if (/^http:/i.test(url) && !isLoopback(url)) {
    throw badRequest("bad webhook: An HTTPS URL must be provided for webhook");
  }
  return url;
}

function readMaxConnections(payload: Payload): number {
  return clamp(integerOr(defaultMaxConnections, payload["max_connections"]), 1, mostConnections);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

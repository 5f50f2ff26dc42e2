/** The methods that set, delete and describe the bot's webhook. */
import type { Update } from "grammy/types";
import { isLoopback } from "../loopback.ts";
import * as chatMethods from "./chat_methods.ts";
import { answerCallbackQuery } from "./chat_methods.ts";
import { badRequest } from "./errors.ts";
import {
  sendAnimation,
  sendAudio,
  sendDocument,
  sendMediaGroup,
  sendPhoto,
  sendSticker,
  sendVideo,
  sendVideoNote,
  sendVoice,
} from "./media.ts";
import {
  copyMessage,
  copyMessages,
  editMessageCaption,
  editMessageMedia,
  editMessageReplyMarkup,
  editMessageText,
  forwardMessage,
  forwardMessages,
  sendMessage,
  sendRichMessage,
} from "./messages.ts";
import { sendContact, sendDice, sendLocation, sendPoll, sendVenue, stopPoll } from "./polls_places.ts";
import type { Form, Payload } from "./request.ts";
import type { World } from "./state.ts";
import type { WebhookSettings } from "./webhook.ts";

const defaultMaxConnections = 40;
const mostConnections = 100;

export function setWebhook({ updates }: World, { payload }: Form): true {
  const settings = readSettings(payload);
  updates.allow(payload["allowed_updates"]);
  updates.setWebhook(settings, isTrue(payload["drop_pending_updates"]));
  return true;
}

export function deleteWebhook({ updates }: World, { payload }: Form): true {
  updates.setWebhook(undefined, isTrue(payload["drop_pending_updates"]));
  return true;
}

export function getWebhookInfo({ updates }: World): object {
  const { webhook, allowed } = updates;
  const error = webhook?.lastError;
  return {
    url: webhook?.settings.url ?? "",
    has_custom_certificate: false,
    pending_update_count: updates.size,
    ...error && { last_error_date: Math.floor(error.at / 1000), last_error_message: error.message },
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

/** As with Telegram, https is meant where no protocol is named; on loopback plain http will do. */
function checkedUrl(text: string): string {
  const url = text.includes("://") ? text : `https://${text}`;
  if (!URL.canParse(url) || !/^https?:/i.test(url)) throw badRequest("invalid webhook URL specified");
  if (/^http:/i.test(url) && !isLoopback(url)) {
    throw badRequest("bad webhook: An HTTPS URL must be provided for webhook");
  }
  return url;
}

function readMaxConnections(payload: Payload): number {
  const wanted = Number(payload["max_connections"] ?? defaultMaxConnections);
  if (!Number.isInteger(wanted)) return defaultMaxConnections;
  return Math.min(mostConnections, Math.max(1, wanted));
}

function isTrue(value: unknown): boolean {
  return ["true", "yes", "1"].includes(String(value).toLowerCase());
}

// The methods of the Bot API that this server knows, by name.

const maxPollSeconds = 50;
const maxPollLimit = 100;

export type Method = (world: World, form: Form, signal: AbortSignal) => unknown;

const byName: Readonly<Record<string, Method>> = {
  ...chatMethods,
  answerCallbackQuery,
  copyMessage,
  copyMessages,
  deleteWebhook,
  editMessageCaption,
  editMessageMedia,
  editMessageReplyMarkup,
  editMessageText,
  forwardMessage,
  forwardMessages,
  getUpdates,
  getWebhookInfo,
  sendAnimation,
  sendAudio,
  sendContact,
  sendDice,
  sendDocument,
  sendLocation,
  sendMediaGroup,
  sendMessage,
  sendPhoto,
  sendPoll,
  sendRichMessage,
  sendSticker,
  sendVenue,
  sendVideo,
  sendVideoNote,
  sendVoice,
  setWebhook,
  stopPoll,
};

/** As the Bot API spells them. */
export const methodNames: readonly string[] = Object.keys(byName);

/** By lower-case name, as Telegram finds them. */
export const methods: ReadonlyMap<string, Method> = new Map(
  Object.entries(byName).map(([name, method]) => [name.toLowerCase(), method]),
);

/** Whether a flood of the bot keeps calls of this method from Telegram: those of messages and edits. */
export function isFlooded(method: string): boolean {
  return isMessageMethod(method) || method.startsWith("edit");
}

/** Whether Telegram counts calls of this method as messages. */
export function isMessageMethod(method: string): boolean {
  return /^(send(?!chataction)|copy|forward)/.test(method);
}

function getUpdates(world: World, { payload }: Form, signal: AbortSignal): Promise<Update[]> {
  if (world.updates.webhook === undefined) world.updates.allow(payload["allowed_updates"]);
  return world.updates.poll({
    offset: integer(payload["offset"], 0),
    limit: clamp(integer(payload["limit"], maxPollLimit), 1, maxPollLimit),
    timeoutSeconds: clamp(integer(payload["timeout"], 0), 0, maxPollSeconds),
    signal,
  });
}

function integer(value: unknown, otherwise: number): number {
  const number = Number(value ?? otherwise);
  return Number.isInteger(number) ? number : otherwise;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

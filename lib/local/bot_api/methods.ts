/** The methods of the Bot API that this server knows, by name. */
import type { Update } from "grammy/types";
import { sendMediaGroup } from "./albums.ts";
import { answerCallbackQuery } from "./callback_queries.ts";
import * as chatMethods from "./chat_methods.ts";
import { copyMessage, copyMessages, forwardMessage, forwardMessages } from "./copies.ts";
import { editMessageCaption, editMessageMedia, editMessageReplyMarkup, editMessageText } from "./edits.ts";
import type { Form } from "./form.ts";
import * as mediaMethods from "./media.ts";
import * as messageActions from "./message_actions.ts";
import { sendMessage, sendRichMessage } from "./messages.ts";
import { sendContact, sendDice, sendLocation, sendVenue } from "./places.ts";
import { sendPoll, stopPoll } from "./polls.ts";
import * as profile from "./profile.ts";
import { deleteWebhook, getWebhookInfo, setWebhook } from "./webhook_methods.ts";
import type { World } from "./world.ts";

const maxPollSeconds = 50;
const maxPollLimit = 100;

export type Method = (world: World, form: Form, signal: AbortSignal) => unknown;

const { sendAnimation, sendAudio, sendDocument, sendPhoto, sendSticker } = mediaMethods;
const { sendVideo, sendVideoNote, sendVoice } = mediaMethods;

const byName: Readonly<Record<string, Method>> = {
  ...chatMethods,
  ...messageActions,
  ...profile,
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

/** Keyboards: what Telegram refuses, and what becomes part of a message. */
import type { InlineKeyboardButton } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Payload } from "./form.ts";

const maxDataBytes = 64;

/** What an inline button can do; one that does nothing is refused. */
const buttonActions = [
  "callback_data",
  "callback_game",
  "copy_text",
  "login_url",
  "pay",
  "switch_inline_query",
  "switch_inline_query_chosen_chat",
  "switch_inline_query_current_chat",
  "url",
  "web_app",
];

/** @throws {ApiError} 400, if the keyboard is none, or has a button that Telegram refuses. */
export function checkReplyMarkup({ reply_markup: markup }: Payload): void {
  if (markup === undefined || markup === null || markup === "") return;
  if (typeof markup === "string") throw badRequest("can't parse reply keyboard markup JSON object");
  if (!isObject(markup)) throw badRequest("object expected as reply markup");
  const { keyboard = [], inline_keyboard: inline = [] } = markup;
  if (!isRows(keyboard)) throw badRequest('field "keyboard" must be an Array of Arrays');
  for (const button of keyboard.flat()) checkKeyboardButton(button);
  if (!isRows(inline)) {
    throw badRequest('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays');
  }
  for (const button of inline.flat()) checkInlineButton(button);
}

function checkKeyboardButton(button: unknown): void {
  const prefix = "can't parse keyboard button: ";
  if (typeof button === "string") return;
  if (!isObject(button)) throw badRequest(`${prefix}KeyboardButton must be a String or an Object`);
  if (button["text"] === undefined) throw badRequest(`${prefix}Can't find field "text"`);
}

function checkInlineButton(button: unknown): void {
  const prefix = "can't parse inline keyboard button: ";
  if (!isObject(button)) throw badRequest(`${prefix}InlineKeyboardButton must be an Object`);
  if (button["text"] === undefined) throw badRequest(`${prefix}Can't find field "text"`);
  if (!buttonActions.some((action) => button[action] !== undefined)) {
    throw badRequest(`${prefix}Text buttons are unallowed in the inline keyboard`);
  }
  const { callback_data: data, url } = button;
  if (data !== undefined) {
    const bytes = new TextEncoder().encode(String(data)).length;
    if (bytes === 0 || bytes > maxDataBytes) throw badRequest("BUTTON_DATA_INVALID");
  }
  if (url !== undefined && !URL.canParse(/^[a-z]+:/i.test(String(url)) ? String(url) : `https://${url}`)) {
    throw badRequest("BUTTON_URL_INVALID");
  }
}

/** Only inline keyboards are part of a message; the other reply markups go to the app. */
export function inlineKeyboard({ reply_markup: markup }: Payload): object {
  if (!isObject(markup) || !isRows(markup["inline_keyboard"])) return {};
  const isEmpty = markup["inline_keyboard"].flat().length === 0;
  return isEmpty ? {} : { reply_markup: { inline_keyboard: markup["inline_keyboard"] } };
}

/** The buttons of a message, in their order. */
export function buttonsOf(markup: { readonly inline_keyboard: unknown } | undefined): InlineKeyboardButton[] {
  const rows = markup?.inline_keyboard;
  return isRows(rows) ? rows.flat() as InlineKeyboardButton[] : [];
}

function isRows(value: unknown): value is unknown[][] {
  return Array.isArray(value) && value.every(Array.isArray);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keyboards: what Telegram refuses, and what becomes part of a message. */
import type { InlineKeyboardButton } from "grammy/types";
import type { Clock } from "../../util/clock.ts";
import { badRequest } from "./errors.ts";
import type { Payload } from "./request.ts";

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

// Buttons that people press, and what the bot answers.

/** Telegram takes an answer for so long. */
const answerWithinMs = 15_000;
export const maxTextLength = 200;

/** What the bot answered to a press. */
export interface CallbackAnswer {
  /** What the person reads; empty where the bot only ended the waiting. */
  readonly text: string;
  /** Whether it is shown in a window that has to be closed. */
  readonly show_alert: boolean;
  /** What is opened; empty for nothing. */
  readonly url: string;
  /** For how many seconds apps may answer the same press by themselves. */
  readonly cache_time: number;
}

/** A button that a person has pressed. */
export class ButtonPress {
  /** The `id` of its callback query. */
  readonly id: string;
  /** The button's `callback_data`. */
  readonly data: string;
  readonly #clock: Clock;
  readonly #pressedAtMs: number;
  readonly #waiters = new Set<(answer: CallbackAnswer) => void>();
  #answer: CallbackAnswer | undefined;
  #isExpired = false;

  /** @ignore Presses are made by `user.press()`. */
  constructor(id: string, data: string, clock: Clock) {
    this.id = id;
    this.data = data;
    this.#clock = clock;
    this.#pressedAtMs = clock.now();
  }

  /** What the bot answered; undefined as long as it has not. */
  get answer(): CallbackAnswer | undefined {
    return this.#answer;
  }

  /**
   * The bot's answer, once it is there.
   * @throws {Error} If none comes in time. @default timeoutMs 10000
   */
  answered(timeoutMs: number = 10_000): Promise<CallbackAnswer> {
    if (this.#answer !== undefined) return Promise.resolve(this.#answer);
    return new Promise((resolve, reject) => {
      const waiter = (answer: CallbackAnswer): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        const data = JSON.stringify(this.data);
        reject(
          new Error(`The press of the button with the data ${data} was not answered in ${timeoutMs} ms`),
        );
      }, timeoutMs);
      this.#waiters.add(waiter);
    });
  }

  /** Makes it too old to be answered, as it is by itself after 15 seconds. */
  expire(): void {
    this.#isExpired = true;
  }

  /** @ignore Whether Telegram takes an answer: the first one, in time. */
  get isOpen(): boolean {
    const isLate = this.#clock.now() - this.#pressedAtMs > answerWithinMs;
    return !this.#isExpired && !isLate && this.#answer === undefined;
  }

  /** @ignore Called by answerCallbackQuery. */
  take(answer: CallbackAnswer): void {
    this.#answer = answer;
    for (const waiter of this.#waiters) waiter(answer);
    this.#waiters.clear();
  }
}

/** The presses of a server, by the ids of their callback queries. */
export class CallbackQueries {
  readonly #clock: Clock;
  readonly #open = new Map<string, ButtonPress>();
  #lastId = 4_000_000_000_000_000_000n;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(data: string): ButtonPress {
    const press = new ButtonPress(String(++this.#lastId), data, this.#clock);
    for (const [id, earlier] of this.#open) if (!earlier.isOpen) this.#open.delete(id);
    this.#open.set(press.id, press);
    return press;
  }

  /** @throws {ApiError} 400, if there is no such press, or none that takes an answer. */
  find(id: string): ButtonPress {
    const press = this.#open.get(id);
    if (press?.isOpen) return press;
    throw badRequest("query is too old and response timeout expired or query ID is invalid");
  }
}

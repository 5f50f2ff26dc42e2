/** Keyboards, the presses of their buttons, and the answers of the bot to them. */
import type { InlineKeyboardButton } from "grammy/types";
import { deadline, DeadlineError } from "../../util/async.ts";
import type { Clock } from "../../util/clock.ts";
import { assertValue } from "../../util/validate.ts";
import { isObject, timeoutRule } from "../validate.ts";
import { badRequest } from "./errors.ts";
import type { Payload } from "./request_body.ts";

/** An inline button with none of these is refused. */
const buttonActions = [
  ...["callback_data", "callback_game", "copy_text", "login_url", "pay", "switch_inline_query"],
  ...["switch_inline_query_chosen_chat", "switch_inline_query_current_chat", "url", "web_app"],
];
const maxDataBytes = 64;

/** @throws {ApiError} 400, if the reply markup is malformed, or has a button that Telegram refuses. */
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

/** The keyboard as a field of a message: only inline keyboards are part of one, other reply markups go to the app. */
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

// Presses of buttons, and the answers of the bot.

/** How long Telegram takes an answer to a press. */
const pressExpiresMs = 15_000;

/** What the bot answered to a press. */
export interface CallbackAnswer {
  /** What the person reads; empty where the bot only ends the button's progress bar. */
  readonly text: string;
  /** Whether it is shown as an alert, which has to be closed. */
  readonly show_alert: boolean;
  /** What is opened; empty for nothing. */
  readonly url: string;
  /** For how many seconds apps may show the same answer again without asking the bot. */
  readonly cache_time: number;
}

/** A button that a person has pressed. */
export class ButtonPress {
  /** The `id` of its callback query. */
  readonly id: string;
  /** The button's `callback_data`. */
  readonly data: string;
  readonly #clock: Clock;
  readonly #hostClock: Clock;
  readonly #pressedAtMs: number;
  readonly #waiters = new Set<(answer: CallbackAnswer) => void>();
  #answer: CallbackAnswer | undefined;
  #isExpired = false;

  /** @ignore Presses are made by `user.press()`. */
  constructor(id: string, data: string, clock: Clock, hostClock: Clock) {
    this.id = id;
    this.data = data;
    this.#clock = clock;
    this.#hostClock = hostClock;
    this.#pressedAtMs = clock.now();
  }

  /** What the bot answered; undefined as long as it has not. */
  get answer(): CallbackAnswer | undefined {
    return this.#answer;
  }

  /**
   * The bot's answer, once it is there.
   * @param timeoutMs As of `received()`: 10,000 milliseconds if none is given.
   * @throws {TypeError} If the time-out is no number of milliseconds.
   * @throws {Error} If none comes in time.
   */
  async answered(timeoutMs: number = 10_000): Promise<CallbackAnswer> {
    assertValue("wait for the answer", "timeoutMs", timeoutMs, timeoutRule);
    if (this.#answer !== undefined) return this.#answer;
    const answer = new Promise<CallbackAnswer>((resolve) => this.#waiters.add(resolve));
    try {
      return await deadline(answer, { ms: timeoutMs, clock: this.#hostClock });
    } catch (error) {
      if (!(error instanceof DeadlineError)) throw error;
      const data = JSON.stringify(this.data);
      throw new Error(`The press of the button with the data ${data} was not answered in ${timeoutMs} ms`);
    }
  }

  /** Makes it too old to be answered, as Telegram does after 15 seconds. */
  expire(): void {
    this.#isExpired = true;
  }

  /** @ignore Whether Telegram takes an answer: the first one, in time. */
  get isOpen(): boolean {
    const isLate = this.#clock.now() - this.#pressedAtMs > pressExpiresMs;
    return !this.#isExpired && !isLate && this.#answer === undefined;
  }

  /** @ignore Called by answerCallbackQuery. */
  take(answer: CallbackAnswer): void {
    this.#answer = answer;
    for (const waiter of this.#waiters) waiter(answer);
    this.#waiters.clear();
  }
}

/** The presses that the bot may still answer, by the ids of their callback queries. */
export class CallbackQueries {
  readonly #clock: Clock;
  readonly #hostClock: Clock;
  readonly #open = new Map<string, ButtonPress>();
  #lastId = 4_000_000_000_000_000_000n;

  constructor(clock: Clock, hostClock: Clock) {
    this.#clock = clock;
    this.#hostClock = hostClock;
  }

  add(data: string): ButtonPress {
    const press = new ButtonPress(String(++this.#lastId), data, this.#clock, this.#hostClock);
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

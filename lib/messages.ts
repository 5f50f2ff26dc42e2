/** What the bot says. Pure. */
import type { BotCommand } from "grammy/types";
import type { Chat } from "./chat.ts";
import { decimalText, riskReward, signalTime, type TradingSignal, validateSignal } from "./signal.ts";
import { bold, code, format, type FormattedText, lines, wellFormed } from "./text.ts";

/**
 * A signal as a trader's ticket.
 * @param now Milliseconds since 1970: the ticket's time where the signal has none.
 * @throws {TypeError | RangeError} If the signal is not one; see `validateSignal`.
 */
export function signalMessage(signal: TradingSignal, now: number): FormattedText {
  validateSignal(signal);
  const { direction, symbol, timeframe, currency, strategy, parameters = {}, note } = signal;
  const price = (name: "entry" | "stop" | "target" | "size" | "risk"): FormattedText =>
    code(decimalText(signal[name] ?? "", name));
  const heading = `${direction === "long" ? "🟢 LONG" : "🔴 SHORT"} ${symbol}`;
  const parameterTexts = Object.entries(parameters).map(([name, value]) => `${name}: ${value}`);
  const ticket = lines(
    format(bold(heading), timeframe === undefined ? "" : ` · ${timeframe}`),
    "",
    format("Entry: ", price("entry")),
    format("Stop: ", price("stop")),
    format("Target: ", price("target")),
    `Risk/reward: 1 : ${riskReward(signal).toFixed(2)}`,
    signal.size === undefined ? undefined : format("Size: ", price("size")),
    signal.risk === undefined ? undefined : format("Risk: ", price("risk"), currency ? ` ${currency}` : ""),
    strategy === undefined ? undefined : `\n${strategy}`,
    parameterTexts.length === 0 ? undefined : parameterTexts.join(" · "),
    note === undefined ? undefined : `\n${note}`,
    `\n${utc(signalTime(signal, now))}`,
  );
  return { ...ticket, text: wellFormed(ticket.text) };
}

/** `2026-11-23 16:05:00 UTC` */
function utc(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

type TextName =
  | "registered"
  | "returned"
  | "alreadyActive"
  | "stopped"
  | "alreadyStopped"
  | "help"
  | "administratorsOnly"
  | "administratorsUnknown"
  | "unread"
  | "registeredForNow"
  | "stoppedForNow";

const commandList = "/stop ends this, /status shows your subscription, /help explains.";

/** Fixed replies, by what they answer. */
export const texts: Readonly<Record<TextName, FormattedText>> = {
  registered: lines(
    bold("Welcome! You are subscribed."),
    "Every trading signal will arrive in this chat.",
    commandList,
  ),
  returned: lines(
    bold("Welcome back! You are subscribed again."),
    "Every trading signal will arrive in this chat.",
    commandList,
  ),
  alreadyActive: lines("You are subscribed: every trading signal arrives in this chat.", commandList),
  stopped: lines(
    bold("You are unsubscribed."),
    "No more signals will arrive in this chat. /start subscribes it again.",
  ),
  alreadyStopped: lines("This chat is not subscribed. /start subscribes it."),
  help: lines(
    bold("I send trading signals to this chat."),
    "/start – subscribe",
    "/stop – unsubscribe",
    "/status – see your subscription",
    "/help – this text",
  ),
  administratorsOnly: lines("In a group only its administrators may do that."),
  administratorsUnknown: lines(
    "I could not ask Telegram who the administrators are. Nothing has changed; please try again.",
  ),
  unread: lines("I cannot read my list of subscribers just now. /start subscribes this chat."),
  registeredForNow: lines(
    bold("Welcome! You are subscribed."),
    "I cannot reach my list of subscribers just now; I shall enter it there as soon as I can.",
    commandList,
  ),
  stoppedForNow: lines(
    bold("You are unsubscribed."),
    "I cannot reach my list of subscribers just now; I shall enter it there as soon as I can.",
  ),
};

/** The command menu, as BotFather would have it. */
export const menu: readonly BotCommand[] = [
  { command: "start", description: "Subscribe to trading signals" },
  { command: "stop", description: "Unsubscribe" },
  { command: "status", description: "See your subscription" },
  { command: "help", description: "What this bot does" },
];

/** The answer to /status. `storage` is where chats are kept. */
export function statusMessage(chat: Chat | undefined, storage: string): FormattedText {
  const kept = storage === "memory" ? "in memory, until the bot restarts" : "durably";
  if (chat === undefined) return format(texts.alreadyStopped);
  return lines(
    chat.is_active
      ? bold("This chat is subscribed.")
      : format(bold("This chat is not subscribed."), " /start subscribes it."),
    chat.added_at === undefined ? undefined : `Known since: ${day(chat.added_at)}`,
    `Messages from this chat: ${chat.message_count}`,
    `Subscriptions are kept ${kept}.`,
  );
}

/** The answer to /status where the list cannot be read: what is known without it. */
export function statusUnread(isActive: boolean): FormattedText {
  return lines(
    bold(isActive ? "This chat is subscribed." : "This chat gets no signals just now."),
    "I cannot reach my list of subscribers at the moment; please ask again later.",
  );
}

/** The answer to a chat that may not use the bot; its id is what the bot's owner needs to allow it. */
export function strangerMessage(chatId: number): FormattedText {
  return lines(
    "This bot is private, so I cannot subscribe this chat.",
    format("Its owner can allow it by the chat's id: ", code(String(chatId))),
  );
}

/** The day of an ISO 8601 time, or the text as it is. */
function day(time: string): string {
  return /^\d{4}-\d\d-\d\d/.exec(time)?.[0] ?? time;
}

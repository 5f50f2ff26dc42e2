/**
 * Every message of the bot: a function for each makes the text, a bot's owner may replace it, and the renderer picks. The
 * words of a signal's ticket are in `signals/ticket.ts`.
 */
import type { BotCommand } from "grammy/types";
import type { TradingSignal } from "../signals/signal.ts";
import { signalMessage } from "../signals/ticket.ts";
import { maxBroadcastLength } from "../telegram/split.ts";
import {
  bold,
  code,
  format,
  type FormattedText,
  isEntityOf,
  lines,
  textNames,
  type TextPart,
  wellFormed,
} from "../telegram/text.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { assertNames } from "../util/validate.ts";
import type { Chat } from "./events.ts";

/** The chat that is answered. */
export interface Addressee {
  /** A person's id, or a group's or channel's. */
  readonly chatId: number;
  /** The language of the message's author, as Telegram tells it: `"de"`, `"pt-br"`. It is not always known. */
  readonly languageCode: string | undefined;
  /** The topic of the chat in which is answered, by its `message_thread_id`; absent in General, and where there are no topics. */
  readonly threadId?: number | undefined;
}

/** What the answer to /status is about. */
export interface AboutStatus extends Addressee {
  /** The chat as the storage has it; `undefined` where it has none. */
  readonly chat: Chat | undefined;
  /** Whether subscriptions outlive the bot. */
  readonly isDurable: boolean;
}

/** What the answer to /status is about while the storage cannot be read. */
export interface AboutStatusUnread extends Addressee {
  /** Whether signals go to the chat, by what the bot has in memory. */
  readonly isActive: boolean;
}

/** What the message of a signal is about. */
export interface AboutSignal {
  /** As it was given; it has been checked. */
  readonly signal: TradingSignal;
  /** When it was found, or sent where it does not say. */
  readonly time: Date;
}

/**
 * A message's text, plain or made by `format`, `bold`, `code` and `lines`: 1 to 4,096 characters.
 * @param own What the bot would say itself, for adding to it; `undefined` in return leaves it at that.
 */
export type Wording<About = Addressee> = (about: About, own: FormattedText) => TextPart | undefined;

/** Every message that the bot sends. */
export interface BotMessages {
  /** To a chat that is registered with its first message, whatever that was. */
  readonly registered: Wording;
  /** To a chat that was inactive and is subscribed again. */
  readonly returned: Wording;
  /**
   * To a channel that is registered, or subscribed again, as the bot is added to it or by a post that is no command: all
   * its subscribers read it. By default it is empty, and nothing is sent.
   */
  readonly channelGreeting: Wording;
  /** /start of a chat that is subscribed. */
  readonly alreadyActive: Wording;
  /** /stop of a chat that was subscribed. */
  readonly stopped: Wording;
  /** /stop, or /status, of a chat that is not subscribed. */
  readonly alreadyStopped: Wording;
  /** /help. */
  readonly help: Wording;
  /** /status. */
  readonly status: Wording<AboutStatus>;
  /** /status while the storage cannot be read. */
  readonly statusUnread: Wording<AboutStatusUnread>;
  /** /start or /stop in a group by somebody who is not its administrator. */
  readonly administratorsOnly: Wording;
  /** The same where Telegram did not say who the administrators are: nothing has changed. */
  readonly administratorsUnknown: Wording;
  /** Any message of a chat of which nothing is known while the storage cannot be read. */
  readonly unread: Wording;
  /** /start while the storage cannot be used: subscribed, but only in memory so far. */
  readonly registeredForNow: Wording;
  /** /stop while the storage cannot be used: no more signals; it is kept later. */
  readonly stoppedForNow: Wording;
  /** A chat that may not use a private bot. Its owner needs the chat's id to allow it. */
  readonly stranger: Wording;
  /** A chat of a type that `chatTypes` leaves out; a channel is told nothing. */
  readonly chatTypeNotAllowed: Wording;
  /** A group of a person who has brought in as many as `chatsPerAdder` allows. */
  readonly tooManyChats: Wording;
  /** A signal, as it goes to everyone; 1,024 characters at most stand beside a chart, the rest follows. */
  readonly signal: Wording<AboutSignal>;
}

/** The name of a message. */
export type MessageName = keyof BotMessages;

/** What a message is about. */
export type About<Name extends MessageName> = Parameters<BotMessages[Name]>[0];

const commandList = "/stop ends this, /status shows your subscription, /help explains.";
const everySignal = "Every trading signal will arrive in this chat.";
const enteredLater =
  "I cannot reach my list of subscribers just now; I shall enter it there as soon as I can.";
const notSubscribed = "This chat is not subscribed.";
const startSubscribes = " /start subscribes it.";

/** The texts by default. */
export const defaultMessages: { readonly [Name in MessageName]: (about: About<Name>) => FormattedText } = {
  registered: () => lines(bold("Welcome! You are subscribed."), everySignal, commandList),
  returned: () => lines(bold("Welcome back! You are subscribed again."), everySignal, commandList),
  channelGreeting: () => format(),
  alreadyActive: () => lines("You are subscribed: every trading signal arrives in this chat.", commandList),
  stopped: () =>
    lines(
      bold("You are unsubscribed."),
      "No more signals will arrive in this chat. /start subscribes it again.",
    ),
  alreadyStopped: () => format(notSubscribed, startSubscribes),
  help: () =>
    lines(
      bold("I send trading signals to this chat."),
      "/start – subscribe",
      "/stop – unsubscribe",
      "/status – see your subscription",
      "/help – this text",
    ),
  status: ({ chat, chatId, isDurable }) => {
    if (chat === undefined) return format(notSubscribed, startSubscribes);
    return lines(
      chat.is_active ? bold("This chat is subscribed.") : format(bold(notSubscribed), startSubscribes),
      chat.added_at === undefined ? undefined : `Known since: ${day(chat.added_at)}`,
      `Messages from this chat: ${chat.message_count}`,
      format("This chat's id: ", code(String(chatId))),
      `Subscriptions are kept ${isDurable ? "durably" : "in memory, until the bot restarts"}.`,
    );
  },
  statusUnread: ({ isActive }) =>
    lines(
      bold(isActive ? "This chat is subscribed." : "This chat gets no signals just now."),
      "I cannot reach my list of subscribers at the moment; please ask again later.",
    ),
  administratorsOnly: () => format("In a group only its administrators may do that."),
  administratorsUnknown: () =>
    format("I could not ask Telegram who the administrators are. Nothing has changed; please try again."),
  unread: () => format("I cannot read my list of subscribers just now. /start subscribes this chat."),
  registeredForNow: () => lines(bold("Welcome! You are subscribed."), enteredLater, commandList),
  stoppedForNow: () => lines(bold("You are unsubscribed."), enteredLater),
  stranger: ({ chatId }) =>
    lines(
      "This bot is private, so I cannot subscribe this chat.",
      format("Its owner can allow it by the chat's id: ", code(String(chatId))),
    ),
  chatTypeNotAllowed: () =>
    lines(
      "This bot sends no signals to chats of this type, so I cannot subscribe this one.",
      "Thank you for asking me; its owner decides which chats I serve.",
    ),
  tooManyChats: () =>
    lines(
      "I cannot subscribe this group: whoever has added me is in as many groups and channels with me already as " +
        "one person may be.",
      "Remove me from one of them, or have another administrator say /start here.",
    ),
  signal: ({ signal, time }) => signalMessage(signal, time.getTime()),
};

/** The command menu, which the bot sets at its start. */
export const menu: readonly BotCommand[] = [
  { command: "start", description: "Subscribe to trading signals" },
  { command: "stop", description: "Unsubscribe" },
  { command: "status", description: "See your subscription" },
  { command: "help", description: "What this bot does" },
];

/** The day of an ISO 8601 time, or the text as it is. */
function day(time: string): string {
  return /^\d{4}-\d\d-\d\d/.exec(time)?.[0] ?? time;
}

// Rendering: the owner's text for a message if there is one that can be sent, else the default.

/** Gives the message of that name. */
export type MessageRenderer = <Name extends MessageName>(name: Name, about: About<Name>) => FormattedText;

const longestReply = 4096;

/** If the owner's function fails, the default text is sent, and the log says so once for each message. */
export function createMessageRenderer(
  messages: Partial<BotMessages> | undefined,
  logger: Logger,
): MessageRenderer {
  const reported = new Set<MessageName>();
  return (name, about) => {
    const own = defaultMessages[name](about);
    const wording = messages?.[name] as Wording<typeof about> | undefined;
    if (wording === undefined) return own;
    try {
      const text = wording(about, own);
      // A promise is no text; one that rejects must not end the process.
      if (text instanceof Promise) text.catch(() => {});
      return text === undefined ? own : sendable(text, name);
    } catch (error) {
      if (!reported.has(name)) {
        logger.error(`messages.${name} fails, so the bot's own words are used: ${messageOf(error)}`);
      }
      reported.add(name);
      return own;
    }
  };
}

/** @throws {TypeError} If it is no text that Telegram accepts. */
function sendable(given: TextPart, name: MessageName): FormattedText {
  const { text, entities = [] } = typeof given === "string" ? { text: given } : given;
  // A broadcast may go out in several messages.
  const atMost = name === "signal" ? maxBroadcastLength : longestReply;
  const isSendable = typeof text === "string" && text.trim() !== "" && text.length <= atMost &&
    Array.isArray(entities) && entities.every((entity) => isEntityOf(text, entity));
  assertNames("use what it gives", given, textNames);
  if (isSendable) return { text: wellFormed(text), entities };
  throw new TypeError(
    `it must give a text of 1 to ${atMost} characters, or { text, entities } with entities within the text, ` +
      `at once and not as a promise`,
  );
}

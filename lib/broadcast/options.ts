/** What can be broadcast, and the options of a broadcast and of a signal, with their checks. */
import { Buffer } from "node:buffer";
import type { MessageEntity } from "grammy/types";
import type { Chat } from "../chats/events.ts";
import type { MessageRenderer } from "../chats/messages.ts";
import type { Candle } from "../signals/candle.ts";
import { type ChartOptions, resolveChartOptions } from "../signals/chart/options.ts";
import type { ChartRenderer } from "../signals/chart_loader.ts";
import { signalTime, type TradingSignal, validateSignal } from "../signals/signal.ts";
import { maxBroadcastLength } from "../telegram/split.ts";
import { isEntityOf, type TextPart } from "../telegram/text.ts";
import { type Clock, secondsHint } from "../util/clock.ts";
import { botOptionNames } from "../util/option_owners.ts";
import {
  anything,
  assertOptions,
  assertReadable,
  assertValue,
  type Checks,
  functionRule,
  methodsRule,
  type Names,
  namesOf,
  numberRule,
  oneOfRule,
  type Rule,
  type Rules,
  shown,
  trueOrFalse,
  unknownNames,
} from "../util/validate.ts";
import type { BroadcastProgress, BroadcastRun, PauseControl } from "./broadcast_run.ts";
import type { BroadcastReport } from "./report.ts";
import { createRunHandle, sendUntilInterrupted } from "./run_handle.ts";

/** What is sent: a text, or a photo with its caption. */
export interface BroadcastMessage {
  /**
   * 1 to 40,960 characters; beside a photo it may be empty. Telegram takes 4,096 in a message, and 1,024 beside a photo:
   * what is longer goes out in several messages, cut between paragraphs, lines, sentences or words.
   */
  readonly text: string;
  /** Formatting, as `format`, `bold` and `code` make it. Default: none. */
  readonly entities?: readonly MessageEntity[];
  /** A PNG's or JPEG's bytes (uploaded once, up to 10 MB), or a file_id or URL. */
  readonly photo?: Uint8Array | string;
}

const messageParts = namesOf<BroadcastMessage>({ text: true, entities: true, photo: true });

/** A message whose photo only adds to it: where that is lost, as with a process that dies, the text goes out alone. */
export interface IllustratedMessage extends BroadcastMessage {
  readonly isPhotoOptional?: boolean | undefined;
  /** Whether the time in its text is that of the call. */
  readonly hasCallTime?: boolean;
}

const photoRule: Rule = {
  isGood: (photo) => (typeof photo === "string" || photo instanceof Uint8Array) && photo.length > 0,
  rule: "the bytes of a picture, a file_id or a URL",
};
const entitiesRule = (text: string): Rule => ({
  isGood: (entities) => Array.isArray(entities) && entities.every((entity) => isEntityOf(text, entity)),
  rule: "a list of { type, offset, length } within the text, as format() gives them",
});

/**
 * Refuses what can be no message, before any request.
 * @throws {TypeError | RangeError} Naming the part, and its rule.
 */
export function assertMessage(message: BroadcastMessage): void {
  if (typeof message !== "object" || message === null) {
    throw new TypeError(
      `Cannot broadcast as the message must be a text or an object: it is ${shown(message)}`,
    );
  }
  const { text, photo, entities } = message;
  assertValue("broadcast", "photo", photo, photoRule);
  assertNoFileName(photo);
  if (typeof text !== "string") throw new TypeError(notText(text, photo !== undefined));
  assertValue("broadcast", "entities", entities, entitiesRule(text));
  if (text.length <= maxBroadcastLength && (text.trim() !== "" || photo !== undefined)) return;
  const length = text.trim() === "" ? 0 : text.length;
  throw new RangeError(
    `Cannot broadcast as "text" must have 1 to ${maxBroadcastLength} characters (none only beside a photo): it has ${length}`,
  );
}

/** What is formatted has a text, and is put beside a photo by its parts. */
function notText(text: unknown, hasPhoto: boolean): string {
  const refusal = `Cannot broadcast as "text" must be a string: current value is ${typeof text}`;
  const isFormatted = typeof text === "object" && typeof (text as BroadcastMessage | null)?.text === "string";
  if (!isFormatted) return refusal;
  const parts = ["text: it.text", "entities: it.entities", ...hasPhoto ? ["photo"] : []];
  return `${refusal} with a text of its own: pass { ${parts.join(", ")} }`;
}

/** A picture's name, which is neither a URL, be it without its scheme, nor a file_id, as that has no dot. */
function assertNoFileName(photo: unknown): void {
  if (typeof photo !== "string" || !/\.(png|jpe?g|webp|gif)$/i.test(photo)) return;
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(photo) || /^[a-z\d-]+(\.[a-z\d-]+)+(:\d+)?\//i.test(photo)) return;
  const name = shown(photo);
  throw new TypeError(
    `Cannot broadcast as "photo" must be the bytes of a picture, a file_id or a URL: ${name} is the name of a file, ` +
      `so hand over its bytes: await readFile(${name})`,
  );
}

/** How a broadcast is run. */
export interface BroadcastOptions {
  /**
   * Ends the broadcast early: chats that have not been written to by then are counted as skipped. With a `broadcastId` it is
   * over then; but if the signal's reason is an Error with the name `"InterruptedError"`, a further call goes on with them.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * Sends it once under this key, whoever calls, however often, and whatever dies: a ledger in DynamoDB (the table
   * `telegram-broadcasts`) keeps how far it has come. Every further call gives the first one's report; a run that ended
   * as its message was refused goes on with the further call. 1 to 128 characters. Default: no ledger.
   *
   * The one exception: while the ledger cannot be used (`whenLedgerDown: "send"`), another process that is given the same
   * id sends it again; so does this one, started anew without a `spoolFile`.
   */
  readonly broadcastId?: string | undefined;
  /**
   * For how long the `broadcastId` stands for the same broadcast, in milliseconds from its beginning, a second or more: a
   * later call is a broadcast of its own. The id in the ledger and in the report ends with a time then. Default: for ever.
   */
  readonly uniqueForMs?: number | undefined;
  /**
   * What to do where no answer came, or the process died during a send, so that the chat may have the message: `"skip"`
   * never sends it twice, `"resend"` leaves no chat out. Default: `"skip"`.
   */
  readonly onUnknown?: "skip" | "resend" | undefined;
  /** Chats that could only be reached later are skipped. A Date, milliseconds since 1970, or ISO 8601 with its zone. */
  readonly expiresAt?: Date | number | string | undefined;
  /** The same, in milliseconds from the signal's time, or from the call. The earlier one counts. */
  readonly maxAgeMs?: number | undefined;
  /**
   * An urgent broadcast goes before bulk ones; of one priority they leave in the order of the calls, but for those to much
   * fewer chats, which go first. Replies have a third of the pace beside an urgent one, two thirds beside
   * bulk. Default: `"urgent"` for signals, else `"bulk"`.
   */
  readonly priority?: "urgent" | "bulk" | undefined;
  /** Whether it arrives without a sound (Telegram's `disable_notification`). Default: false. */
  readonly disableNotification?: boolean | undefined;
  /**
   * Sends at the bot's `messagesPerSecond`, up to 1000, of which Telegram charges 0.1 Star for each message beyond thirty
   * a second; to be enabled at @BotFather. Default: false.
   */
  readonly allowPaidBroadcast?: boolean | undefined;
  /** Stars that are spent at most: a tenth is set aside for each message. Then it goes on for free, at 30 a second. */
  readonly starBudget?: number | undefined;
  /** A text of the chat's own, in the message's place; `undefined` leaves the message as it is. */
  readonly perChat?: ((chat: Chat) => ChatText | Promise<ChatText>) | undefined;
  /** Which of the active chats are meant. Default: all. */
  readonly filter?: ((chat: Chat) => boolean | Promise<boolean>) | undefined;
  /**
   * The order of the chats. `"rotating"`: people before groups and channels, and each broadcast begins at another place
   * of the list, so that no chat is last every time; `"ascending"`: people first, by ascending ids; or a function that
   * gives each chat a finite number, the lowest first (the whole list is read before the first message). Default:
   * `"rotating"`.
   */
  readonly order?: "rotating" | "ascending" | ((chat: Chat) => number) | undefined;
  /**
   * What to do where the table of chats cannot be read. `"send"` begins at once with the list in memory, and looks each
   * chat up in the table until the list is read anew. Where that fails it writes to the chats that are known to be active,
   * and to none that is known to have stopped. Where the list has never been read it waits for it until the message
   * expires. `"throw"` reads the whole list first, and rejects with a `StorageError` where it cannot. `filter` and
   * `perChat` need the chats themselves: the broadcast ends where they cannot be read. Default: `"send"` for signals, else
   * `"throw"`.
   */
  readonly whenUnreadable?: "send" | "throw" | undefined;
  /**
   * What to do with a `broadcastId` where the ledger cannot be used. `"send"` sends, keeps the run in memory, and on disk
   * where there is a `spoolFile`, and writes it to the ledger afterwards. `"wait"` waits for the ledger until the message
   * expires, and rejects at once with a `StorageError` where waiting does not help (access, credentials, region). Default:
   * `"send"` for signals, else `"wait"`.
   */
  readonly whenLedgerDown?: "send" | "wait" | undefined;
  /**
   * What to do where most of the first fifty people cannot be reached any more, which is more likely a mistake (another
   * bot's table, a new bot's token): `"stop"` ends the broadcast before any chat is deactivated; `"proceed"` goes on.
   * Default: `"stop"`.
   */
  readonly massDeactivation?: "stop" | "proceed" | undefined;
  /** Is called with the progress, four times a second at most, and at the end. */
  readonly onProgress?: ((progress: BroadcastProgress) => void) | undefined;
}

/** What `perChat` gives. */
export type ChatText = TextPart | undefined;

const chatFunction = functionRule("a function of a chat");
const orders = oneOfRule("rotating", "ascending");

const rules: Rules<BroadcastOptions> = {
  signal: methodsRule("an AbortSignal", "throwIfAborted"),
  broadcastId: {
    isGood: (value) =>
      typeof value === "string" && /^[^\p{Cc}\p{Cs}]+$/u.test(value) && Buffer.byteLength(value) <= 128,
    rule: "1 to 128 characters (bytes, in UTF-8), none of them a control character",
  },
  uniqueForMs: numberRule(
    "a number of milliseconds, 1000 or more",
    (value) => value >= 1000 && value < Infinity,
  ),
  onUnknown: oneOfRule("skip", "resend"),
  expiresAt: {
    isGood: (value) => timeOf(value) !== undefined,
    rule: `a Date, milliseconds, or ISO 8601 with its zone ("…Z")`,
    hint: secondsHint,
  },
  maxAgeMs: numberRule("a number of milliseconds above 0", (value) => value > 0),
  priority: oneOfRule("urgent", "bulk"),
  disableNotification: trueOrFalse,
  allowPaidBroadcast: trueOrFalse,
  starBudget: numberRule("a number of Stars, 0 or more", (value) => value >= 0),
  perChat: chatFunction,
  filter: chatFunction,
  order: {
    ...orders,
    isGood: (value) => orders.isGood(value) || chatFunction.isGood(value),
    rule: `"rotating", "ascending" or a function of a chat`,
  },
  whenUnreadable: oneOfRule("send", "throw"),
  whenLedgerDown: oneOfRule("send", "wait"),
  massDeactivation: oneOfRule("stop", "proceed"),
  onProgress: functionRule(),
};

/** The names of the options of `broadcast`. */
export const broadcastNames: readonly string[] = Object.keys(rules);

const chartNames = { candles: anything, theme: anything, bands: anything } satisfies Partial<
  Rules<SignalOptions>
>;
const elsewhere = {
  "the message": messageParts,
  "the options of the bot, or of subscriptions()": botOptionNames,
};

/** The names of a message's parts. */
export const messageNames: Names = {
  known: messageParts,
  what: "a part of a message",
  elsewhere: { "the options, which are the next argument": broadcastNames },
};

/** What is checked of the options of `broadcast`. */
export const broadcastChecks: Checks<BroadcastOptions> = {
  rules,
  elsewhere: { ...elsewhere, "the options of sendSignal()": Object.keys(chartNames) },
};

/** What is checked of the options of `sendSignal`; the chart's have their rules beside the chart. */
export const signalChecks: Checks<SignalOptions> = { rules: { ...chartNames, ...rules }, elsewhere };

/**
 * Refuses what can be no message, and no options, before any request.
 * @param unknown Names that no message has, each as a mistake.
 * @throws {TypeError | RangeError} Naming the part or the options, and their rules.
 */
export function assertBroadcast<Options extends BroadcastOptions>(
  message: BroadcastMessage,
  options: Options,
  checks: Checks<Options>,
  unknown: readonly string[] = [],
): void {
  if (unknown.length === 0) assertMessage(message);
  const { starBudget, allowPaidBroadcast, uniqueForMs, broadcastId } = options ?? {};
  const isFree = starBudget !== undefined && allowPaidBroadcast !== true;
  const isNameless = uniqueForMs !== undefined && broadcastId === undefined;
  const alone = [
    ...isFree ? [`"starBudget" is for a paid broadcast: set allowPaidBroadcast, too`] : [],
    ...isNameless ? [`"uniqueForMs" is for a broadcast with an id: set broadcastId, too`] : [],
  ];
  assertOptions("broadcast", options, checks, [...unknown, ...alone]);
}

/** When the message is too old, in milliseconds since 1970; `Infinity` where it never is. */
export function expiryOf({ expiresAt, maxAgeMs = Infinity }: BroadcastOptions, madeAt: number): number {
  return Math.min(expiresAt === undefined ? Infinity : timeOf(expiresAt) ?? Infinity, madeAt + maxAgeMs);
}

function timeOf(value: unknown): number | undefined {
  const isText = typeof value === "string" && /(Z|[+-]\d\d:?\d\d)$/i.test(value);
  if (!isText && typeof value !== "number" && !(value instanceof Date)) return undefined;
  const time = new Date(value).getTime();
  return Number.isNaN(time) || secondsHint(time) !== "" ? undefined : time;
}

/** How a signal is sent: as a broadcast, with a chart where there are candles for it. */
export interface SignalOptions extends BroadcastOptions, ChartOptions {
  /**
   * What the signal was found in, two or more, ascending: they are drawn (see `telegram-signals/chart`, and the packages
   * that it needs), and the ticket is the picture's caption. What cannot be drawn goes out as text, and the log says why.
   * Default: no chart.
   */
  readonly candles?: readonly Candle[] | undefined;
}

/** Sends what was checked; a `Broadcaster`. */
interface Sender {
  send(
    message: IllustratedMessage,
    options: BroadcastOptions,
    madeAt: number,
    control: PauseControl,
  ): Promise<BroadcastReport>;
}

/** What a bot's signals and messages are made and sent with. */
export interface SenderOptions {
  readonly renderMessage: MessageRenderer;
  readonly charting: ChartRenderer;
  readonly clock: Clock;
  /** Ready to send; rejects where nothing can be sent. With a wait, a bot that has not started yet waits for Telegram. */
  readonly broadcaster: (wait?: StartWait) => Promise<Sender>;
}

/** For how long a signal waits for a bot that cannot start yet. */
export interface StartWait {
  /** When the signal expires, in milliseconds since 1970, or `Infinity`. */
  readonly until: number;
  /** The caller's. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Sends a signal as its ticket, with its chart where there are candles. Rejects with a TypeError or RangeError, before any
 * chat is written to, for a signal or an option that is malformed.
 */
export function startSignal(
  signal: TradingSignal,
  options: SignalOptions,
  { renderMessage, charting, clock, broadcaster }: SenderOptions,
): BroadcastRun {
  const { candles, theme, bands, ...rest } = options ?? {};
  const broadcast: BroadcastOptions = {
    ...rest,
    priority: rest.priority ?? "urgent",
    whenUnreadable: rest.whenUnreadable ?? "send",
    whenLedgerDown: rest.whenLedgerDown ?? "send",
  };
  return createRunHandle(clock, async (control) => {
    validateSignal(signal);
    const time = signalTime(signal, clock.now());
    const ticket = renderMessage("signal", { signal, time });
    assertBroadcast(ticket, options ?? {}, signalChecks);
    if (theme !== undefined || bands !== undefined) resolveChartOptions({ theme, bands });
    const chart = { signal: { ...signal, time }, theme, bands, abortSignal: broadcast.signal };
    const photo = candles === undefined ? undefined : await charting({ ...chart, candles });
    const message = {
      ...ticket,
      hasCallTime: signal.time === undefined,
      ...photo === undefined ? {} : { photo, isPhotoOptional: true },
    };
    return await sendUntilInterrupted(broadcast, async (rest) => {
      const wait = { until: expiryOf(rest, time.getTime()), signal: rest.signal };
      return await (await broadcaster(wait)).send(message, rest, time.getTime(), control);
    });
  });
}

/** Sends any message, likewise. */
export function startBroadcast(
  message: string | BroadcastMessage,
  options: BroadcastOptions,
  { clock, broadcaster }: Pick<SenderOptions, "clock" | "broadcaster">,
): BroadcastRun {
  return createRunHandle(clock, async (control) => {
    const plain = typeof message === "string" ? { text: message } : copyOf(message);
    const now = clock.now();
    assertBroadcast(plain, options, broadcastChecks, unknownNames(message, messageNames));
    return await sendUntilInterrupted(options, async (rest) => {
      return await (await broadcaster()).send(plain, rest, now, control);
    });
  });
}

/** Reads the parts, which may be getters of a class, as formatting libraries have them: a spread would lose these. */
function copyOf(message: BroadcastMessage): BroadcastMessage {
  if (typeof message !== "object" || message === null) return message;
  assertReadable("broadcast", "the message", message, messageParts);
  const { text, entities, photo } = message;
  return { text, ...entities === undefined ? {} : { entities }, ...photo === undefined ? {} : { photo } };
}

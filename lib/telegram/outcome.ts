/**
 * The outcome of a failed send: Telegram's answer, or the error in its place, as one of a few kinds. Pure.
 *
 * The descriptions that Telegram uses are in refusals.ts. A refusal is the chat's own until its description proves otherwise.
 * Errors are recognized by their shape: classes differ where two copies of grammY are loaded.
 */
import { messageOf } from "../util/errors.ts";
import { isChatId } from "./chat_id.ts";
import {
  botRefusals,
  goneChats,
  goneInCapitals,
  matcherOf,
  messageFaults,
  refusedByChat,
  refusedByTopic,
  refusedPhotos,
  unopenedChats,
  unreachableChats,
} from "./refusals.ts";

/** The outcome of a failed send. */
export type Outcome =
  /** Telegram refuses for now: the message may be sent again after `retryAfterSeconds`. */
  | { readonly kind: "rateLimited"; readonly retryAfterSeconds: number }
  /** The chat cannot be written to any more; `isUnopened`: the person has never opened a chat with this bot. */
  | {
    readonly kind: "gone";
    readonly reason: "blocked" | "left" | "gone";
    readonly isUnopened?: true;
  }
  /** The group is a supergroup now. */
  | { readonly kind: "moved"; readonly to: number }
  /** The chat is not found. Telegram says so of existing chats, too: only repeated answers prove it. */
  | { readonly kind: "unreachable" }
  /** This topic of the chat is closed, or not found. The chat's General topic may take the message. */
  | { readonly kind: "topic"; readonly reason: "closed" | "missing" }
  /** This chat does not take it now (rights, slow mode); others may. */
  | { readonly kind: "refused" }
  /** Every chat would refuse the message. Only where Telegram's description concerns messages alone. */
  | { readonly kind: "badMessage" }
  /** Refused with an unknown description: it may be the chat's fault or the message's. */
  | { readonly kind: "unclear" }
  /** This bot cannot send anything at all. */
  | { readonly kind: "botBlocked" }
  /** The message was certainly not sent; another attempt may succeed. */
  | { readonly kind: "notSent" }
  /** There was no answer: the message may have arrived, and to send it again might send it twice. */
  | { readonly kind: "unknown" };

interface Answer {
  readonly error_code: number;
  readonly description: string;
  readonly parameters?: unknown;
}

const isMessageFault = matcherOf(messageFaults);
const isRefusedByChat = matcherOf(refusedByChat);
const isClosedTopic = matcherOf(refusedByTopic.closed);
const isMissingTopic = matcherOf(refusedByTopic.missing);
const isRefusedPhoto = matcherOf(refusedPhotos);
const isUnreachable = matcherOf(unreachableChats);
const isUnopened = matcherOf(unopenedChats);
const isBotRefusal = matcherOf(botRefusals);
const isBlocked = matcherOf(goneChats.blocked);
const isLeft = matcherOf(goneChats.left);
const isGone = matcherOf(goneChats.gone);
const isBlockedInCapitals = matcherOf(goneInCapitals.blocked);
const isGoneInCapitals = matcherOf(goneInCapitals.gone);

/** Errors after which a request was certainly not sent, as no connection was made. */
const neverConnected =
  /ERR_REQUEST_UNSENT|connect ETIMEDOUT|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|client error \(Connect\)|dns error|ConnectionRefused|FailedToOpenSocket|Unable to connect/;

/** Descriptions by a server that was ended, or lost track of the message, while it sent it. */
const mayHaveArrived = /sent message was immediately deleted|: restart|Request aborted/i;

/** The outcome of a call that threw `error`. */
export function outcomeOf(error: unknown): Outcome {
  return isAnswer(error) ? ofAnswer(error) : ofNoAnswer(error);
}

/** Whether the chat does not take photos. It may take texts. */
export function isPhotoRefused(error: unknown): boolean {
  return isAnswer(error) && isRefusedPhoto(withoutPrefix(error.description));
}

/**
 * The description of a refusal in a form in which those of several chats can be compared: without "Bad Request: ", with `#`
 * for each number. For an error that is no answer, its message.
 */
export function wordsOf(error: unknown): string {
  const words = isAnswer(error) ? error.description.replace(/^\s*Bad Request:/i, "") : messageOf(error);
  return words.trim().replace(/\d+/g, "#");
}

function withoutPrefix(description: string): string {
  return description.trim().replace(/^(Bad Request|Forbidden):\s*/i, "");
}

function ofAnswer({ error_code, description, parameters }: Answer): Outcome {
  const { migrate_to_chat_id: to, retry_after } = (parameters ?? {}) as Record<string, unknown>;
  if (isChatId(to)) return { kind: "moved", to };
  if (error_code === 429) {
    return { kind: "rateLimited", retryAfterSeconds: secondsOf(retry_after, description) };
  }
  // 504: a proxy gave up waiting for the server, which had the message.
  if (error_code === 504 || (error_code >= 500 && mayHaveArrived.test(description))) {
    return { kind: "unknown" };
  }
  if (error_code >= 500) return { kind: "notSent" };
  if (error_code === 413) return { kind: "badMessage" };
  const words = withoutPrefix(description);
  if (error_code === 403) return ofForbidden(words);
  // The token is refused: 404 where it has not even a token's form.
  return error_code === 401 || error_code === 404 ? { kind: "botBlocked" } : ofBadRequest(words);
}

/** Unknown descriptions count as the chat's refusal: Telegram answers 403 for chats only. */
function ofForbidden(words: string): Outcome {
  if (isUnopened(words)) return { kind: "gone", reason: "gone", isUnopened: true };
  if (isBlocked(words)) return { kind: "gone", reason: "blocked" };
  if (isLeft(words)) return { kind: "gone", reason: "left" };
  if (isGone(words)) return { kind: "gone", reason: "gone" };
  return ofCapitals(words) ?? { kind: isUnreachable(words) ? "unreachable" : "refused" };
}

function ofBadRequest(words: string): Outcome {
  if (isBotRefusal(words)) return { kind: "botBlocked" };
  if (isUnreachable(words)) return { kind: "unreachable" };
  if (isClosedTopic(words)) return { kind: "topic", reason: "closed" };
  if (isMissingTopic(words)) return { kind: "topic", reason: "missing" };
  if (isRefusedByChat(words)) return { kind: "refused" };
  if (isMessageFault(words)) return { kind: "badMessage" };
  return ofCapitals(words) ?? { kind: "unclear" };
}

function ofCapitals(words: string): Outcome | undefined {
  if (isBlockedInCapitals(words)) return { kind: "gone", reason: "blocked" };
  return isGoneInCapitals(words) ? { kind: "gone", reason: "gone" } : undefined;
}

/** TDLib's own bound is 14 days (NetQueryDelayer.cpp, delay()). */
const longestWaitSeconds = 30 * 86_400;

/** From the parameter, a number or its text, or else from the description; at least a second, at most thirty days. */
function secondsOf(parameter: unknown, description: string): number {
  const described = /retry after (\d+)/i.exec(description)?.[1];
  const numbers = [parameter, described].map((value) =>
    /number|string/.test(typeof value) ? Number(value) : NaN
  );
  const seconds = numbers.find((number) => number > 0) ?? 1;
  return Math.min(Math.max(seconds, 1), longestWaitSeconds);
}

/** grammY wraps errors of the network in an HttpError; any other error was thrown before the request was sent. */
function ofNoAnswer(error: unknown): Outcome {
  if ((error as Error | undefined)?.name !== "HttpError") return { kind: "badMessage" };
  return { kind: neverConnected.test(wholeText(error)) ? "notSent" : "unknown" };
}

function isAnswer(error: unknown): error is Answer {
  const { error_code, description } = (error ?? {}) as Partial<Answer>;
  return typeof error_code === "number" && typeof description === "string";
}

/** The messages and codes of an error, its causes and the errors that it wraps. */
function wholeText(error: unknown, depth = 0): string {
  if (typeof error !== "object" || error === null || depth > 5) return "";
  const { message, code, cause, error: inner, errors } = error as Record<string, unknown>;
  const own = [message, code].filter((text) => typeof text === "string");
  const others = [cause, inner, ...(Array.isArray(errors) ? errors : [])];
  return [...own, ...others.map((other) => wholeText(other, depth + 1))].join(" ");
}

/**
 * What became of a send: Telegram's answer, or the error in its place, as one of a few kinds. Pure.
 *
 * The texts are in refusals.ts and message_faults.ts. A refusal is the chat's own until its words prove otherwise.
 * Errors are known by their shape: classes differ where two copies of grammY are loaded.
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

/** What became of a send. */
export type Outcome =
  /** Not now: again after `retryAfterSeconds`. */
  | { readonly kind: "wait"; readonly retryAfterSeconds: number }
  /** The chat cannot be written to any more; `isUnopened`: its person has never opened a chat with this bot. */
  | {
    readonly kind: "gone";
    readonly reason: "blocked" | "left" | "gone";
    readonly isUnopened?: true;
  }
  /** The group is a supergroup now. */
  | { readonly kind: "moved"; readonly to: number }
  /** The chat is not found. Telegram says so of chats that are there, too: not for good until it is said again and again. */
  | { readonly kind: "unreachable" }
  /** Not in this topic of the chat: it is closed, or not found. The chat's General topic may take it. */
  | { readonly kind: "topic"; readonly reason: "closed" | "missing" }
  /** Not to this chat now, perhaps to others: rights, slow mode. */
  | { readonly kind: "refused" }
  /** The message itself: every chat would refuse it. Only in words that Telegram uses of messages alone. */
  | { readonly kind: "message" }
  /** Refused in unknown words: it may be the chat's fault or the message's. */
  | { readonly kind: "unclear" }
  /** Not from this bot: nothing can be sent at all. */
  | { readonly kind: "bot" }
  /** It certainly did not go out; it may the next time. */
  | { readonly kind: "unsent" }
  /** No answer: it may have arrived, and to send it again might send it twice. */
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

/** Why a request surely never left: no connection was made. */
const neverConnected =
  /ERR_REQUEST_UNSENT|connect ETIMEDOUT|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|client error \(Connect\)|dns error|ConnectionRefused|FailedToOpenSocket|Unable to connect/;

/** What a server says that ended, or lost sight of a message, while that was on its way. */
const mayHaveArrived = /sent message was immediately deleted|: restart|Request aborted/i;

/** What became of a call that threw `error`. */
export function outcomeOf(error: unknown): Outcome {
  return isAnswer(error) ? ofAnswer(error) : ofNoAnswer(error);
}

/** Whether the chat takes no photos. It may take texts. */
export function isPhotoRefused(error: unknown): boolean {
  return isAnswer(error) && isRefusedPhoto(withoutPrefix(error.description));
}

/**
 * The words of a refusal, so that the refusals of several chats can be compared: without "Bad Request: ", with `#` for each
 * number. Of what is no answer: its message.
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
  if (error_code === 429) return { kind: "wait", retryAfterSeconds: secondsOf(retry_after, description) };
  // 504: a proxy gave up waiting for the server, which had the message.
  if (error_code === 504 || (error_code >= 500 && mayHaveArrived.test(description))) {
    return { kind: "unknown" };
  }
  if (error_code >= 500) return { kind: "unsent" };
  if (error_code === 413) return { kind: "message" };
  const words = withoutPrefix(description);
  if (error_code === 403) return ofForbidden(words);
  // The token is refused: 404 where it is none at all.
  return error_code === 401 || error_code === 404 ? { kind: "bot" } : ofBadRequest(words);
}

/** Unknown words count as the chat's: Telegram says 403 of chats only. */
function ofForbidden(words: string): Outcome {
  if (isUnopened(words)) return { kind: "gone", reason: "gone", isUnopened: true };
  if (isBlocked(words)) return { kind: "gone", reason: "blocked" };
  if (isLeft(words)) return { kind: "gone", reason: "left" };
  if (isGone(words)) return { kind: "gone", reason: "gone" };
  return ofCapitals(words) ?? { kind: isUnreachable(words) ? "unreachable" : "refused" };
}

function ofBadRequest(words: string): Outcome {
  if (isBotRefusal(words)) return { kind: "bot" };
  if (isUnreachable(words)) return { kind: "unreachable" };
  if (isClosedTopic(words)) return { kind: "topic", reason: "closed" };
  if (isMissingTopic(words)) return { kind: "topic", reason: "missing" };
  if (isRefusedByChat(words)) return { kind: "refused" };
  if (isMessageFault(words)) return { kind: "message" };
  return ofCapitals(words) ?? { kind: "unclear" };
}

function ofCapitals(words: string): Outcome | undefined {
  if (isBlockedInCapitals(words)) return { kind: "gone", reason: "blocked" };
  return isGoneInCapitals(words) ? { kind: "gone", reason: "gone" } : undefined;
}

/** TDLib's own bound is 14 days (NetQueryDelayer.cpp, delay()). */
const longestWaitSeconds = 30 * 86_400;

/** At least a second and at most thirty days: as told, be it a number or the text of one, or as described. */
function secondsOf(told: unknown, description: string): number {
  const described = /retry after (\d+)/i.exec(description)?.[1];
  const numbers = [told, described].map((value) => /number|string/.test(typeof value) ? Number(value) : NaN);
  const seconds = numbers.find((number) => number > 0) ?? 1;
  return Math.min(Math.max(seconds, 1), longestWaitSeconds);
}

/** grammY wraps what happens on the network in an HttpError; anything else happened before. */
function ofNoAnswer(error: unknown): Outcome {
  if ((error as Error | undefined)?.name !== "HttpError") return { kind: "message" };
  return { kind: neverConnected.test(wholeText(error)) ? "unsent" : "unknown" };
}

function isAnswer(error: unknown): error is Answer {
  const { error_code, description } = (error ?? {}) as Partial<Answer>;
  return typeof error_code === "number" && typeof description === "string";
}

/** The messages and codes of an error and of all that it stands for. */
function wholeText(error: unknown, depth = 0): string {
  if (typeof error !== "object" || error === null || depth > 5) return "";
  const { message, code, cause, error: inner, errors } = error as Record<string, unknown>;
  const own = [message, code].filter((text) => typeof text === "string");
  const others = [cause, inner, ...(Array.isArray(errors) ? errors : [])];
  return [...own, ...others.map((other) => wholeText(other, depth + 1))].join(" ");
}

/**
 * What became of a send: Telegram's answer, or the error in its place, as one of a few kinds. Pure.
 *
 * The texts are those of the official server (tdlib/telegram-bot-api, Client.cpp, and TDLib's MessagesManager.cpp).
 * Errors are known by their shape: classes differ where two copies of grammY are loaded.
 */
import { isChatId } from "./chat_id.ts";

/** What became of a send. */
export type Outcome =
  /** Not now: again after `retryAfterSeconds`. */
  | { readonly kind: "wait"; readonly retryAfterSeconds: number }
  /** The chat cannot be written to any more. */
  | { readonly kind: "gone"; readonly reason: "blocked" | "left" | "gone" }
  /** The group is a supergroup now. */
  | { readonly kind: "moved"; readonly to: number }
  /** The chat is not found. Telegram says so of chats that are there, too: not for good until it is said again and again. */
  | { readonly kind: "unreachable" }
  /** Not to this chat now, perhaps to others: rights, a closed topic, slow mode. */
  | { readonly kind: "refused" }
  /** Not this message, to whomever: every chat would refuse it. */
  | { readonly kind: "message" }
  /** Refused for a reason that we do not know; it may be the chat's or the message's. */
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

const gone: readonly [RegExp, "blocked" | "left" | "gone"][] = [
  [/bot was blocked by the user/i, "blocked"],
  [/bot was kicked|bot is not a member/i, "left"],
  [/user is deactivated|group chat was deleted/i, "gone"],
  [/can't initiate conversation|can't send messages to (the )?bots?/i, "gone"],
];

/** The same in the words of the servers behind, all capitals, which the Bot API hands on as 400. */
const goneInCapitals: readonly [RegExp, "blocked" | "gone"][] = [
  [/\bUSER_IS_BLOCKED\b/, "blocked"],
  [/\bINPUT_USER_DEACTIVATED\b/, "gone"],
];

const unreachable = new RegExp(
  [
    "chat not found|user not found|group is deactivated|group chat was deactivated",
    "PEER_ID_INVALID|CHAT_ID_INVALID|USER_ID_INVALID|CHANNEL_INVALID|CHANNEL_PRIVATE",
  ].join("|"),
  "i",
);

const refusedByChat = new RegExp(
  [
    "not enough rights|have no rights|need administrator rights|CHAT_ADMIN_REQUIRED|CHAT_RESTRICTED",
    "CHAT_WRITE_FORBIDDEN|CHAT_SEND_\\w+_FORBIDDEN|USER_BANNED_IN_CHANNEL|SLOWMODE_WAIT|PRIVACY",
    "TOPIC_CLOSED|TOPIC_DELETED|message thread not found|VOICE_MESSAGES_FORBIDDEN|upgraded to a supergroup",
  ].join("|"),
  "i",
);

const refusedForMessage = new RegExp(
  [
    "can't parse|text is empty|must be non-empty|is too long|MESSAGE_TOO_LONG|MEDIA_CAPTION_TOO_LONG",
    "ENTITY_|ENTITIES_|entity|UTF-8|UTF-16|parse_mode|BUTTON_|REPLY_MARKUP|reply markup|WEBPAGE_|WC_CONVERT",
    "file identifier|file_id|remote file|HTTP URL|FILE_|IMAGE_|PHOTO_|MEDIA_|too big|wrong type|Wrong parameter",
  ].join("|"),
  "i",
);

/** Why a request surely never left: no connection was made. */
const neverConnected =
  /connect ETIMEDOUT|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|client error \(Connect\)|dns error/;

/** What a server says that ended, or lost sight of a message, while that was on its way. */
const mayHaveArrived = /sent message was immediately deleted|: restart|Request aborted/i;

/** What became of a call that threw `error`. */
export function outcomeOf(error: unknown): Outcome {
  return isAnswer(error) ? ofAnswer(error) : ofNoAnswer(error);
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
  if (error_code === 403) return ofForbidden(description);
  return error_code > 400 ? { kind: "bot" } : ofBadRequest(description);
}

function ofForbidden(description: string): Outcome {
  const reason = [...gone, ...goneInCapitals].find(([text]) => text.test(description))?.[1];
  if (reason !== undefined) return { kind: "gone", reason };
  return { kind: unreachable.test(description) ? "unreachable" : "refused" };
}

function ofBadRequest(description: string): Outcome {
  if (/FROZEN_METHOD_INVALID/.test(description)) return { kind: "bot" };
  const reason = goneInCapitals.find(([text]) => text.test(description))?.[1];
  if (reason !== undefined) return { kind: "gone", reason };
  if (unreachable.test(description)) return { kind: "unreachable" };
  if (refusedByChat.test(description)) return { kind: "refused" };
  return { kind: refusedForMessage.test(description) ? "message" : "unclear" };
}

const longestWaitSeconds = 86_400;

/** At least a second and at most a day: as told, be it a number or the text of one, or as described. */
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

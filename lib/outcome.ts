/**
 * What became of a send: Telegram's answer, or the error in its place, as one of a few kinds. Pure.
 *
 * The texts are those of the official server (tdlib/telegram-bot-api, Client.cpp, and TDLib's MessagesManager.cpp).
 * Errors are known by their shape: classes differ where two copies of grammY are loaded.
 */

export type Outcome =
  /** Not now: again after `retryAfterSeconds`. */
  | { readonly kind: "wait"; readonly retryAfterSeconds: number }
  /** The chat cannot be written to any more. */
  | { readonly kind: "gone"; readonly reason: "blocked" | "left" | "gone" }
  /** The group is a supergroup now. */
  | { readonly kind: "moved"; readonly to: number }
  /** Not to this chat, perhaps to others: rights, a closed topic, a chat that is not found. */
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
  readonly parameters?: { readonly retry_after?: number; readonly migrate_to_chat_id?: number };
}

const gone: readonly [RegExp, "blocked" | "left" | "gone"][] = [
  [/bot was blocked by the user|USER_IS_BLOCKED/i, "blocked"],
  [/bot was kicked|bot is not a member/i, "left"],
  [/user is deactivated|INPUT_USER_DEACTIVATED|group chat was deleted/i, "gone"],
  [/can't initiate conversation|can't send messages to (the )?bots?/i, "gone"],
];

const refusedByChat = new RegExp(
  [
    "chat not found|PEER_ID_INVALID|group is deactivated|CHANNEL_PRIVATE|CHAT_ID_INVALID",
    "not enough rights|have no rights|need administrator rights|CHAT_ADMIN_REQUIRED|CHAT_RESTRICTED",
    "CHAT_WRITE_FORBIDDEN|CHAT_SEND_\\w+_FORBIDDEN|USER_BANNED_IN_CHANNEL|SLOWMODE_WAIT",
    "TOPIC_CLOSED|TOPIC_DELETED|message thread not found|VOICE_MESSAGES_FORBIDDEN|PRIVACY",
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

/** What became of a call that threw `error`. */
export function outcomeOf(error: unknown): Outcome {
  return isAnswer(error) ? ofAnswer(error) : ofNoAnswer(error);
}

function ofAnswer({ error_code, description, parameters = {} }: Answer): Outcome {
  if (parameters.migrate_to_chat_id !== undefined) {
    return { kind: "moved", to: parameters.migrate_to_chat_id };
  }
  if (error_code === 429) return { kind: "wait", retryAfterSeconds: parameters.retry_after ?? 1 };
  if (error_code >= 500) return { kind: "unsent" };
  if (/FROZEN_METHOD_INVALID/.test(description)) return { kind: "bot" };
  const reason = gone.find(([text]) => error_code === 403 && text.test(description))?.[1];
  if (reason !== undefined) return { kind: "gone", reason };
  if (refusedByChat.test(description)) return { kind: "refused" };
  if (error_code === 413 || (error_code === 400 && refusedForMessage.test(description))) {
    return { kind: "message" };
  }
  if (error_code === 400) return { kind: "unclear" };
  return error_code === 403 ? { kind: "refused" } : { kind: "bot" };
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
  const { message = "", code = "", cause, error: inner, errors = [] } = error as Record<string, unknown>;
  const others = [cause, inner, ...(Array.isArray(errors) ? errors : [])];
  return [message, code, ...others.map((other) => wholeText(other, depth + 1))].join(" ");
}

/** One HTTP request to a bot's webhook. */
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export interface PostOptions {
  readonly url: string;
  /** Empty: none. */
  readonly secretToken: string;
  readonly body: object;
  /** Breaks the connection. */
  readonly signal: AbortSignal;
}

export interface PostAnswer {
  readonly status: number;
  /** What stands beside the status. */
  readonly reason: string;
  /** 0 where the answer does not say. */
  readonly retryAfterSeconds: number;
}

/** In the words that Telegram has for it. */
const wordsOf: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EPIPE: "Connection reset by peer",
};

/**
 * Sends the body as JSON on a connection of its own, and resolves once all of the answer is there.
 * @throws {Error} With Telegram's words for it, if there is no answer; with the signal's reason, if it aborts.
 */
export function post({ url, secretToken, body, signal }: PostOptions): Promise<PostAnswer> {
  const text = JSON.stringify(body);
  const headers = {
    "Content-Type": "application/json",
    "Content-Length": new TextEncoder().encode(text).length,
    ...secretToken && { "X-Telegram-Bot-Api-Secret-Token": secretToken },
  };
  const open = url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const fail = (error: Error & { readonly code?: string }): void => {
      const words = wordsOf[error.code ?? ""] ?? error.message;
      reject(signal.aborted ? signal.reason : new Error(words, { cause: error }));
    };
    const request = open(url, { method: "POST", headers, agent: false }, (response) => {
      response.on("error", fail);
      response.on("end", () => resolve(answerOf(response)));
      // Not every runtime calls an answer that breaks off an error.
      response.on("close", () => fail(new Error("Connection closed")));
      response.resume();
    });
    request.on("error", fail);
    signal.addEventListener("abort", () => request.destroy(signal.reason as Error), { once: true });
    if (signal.aborted) request.destroy(signal.reason as Error);
    else request.end(text);
  });
}

function answerOf({ statusCode = 0, statusMessage = "", headers }: IncomingMessage): PostAnswer {
  const retryAfterSeconds = Number.parseInt(headers["retry-after"] ?? "");
  return { status: statusCode, reason: statusMessage, retryAfterSeconds: retryAfterSeconds || 0 };
}

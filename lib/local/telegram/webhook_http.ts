/** Sends updates to webhooks over HTTP and HTTPS, on this machine only. */
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { isLoopback } from "../loopback.ts";
import type { WebhookAnswer, WebhookRequest, WebhookTransport } from "./webhook.ts";

export const loopbackTransport: WebhookTransport = {
  refusalOf: (url) => isLoopback(url) ? undefined : "This local server delivers to loopback only",
  post,
};

/** Each request has a connection of its own. */
function post({ url, headers, body, signal }: WebhookRequest): Promise<WebhookAnswer> {
  const length = { "Content-Length": new TextEncoder().encode(body).length };
  const options = { method: "POST", headers: { ...headers, ...length }, agent: false };
  const open = url.startsWith("https:") ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(signal.aborted ? signal.reason : error);
    const request = open(url, options, (response) => {
      response.on("error", fail);
      response.on("end", () => resolve(answerOf(response)));
      // Not every runtime calls an answer that breaks off an error.
      response.on("close", () => fail(new Error("Connection closed")));
      response.resume();
    });
    request.on("error", fail);
    signal.addEventListener("abort", () => request.destroy(signal.reason as Error), { once: true });
    if (signal.aborted) request.destroy(signal.reason as Error);
    else request.end(body);
  });
}

function answerOf({ statusCode = 0, statusMessage = "", headers }: IncomingMessage): WebhookAnswer {
  return { status: statusCode, reason: statusMessage, retryAfter: headers["retry-after"] };
}

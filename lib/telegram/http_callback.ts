/** A function that answers requests in whichever form a server has them; and the secret that lets one in. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { attempt, Lazy } from "../util/async.ts";
import type { Answer, Incoming, LambdaAnswer, LambdaEvent } from "./webhook_adapters.ts";

export type { LambdaAnswer, LambdaEvent };

/** Loaded with the first request. */
const adapters = new Lazy(() => import("./webhook_adapters.ts"));

/** Handles a request in whichever form it comes. It never throws, and never rejects. */
export interface WebhookCallback {
  /** For `Deno.serve`, Bun, Hono and whatever else has web standard requests. */
  (request: Request): Promise<Response>;
  /** For `http.createServer` and Express, with a body parser or without. Resolves once the answer is on its way. */
  (request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** For AWS Lambda behind API Gateway, a function URL or a load balancer. */
  (event: LambdaEvent, context?: unknown): Promise<LambdaAnswer>;
}

/** @param answer Never rejects. */
export function createHttpCallback(answer: (incoming: Incoming) => Promise<Answer>): WebhookCallback {
  const callback = async (first: unknown, second?: unknown): Promise<unknown> => {
    const { fromLambda, fromNode, fromWeb, toLambda, toNode, toWeb } = await adapters.get();
    if (isNodeResponse(second)) {
      const request = first as IncomingMessage;
      return toNode(await answer(fromNode(request)), request, second);
    }
    if (isWebRequest(first)) return toWeb(await answer(fromWeb(first)));
    const event = attempt(() => fromLambda(first as LambdaEvent | undefined), fromLambda(undefined));
    return toLambda(await answer(event));
  };
  return callback as WebhookCallback;
}

/** Takes the same time for any wrong value. */
export function isSecret(given: unknown, secret: string): boolean {
  const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(typeof given === "string" ? given : ""), digest(secret));
}

function isNodeResponse(value: unknown): value is ServerResponse {
  return attempt(() => typeof (value as ServerResponse | null | undefined)?.writeHead === "function", false);
}

function isWebRequest(value: unknown): value is Request {
  return attempt(() => typeof (value as Request | null | undefined)?.headers?.get === "function", false);
}

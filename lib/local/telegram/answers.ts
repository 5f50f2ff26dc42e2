/** Answers of the Bot API as data: their status, headers and body, and how these are written to a connection. */
import { Buffer } from "node:buffer";
import { ApiError } from "./errors.ts";

/** An answer to an HTTP request. */
export interface BotApiAnswer {
  /** The HTTP status. */
  readonly status: number;
  /** Without `Content-Length`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly delivery: AnswerDelivery;
}

/**
 * How an answer is written:
 * - `"whole"`: at once;
 * - `"half"`: half of its body, then the connection ends;
 * - `"torn"`: all of its body, of which the head promises one byte more, then the connection ends;
 * - `{ slowMs }`: the head at once, the body in pieces over so many milliseconds.
 */
export type AnswerDelivery = "whole" | "half" | "torn" | { readonly slowMs: number };

/** What a call is answered if its connection breaks instead. */
export const breakConnection: unique symbol = Symbol("breakConnection");

/** An answer that need not be one of the Bot API's: of a proxy, or torn. */
export interface BotApiRawAnswer {
  /** Sent as it is. */
  readonly body: string | Uint8Array;
  /** The HTTP status. @default 200 */
  readonly status?: number;
  /** What it says the body is. @default "application/json" */
  readonly contentType?: string;
  /** Further headers. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Promises one byte more, and breaks the connection in its place. @default false */
  readonly isTorn?: boolean;
}

/** Tells a raw answer from a `result` that has the same fields. */
export class RawAnswer {
  readonly answer: BotApiRawAnswer;

  constructor(answer: BotApiRawAnswer) {
    this.answer = answer;
  }
}

/** The answer to a call that succeeded with this `result`. */
export function successAnswer(result: unknown, delivery: AnswerDelivery): BotApiAnswer {
  return jsonAnswer(200, { ok: true, result }, delivery);
}

/** The answer to a call that failed: of an `ApiError` its own, of any other error a 500. */
export function errorAnswer(error: unknown, delivery: AnswerDelivery = "whole"): BotApiAnswer {
  const known = error instanceof ApiError
    ? error
    : new ApiError(500, `Internal Server Error: ${String(error)}`);
  const { errorCode: error_code, message: description, parameters } = known;
  const body = { ok: false, error_code, description, ...parameters && { parameters } };
  const retryAfter = parameters?.retry_after;
  const headers: BotApiAnswer["headers"] = retryAfter === undefined
    ? {}
    : { "Retry-After": String(retryAfter) };
  return jsonAnswer(error_code, body, delivery, headers);
}

function jsonAnswer(
  status: number,
  body: object,
  delivery: AnswerDelivery,
  headers: BotApiAnswer["headers"] = {},
): BotApiAnswer {
  return {
    status,
    headers: { ...headers, "Content-Type": "application/json" },
    body: Buffer.from(JSON.stringify(body)),
    delivery,
  };
}

export function rawAnswer({ answer }: RawAnswer): BotApiAnswer {
  const { status = 200, contentType = "application/json", headers = {}, isTorn = false } = answer;
  return {
    status,
    headers: { ...headers, "Content-Type": contentType },
    body: Buffer.from(answer.body),
    delivery: isTorn ? "torn" : "whole",
  };
}

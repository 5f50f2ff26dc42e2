/** What a test can ask a server to do to the calls of its bot. */
import { assertNames, lettersBetween, namesOf, nearest } from "../../option_names.ts";
import { assertTimes } from "../fault_values.ts";
import { wrongValue } from "../wrong_value.ts";
import type { ApiErrorParameters } from "./errors.ts";
import { assertAnswer, namesInAnswer } from "./fault_answer.ts";

/** A refusal in Telegram's form. */
export interface BotApiRefusal {
  /** Also the HTTP status. */
  readonly error_code: number;
  /** With its prefix: `Bad Request: have no write access to the chat`. */
  readonly description: string;
  /** Default: none. */
  readonly parameters?: ApiErrorParameters;
}

/**
 * What happens to a matching call. Answers of Telegram's:
 * - `{ error_code, description, parameters? }`: it is refused with this answer and has no effect;
 * - `{ result }`: it has no effect and is answered by `ok` with this result, also where the server lacks the method;
 * - `{ delayMs }`: it takes effect, later.
 *
 * Connections that fail:
 * - `"reset"`: it has no effect and its connection is reset;
 * - `"lose"`: it takes effect, then its connection is reset in place of the answer;
 * - `"hang"`: a black hole; it has no effect and is never answered;
 * - `"half-open"`: as `"hang"`, but only on a connection that was open already when the fault was set, which is dead from
 *   then on; the answer to a call that is under way on it never comes either. New connections work. On Bun
 *   a connection is open from its first request on;
 * - `"stale"`: as `"reset"`, but only on a connection that was open already when the fault was set;
 * - `"cut"`: it takes effect, and its connection ends in the middle of the answer's body;
 * - `{ slowBodyMs }`: it takes effect; the head of the answer comes at once, its body in pieces over so many milliseconds.
 *
 * Answers of somebody between the bot and Telegram; the call has no effect:
 * - `{ page: 502 }`: an HTML page with this HTTP status, which may be 200, in place of JSON;
 * - `{ redirect: 302, location? }`: a redirect; where no location is given, to the call's own address;
 * - `{ body, ... }`: these bytes, whatever they are.
 *
 * Deno's `fetch` repeats a request by itself, once, if its connection breaks without an answer and its body is
 * neither a Blob nor a stream. Such a call arrives twice, here as at Telegram: after `"lose"` it takes effect twice.
 */
export type BotApiFaultAnswer =
  | BotApiRefusal
  | BotApiRedirect
  | BotApiRawAnswer
  | { readonly delayMs: number }
  | { readonly page: number }
  | { readonly result: unknown }
  | { readonly slowBodyMs: number }
  | "cut"
  | "half-open"
  | "hang"
  | "lose"
  | "reset"
  | "stale";

/** A redirect, as a proxy or a hotel's network answers. */
export interface BotApiRedirect {
  /** The HTTP status. */
  readonly redirect: 301 | 302 | 303 | 307 | 308;
  /** Where the client is sent. Default: the call's own address. */
  readonly location?: string;
}

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

/** Which calls a fault befalls, and what they get. */
export interface BotApiFaultOptions {
  /** Only calls of this method, whether or not the server has it; `"file"` for downloads. Default: all methods. */
  readonly method?: string;
  /** Only calls that address this chat. Default: all chats, and calls that address none. */
  readonly chatId?: number;
  /** How many calls are hit; `Infinity` is allowed. @default 1 */
  readonly times?: number;
  /** What the calls get in place of Telegram's answer. */
  readonly answer: BotApiFaultAnswer;
}

/** A fault that was set. */
export interface BotApiFault {
  /** How many calls were hit so far. */
  readonly hits: number;
  /** Ends the trouble; a connection that is dead stays so. */
  clear(): void;
}

const optionNames = {
  known: namesOf<BotApiFaultOptions>({ method: true, chatId: true, times: true, answer: true }),
  elsewhere: { answer: namesInAnswer },
};

/** Methods of Telegram's that the server lacks, and that are spelt nearly as one that it has. */
const alike: readonly string[] = ["sendInvoice", "getChatMembersCount"];

/**
 * @param methods Those that the server has.
 * @throws {TypeError} If an option is unknown, or its value none.
 * @throws {RangeError} If the times are no whole number above 0.
 */
export function assertFaultOptions(options: BotApiFaultOptions, methods: readonly string[]): void {
  assertNames("set a fault", options, optionNames);
  const { answer, method, chatId, times = 1 } = Object(options) as Partial<BotApiFaultOptions>;
  assertAnswer(answer);
  if (method !== undefined) assertMethod(method, [...methods, "file"]);
  if (chatId !== undefined && !Number.isSafeInteger(chatId)) {
    throw new TypeError(wrongValue("set a fault", "chatId", "the number of a chat", chatId));
  }
  assertTimes(times);
}

/** Neither case nor what the server lacks matters: methods that are newer than it may be answered by a test. */
function assertMethod(method: unknown, methods: readonly string[]): void {
  if (typeof method === "string" && /^\w+$/.test(method) && !isMisspelt(method, methods)) return;
  const rule = `a method of the Bot API, by its name, or "file"`;
  throw new TypeError(wrongValue("set a fault", "method", rule, method, methods));
}

function isMisspelt(method: string, methods: readonly string[]): boolean {
  const isNamed = (name: string): boolean => name.toLowerCase() === method.toLowerCase();
  if ([...methods, ...alike].some(isNamed)) return false;
  const meant = nearest(method, methods);
  // Of one property, there may be a method that gets it where another one sets it.
  const isPair = /^[gs]et/i.test(method) && method.slice(0, 3) !== meant?.slice(0, 3);
  return meant !== undefined && !isPair && lettersBetween(method, meant) <= (meant.length < 8 ? 1 : 2);
}

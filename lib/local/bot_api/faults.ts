/** Trouble on demand: the answers that a real server gives rarely and a test wants now. */
import { assertNames, namesOf } from "../../option_names.ts";
import { ApiError, type ApiErrorParameters } from "./errors.ts";

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
 * What happens to a matching call:
 * - `{ error_code, description, parameters? }`: it is refused with this answer and has no effect;
 * - `"hang"`: it has no effect and is never answered;
 * - `"reset"`: it has no effect and its connection breaks;
 * - `"lose"`: it takes effect, then its connection breaks before the answer;
 * - `{ delayMs }`: it takes effect, later;
 * - `{ body, ... }`: it has no effect and is answered with these bytes, whatever they are.
 *
 * Deno's `fetch` repeats a request by itself, once, if its connection breaks without an answer and its body is
 * neither a Blob nor a stream. Such a call arrives twice, here as at Telegram: after `"lose"` it takes effect twice.
 */
export type BotApiFaultAnswer =
  | BotApiRefusal
  | { readonly delayMs: number }
  | BotApiRawAnswer
  | "hang"
  | "lose"
  | "reset";

/** An answer that need not be one of the Bot API's: of a proxy, or torn. */
export interface BotApiRawAnswer {
  /** Sent as it is. */
  readonly body: string | Uint8Array;
  /** The HTTP status. @default 200 */
  readonly status?: number;
  /** What it says the body is. @default "application/json" */
  readonly contentType?: string;
  /** Promises one byte more, and breaks the connection in its place. @default false */
  readonly isTorn?: boolean;
}

/** Which calls a fault befalls, and what they get. */
export interface BotApiFaultOptions {
  /** Only calls of this method. Default: all methods. */
  readonly method?: string;
  /** Only calls that address this chat. Default: all chats, and calls that address none. */
  readonly chatId?: number;
  /** How many calls are hit; `Infinity` is allowed. @default 1 */
  readonly times?: number;
  /** What the calls get in place of Telegram's answer. */
  readonly answer: BotApiFaultAnswer;
}

const optionNames = {
  known: namesOf<BotApiFaultOptions>({ method: true, chatId: true, times: true, answer: true }),
};
const answerNames = {
  known: [
    ...namesOf<BotApiRefusal>({ error_code: true, description: true, parameters: true }),
    ...namesOf<BotApiRawAnswer>({ body: true, status: true, contentType: true, isTorn: true }),
    "delayMs",
  ],
  what: "a name in answer",
};
const parameterNames = {
  known: namesOf<ApiErrorParameters>({ retry_after: true, migrate_to_chat_id: true }),
  what: "a name in parameters",
};

/** A fault that was set. */
export interface BotApiFault {
  /** How many calls were hit so far. */
  readonly hits: number;
  /** Ends the trouble. */
  clear(): void;
}

interface Entry {
  readonly options: BotApiFaultOptions;
  hits: number;
}

/** The faults in force, oldest first; a call meets the first one that matches. */
export class Faults {
  #entries: Entry[] = [];

  add(options: BotApiFaultOptions): BotApiFault {
    const { answer } = options;
    assertNames("set a fault", options, optionNames);
    assertNames("set a fault", answer, answerNames);
    assertNames("set a fault", refusalOf(answer)?.parameters, parameterNames);
    const entry: Entry = { options, hits: 0 };
    this.#entries.push(entry);
    return {
      get hits(): number {
        return entry.hits;
      },
      clear: () => this.#remove(entry),
    };
  }

  /** The answer for this call, if a fault is waiting for it; counts as a hit. */
  take(method: string, chatId: unknown): BotApiFaultAnswer | undefined {
    const entry = this.#entries.find(({ options }) => matches(options, method, chatId));
    if (entry === undefined) return undefined;
    entry.hits += 1;
    if (entry.hits >= (entry.options.times ?? 1)) this.#remove(entry);
    return entry.options.answer;
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
  }
}

function matches(options: BotApiFaultOptions, method: string, chatId: unknown): boolean {
  if (options.method !== undefined && options.method.toLowerCase() !== method.toLowerCase()) return false;
  return options.chatId === undefined || options.chatId === Number(chatId);
}

/** The refusal that a fault asks for, or undefined if it asks for something else. */
export function refusalOf(answer: BotApiFaultAnswer | undefined): ApiError | undefined {
  if (typeof answer !== "object" || !("error_code" in answer)) return undefined;
  return new ApiError(answer.error_code, answer.description, answer.parameters);
}

/** The bytes that a fault asks for, or undefined if it asks for something else. */
export function rawAnswerOf(answer: BotApiFaultAnswer | undefined): BotApiRawAnswer | undefined {
  return typeof answer === "object" && "body" in answer ? answer : undefined;
}

/** Faults that a test sets for the calls of its bot: which calls they hit, what they answer, and how options are checked. */
import {
  anything,
  assertOptions,
  type Checks,
  namesOf,
  nearest,
  numberRule,
  oneOfRule,
  type Rule,
  textRule,
  trueOrFalse,
} from "../../util/validate.ts";
import { isObject, isTypoOf, millisecondsRule, required, timesRule } from "../validate.ts";
import type { BotApiRawAnswer } from "./answers.ts";
import type { ClientConnection, ClientConnections } from "./call.ts";
import { ApiError, type ApiErrorParameters } from "./errors.ts";
import { methodNames } from "./methods.ts";

/** Which calls a fault hits, and what they get. */
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
  /** Ends it; a connection that is dead stays so. */
  clear(): void;
}

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
 * What happens to a matching call. Answers of Telegram:
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
 * Answers of a proxy between the bot and Telegram; the call has no effect:
 * - `{ page: 502 }`: an HTML page with this HTTP status, which may be 200, in place of JSON;
 * - `{ redirect: 302, location? }`: a redirect; where no location is given, to the call's own address;
 * - `{ body, ... }`: any bytes.
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

interface ActiveFault {
  readonly options: BotApiFaultOptions;
  /** The number of the latest connection when the fault was set. */
  readonly latestConnection: number;
  hits: number;
}

/** What decides which fault a call meets. */
export interface FaultTarget {
  readonly method: string;
  readonly chatId: unknown;
  readonly connection: ClientConnection;
}

/** The faults that are set, oldest first; a call meets the first one that matches. */
export class BotApiFaults {
  readonly #connections: ClientConnections;
  #faults: ActiveFault[] = [];

  constructor(connections: ClientConnections) {
    this.#connections = connections;
  }

  /**
   * @throws {TypeError} If an option is unknown or has a wrong value.
   * @throws {RangeError} If the times are no whole number above 0.
   */
  add(options: BotApiFaultOptions): BotApiFault {
    assertFaultOptions(options);
    const fault: ActiveFault = { options, latestConnection: this.#connections.latest, hits: 0 };
    this.#faults.push(fault);
    return {
      get hits(): number {
        return fault.hits;
      },
      clear: () => this.#remove(fault),
    };
  }

  /** The answer of the fault that this call meets, if there is one; counts as a hit. */
  take(target: FaultTarget): BotApiFaultAnswer | undefined {
    return this.#hit(this.#faults.find((fault) => matches(fault, target)));
  }

  /** Whether the connection of a call that is under way has died meanwhile; counts as a hit. */
  takeDeath(target: FaultTarget): boolean {
    const fault = this.#faults.find((each) => each.options.answer === "half-open" && matches(each, target));
    return this.#hit(fault) !== undefined;
  }

  #hit(fault: ActiveFault | undefined): BotApiFaultAnswer | undefined {
    if (fault === undefined) return undefined;
    fault.hits += 1;
    if (fault.hits >= (fault.options.times ?? 1)) this.#remove(fault);
    return fault.options.answer;
  }

  #remove(fault: ActiveFault): void {
    this.#faults = this.#faults.filter((other) => other !== fault);
  }
}

function matches(
  { options, latestConnection }: ActiveFault,
  { method, chatId, connection }: FaultTarget,
): boolean {
  if (options.method !== undefined && options.method.toLowerCase() !== method.toLowerCase()) return false;
  if (options.chatId !== undefined && options.chatId !== Number(chatId)) return false;
  const isOfConnections = options.answer === "half-open" || options.answer === "stale";
  return !isOfConnections || connection.number <= latestConnection;
}

/** The refusal that a fault asks for, or undefined if it asks for something else. */
export function apiErrorOf(answer: BotApiFaultAnswer | undefined): ApiError | undefined {
  if (typeof answer !== "object" || !("error_code" in answer)) return undefined;
  return new ApiError(answer.error_code, answer.description, answer.parameters);
}

/** The bytes that a fault asks for, or undefined if it asks for something else. `path` is the call's own. */
export function rawAnswerOf(
  answer: BotApiFaultAnswer | undefined,
  path: string,
): BotApiRawAnswer | undefined {
  if (typeof answer !== "object") return undefined;
  if ("body" in answer) return answer;
  if ("result" in answer) return { body: JSON.stringify({ ok: true, result: answer.result }) };
  if ("page" in answer) return { status: answer.page, contentType: "text/html", body: pageOf(answer.page) };
  if (!("redirect" in answer)) return undefined;
  const { redirect, location = path } = answer;
  return { status: redirect, contentType: "text/html", body: pageOf(redirect), headers: { location } };
}

/** The page that a proxy or a hotel's network sends in place of an answer. */
function pageOf(status: number): string {
  return `<html>\n<head><title>${status}</title></head>\n<body><h1>${status}</h1><hr>proxy</body>\n</html>\n`;
}

// Checks of an answer.

/** The names of the fields of all forms. */
type AnswerNames<T = BotApiFaultAnswer> = T extends object ? keyof T : never;

const answerWords: readonly string[] = namesOf<Record<Extract<BotApiFaultAnswer, string>, unknown>>({
  ...{ reset: true, lose: true, hang: true, "half-open": true, stale: true, cut: true },
});

const aText = textRule("a text");
const redirects: readonly number[] = [301, 302, 303, 307, 308];
const statusRule = wholeNumber("an HTTP status, 200 to 599", 200);

function wholeNumber(rule: string, from: number): Rule {
  return numberRule(rule, (status) => Number.isInteger(status) && status >= from && status <= 599);
}

const fieldRules: Readonly<Record<AnswerNames, Rule>> = {
  error_code: wholeNumber("a whole number, 400 to 599", 400),
  description: textRule('a text with its prefix, such as "Bad Request: chat not found"', /./s),
  parameters: { isGood: isObject, rule: "an object such as { retry_after: 5 }" },
  delayMs: millisecondsRule,
  slowBodyMs: millisecondsRule,
  result: anything,
  page: statusRule,
  redirect: numberRule(`one of ${redirects.join(", ")}`, (status) => redirects.includes(status)),
  location: aText,
  body: { isGood: (value) => aText.isGood(value) || value instanceof Uint8Array, rule: "a text or bytes" },
  status: statusRule,
  contentType: aText,
  headers: {
    isGood: (value) => isObject(value) && Object.values(value).every(aText.isGood),
    rule: "texts by name",
  },
  isTorn: trueOrFalse,
};

const refusalChecks: Checks<BotApiRefusal> = {
  rules: {
    error_code: required(fieldRules.error_code),
    description: required(fieldRules.description),
    parameters: fieldRules.parameters,
  },
  ...{ subject: '"refusal"', example: "{ error_code, description }", what: "a name in a refusal" },
};

const aNumber = numberRule("a number", Number.isFinite);
const parameterChecks: Checks<ApiErrorParameters> = {
  rules: { retry_after: aNumber, migrate_to_chat_id: aNumber },
  what: "a name in parameters",
};

/** The field that makes each form of an answer, and the fields that may stand beside it. */
const forms: Readonly<Record<string, readonly string[]>> = {
  error_code: ["description", "parameters"],
  result: [],
  delayMs: ["slowBodyMs"],
  slowBodyMs: ["delayMs"],
  page: [],
  redirect: ["location"],
  body: ["status", "contentType", "headers", "isTorn"],
};

function assertAnswer(action: string, answer: object): void {
  const { error_code, parameters } = answer as Partial<BotApiRefusal>;
  const rules = error_code === undefined ? fieldRules : { ...fieldRules, ...refusalChecks.rules };
  assertOptions(action, answer, { rules, what: "a name in answer" });
  const given = Object.entries(answer).filter(([, value]) => value !== undefined);
  assertForm(action, given.map(([name]) => name));
  assertOptions(action, parameters ?? {}, parameterChecks);
}

/** @throws {TypeError} If it is no refusal in Telegram's form. */
export function assertRefusal(refusal: BotApiRefusal): void {
  assertOptions("refuse messages", refusal, refusalChecks);
  assertOptions("refuse messages", refusal.parameters ?? {}, parameterChecks);
}

/** An answer has exactly one form, and no field of another one. */
function assertForm(action: string, given: readonly string[]): void {
  const [form, ...others] = given.filter((name) => name in forms);
  if (form === undefined) {
    const owner = Object.keys(forms).find((name) => forms[name]?.some((detail) => given.includes(detail)));
    const hint = owner === undefined ? "" : `: with ${given.join(", ")} it needs ${owner}, too`;
    throw new TypeError(
      `Cannot ${action} as "answer" must have one of ${Object.keys(forms).join(", ")}${hint}`,
    );
  }
  const allowed = forms[form] ?? [];
  const odd = [...others, ...given].find((name) => name !== form && !allowed.includes(name));
  if (odd === undefined) return;
  throw new TypeError(
    `Cannot ${action} as "answer" has ${form}, beside which ${odd} has no effect: leave one out`,
  );
}

// Checks of the other options.

/** Methods of Telegram that the server lacks and that look like a misspelt name of one that it has. */
const similarMethods: readonly string[] = ["sendInvoice", "getChatMembersCount"];

const methodsOrFile = [...methodNames, "file"];

const optionChecks: Checks<BotApiFaultOptions> = {
  rules: {
    answer: required({
      isGood: (answer) => answerWords.includes(answer as string) || isObject(answer),
      rule: `${oneOfRule(...answerWords).rule}, or an object such as { error_code, description }`,
      known: answerWords,
    }),
    // A test may set the answer of a method that the server lacks; the case of a name does not matter.
    method: {
      isGood: (method) =>
        typeof method === "string" && /^\w+$/.test(method) && !isMisspelt(method, methodsOrFile),
      rule: 'a method of the Bot API, by its name, or "file"',
      known: methodsOrFile,
    },
    chatId: numberRule("the number of a chat", Number.isSafeInteger),
    times: timesRule,
  },
  elsewhere: { answer: Object.keys(fieldRules) },
};

function assertFaultOptions(options: BotApiFaultOptions): void {
  assertOptions("set a fault", options ?? {}, optionChecks);
  if (typeof options.answer === "object") assertAnswer("set a fault", options.answer);
}

function isMisspelt(method: string, methods: readonly string[]): boolean {
  const isNamed = (name: string): boolean => name.toLowerCase() === method.toLowerCase();
  if ([...methods, ...similarMethods].some(isNamed)) return false;
  // There may be a getter that the server lacks beside a setter that it has.
  const isPair = /^[gs]et/i.test(method) && method.slice(0, 3) !== nearest(method, methods)?.slice(0, 3);
  return !isPair && isTypoOf(method, methods);
}

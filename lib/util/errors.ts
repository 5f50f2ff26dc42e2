/** The text of a thrown value, and of the error that it wraps, without secrets. */
import { attempt } from "./async.ts";
import { safeLine, safeText, unshowable } from "./safe_text.ts";

/**
 * The message of a thrown value, in one line. Code of the user's may throw a value that is no error, or does not even turn
 * into a text.
 */
export function messageOf(error: unknown): string {
  try {
    return safeLine(String(error instanceof Error ? error.message : error));
  } catch {
    return unshowable;
  }
}

/** The stack of a thrown value, in as many lines as it has; its message where it has none. */
export function stackOf(error: unknown): string {
  const message = messageOf(error);
  try {
    const { stack, message: own } = error as Error;
    return typeof stack === "string" ? safeText(stack.replace(own, () => message)) : message;
  } catch {
    return message;
  }
}

const [longestStack, framesAtMost] = [10_000, 30];
/** Where this package's files are; a bundle may not know it. */
const ownFolder = attempt(() => new URL("..", import.meta.url).href.replace(/^file:\/\//, ""), "");

/**
 * The file, line and column of the user's code where something was thrown: `cross.ts:12:20`, or `line 12 of its cell` in a
 * notebook; `undefined` where nothing says so. @param caller What called that code, as a stack names it: what is behind it says nothing.
 */
export function placeOf(error: unknown, caller: string): string | undefined {
  const stack = attempt(() => (error as Error | undefined)?.stack, undefined);
  if (typeof stack !== "string") return undefined;
  const frames = stack.slice(0, longestStack).split("\n").filter((line) => line.startsWith("    at "));
  for (const frame of frames.slice(0, framesAtMost)) {
    if (frame.includes(caller)) return undefined;
    const [, url = "", position] = /([^\s()]+):(\d+:\d+)\)?$/.exec(frame) ?? [];
    if (url === "<anonymous>" && position !== undefined) return `line ${parseInt(position)} of its cell`;
    const path = url.replace(/^file:\/\//, "");
    const isUsers = path.includes("/") && !/^(node|ext|internal):|\/node_modules\//.test(path);
    if (isUsers && ownFolder !== "" && !path.startsWith(ownFolder)) {
      return safeLine(`${path.split("/").at(-1)}:${position}`);
    }
  }
  return undefined;
}

/** What `instanceof` asks of our classes: two copies of one may be loaded, such as the package's and a subpath's. */
export function hasName(value: unknown, name: string): boolean {
  return value instanceof Error && value.name === name;
}

/** Wrapped errors are followed so far: no library wraps them deeper, and a cause may be its own. */
const depthAtMost = 10;

interface Wrapper {
  readonly message?: unknown;
  readonly code?: unknown;
  /** The wrapped error; grammY calls it `error`. */
  readonly cause?: unknown;
  readonly error?: unknown;
  /** The members of an AggregateError, such as one for each address of a host. */
  readonly errors?: unknown;
}

/**
 * The message of the innermost error, without a full stop: grammY and fetch wrap it in errors that only say that something
 * has failed. Of several members each is named once.
 */
export function rootCauseOf(error: unknown, depth: number = 0): string {
  if (typeof error !== "object" || error === null) return error === undefined ? "" : messageOf(error);
  const { message, code, cause, error: wrapped, errors } = error as Wrapper;
  const inner = Array.isArray(errors) && errors.length > 0 ? errors : [cause ?? wrapped];
  const causes = depth < depthAtMost ? inner.map((each) => rootCauseOf(each, depth + 1)).filter(Boolean) : [];
  const own = [message, code].find((text) => typeof text === "string" && text !== "") ?? "";
  return [...new Set(causes)].join("; ") || safeLine(String(own).replace(/[.!]$/, ""));
}

/** The error of what a stopped bot is asked for. It is nobody's mistake, so that an uncaught one prints a line, not a stack. */
export function botStopped(message: string = "The bot was stopped."): Error {
  const name = "BotStoppedError";
  return Object.assign(new Error(message), { name, stack: `${name}: ${message}` });
}

export function isBotStopped(error: unknown): boolean {
  return error instanceof Error && error.name === "BotStoppedError";
}

/** What the reader of a notebook has ended by the stop button. */
export interface InterruptedError<Report = unknown> extends Error {
  readonly name: "InterruptedError";
  /** Of what was sent before; `undefined` where nothing was. */
  readonly report: Report | undefined;
}

/** Why a run was ended so, for its report. */
export const interruptReason = "it was interrupted";

/** As a `BotStoppedError` it prints as a line. */
export function interrupted<Report>(message: string, report?: Report): InterruptedError<Report> {
  const name = "InterruptedError" as const;
  return Object.assign(new Error(message), { name, stack: `${name}: ${message}`, report });
}

export function isInterrupt(error: unknown): error is InterruptedError {
  return error instanceof Error && error.name === "InterruptedError";
}

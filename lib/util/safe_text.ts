/**
 * Makes safe all that leaves the toolkit: texts of errors, log lines, reports, the ledger. It keeps secrets out of them: what
 * is known to be one is searched for by its value, what only looks like one by its shape. And it shows control characters,
 * which names, items and answers of others may hold.
 */
import { Buffer } from "node:buffer";
import { inspect } from "node:util";
import { attempt } from "./async.ts";

/** The secrets of this process, and what is shown in their place. */
const secrets = new Map<string, string>();

/** A shorter one is part of too many words. */
const shortestSecret = 8;

/** Has a secret never shown from now on: as it is, or as a URL, JSON, HTML or base64 has it. @param shownAs In its place. */
export function registerSecret(secret: string | undefined, shownAs: string = "<secret>"): void {
  if (secret === undefined || secret.length < shortestSecret) return;
  const inUrl = /\p{Cs}/u.test(secret) ? secret : encodeURIComponent(secret);
  // What follows a secret changes its last characters.
  const base64 = Buffer.from(secret).toString("base64").replace(/.?=*$/, "");
  const inJson = JSON.stringify(secret).slice(1, -1);
  const inHtml = secret.replace(/[^\w-]/g, (each) => `&#${each.charCodeAt(0)};`);
  const inLowerUrl = inUrl.replace(/%../g, (code) => code.toLowerCase());
  const forms = [secret, inUrl, inLowerUrl, inJson, inJson.replaceAll("/", "\\/"), inHtml, base64];
  for (const form of forms) secrets.set(form, shownAs);
}

/** The same for a bot's token, whose second part alone is as good as the whole. */
export function registerToken(token: string): void {
  registerSecret(token, "<token>");
  registerSecret(token.split(":")[1], "<token>");
}

/** What looks like a secret, and what is shown in its place. None is looked for in the middle of a longer run of its letters. */
const shapes: readonly (readonly [RegExp, string])[] = [
  // A bot's token, and its colon as URLs, HTML and JSON have it.
  [/(?<!\d)\d{6,20}(?:\\?:|%(?:25){0,9}3A|&#(?:58|x3a);|\\u003a)[A-Za-z0-9_-]{20,}/gi, "<token>"],
  // What a header tells a server or a proxy.
  [/(?<=\b(?:Basic|Bearer)\s)(?=[^\s\d=]{0,200}[\d=])[A-Za-z0-9+/=._~-]{8,}/g, "<credentials>"],
  // A name and a password in a URL, or in what was meant to be one: a password may hold what ends a host. A port does not.
  [/(?<=:\/\/)[^\s"'<>/?#@:]{0,200}:(?!\d+[/?#])[^\s"'<>]{0,200}(?=@)/g, "<credentials>"],
  [/(?<=:\/\/)[^\s"'<>/?#@]{1,200}(?=@)/g, "<credentials>"],
  // An access key of AWS, and its secret; a path has more slashes.
  [/(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])/g, "<access key>"],
  [
    /(?<![A-Za-z0-9+/=])(?=[A-Za-z+/]{0,39}\d)(?=[a-z\d+/]{0,39}[A-Z])(?=[A-Z\d+/]{0,39}[a-z])(?!(?:[A-Za-z0-9+]{0,39}\/){4})[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])/g,
    "<secret>",
  ],
];

/** The text without secrets. */
export function redact(text: string): string {
  let clean = text;
  for (const [secret, shownAs] of secrets) {
    if (clean.includes(secret)) clean = clean.replaceAll(secret, shownAs);
  }
  for (const [shape, shownAs] of shapes) clean = clean.replace(shape, shownAs);
  return clean;
}

/** Characters that move a terminal's cursor, change its colours, or turn the direction of what follows. */
// deno-lint-ignore no-control-regex -- these are what is looked for
const controls = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Shows control characters and those that change the direction of a text, as `\u001b`. */
export function escapeControls(text: string): string {
  return text.replace(controls, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** The same for a text of several lines: breaks and tabs stay. */
export function escapeLines(text: string): string {
  return text.split(/([\n\t])/).map((part, index) => index % 2 === 0 ? escapeControls(part) : part).join("");
}

/** The text without secrets, and with control characters shown. */
export function safeText(text: string): string {
  return escapeLines(redact(text));
}

/** The same in one line: what others have written breaks no line of ours. */
export function safeLine(text: string): string {
  const [first = "", ...others] = redact(text).split(/[\r\n]+/);
  return escapeControls([first, ...others.map((line) => line.trim())].filter(Boolean).join(" "));
}

/** An error's options, with what it wraps made safe. */
export function safeOptions(options: ErrorOptions | undefined): ErrorOptions | undefined {
  makeErrorSafe(options?.cause);
  return options;
}

/** The item that DynamoDB sends with a refused condition: data, which is compared with the table again, to the letter. */
const dataKey = "Item";

/**
 * Makes the texts of an error safe, and of every error that it wraps, in place; of what else it holds, secrets are removed.
 * For errors that are caught again here: what cannot be changed, or is no plain property, stays.
 */
export function makeErrorSafe(error: unknown, seen: Set<unknown> = new Set()): void {
  if (typeof error !== "object" || error === null || seen.has(error)) return;
  seen.add(error);
  const safe = error instanceof Error ? safeText : redact;
  for (const key of ownKeys(error)) {
    if (key === dataKey) continue;
    const value = propertyOf(error, key);
    if (ArrayBuffer.isView(value)) {
      if (!areBytesSafe(value)) put(error, key, "<bytes>");
    } else if (typeof value !== "string") makeErrorSafe(value, seen);
    else if (safe(value) !== value) put(error, key, safe(value));
  }
}

/**
 * Makes what was thrown safe, for who is outside the toolkit. Where that cannot be done in place (a frozen error, a class of
 * the user's that shows more), gives another error of the same name, message and stack.
 */
export function safeError(error: unknown): unknown {
  if (typeof error === "string") return safeText(error);
  makeErrorSafe(error);
  if (isSafe(error)) return error;
  if (error instanceof Error) replaceParts(error);
  return isSafe(error) ? error : copyOf(error);
}

/** For what leaves the toolkit: `promise.catch(throwSafe)` rejects with the same error, made safe. */
export function throwSafe(error: unknown): never {
  throw safeError(error);
}

function areBytesSafe({ buffer, byteOffset, byteLength }: ArrayBufferView): boolean {
  const text = Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
  return redact(text) === text;
}

/** A console follows objects so far, or less. */
const shownDepth = 8;

/** Whether nothing shows a secret of it: no console, whatever it shows of an object, and no text of an error. */
function isSafe(value: unknown, depth: number = shownDepth): boolean {
  const options = { depth: shownDepth, getters: true, maxArrayLength: 1000, maxStringLength: 100_000 };
  return attempt(() => isTextSafe(inspect(value, options)) && areTextsSafe(value, depth), false);
}

const isTextSafe = (text: string): boolean => redact(text) === text;

/** A console does not call the getters of a class, from which an error may have its texts. */
function areTextsSafe(error: unknown, depth: number): boolean {
  if (typeof error !== "object" || error === null || depth < 0) return true;
  const { name, message, stack, cause, errors } = error as Partial<AggregateError>;
  return [name, message, stack].every((text) => isTextSafe(String(text))) &&
    [cause, errors].flat().every((inner) => areTextsSafe(inner, depth - 1));
}

/** Makes other values of all that still shows a secret: of causes safe ones, and texts of a URL, a Map and the like. */
function replaceParts(error: Error): void {
  for (const key of ownKeys(error)) {
    const value = propertyOf(error, key);
    if (isSafe(value)) continue;
    if (key === "cause") put(error, key, safeError(value));
    else if (Array.isArray(value)) put(error, key, value.map(safeError));
    else put(error, key, redact(attempt(() => inspect(value), unshowable)));
  }
}

function copyOf(error: unknown): Error {
  const textOf = (read: () => unknown): string => attempt(() => safeText(String(read())), unshowable);
  if (!(error instanceof Error)) return new Error(textOf(() => error));
  const copy = new Error(textOf(() => error.message));
  put(copy, "name", textOf(() => error.name));
  put(copy, "stack", textOf(() => error.stack));
  return copy;
}

/** In place of a value that does not turn into a text. */
export const unshowable = "something was thrown that cannot be shown";

const ownKeys = (object: object): (string | symbol)[] => attempt(() => Reflect.ownKeys(object), []);

function put(object: object, key: string | symbol, value: unknown): void {
  const enumerable = key !== "message" && key !== "stack" && key !== "name" && key !== "cause";
  attempt(
    () => Reflect.defineProperty(object, key, { value, writable: true, configurable: true, enumerable }),
    false,
  );
}

function propertyOf(object: object, key: string | symbol): unknown {
  return attempt(() => (object as Record<string | symbol, unknown>)[key], undefined);
}

/** How Node and Bun, and Deno, show an object that has a way of its own. */
const inspectors = [inspect.custom, Symbol.for("Deno.customInspect")] as const;

/** Has the token of one of grammY's objects read as before, but shown by no console, debugger or JSON. */
export function hideToken(object: { readonly token: string }): void {
  const { token } = object;
  Object.defineProperty(object, "token", { get: () => token, enumerable: false, configurable: true });
  for (const inspector of inspectors) {
    Object.defineProperty(object, inspector, { value: shownWithout, enumerable: false, configurable: true });
  }
}

/** Node calls with a depth, its options and `inspect`; Deno with `inspect` and its options. */
function shownWithout(this: object, ...[first, second, third]: readonly unknown[]): string {
  const [show, options] = typeof first === "function" ? [first, second] : [third, second];
  const shown = Object.create(Object.getPrototypeOf(this), Object.getOwnPropertyDescriptors(this));
  Object.defineProperty(shown, "token", { value: "<token>", enumerable: true });
  // What inherits from such an object inherits this function, too.
  for (const inspector of inspectors) Object.defineProperty(shown, inspector, { value: undefined });
  return redact((show as typeof inspect)(shown, options as Parameters<typeof inspect>[1]));
}

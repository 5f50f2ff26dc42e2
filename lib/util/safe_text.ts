/**
 * Makes safe all that leaves the toolkit: texts of errors, log lines, reports, the ledger. It keeps secrets out of them: what
 * is known to be one is searched for by its value, what only looks like one by its shape. And it shows control characters,
 * which names, items and answers of others may hold.
 */
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
  const base64 = btoa(bytesText(new TextEncoder().encode(secret))).replace(/.?=*$/, "");
  const inJson = JSON.stringify(secret).slice(1, -1);
  const inHtml = secret.replace(/[^\w-]/g, (each) => `&#${each.charCodeAt(0)};`);
  const inLowerUrl = inUrl.replace(/%../g, (code) => code.toLowerCase());
  const forms = [secret, inUrl, inLowerUrl, inJson, inJson.replaceAll("/", "\\/"), inHtml, base64];
  for (const form of forms) secrets.set(form, shownAs);
}

/** The same for a bot's token, whose second part alone is as good as the whole. */
export function registerToken(token: string): void {
  // A word that stands in a token's place is none.
  if (token.length < 20) return;
  registerSecret(token, "<token>");
  registerSecret(token.split(":")[1], "<token>");
}

/** What looks like a secret, and what is shown in its place. None is looked for in the middle of a longer run of its letters. */
const shapes: readonly (readonly [RegExp, string])[] = [
  // A bot's token, which begins with AA behind its colon; and the colon as URLs, HTML and JSON have it.
  [
    /(?<!\d)\d{1,20}(?:\\?:|%(?:25){0,9}3[Aa]|&#(?:58|[xX]3[aA]);|\\u003[aA])AA[A-Za-z0-9_-]{18,}/g,
    "<token>",
  ],
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
  return options?.cause === undefined ? options : { ...options, cause: safeError(options.cause, true) };
}

/** The item that DynamoDB sends with a refused condition: data, which is compared with the table again, to the letter. */
const dataKey = "Item";

/**
 * Makes what was thrown safe. The texts of errors are changed in place, and what else an error holds is replaced where it
 * shows a secret; no other object is changed, as it is the user's. Where that does not do (a frozen error, a class that shows
 * more), gives another error of the same name, message and stack.
 * @param keepsItem Whether the item of a refused condition stays as it is. Default: false.
 */
export function safeError(error: unknown, keepsItem: boolean = false): unknown {
  if (typeof error === "string") return safeText(error);
  if (error instanceof Error) makeErrorsSafe(error);
  return isSafe(error, keepsItem) ? error : copyOf(error);
}

/** For what leaves the toolkit: `promise.catch(throwSafe)` rejects with the same error, made safe. */
export function throwSafe(error: unknown): never {
  throw safeError(error);
}

/** Errors that wrap each other are followed so far. */
const errorsAtMost = 100;

function makeErrorsSafe(outermost: Error): void {
  const errors = new Set([outermost]);
  for (const error of errors) {
    const note = (value: unknown): unknown => {
      if (!(value instanceof Error)) return safePart(value);
      if (errors.size < errorsAtMost) errors.add(value);
      return value;
    };
    for (const key of ownKeys(error)) {
      if (key === dataKey) continue;
      const value = propertyOf(error, key);
      const safe = typeof value === "string" ? safeText(value) : noted(value, note);
      if (safe !== value) put(error, key, safe);
    }
  }
}

/** What is noted of a value, and of each of a list of errors, which stays as it is where nothing of it changes. */
function noted(value: unknown, note: (value: unknown) => unknown): unknown {
  if (!Array.isArray(value) || !value.some((each) => each instanceof Error)) return note(value);
  const safe = value.map(note);
  return safe.every((each, index) => each === value[index]) ? value : safe;
}

/** A text in the place of what shows a secret. */
function safePart(value: unknown): unknown {
  if (isSafe(value)) return value;
  return ArrayBuffer.isView(value)
    ? "<bytes>"
    : `<${attempt(() => (value as object).constructor.name, "value")}>`;
}

/** A value with more parts is not looked at, and counts as unsafe. */
const partsAtMost = 2000;

/** Whether no part of the value shows a secret, in whatever way a console or a program looks at it. */
function isSafe(value: unknown, keepsItem: boolean = false): boolean {
  const seen = new Set<unknown>();
  const left: unknown[] = [value];
  while (left.length > 0) {
    const each = left.pop();
    if (typeof each === "string" && redact(each) !== each) return false;
    if ((typeof each !== "object" && typeof each !== "function") || each === null || seen.has(each)) continue;
    seen.add(each);
    const parts = attempt(() => partsOf(each, keepsItem), undefined);
    if (parts === undefined || left.length + parts.length + seen.size > partsAtMost) return false;
    for (const part of parts) left.push(part);
  }
  return true;
}

function partsOf(object: object, keepsItem: boolean): unknown[] {
  if (ArrayBuffer.isView(object)) return [latin1(object)];
  const isError = object instanceof Error;
  const keys = Reflect.ownKeys(object).filter((key) => !(keepsItem && isError && key === dataKey));
  const parts: unknown[] = keys.flatMap((
    key,
  ) => [String(key), (object as Record<string | symbol, unknown>)[key]]);
  if (isError) {
    const { name, message, stack, cause, errors } = object as Partial<AggregateError>;
    parts.push(name, message, stack, cause, errors);
  }
  if (object instanceof Map || object instanceof Set || object instanceof Headers) {
    parts.push(...[...object].flat());
  }
  if (object instanceof Request || object instanceof Response) parts.push(object.url, object.headers);
  if (object instanceof URL) parts.push(object.href);
  const { constructor } = object;
  if (typeof constructor === "function") parts.push(constructor.name);
  // A view of its own may show what is in no property.
  parts.push(...inspectors.flatMap((inspector) => viewOf(object, inspector)));
  return parts;
}

/** A character for each byte. */
function latin1({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return bytesText(new Uint8Array(buffer, byteOffset, byteLength));
}

/** Of more at once a call would have too many arguments. */
const bytesAtOnce = 8192;

function bytesText(bytes: Uint8Array): string {
  let text = "";
  for (let start = 0; start < bytes.length; start += bytesAtOnce) {
    text += String.fromCharCode(...bytes.subarray(start, start + bytesAtOnce));
  }
  return text;
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
const inspectors = [Symbol.for("nodejs.util.inspect.custom"), Symbol.for("Deno.customInspect")] as const;

type Inspect = (value: unknown, options?: unknown) => string;

/** A console's options. */
const inspection = {
  ...{ depth: 0, colors: false, showHidden: false, customInspect: true, showProxy: false, sorted: false },
  ...{ maxArrayLength: 100, maxStringLength: 10_000, breakLength: 80, compact: 3, getters: false },
  ...{ numericSeparator: false, seen: [], indentationLvl: 0, stylize: String },
};

/** What an object's own view is made of: its text, and what it has the console show in it. */
function viewOf(object: object, inspector: symbol): unknown[] {
  const view = (object as { readonly [key: symbol]: unknown })[inspector];
  if (typeof view !== "function") return [];
  const inner: unknown[] = [];
  const show: Inspect = (value) => {
    inner.push(value);
    return "";
  };
  const isDeno = inspector === inspectors[1];
  const shown: unknown = isDeno
    ? view.call(object, show, inspection)
    : view.call(object, inspection.depth, inspection, show);
  return [shown, ...inner];
}

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
  return redact((show as Inspect)(shown, options));
}

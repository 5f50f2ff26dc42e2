/**
 * Makes safe all that leaves the toolkit: texts of errors, log lines, reports, the ledger. It keeps secrets out of them: what
 * is known to be one is searched for by its value, what only looks like one by its shape. And it shows control characters,
 * which names, items and answers of others may hold.
 */
import { inspect } from "node:util";

/** The secrets of this process, and what is shown in their place. */
const secrets = new Map<string, string>();

/** A shorter one is part of too many words. */
const shortestSecret = 8;

/** Has a secret never shown from now on, as it is or as a URL or JSON has it. @param shownAs In its place. */
export function registerSecret(secret: string | undefined, shownAs: string = "<secret>"): void {
  if (secret === undefined || secret.length < shortestSecret) return;
  const inUrl = /\p{Cs}/u.test(secret) ? secret : encodeURIComponent(secret);
  for (const form of [secret, inUrl, JSON.stringify(secret).slice(1, -1)]) {
    secrets.set(form, shownAs);
  }
}

/** What looks like a secret, and what is shown in its place. None is looked for in the middle of a longer run of its letters. */
const shapes: readonly (readonly [RegExp, string])[] = [
  // A bot's token.
  [/(?<!\d)\d+(:|%3A)[A-Za-z0-9_-]{20,}/gi, "<token>"],
  // A name and a password in a URL.
  [/(?<=:\/\/)[^\s/?#@]*:[^\s/?#@]*(?=@)/g, "<credentials>"],
  // An access key of AWS, and its secret.
  [/(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])/g, "<access key>"],
  [
    /(?<![A-Za-z0-9+/=])(?=[A-Za-z+/]{0,39}\d)(?=[a-z\d+/]{0,39}[A-Z])(?=[A-Z\d+/]{0,39}[a-z])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])/g,
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

/** An error's options, with what it wraps made safe. */
export function safeOptions(options: ErrorOptions | undefined): ErrorOptions | undefined {
  makeErrorSafe(options?.cause);
  return options;
}

/** The item that DynamoDB sends with a refused condition: data, which is compared with the table again, to the letter. */
const dataKey = "Item";

/** Makes the texts of an error safe, and of every error that it wraps, in place; of what else it holds, secrets are removed. */
export function makeErrorSafe(error: unknown, seen: Set<unknown> = new Set()): void {
  if (typeof error !== "object" || error === null || seen.has(error)) return;
  seen.add(error);
  const safe = error instanceof Error ? safeText : redact;
  for (const key of Object.getOwnPropertyNames(error)) {
    if (key === dataKey) continue;
    const value = valueOf(error, key);
    if (typeof value !== "string") makeErrorSafe(value, seen);
    else if (safe(value) !== value) {
      const enumerable = key !== "message" && key !== "stack";
      const clean = { value: safe(value), writable: true, configurable: true, enumerable };
      Reflect.defineProperty(error, key, clean);
    }
  }
}

/** A getter may throw. */
function valueOf(error: object, key: string): unknown {
  try {
    return (error as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
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
  const shown = Object.assign(Object.create(Object.getPrototypeOf(this)), this, { token: "<token>" });
  return redact((show as typeof inspect)(shown, options as Parameters<typeof inspect>[1]));
}

/** Keeps tokens out of texts and errors: fetch puts the URL into its messages, and the URL holds the bot's token. */

/** Any bot's token. It is not looked for in the middle of digits: a million of them would take minutes. */
const tokenShape = /(?<!\d)\d+(:|%3A)[A-Za-z0-9_-]{20,}/gi;

/** The text without any token, for a value that a user may have put into the wrong place. */
export function redactTokens(text: string): string {
  return text.replace(tokenShape, "<token>");
}

/** The text without the secret. */
export function redactSecret(text: string, secret: string): string {
  return text.replaceAll(secret, "<token>").replaceAll(encodeURIComponent(secret), "<token>");
}

/** Removes the secret from an error and from every error that it wraps, in place. */
export function redactError(error: unknown, secret: string, seen: Set<unknown> = new Set()): void {
  if (typeof error !== "object" || error === null || seen.has(error)) return;
  seen.add(error);
  for (const key of Object.getOwnPropertyNames(error)) {
    const value = valueOf(error, key);
    if (typeof value !== "string") redactError(value, secret, seen);
    else if (redactSecret(value, secret) !== value) {
      const enumerable = key !== "message" && key !== "stack";
      const clean = { value: redactSecret(value, secret), writable: true, configurable: true, enumerable };
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

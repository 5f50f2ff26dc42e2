/** The words of whatever was thrown: somebody else's code may throw what has none, or does not even turn into a text. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return "something was thrown that cannot be shown";
  }
}

/** Deeper than anybody wraps errors. */
const deepest = 10;

interface Wrapper {
  readonly message?: unknown;
  readonly code?: unknown;
  /** What an error stands for; grammY calls it `error`. */
  readonly cause?: unknown;
  readonly error?: unknown;
  /** An AggregateError's members: one for each of a name's addresses, say. */
  readonly errors?: unknown;
}

/**
 * The words at the bottom of an error, without a full stop: grammY and fetch wrap what happened in errors that only say
 * that something did. Of several members each is named once.
 */
export function rootCauseOf(error: unknown, depth: number = 0): string {
  if (typeof error !== "object" || error === null) return error === undefined ? "" : messageOf(error);
  const { message, code, cause, error: wrapped, errors } = error as Wrapper;
  const inner = Array.isArray(errors) && errors.length > 0 ? errors : [cause ?? wrapped];
  const words = depth < deepest ? inner.map((each) => rootCauseOf(each, depth + 1)).filter(Boolean) : [];
  const own = [message, code].find((text) => typeof text === "string" && text !== "") ?? "";
  return [...new Set(words)].join("; ") || String(own).replace(/[.!]$/, "");
}

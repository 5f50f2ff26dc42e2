/** Times of day as texts and as numbers. */

/** A day in milliseconds. */
export const dayMs = 86_400_000;

/** The second that a time lies in, in seconds since 1970. */
export function wholeSecond(ms: number): number {
  return Math.floor(ms / 1000);
}

/** A day, or a time on it. JavaScript reads a date into much that is none: `garbage 1` is the first of 2001. */
const iso8601 = /^(\d{4}|[+-]\d{6})-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)? ?(Z|[+-]\d\d(:?\d\d)?)?)?$/i;

/** Milliseconds since 1970 of any ISO 8601 form; `undefined` where there is none to read. */
export function time(text: string | undefined): number | undefined {
  const ms = text === undefined || !iso8601.test(text) ? NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The one form that is written: `2024-01-15T10:30:00.000Z`. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** As milliseconds the first would be days of early 1970, the second the year 5138 or later. */
const [secondsFrom, secondsTo, microsecondsFrom] = [1e8, 1e10, 1e14];

/**
 * What to say of a time that is meant in milliseconds and looks like seconds, or microseconds, behind the value itself;
 * empty where it looks right.
 */
export function secondsHint(value: unknown): string {
  const ms = Math.abs(value instanceof Date ? value.getTime() : typeof value === "number" ? value : NaN);
  if (ms >= secondsFrom && ms <= secondsTo) return ", which looks like seconds: multiply it by 1000";
  return ms >= microsecondsFrom ? ", which looks like microseconds, or finer" : "";
}

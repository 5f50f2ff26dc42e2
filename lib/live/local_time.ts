/**
 * Times as texts, and the clocks of a place: what they show, and when they show a time of day. Daylight saving moves them as
 * it moves people.
 */
import { dayMs, toIso } from "../util/clock.ts";
import { type Rule, textRule } from "../util/validate.ts";

/** A time zone. */
export const timeZoneRule: Rule = {
  isGood: (value) => typeof value === "string" && formatIn(value, {}) !== undefined,
  rule: 'a time zone such as "Europe/London"',
};

/** A time of day. @param example `"06:00"`. */
export function timeOfDayRule(example: string): Rule {
  return textRule(`a time of day such as "${example}"`, /^([01]\d|2[0-3]):[0-5]\d$/);
}

/** Minutes since midnight of a time of day: `"06:00"` is 360. */
export function minutesOf(text: string): number {
  const [hours = NaN, minutes = NaN] = text.split(":").map(Number);
  return 60 * hours + minutes;
}

const dayOrTime = /^(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(:\d\d(\.\d+)?)? ?(Z|[+-]\d\d:?\d\d))?$/i;

/**
 * Milliseconds since 1970 of a day (`2026-01-05`, in UTC) or of a time with its zone, in ISO 8601; `undefined` for any other
 * text, and for a day that does not exist, of which JavaScript makes one of the next month.
 */
export function momentOf(text: string): number | undefined {
  const [, day] = dayOrTime.exec(text) ?? [];
  const time = day === undefined || !isDay(day) ? NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** What to say of a text whose day does not exist, behind the text itself; empty for any other value. */
export function noDayHint(value: unknown): string {
  const [day] = typeof value === "string" && /^\d{4}-\d\d-\d\d/.exec(value) || [];
  return day === undefined || isDay(day) ? "" : ": there is no such day";
}

function isDay(text: string): boolean {
  const midnight = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(text);
}

/** Writes a time as a place's clocks show it; `undefined` where there is no such time zone. */
export function formatIn(
  timeZone: string,
  parts: Intl.DateTimeFormatOptions,
): Intl.DateTimeFormat | undefined {
  try {
    const clock = { hourCycle: "h23", hour: "2-digit", minute: "2-digit" } as const;
    return new Intl.DateTimeFormat("en-US", { timeZone, ...clock, ...parts });
  } catch {
    return undefined;
  }
}

/** What the format writes of a time, by name. */
export function partsOf(format: Intl.DateTimeFormat, time: number | Date): Readonly<Record<string, string>> {
  return Object.fromEntries(format.formatToParts(time).map(({ type, value }) => [type, value]));
}

/** A time of day by a place's clocks, on each of its days. Times are in milliseconds since 1970. */
export class DailyTime {
  readonly #format: Intl.DateTimeFormat;
  readonly #atMs: number;

  /** @param at `"17:05"`. @param timeZone One that exists. */
  constructor(at: string, timeZone: string) {
    const date = { year: "numeric", month: "2-digit", day: "2-digit" } as const;
    this.#format = formatIn(timeZone, date) as Intl.DateTimeFormat;
    this.#atMs = 60_000 * minutesOf(at);
  }

  /** The last one up to the time, which may be one itself. */
  last(time: number): number {
    return Math.max(...this.#around(time).filter((each) => each <= time));
  }

  /** The first one after the time. */
  next(time: number): number {
    return Math.min(...this.#around(time).filter((each) => each > time));
  }

  /** What the clocks show: `2026-01-05` and `17:05`. */
  shown(time: number): { readonly date: string; readonly clock: string } {
    const text = toIso(this.#wall(time));
    return { date: text.slice(0, 10), clock: text.slice(11, 16) };
  }

  #around(time: number): number[] {
    const midnight = Math.floor(this.#wall(time) / dayMs) * dayMs;
    return [-2, -1, 0, 1, 2].map((days) => this.#timeOf(midnight + days * dayMs + this.#atMs));
  }

  /** The first time at which the clocks show this; where they leave it out, as much later as they are put forward. */
  #timeOf(wall: number): number {
    const [before, after] = [-dayMs, dayMs].map((ms) => 2 * wall + ms - this.#wall(wall + ms)) as [
      number,
      number,
    ];
    return this.#wall(before) !== wall && this.#wall(after) === wall ? after : before;
  }

  /** What the clocks show, to the minute, as if it were UTC. */
  #wall(time: number): number {
    const { year, month, day, hour, minute } = partsOf(this.#format, time);
    return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`);
  }
}

/** The hours of a day in which a strategy trades, by the clocks of a place: daylight saving moves them as it moves people. */
import { secondsHint } from "../util/clock.ts";
import { assertOptions, assertValue, type Rule, type Rules, shown, textRule } from "../util/validate.ts";
import { formatIn, minutesOf, partsOf, timeOfDayRule, timeZoneRule } from "./local_time.ts";

/** Which hours. */
export interface TradingHoursOptions {
  /** The first time of day that belongs to them: `"06:00"`. */
  readonly from: string;
  /** The first time of day that does not: `"17:00"`, at most `"24:00"`. One before `from` is of the next day. */
  readonly to: string;
  /** Whose clocks: `"Europe/London"`, `"America/New_York"`. Default: `"UTC"`. */
  readonly timeZone?: string | undefined;
  /** Only on these days, by which hours that go past midnight begin: `["Mon", "Tue"]`. Default: every day. */
  readonly days?: readonly Weekday[] | undefined;
}

/** A day of the week. */
export type Weekday = "Mon" | "Tue" | "Wed" | "Thu" | "Fri" | "Sat" | "Sun";

/** All days, in their order. */
export const weekdays: readonly Weekday[] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/**
 * Whether a time lies in the hours: milliseconds since 1970, or a Date.
 * @throws {TypeError | RangeError} If it is no time, or looks like seconds.
 */
export type TradingHours = (time: number | Date) => boolean;

const rules: Rules<TradingHoursOptions> = {
  from: { ...timeOfDayRule("06:00"), isRequired: true },
  to: {
    ...textRule('a time of day such as "17:00", or "24:00"', /^(([01]\d|2[0-3]):[0-5]\d|24:00)$/),
    isRequired: true,
  },
  timeZone: timeZoneRule,
  days: {
    isGood: (value) =>
      Array.isArray(value) && value.length > 0 && value.every((day) => weekdays.includes(day)),
    rule: `a list of days (${weekdays.join(", ")})`,
    list: { isGood: (day) => weekdays.includes(day as Weekday), known: weekdays },
  },
};

/**
 * Trading hours, by the clocks of a place.
 *
 * ```ts
 * const isOpen = tradingHours({ from: "09:30", to: "16:00", timeZone: "America/New_York", days: ["Mon", "Tue", "Wed"] });
 * if (!isOpen(context.time)) return;
 * ```
 * @throws {TypeError} If an option is malformed, or the hours are empty.
 */
export function tradingHours(options: TradingHoursOptions): TradingHours {
  const action = "set the trading hours";
  assertOptions(action, options, { rules, example: '{ from: "06:00", to: "17:00" }' });
  const { from, to, timeZone = "UTC", days = weekdays } = options;
  const [first, end] = [minutesOf(from), minutesOf(to)];
  if (first === end) {
    throw new TypeError(`Cannot ${action} as "from" and "to" must differ: both are ${shown(from)}`);
  }
  const format = formatIn(timeZone, { weekday: "short" }) as Intl.DateTimeFormat;
  const isDay = (index: number): boolean => days.includes(weekdays[(index + 7) % 7] as Weekday);
  return (time) => {
    assertTime(time);
    const { day, minutes } = localTime(format, time);
    if (first < end) return minutes >= first && minutes < end && isDay(day);
    return minutes >= first ? isDay(day) : minutes < end && isDay(day - 1);
  };
}

const timeRule: Rule = {
  isGood: (time) => Number.isFinite(time instanceof Date ? time.getTime() : time),
  rule: "milliseconds since 1970, or a Date",
  isRequired: true,
};
const millisecondsRule: Rule = {
  isGood: (time) => secondsHint(time) === "",
  rule: "in milliseconds since 1970",
  hint: secondsHint,
  Refusal: RangeError,
};

/** The clocks would show any day of 1970 for seconds, and now for nothing. */
function assertTime(time: unknown): void {
  for (const rule of [timeRule, millisecondsRule]) assertValue("tell the trading hours", "time", time, rule);
}

/** The day of the week (0 is Monday) and the minutes since midnight that a place's clocks show. */
function localTime(format: Intl.DateTimeFormat, time: number | Date): { day: number; minutes: number } {
  const parts = partsOf(format, time);
  const day = weekdays.indexOf(parts["weekday"] as Weekday);
  return { day, minutes: 60 * Number(parts["hour"]) + Number(parts["minute"]) };
}

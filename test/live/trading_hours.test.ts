/** Trading hours by the clocks of a place. */
import fc from "fast-check";
import { tradingHours, type TradingHoursOptions, weekdays } from "../../lib/live/trading_hours.ts";
import { assert, suite } from "../harness.ts";

const test = suite("tradingHours()");
const times = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2040, 0, 1) });

/** At each of these times: whether the hours are open. */
function check(options: TradingHoursOptions, expected: Readonly<Record<string, boolean>>): void {
  const isOpen = tradingHours(options);
  for (const [time, is] of Object.entries(expected)) assert.is(isOpen(Date.parse(time)), is, time);
}

test("from a time of day, inclusive, to another, exclusive, in UTC", () => {
  check({ from: "06:00", to: "17:00" }, {
    "2026-01-05T05:59:59.999Z": false,
    "2026-01-05T06:00:00Z": true,
    "2026-01-05T16:59:59.999Z": true,
    "2026-01-05T17:00:00Z": false,
  });
});

test("a place's daylight saving moves them", () => {
  const newYork = { from: "09:30", to: "16:00", timeZone: "America/New_York" };
  check(newYork, {
    "2026-03-06T14:29:00Z": false,
    "2026-03-06T14:30:00Z": true,
    // From 8 March on, an hour earlier.
    "2026-03-09T13:29:00Z": false,
    "2026-03-09T13:30:00Z": true,
    "2026-03-09T20:00:00Z": false,
    // From 1 November on, an hour later again.
    "2026-11-02T13:30:00Z": false,
    "2026-11-02T14:30:00Z": true,
  });
  check({ from: "00:00", to: "24:00", timeZone: "Asia/Kolkata", days: ["Mon"] }, {
    "2026-01-04T18:29:00Z": false,
    "2026-01-04T18:30:00Z": true,
    "2026-01-05T18:30:00Z": false,
  });
});

test("hours that go past midnight belong to the day on which they begin", () => {
  check({ from: "22:00", to: "06:00", days: ["Mon"] }, {
    "2026-01-05T05:00:00Z": false,
    "2026-01-05T21:59:00Z": false,
    "2026-01-05T22:00:00Z": true,
    "2026-01-06T05:59:00Z": true,
    "2026-01-06T06:00:00Z": false,
    "2026-01-06T23:00:00Z": false,
  });
  check({ from: "22:00", to: "06:00", days: ["Sun"] }, {
    "2026-01-04T23:00:00Z": true,
    "2026-01-05T01:00:00Z": true,
    "2026-01-05T23:00:00Z": false,
  });
});

test("hours and those from their end to their beginning share out each day", () => {
  const minutes = fc.integer({ min: 0, max: 1439 });
  const zones = fc.constantFrom(
    "UTC",
    "Europe/London",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
  );
  const text = (minute: number): string =>
    `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  fc.assert(fc.property(minutes, minutes, zones, times, (one, other, timeZone, time) => {
    fc.pre(one !== other);
    const [from, to] = [text(one), text(other)];
    const inside = tradingHours({ from, to, timeZone })(time);
    assert.is(inside, !tradingHours({ from: to, to: from, timeZone })(time));
    const byDays = weekdays.filter((day) => tradingHours({ from, to, timeZone, days: [day] })(time));
    assert.is(byDays.length, inside ? 1 : 0);
  }));
});

test("what are no hours is refused, with what is wrong", () => {
  for (
    const [options, words] of [
      [
        { from: "6:00", to: "17:00" },
        /"from" must be a time of day such as "06:00": current value is "6:00"/,
      ],
      [{ from: "06:00", to: "25:00" }, /"to" must be a time of day/],
      [{ from: "06:00" }, /"to" must be/],
      [{ from: "06:00", to: "06:00" }, /"from" and "to" must differ: both are "06:00"/],
      [{ from: "06:00", to: "17:00", timeZone: "Europe/Nowhere" }, /"timeZone" must be a time zone/],
      [{ from: "06:00", to: "17:00", days: ["Mo"] }, /"days" must be a list of days/],
      [{ from: "06:00", to: "17:00", timezone: "UTC" }, /timezone is not an option: did you mean timeZone/],
    ] as const
  ) assert.throws(() => tradingHours(options as unknown as TradingHoursOptions), words);
});

test("a time is milliseconds or a Date; seconds, nothing and texts are refused", () => {
  const isOpen = tradingHours({ from: "06:00", to: "17:00" });
  const six = Date.UTC(2026, 0, 5, 6);
  assert.equal([isOpen(new Date(six)), isOpen(new Date(six - 1)), isOpen(0), isOpen(6 * 3_600_000)], [
    true,
    false,
    false,
    true,
  ]);
  const wrong: readonly (readonly [time: unknown, kind: typeof Error, words: RegExp])[] = [
    [
      six / 1000,
      RangeError,
      /"time" must be in milliseconds since 1970: .* looks like seconds: multiply it by 1000$/,
    ],
    [new Date(six / 1000), RangeError, /looks like seconds/],
    [six * 1000, RangeError, /looks like microseconds/],
    [
      undefined,
      TypeError,
      /^Cannot tell the trading hours as "time" must be milliseconds since 1970, or a Date/,
    ],
    [null, TypeError, /current value is null$/],
    [NaN, TypeError, /current value is NaN$/],
    [new Date(NaN), TypeError, /current value is Invalid Date$/],
    ["2026-01-05", TypeError, /current value is "2026-01-05"$/],
  ];
  for (const [time, kind, words] of wrong) {
    assert.throws(
      () => isOpen(time as number),
      (error: Error) => error.name === kind.name && words.test(error.message),
    );
  }
});

test.run();

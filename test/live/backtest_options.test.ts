/** A backtest's options: where its candles come from, and what is refused. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { backtest, type BacktestOptions } from "../../lib/live/backtest.ts";
import type { CandleFeed, HistoryRequest } from "../../lib/live/feed.ts";
import { replayFeed } from "../../lib/live/feeds/candle_file.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import { timeframeMs } from "../../lib/live/timeframe.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { candlesOf, feedOf, long, scripted, start } from "../support/backtests.ts";
import { rm } from "../support/leaks.ts";
import { failureOf } from "../support/storage.ts";

const test = suite("the options of backtest()");
const hour = 3_600_000;
const strategy = scripted({});
const candles = candlesOf([100, 100, 100]);

/** A candle that opens so many hours after the first. */
const at = (hours: number): Candle => ({ ...candles[0] as Candle, time: start + hours * hour });

/** A hundred candles of any timeframe. */
const hundred = ({ timeframe }: HistoryRequest): Candle[] =>
  candlesOf(Array.from({ length: 100 }, () => 100), timeframe);
const now = start + 100 * hour;
const feed = feedOf(hundred, now);

const wrong: readonly [what: string, options: unknown, words: RegExp][] = [
  [
    "no options",
    undefined,
    /^Cannot backtest as the options must be an object such as \{ strategy, candles \}/,
  ],
  [
    "a misspelt name",
    { strategy, candels: candles },
    /^Cannot backtest as candels is not an option: did you mean candles\?/,
  ],
  ["a synonym", { strategy, candles, fees: { percent: 1 } }, /fees is not an option: did you mean costs\?$/],
  ["no strategy", { candles }, /needs "strategy" or "strategies", and one of them alone$/],
  ["two kinds of strategies", { strategy, strategies: [strategy], candles }, /and one of them alone$/],
  ["an empty list", { strategies: [], candles }, /"strategies" must have one strategy or more: it is empty$/],
  ["no candles", { strategy }, /needs "candles", "file", or "feed" with "from", and one of them alone$/],
  ["a file and candles", { strategy, candles, file: "x.csv" }, /and one of them alone$/],
  ["candles and a feed", { strategy, candles, feed, from: start }, /and one of them alone$/],
  ["a feed without from", { strategy, feed }, /"from" is missing: it says when the test begins/],
  ["candles with from", { strategy, candles, from: start }, /"from" and "to" are for a feed/],
  [
    "a day that is none",
    { strategy, feed, from: "2026-13-05" },
    /"from" must be a Date, .* "2026-13-05": there is no such day$/,
  ],
  [
    "a day that does not exist",
    { strategy, feed, from: "2026-02-30" },
    /"from" must be a Date, .* "2026-02-30": there is no such day$/,
  ],
  [
    "a time on such a day",
    { strategy, file: "x.csv", from: "2026-02-28", to: "2026-02-29T10:00:00+01:00" },
    /"to" must be a Date, .*: there is no such day$/,
  ],
  ["a time with more around it", { strategy, feed, from: "2026-01-05 (Mon) Z" }, /"from" must be a Date/],
  [
    "from after to, of a file",
    { strategy, file: "absent.csv", from: "2026-01-06", to: "2026-01-05" },
    /"from" must be before "to": it is 2026-01-06T00:00:00.000Z, and "to" is 2026-01-05T00/,
  ],
  [
    "a feed whose time is none",
    { strategy, feed: { ...feed, now: () => NaN }, from: start },
    /^Cannot backtest as the feed's now\(\) must be in milliseconds since 1970: current value is NaN$/,
  ],
  ["a time without its zone", { strategy, feed, from: "2026-01-05T10:00" }, /"from" must be a Date/],
  ["seconds", { strategy, feed, from: start / 1000 }, /"from" must be .* looks like seconds/],
  [
    "from after to",
    { strategy, feed, from: start + 9 * hour, to: start + 8 * hour },
    /"from" must be before "to": it is 2026-01-05T09:00:00.000Z, and "to" is 2026-01-05T08/,
  ],
  ["from in the future", { strategy, feed, from: now + hour }, /"from" must be before now/],
  [
    "a number in place of costs",
    { strategy, candles, costs: 0.1 },
    /"costs" must be an object such as \{ percent: 0.1 \}: current value is 0.1$/,
  ],
  [
    "a misspelt part of costs",
    { strategy, candles, costs: { percents: 1 } },
    /percents is not a name in costs: did you mean percent\?/,
  ],
  [
    "slippage below 0",
    { strategy, candles, slippage: { percent: -1 } },
    /"percent" must be from 0 to 50: current value is -1$/,
  ],
  [
    "too much risk",
    { strategy, candles, riskPercent: 101 },
    /"riskPercent" must be above 0 and at most 100: .* 101$/,
  ],
  ["no equity", { strategy, candles, startingEquity: 0 }, /"startingEquity" must be a finite amount above 0/],
  [
    "another rule",
    { strategy, candles, intrabar: "wurst" },
    /"intrabar" must be .* \(did you mean "worst"\?\)$/,
  ],
  [
    "one candle",
    { strategy, candles: candles.slice(1, 2) },
    /^Cannot use the candles as there must be two or more/,
  ],
  [
    "candles as arrays",
    { strategy, candles: [[1, 2, 3, 4, 5, 6], [2, 2, 3, 4, 5, 6]] },
    /Cannot use the candle at index 0/,
  ],
  [
    "candles of another timeframe",
    { strategy, candles: candlesOf([1, 1], "5m") },
    /the candles of BTC-USD must be of 1h: they are of 5m$/,
  ],
  [
    "a candle between two others",
    { strategy, candles: [at(0), at(1), at(1.5), at(2), at(3)] },
    /candles of 1h must open a multiple of 1h after the one before: at index 2 of BTC-USD it is 2026-01-05T01:30:00.000Z, after 2026-01-05T01:00:00.000Z$/,
  ],
  [
    "a gap that is no multiple of the timeframe",
    { strategy, candles: [at(0), at(1), at(2.25), at(3.25)] },
    /at index 2 of BTC-USD it is 2026-01-05T02:15:00.000Z, after 2026-01-05T01:00:00.000Z$/,
  ],
  [
    "candles of a smaller timeframe with gaps",
    { strategy, candles: [0, 1, 2, 3, 15, 16, 17].map((step) => at(step / 12)) },
    /the candles of BTC-USD must be of 1h: they are of 5m$/,
  ],
  [
    "too few candles",
    { strategy: scripted({}, { warmUp: 9 }), candles },
    /"Scripted" needs 9 candles \(warmUp\) of BTC-USD 1h to begin: here are 3$/,
  ],
  [
    "which symbol",
    { strategy: scripted({}, { symbols: ["A", "B"] }), candles },
    /^Cannot backtest as "symbol" is missing: candles are of one instrument, and it says which: A, B$/,
  ],
  [
    "which symbol of a file",
    { strategy: scripted({}, { symbols: ["A", "B"] }), file: "x.csv" },
    /"symbol" is missing: a file's candles are of one instrument, and it says which: A, B$/,
  ],
  ["a symbol that is misspelt", {
    strategy: scripted({}, { symbols: ["BTC-USD", "B"] }),
    candles,
    symbol: "BTC-UDS",
  }, /\(did you mean "BTC-USD"\?\)$/],
  [
    "which timeframe",
    { strategy: scripted({}, { timeframes: ["1h", "1d"] }), candles },
    /"timeframe" is missing: candles are of one timeframe, and it says which: 1h, 1d$/,
  ],
  ["a strategy that is left out", {
    strategies: [strategy, scripted({}, { name: "Other", symbols: ["ETH-USD"] })],
    candles,
    symbol: "BTC-USD",
  }, /the strategy "Other" wants no candles of BTC-USD 1h: its symbols are ETH-USD/],
  [
    "two strategies of one name",
    { strategies: [strategy, scripted({})], candles },
    /two strategies have the name "Scripted"/,
  ],
  [
    "a strategy that is none",
    { strategy: "Breakout", candles },
    /Cannot backtest the strategy as the strategy must be an object/,
  ],
  [
    "a misspelt part of a strategy",
    { strategy: { ...strategy, onCandel: () => {}, onCandle: undefined }, candles },
    /Cannot backtest the strategy "Scripted" as onCandel is not a part of a strategy: did you mean onCandle\?/,
  ],
  [
    "a timeframe that there is not",
    { strategy: { ...strategy, timeframes: ["1H"] }, candles },
    /"timeframes" must be a list of timeframes .* at index 0 it is "1H" \(did you mean "1h"\?\)/,
  ],
  [
    "a warm-up of none",
    { strategy: { ...strategy, warmUp: 0 }, candles },
    /"warmUp" must be a whole number of candles from 1 to 5000/,
  ],
];

for (const [what, options, words] of wrong) {
  test(`refused: ${what}`, async () => {
    assert.match((await failureOf(backtest(options as BacktestOptions))).message, words);
  });
}

test("of a feed each symbol and timeframe is tried, from its first candle to its last", async () => {
  const both = scripted({}, { symbols: ["BTC-USD", "ETH-USD"], timeframes: ["1h", "2h"], warmUp: 5 });
  const market = feedOf(hundred, start + 200 * hour);
  const report = await backtest({
    strategy: both,
    feed: market,
    from: start + 50 * hour,
    to: start + 90 * hour,
  });
  assert.equal(report.series, ["BTC-USD 1h", "BTC-USD 2h", "ETH-USD 1h", "ETH-USD 2h"]);
  const { candles, from, to } = report.figures;
  assert.equal([candles, (from - start) / hour, (to - start) / hour], [2 * (40 + 20), 50, 90]);
  assert.equal(
    market.requests.map(({ symbol, timeframe, count }) => [symbol, timeframe, count]),
    ["BTC-USD", "ETH-USD"].flatMap((symbol) => [[symbol, "1h", 159], [symbol, "2h", 84]]),
  );
  const one = await backtest({
    strategy: both,
    feed: market,
    from: start,
    symbol: "ETH-USD",
    timeframe: "2h",
  });
  assert.equal(one.series, ["ETH-USD 2h"]);
});

test("each strategy begins at from, whatever the other needs before; alerts come by their time", async () => {
  const alerting = (name: string, warmUp: number): Strategy =>
    scripted({ 60: `${name} 60`, 61: `${name} 61` }, { name, warmUp, symbols: ["BTC-USD", "ETH-USD"] });
  const market = feedOf(hundred, now);
  const strategies = [alerting("Short", 2), alerting("Long", 30)];
  const report = await backtest({ strategies, feed: market, from: start + 60 * hour });
  assert.equal(report.strategies.map(({ figures }) => [figures.candles, figures.from]), [
    [80, start + 60 * hour],
    [80, start + 60 * hour],
  ]);
  assert.equal(market.requests.map(({ count }) => count), [99, 99]);
  assert.equal(report.alerts.map(({ time }) => (time - start) / hour), [61, 61, 61, 61, 62, 62, 62, 62]);
});

test("from is a Date, milliseconds, a day or a time with its zone", async () => {
  for (const from of [new Date(start), start, "2026-01-05", "2026-01-05T02:00:00+02:00"]) {
    assert.is((await backtest({ strategy, feed, from })).figures.from, start);
  }
});

test("what is found before from is known to the strategy, and in no report", async () => {
  const seen: (number | undefined)[] = [];
  const known = scripted(
    { 2: long, 4: long, 5: "early", 6: new Error("early"), 7: "late" },
    { warmUp: 4 },
    (_, { openSignal }) =>
      seen.push(openSignal === undefined ? undefined : (Number(openSignal.time) - start) / hour),
  );
  const market = feedOf(() => candlesOf(Array.from({ length: 9 }, () => 100)), start + 9 * hour);
  const report = await backtest({ strategy: known, feed: market, from: start + 7 * hour });
  // Four candles warm it up from the first one on, as a live start's do.
  assert.equal(seen, [undefined, undefined, 5, 5, 5, 5]);
  assert.equal([report.trades, report.mistakes], [[], []]);
  assert.equal(report.alerts.map(({ message }) => message.text), ["late"]);
  assert.is(report.figures.candles, 2);
});

test("a feed's failure names the series; a symbol that it does not know stays a ConfigError", async () => {
  const broken = feedOf(() => {
    throw new Error("502 Bad Gateway");
  }, now);
  const failure = await failureOf(backtest({ strategy, feed: broken, from: start }));
  assert.is(failure.message, "The history of BTC-USD 1h cannot be had from Test market: 502 Bad Gateway");
  const unknown = feedOf(() => {
    throw new ConfigError("There is no BTC-USD.");
  }, now);
  assert.ok(await failureOf(backtest({ strategy, feed: unknown, from: start })) instanceof ConfigError);
  const wrong = feedOf(() => candlesOf([1, 1, 1], "5m"), now);
  assert.match(
    (await failureOf(backtest({ strategy, feed: wrong, from: start }))).message,
    /must be of 1h: they are of 5m/,
  );
});

test("a history that ends before from is a clear error", async () => {
  const late = feedOf(hundred, now + 900 * hour);
  const { message } = await failureOf(
    backtest({ strategy, feed: late, from: now + 100 * timeframeMs("1h") }),
  );
  assert.match(
    message,
    /^Cannot backtest as no whole candle of BTC-USD 1h is between 2026-01-13 08:00 and 2026-02-15 16:00: the 100 of Test market are from 2026-01-05 00:00 to 2026-01-09 04:00, in UTC$/,
  );
});

test("candles on a grid that is not UTC's, and with some left out, are tried", async () => {
  const shifted = [0, 1, 2, 6, 7].map((hours) => at(hours + 0.5));
  assert.is((await backtest({ strategy, candles: shifted })).figures.candles, 5);
});

test("a feed without a history says how the candles of a file are played", async () => {
  const rows = candles.map(({ time, open, high, low, close, volume }) =>
    [time, open, high, low, close, volume].join()
  );
  const feed = replayFeed({ text: rows.join("\n") });
  const failure = await failureOf(backtest({ strategy, feed, from: start - hour, to: start + 3 * hour }));
  assert.instance(failure, RangeError);
  assert.match(
    failure.message,
    /^Cannot backtest as replay of the text.* has no history of BTC-USD 1h: .* by \{ file: "candles.csv" \}/,
  );
});

test("where a feed's steps of prices are none, the backtest does without them", async () => {
  const broken: readonly unknown[] = [
    () => {
      throw new Error("no steps");
    },
    () => Promise.reject(new Error("no steps")),
    ...[null, undefined, "0.01", 7].flatMap((found) => [() => found, () => Promise.resolve(found)]),
  ];
  for (const instrument of broken) {
    const market = feedOf(hundred, now, { instrument } as Partial<CandleFeed>);
    const report = await backtest({ strategy: scripted({ 60: long }), feed: market, from: start });
    assert.equal([report.figures.signals, report.mistakes], [1, []]);
  }
});

test("a file: each timeframe that its candles make, from a day on and up to another", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "backtest-")), "candles.csv");
  const rows = candlesOf(Array.from({ length: 96 }, (_, index) => 100 + index));
  try {
    await writeFile(
      file,
      rows.map(({ time, open, high, low, close, volume }) => [time, open, high, low, close, volume].join())
        .join("\n"),
    );
    const both = scripted({ 50: long }, { timeframes: ["1h", "4h"] });
    const report = await backtest({ strategy: both, file });
    assert.equal([report.figures.candles, report.figures.signals], [96 + 24, 1]);
    const day = await backtest({
      strategy: both,
      file,
      from: "2026-01-06",
      to: "2026-01-07",
      timeframe: "1h",
    });
    assert.equal([day.figures.candles, day.figures.from], [24, start + 24 * hour]);
    const short = await failureOf(backtest({ strategy: scripted({}, { timeframes: ["5m"] }), file }));
    assert.match(
      short?.message,
      /The timeframe must be one that can be made of the candles of .*, which are of 1h/,
    );
    assert.instance(await failureOf(backtest({ strategy, file: `${file}.none` })), ConfigError);
    const messages = await Promise.all(
      [{ from: "2027-01-01" }, { to: "2025-01-01" }, { from: "2025-01-01", to: "2025-02-01" }].map(
        async (span) => (await failureOf(backtest({ strategy, file, ...span }))).message,
      ),
    );
    const has = "the 96 of candles.csv are from 2026-01-05 00:00 to 2026-01-09 00:00, in UTC";
    assert.equal(
      messages,
      [
        "after 2027-01-01 00:00",
        "before 2025-01-01 00:00",
        "between 2025-01-01 00:00 and 2025-02-01 00:00",
      ].map((asked) => `Cannot backtest as no whole candle of BTC-USD 1h is ${asked}: ${has}`),
    );
    const fewOf = async (options: Partial<BacktestOptions>): Promise<string> => {
      const slow = scripted({}, { timeframes: ["1h", "1d"], warmUp: 90 });
      return (await failureOf(backtest({ strategy: slow, file, ...options }))).message;
    };
    assert.match(
      await fewOf({ timeframe: "1d" }),
      /needs 90 candles \(warmUp\) of BTC-USD 1d to begin: candles.csv has 4, made of 96 of 1h$/,
    );
    assert.match(
      await fewOf({ timeframe: "1h", to: "2026-01-06" }),
      /of BTC-USD 1h to begin: candles.csv has 24 up to 2026-01-06 00:00$/,
    );
  } finally {
    await rm(dirname(file), { recursive: true });
  }
});

test("a report says how many candles were filled where a file has none", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "backtest-")), "candles.csv");
  const rows = candlesOf(Array.from({ length: 24 }, () => 100)).filter((_, hours) =>
    hours < 3 || hours >= 13
  );
  try {
    await writeFile(
      file,
      rows.map(({ time, open, high, low, close, volume }) => [time, open, high, low, close, volume].join())
        .join("\n"),
    );
    const headOf = async (options: Partial<BacktestOptions>): Promise<string> => {
      const both = scripted({}, { timeframes: ["1h", "4h"] });
      return String(await backtest({ strategy: both, file, ...options })).split("\n")[0] as string;
    };
    assert.match(
      await headOf({ timeframe: "1h" }),
      / \(24 candles, 10 of them filled where the file has none\)$/,
    );
    // From 04:00 to 12:00 two candles of 4h are made of filled ones alone.
    assert.match(
      await headOf({ timeframe: "4h" }),
      / \(6 candles, 2 of them filled where the file has none\)$/,
    );
    assert.match(await headOf({}), / \(30 candles, 12 of them filled /);
    const evening = { timeframe: "1h", from: "2026-01-05T13:00:00Z" } as const;
    assert.match(await headOf(evening), / \(11 candles\)$/);
  } finally {
    await rm(dirname(file), { recursive: true });
  }
});

test.run();

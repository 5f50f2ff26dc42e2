/** Candles from a file: checked whole, without gaps, and each fresh. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { CandleFeed } from "../../../lib/live/feed.ts";
import { replayFeed, type ReplayFeedOptions } from "../../../lib/live/feeds/candle_file.ts";
import { closeTime, type Timeframe, timeframeMs } from "../../../lib/live/timeframe.ts";
import type { Candle } from "../../../lib/signals/candle.ts";
import { ConfigError } from "../../../lib/util/validate.ts";
import { assert, suite } from "../../harness.ts";
import { StepClock } from "../../support/clocks.ts";
import { removeSync } from "../../support/leaks.ts";
import { root, runScript } from "../../support/script.ts";

const test = suite("replayFeed");
const midnight = Date.UTC(2026, 0, 5);
const fiveMs = 300_000;

/** Each has a price of its own. */
function candleOf(index: number, lengthMs: number = fiveMs): Candle {
  const open = 100 + index;
  return {
    time: midnight + index * lengthMs,
    open,
    high: open + 3,
    low: open - 2,
    close: open + 1,
    volume: 50,
  };
}

const candles = (count: number, lengthMs?: number): Candle[] =>
  Array.from({ length: count }, (_, index) => candleOf(index, lengthMs));

const csv = (candles: readonly Candle[]): string =>
  candles.map(({ time, open, high, low, close, volume }) => [time, open, high, low, close, volume].join())
    .join("\n");

interface TakeOptions {
  readonly timeframe?: Timeframe;
  readonly symbol?: string;
  readonly after?: number;
  readonly signal?: AbortSignal;
}

const signal = new AbortController().signal;

async function take(feed: CandleFeed, options: TakeOptions = {}): Promise<Candle[]> {
  const request = { symbol: "BTC-USD", timeframe: "5m", after: -Infinity, signal, ...options } as const;
  assert.equal(await feed.history({ ...request, count: 5 }), []);
  const taken: Candle[] = [];
  for await (const candle of feed.live(request)) {
    assert.is(feed.now?.(), closeTime(candle, request.timeframe), "it is not fresh");
    taken.push(candle);
  }
  return taken;
}

/** Replays a file with this text, which is gone afterwards. */
function fromFile(text: string, options: ReplayFeedOptions = {}): CandleFeed {
  const folder = mkdtempSync(join(tmpdir(), "feed-"));
  try {
    writeFileSync(join(folder, "candles.csv"), text);
    return replayFeed({ file: join(folder, "candles.csv"), ...options });
  } finally {
    removeSync(folder, { recursive: true });
  }
}

function errorOf(task: () => unknown): Error {
  try {
    task();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}

test("what was written comes back, as CSV and as JSON lines, from a file and from a text", async () => {
  const all = candles(50);
  const lines = all.map((candle) => JSON.stringify(candle)).join("\n");
  for (
    const text of [csv(all), `\uFEFFtime,open,high,low,close,volume\r\n${csv(all)}\r\n\r\n`, lines]
  ) {
    assert.equal(await take(fromFile(text)), all);
    assert.equal(await take(replayFeed({ text })), all);
  }
  assert.is(fromFile(csv(all)).name, "replay of candles.csv, from 2026-01-05T00:00:00.000Z");
});

test("times may be ISO 8601; where a candle is missing the price stays", async () => {
  const feed = replayFeed({
    text:
      "2026-01-05T00:00:00Z,1,2,1,2,3\n2026-01-05T01:05:00+01:00,2,2,1,1,0\n2026-01-05T00:20:00Z,3,3,3,3,1",
  });
  assert.equal((await take(feed)).map(({ time, close, volume }) => [time - midnight, close, volume]), [
    [0, 2, 3],
    [fiveMs, 1, 0],
    [2 * fiveMs, 1, 0],
    [3 * fiveMs, 1, 0],
    [4 * fiveMs, 3, 1],
  ]);
});

for (const own of ["1m", "15m", "1h", "4h", "1d"] as const) {
  test(`a file of ${own} is known by its times`, async () => {
    const feed = replayFeed({ text: csv(candles(20, timeframeMs(own))) });
    assert.equal(await take(feed, { timeframe: own }), candles(20, timeframeMs(own)));
  });
}

test("larger candles are made of the file's", async () => {
  const hours = await take(replayFeed({ text: csv(candles(30)) }), { timeframe: "1h" });
  assert.equal(
    hours,
    [0, 1].map((hour) => ({
      ...{ time: midnight + hour * 3_600_000, open: 100 + 12 * hour, close: 112 + 12 * hour },
      ...{ high: 114 + 12 * hour, low: 98 + 12 * hour, volume: 600 },
    })),
  );
});

test("a reader goes on after the last candle that it knows", async () => {
  const feed = replayFeed({ text: csv(candles(10)) });
  assert.equal(await take(feed, { after: candleOf(6).time }), candles(10).slice(7));
});

test("readers of several timeframes move through the same time", async () => {
  const feed = replayFeed({ text: csv(candles(60)) });
  const order: string[] = [];
  await Promise.all((["1h", "5m", "15m"] as const).map(async (timeframe) => {
    for await (const candle of feed.live({ symbol: "BTC-USD", timeframe, after: -Infinity, signal })) {
      const close = closeTime(candle, timeframe);
      assert.is(feed.now?.(), close, `a candle of ${timeframe} came late`);
      order.push(new Date(close).toISOString());
      // A strategy that takes its time.
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve));
      assert.is(feed.now?.(), close, `others went on while a candle of ${timeframe} was worked on`);
    }
  }));
  assert.equal(order, [...order].sort());
  assert.is(order.length, 60 + 20 + 5);
});

test("a reader that leaves, by itself or by its signal, keeps nobody waiting", async () => {
  const feed = replayFeed({ text: csv(candles(20)) });
  const controller = new AbortController();
  const request = { symbol: "BTC-USD", timeframe: "5m", after: -Infinity } as const;
  const stays = feed.live({ ...request, signal: controller.signal })[Symbol.asyncIterator]();
  const leaves = (async (): Promise<void> => {
    for await (const _ of feed.live({ ...request, signal })) break;
  })();
  const [all] = await Promise.all([
    take(feed).catch((error) => error),
    leaves,
    stays.next().then(() => controller.abort()),
  ]);
  assert.equal(all, candles(20));
  const aborted = feed.live({ ...request, signal: controller.signal })[Symbol.asyncIterator]();
  assert.is(await aborted.next().catch((error) => error), controller.signal.reason);
});

test("at a pace, one candle after another, and those that close together come together", async () => {
  const clock = new StepClock(5_000_000);
  const feed = replayFeed({ text: csv(candles(24)), intervalSeconds: 2, clock });
  const cameAt: [timeframe: string, seconds: number][] = [];
  const reading = Promise.all((["5m", "1h"] as const).map(async (timeframe) => {
    for await (const _ of feed.live({ symbol: "BTC-USD", timeframe, after: -Infinity, signal })) {
      cameAt.push([timeframe, (clock.passedMs - 5_000_000) / 1000]);
    }
  }));
  await clock.pass(100_000);
  await reading;
  const five = cameAt.filter(([timeframe]) => timeframe === "5m").map(([, seconds]) => seconds);
  assert.equal(five, Array.from({ length: 24 }, (_, index) => 2 * (index + 1)));
  assert.equal(cameAt.filter(([timeframe]) => timeframe === "1h"), [["1h", 24], ["1h", 48]]);
});

const good = csv([candleOf(0)]);
const next = midnight + fiveMs;
const mistakes: Readonly<Record<string, [text: string, line: number, message: RegExp]>> = {
  "too few values": [`${good}\n${next},1,2`, 2, /6 values.*here are 3/],
  "a word": [`${good}\n\n${next},10,12,9,x,5`, 3, /"close" must be a number.*"x"/],
  "an empty value": [`${midnight},10,12,9,,5`, 1, /"close" must be a number/],
  "infinity": [`${midnight},10,Infinity,9,11,5`, 1, /"high" must be a number/],
  "a number of another base": [`${midnight},0x62,112,9,100,5`, 1, /"open" must be a number.*"0x62"/],
  "digits in groups": [`${midnight},10,12,9,11,1_000`, 1, /"volume" must be a number.*"1_000"/],
  "a number in quotes": [`${midnight},10,"12",9,11,5`, 1, /"high" must be a number such as 59800\.1/],
  "a time of another base": [`0x${midnight.toString(16)},10,12,9,11,5`, 1, /"time" must be the opening/],
  "a day that does not exist": ["2026-02-30T00:00:00Z,10,12,9,11,5", 1, /"time" must be .*no such day$/],
  "a time with more around it": ["2026-01-05 (Mon) Z,10,12,9,11,5", 1, /"time" must be the opening/],
  "semicolons": [`${midnight};10;12;9;11;5`, 1, /6 values .* with commas between, here are 1$/],
  "a header with other names": [
    `timestamp,o,h,l,c,v\n${good}`,
    1,
    /columns time,open,high,low,close,volume, in any order, .* it is "timestamp,o,h,l,c,v"$/,
  ],
  "a header with names of another program": [
    `Date,Open,High,Low,Close,Volume\n${good}`,
    1,
    /it is "Date,Open,High,Low,Close,Volume"$/,
  ],
  "a header with more columns": [
    `time,open,high,low,close,volume,"ema 20"\n${good},1`,
    1,
    /must name the columns .*volume,\\"ema 20\\""$/,
  ],
  "a header with semicolons": [`time;open;high;low;close;volume\n${good}`, 1, /it is "time;open;/],
  "a header with a column twice": [`time,open,high,low,close,close\n${good}`, 1, /must name the columns/],
  "a second header": [`${good}\ntime,open,high,low,close,volume`, 2, /"open" must be a number/],
  "a negative price": [`${midnight},10,12,-9,11,5`, 1, /"low" must be above 0/],
  "a negative volume": [`${midnight},10,12,9,11,-5`, 1, /"volume" must be 0 or more/],
  "high below close": [`${midnight},10,10.5,9,11,5`, 1, /"high" must be the highest/],
  "low above open": [`${midnight},10,12,10.5,11,5`, 1, /"low" must be the lowest/],
  "seconds": [`${midnight / 1000},10,12,9,11,5`, 1, /"time" must be .*milliseconds.*multiply it by 1000/],
  "a local time": ["2026-01-05T06:00:00,10,12,9,11,5", 1, /"time" must be/],
  "seconds within a minute": [
    `${good}\n${midnight + 1000},10,12,9,11,5`,
    2,
    /"time" must be the opening of its candle, on a whole minute, in milliseconds/,
  ],
  "a repeated candle": [`${good}\n${good}`, 2, /later than in the line before/],
  "broken JSON": ['{"time": 1,', 1, /no JSON/],
  "a missing field": [
    `{"time":${midnight},"open":1,"high":1,"low":1,"close":1}`,
    1,
    /"volume" must be a number/,
  ],
};
for (const [name, [text, line, message]] of Object.entries(mistakes)) {
  test(`file and line are named: ${name}`, () => {
    const error = errorOf(() => fromFile(text));
    assert.instance(error, ConfigError);
    assert.match(error.message, new RegExp(`candles\\.csv, line ${line}: `));
    assert.match(error.message, message);
    assert.not.match(error.message, /\n/);
  });
}

test("a header's order is heeded; spaces, signs and exponents are of a number", async () => {
  const all = candles(3);
  const rows = all.map(({ time, open, high, low, close, volume }) =>
    [volume, close, low, high, open, time].join(" , ")
  );
  const text = ["Volume, Close, Low, High, Open, Time", ...rows].join("\n");
  assert.equal(await take(replayFeed({ text: `\n${text}` })), all);
  const written = `+1.7675712e12,100.,1.03e2,+98,101,.5e2\n${csv(all.slice(1))}`;
  assert.equal(await take(replayFeed({ text: written })), all);
});

/** Lines of candles, the first at an index, as many as are asked for. */
const block = (first: number, count: number, lengthMs: number): string =>
  csv(
    Array.from(
      { length: count },
      (_, index) => ({ ...candleOf(0), ...{ time: midnight + (first + index) * lengthMs } }),
    ),
  );
const minute = 60_000;
const year = 365 * 24 * 60;

const strays: Readonly<Record<string, [text: string, line: number, message: RegExp]>> = {
  "a year earlier": [
    `${block(-year, 1, minute)}\n${block(0, 2000, minute)}`,
    2,
    /^candles.csv, line 2: "time" is 2026-01-05T00:00:00.000Z, 365 days after line 1 \(2025-01-05T00:00:00.000Z\): 525599 candles of 1m are missing/,
  ],
  "a year later": [`${block(0, 2000, minute)}\n${block(year, 1, minute)}`, 2001, /363 days after line 2000 /],
  "between two parts": [
    [block(0, 2000, minute), block(year, 1, minute), block(2 * year, 2000, minute)].join("\n"),
    2001,
    /days after line 2000 /,
  ],
  "a few days in the wrong decade": [
    `${block(-3650, 5, 1440 * minute)}\n${block(0, 300, 1440 * minute)}`,
    6,
    /are missing between them\. Correct or remove the wrong line/,
  ],
};
for (const [what, [text, line, message]] of Object.entries(strays)) {
  test(`a gap that is a mistake is named by its lines: ${what}`, () => {
    const error = errorOf(() => fromFile(text));
    assert.instance(error, ConfigError);
    assert.match(error.message.replace(/^.*candles\.csv/, "candles.csv"), message);
    assert.match(error.message, `, line ${line}: `);
  });
}

test("weekends, holidays, outages and halts are filled, with the last price", async () => {
  const day = 1440;
  const gaps: readonly (readonly [first: number, count: number, lengthMs: number])[][] = [
    // Two sessions around a long weekend, and a few minutes around five weeks.
    [[0, 390, minute], [5 * day, 390, minute]],
    [[0, 3, minute], [35 * day, 3, minute]],
    // A halt of two months between two weeks of minutes; of a year between two years of days.
    [[0, 14 * day, minute], [74 * day, 14 * day, minute]],
    [[0, 500, day * minute], [865, 500, day * minute]],
  ];
  for (
    const [one, other] of gaps as [(readonly [number, number, number]), (readonly [number, number, number])][]
  ) {
    const feed = replayFeed({ text: `${block(...one)}\n${block(...other)}` });
    const timeframe = one[2] === minute ? "1m" : "1d";
    assert.is((await take(feed, { timeframe })).length, other[0] + other[1]);
  }
});

test("one line between the others makes no smaller timeframe of a file", () => {
  const all = candles(40);
  const stray = { ...candleOf(0), time: midnight + 10 * fiveMs + 180_000 };
  const text = csv([...all.slice(0, 11), stray, ...all.slice(11)]);
  assert.match(
    errorOf(() => replayFeed({ text })).message,
    /^the text, line 12: "time" is 2026-01-05T00:53:00.000Z, where no candle of 5m opens, which the others are/,
  );
  replayFeed({ text, timeframe: "1m" });
});

test("a candle that is not of the given timeframe is named by its line", () => {
  const text = csv(candles(5));
  assert.match(
    errorOf(() => replayFeed({ text, timeframe: "15m" })).message,
    /^the text, line 2: "time" must be the opening of a candle of 15m: current value is 1767571500000/,
  );
});

test("what cannot be replayed is told at once", async () => {
  assert.match(
    errorOf(() => replayFeed({ file: "absent/candles.csv" })).message,
    /^Cannot replay absent\/candles\.csv: /,
  );
  assert.match(
    errorOf(() => replayFeed({ text: "time,open,high,low,close,volume\n" })).message,
    /holds no candle/,
  );
  assert.match(
    errorOf(() => replayFeed({ text: good })).message,
    /its timeframe is not known from one candle/,
  );
  assert.match(errorOf(() => replayFeed({})).message, /either "file" or "text"/);
  assert.match(errorOf(() => replayFeed({ text: good, file: "x" })).message, /either "file" or "text"/);
  assert.match(errorOf(() => replayFeed({ text: good, pace: 1 } as object)).message, /pace is not an option/);
  assert.equal(await take(replayFeed({ text: good, timeframe: "5m" })), [candleOf(0)]);
});

const reader = `
import { backtest, replayFeed } from "telegram-signals/live";
const file = "test/examples/strategy/original_candles.csv";
const strategy = { name: "None", symbols: ["BTC-USD"], timeframes: ["15m"], warmUp: 2, onCandle() {} };
for (const read of [() => replayFeed({ file }), () => backtest({ strategy, file })]) {
  await Promise.resolve().then(read).then(() => console.log("read"), ({ name, message }) => console.log(name, message));
}`;

test("a file that Deno is not allowed to read is not said to be absent", async () => {
  const folder = join(root, ".sandbox");
  mkdirSync(folder, { recursive: true });
  const script = join(folder, `reader-${process.versions["deno"] ? "deno" : "node"}-${process.pid}.mts`);
  writeFileSync(script, reader);
  try {
    const lines = (await runScript([script], {}, "-P", "tsx")).output.trim().split("\n");
    const denied =
      /^ConfigError Cannot replay \S+\.csv: Deno has to be allowed to read it: --allow-read=\S+\.csv, or /;
    assert.is(lines.length, 2, lines.join("\n"));
    for (const line of lines) assert.match(line, process.versions["deno"] ? denied : /^read$/);
  } finally {
    removeSync(script);
  }
});

test("another symbol, and a timeframe that cannot be made of the file's, are refused", async () => {
  const feed = replayFeed({ text: csv(candles(5)), symbol: "BTC-USD" });
  const request = { symbol: "BTC-USD", timeframe: "5m", after: -Infinity, count: 5, signal } as const;
  for (
    const ask of [feed.history, (wrong: typeof request) => feed.live(wrong)[Symbol.asyncIterator]().next()]
  ) {
    const other = await ask({ ...request, symbol: "ETH-USD" as "BTC-USD" }).then(
      () => undefined,
      (error) => error,
    );
    assert.instance(other, ConfigError);
    assert.match(other.message, /symbol must be "BTC-USD", which the text has: current value is "ETH-USD"/);
    const smaller = await ask({ ...request, timeframe: "3m" as "5m" }).then(
      () => undefined,
      (error) => error,
    );
    assert.instance(smaller, ConfigError);
    assert.match(smaller.message, /candles of the text, which are of 5m: current value is "3m"/);
  }
});

test.run();

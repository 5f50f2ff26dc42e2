/** Where candles come from: files, the seed, and the pace at which they arrive. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cron } from "croner";
import fc from "fast-check";
import { UsageError } from "../../../examples/cli/arguments.ts";
import {
  type Candle,
  type CandleFeed,
  closeTime,
  every,
  paced,
  timeframeMs,
} from "../../../examples/strategy/feed.ts";
import { createMeanReversion } from "../../../examples/strategy/mean_reversion.ts";
import { replayFeed } from "../../../examples/strategy/replay_feed.ts";
import { afterClose, afterEveryClose } from "../../../examples/strategy/schedule.ts";
import { readSettings } from "../../../examples/strategy/settings.ts";
import { syntheticFeed } from "../../../examples/strategy/synthetic_feed.ts";
import { assert, suite } from "../../harness.ts";
import { removeSync } from "../../support/leaks.ts";

const test = suite("feed");
const midnight = Date.UTC(2026, 0, 5);
const day = 288;

async function take(feed: CandleFeed, count: number = Infinity, signal?: AbortSignal): Promise<Candle[]> {
  const candles: Candle[] = [];
  for await (const candle of feed.candles(signal)) {
    if (candles.push(candle) === count) break;
  }
  return candles;
}

/** Replays a file with this text, which is gone afterwards. */
function replay(text: string, name: string = "candles.csv"): { feed: CandleFeed } | { error: Error } {
  const folder = mkdtempSync(join(tmpdir(), "feed-"));
  try {
    writeFileSync(join(folder, name), text);
    return { feed: replayFeed({ file: join(folder, name) }) };
  } catch (error) {
    return { error: error as Error };
  } finally {
    removeSync(folder, { recursive: true });
  }
}

async function replayed(text: string, name?: string): Promise<Candle[]> {
  const result = replay(text, name);
  if ("error" in result) throw result.error;
  return await take(result.feed);
}

const csv = (candles: readonly Candle[]): string =>
  candles.map(({ time, open, high, low, close, volume }) => [time, open, high, low, close, volume].join())
    .join("\n");

test("syntheticFeed() repeats itself for a seed and differs between seeds", async () => {
  const one = await take(syntheticFeed({ seed: 1, start: midnight }), 2 * day);
  assert.equal(await take(syntheticFeed({ seed: 1, start: midnight }), 2 * day), one);
  assert.equal(await take(syntheticFeed({ seed: 1, start: midnight }), day), one.slice(0, day));
  assert.not.equal(await take(syntheticFeed({ seed: 2, start: midnight }), 2 * day), one);
});

test("syntheticFeed() makes possible candles, five minutes apart, around its price", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const candles = await take(syntheticFeed({ seed, start: midnight, price: 100 }), day);
      for (const [index, { time, open, high, low, close, volume }] of candles.entries()) {
        assert.is(time, midnight + index * timeframeMs);
        assert.is(open, candles[index - 1]?.close ?? 100);
        assert.ok(low <= Math.min(open, close) && Math.max(open, close) <= high && volume >= 0);
        assert.ok(low > 90 && high < 110, `${low} to ${high}`);
      }
    }),
    { numRuns: 20 },
  );
});

test("syntheticFeed() says that it is no market", () => {
  assert.is(syntheticFeed({ seed: 1, start: midnight }).caution, "synthetic data, not a market");
});

test("syntheticFeed() the scheduler's default seed signals soon after 06:00, and on every day", async () => {
  const strategy = createMeanReversion({ symbol: "BTC-USD", account: 10_000 });
  const times: number[] = [];
  const seed = readSettings(["--interval", "1"])?.seed ?? NaN;
  for (const candle of await take(syntheticFeed({ seed, start: midnight }), 4 * day)) {
    const found = strategy.update(candle);
    if (found) times.push((found.time.getTime() - midnight) / timeframeMs);
  }
  assert.ok((times[2] ?? Infinity) < 72 + 25, "three signals in the first 25 candles");
  assert.equal([...new Set(times.map((time) => Math.floor(time / day)))], [0, 1, 2, 3]);
});

test("replayFeed() gives back what was written, as CSV and as JSON lines", async () => {
  const candles = await take(syntheticFeed({ seed: 3, start: midnight }), 50);
  assert.equal(await replayed(csv(candles)), candles);
  assert.equal(await replayed(`\uFEFFtime,open,high,low,close,volume\r\n${csv(candles)}\r\n\r\n`), candles);
  const lines = candles.map((candle) => JSON.stringify(candle)).join("\n");
  assert.equal(await replayed(lines, "candles.jsonl"), candles);
});

test("replayFeed() reads ISO 8601 times, and gaps", async () => {
  const candles = await replayed("2026-01-05T00:00:00Z,1,2,1,2,3\n2026-01-05T02:00:00+01:00,2,2,1,1,0");
  assert.equal(candles.map(({ time }) => time), [midnight, midnight + 12 * timeframeMs]);
});

const good = `${midnight},10,12,9,11,5`;
const mistakes: Readonly<Record<string, [text: string, line: number, message: RegExp]>> = {
  "too few values": [`${good}\n${midnight + timeframeMs},1,2`, 2, /6 values.*here are 3/],
  "a word": [`${good}\n\n${midnight + timeframeMs},10,12,9,x,5`, 3, /"close" must be a number.*"x"/],
  "an empty value": [`${midnight},10,12,9,,5`, 1, /"close" must be a number/],
  "infinity": [`${midnight},10,Infinity,9,11,5`, 1, /"high" must be a number/],
  "a negative price": [`${midnight},10,12,-9,11,5`, 1, /"low" must be above 0/],
  "a negative volume": [`${midnight},10,12,9,11,-5`, 1, /"volume" must be 0 or more/],
  "high below close": [`${midnight},10,10.5,9,11,5`, 1, /"high" must be the highest/],
  "low above open": [`${midnight},10,12,10.5,11,5`, 1, /"low" must be the lowest/],
  "seconds": [`${midnight / 1000},10,12,9,11,5`, 1, /"time" must be .*milliseconds/],
  "a local time": ["2026-01-05T06:00:00,10,12,9,11,5", 1, /"time" must be/],
  "one-minute candles": [`${good}\n${midnight + 60_000},10,12,9,11,5`, 2, /five-minute/],
  "a repeated candle": [`${good}\n${good}`, 2, /later than in the line before/],
  "broken JSON": ['{"time": 1,', 1, /no JSON/],
  "a missing field": [
    `{"time":${midnight},"open":1,"high":1,"low":1,"close":1}`,
    1,
    /"volume" must be a number/,
  ],
};
for (const [name, [text, line, message]] of Object.entries(mistakes)) {
  test(`replayFeed() names file and line: ${name}`, () => {
    const result = replay(text);
    if (!("error" in result)) return assert.unreachable("it was read");
    assert.instance(result.error, UsageError);
    assert.match(result.error.message, new RegExp(`candles\\.csv, line ${line}: `));
    assert.match(result.error.message, message);
    assert.not.match(result.error.message, /\n/);
  });
}

test("replayFeed() names a file that is absent, and one without candles", () => {
  assert.throws(() => replayFeed({ file: "absent/candles.csv" }), /^Cannot replay absent\/candles\.csv: /);
  const empty = replay("time,open,high,low,close,volume\n");
  assert.match("error" in empty ? empty.error.message : "", /holds no candle/);
});

test("paced() gives history at once and waits before every later candle", async () => {
  const held: number[] = [];
  const pace = (candle: Candle): Promise<void> => Promise.resolve(void held.push(closeTime(candle)));
  const liveFrom = midnight + 10 * timeframeMs;
  const feed = paced(syntheticFeed({ seed: 1, start: midnight }), { liveFrom, pace });
  const candles = await take(feed, 13);
  assert.equal(candles, await take(syntheticFeed({ seed: 1, start: midnight }), 13));
  assert.equal(held, [11, 12, 13].map((count) => midnight + count * timeframeMs));
  assert.is(feed.caution, "synthetic data, not a market");
});

test("paced() rejects when aborted, also in the middle of a wait", async () => {
  const series = syntheticFeed({ seed: 1, start: midnight });
  const controller = new AbortController();
  const feed = paced(series, { liveFrom: midnight, pace: every(3600) });
  const taken = take(feed, 1, controller.signal).then(() => "taken", (error) => error.name);
  controller.abort();
  assert.is(await taken, "AbortError");
  assert.is(await take(feed, 1, controller.signal).then(() => "taken", () => "refused"), "refused");
});

test("every() holds a candle back for its seconds", async () => {
  const before = performance.now();
  await every(0.02)(candleAt(midnight));
  assert.ok(performance.now() - before >= 15);
});

test("afterClose() lets a closed candle through and holds one back that is still forming", async () => {
  await afterClose(() => midnight + timeframeMs)(candleAt(midnight));
  const controller = new AbortController();
  const waiting = afterClose(() => midnight)(candleAt(midnight), controller.signal);
  const reason = new Error("stop");
  setTimeout(() => controller.abort(reason), 5);
  assert.is(await waiting.catch((error) => error), reason);
});

test("afterEveryClose runs two seconds after each close", () => {
  const runs = new Cron(afterEveryClose, { timezone: "UTC" }).nextRuns(3, new Date(midnight));
  assert.equal(runs.map((run) => run.toISOString().slice(11, 19)), ["00:00:02", "00:05:02", "00:10:02"]);
});

function candleAt(time: number): Candle {
  return { time, open: 1, high: 1, low: 1, close: 1, volume: 1 };
}

test.run();

/** Synthetic candles: repeatable, possible, the same in all timeframes; at their closes, or at a pace. */
import fc from "fast-check";
import type { CandleFeed } from "../../../lib/live/feed.ts";
import { syntheticFeed, type SyntheticFeedOptions } from "../../../lib/live/feeds/synthetic.ts";
import {
  Aggregator,
  closeTime,
  openingTime,
  type Timeframe,
  timeframeMs,
  timeframes,
} from "../../../lib/live/timeframe.ts";
import type { Candle } from "../../../lib/signals/candle.ts";
import { ConfigError } from "../../../lib/util/validate.ts";
import { assert, suite } from "../../harness.ts";
import { StepClock } from "../../support/clocks.ts";

const test = suite("syntheticFeed");
const midnight = Date.UTC(2026, 0, 5);
const { signal } = new AbortController();

interface TakeOptions {
  readonly timeframe?: Timeframe;
  readonly symbol?: string;
  readonly after?: number;
  readonly count?: number;
}

/** The history before a time. */
async function history(
  options: SyntheticFeedOptions,
  { count = 288, ...request }: TakeOptions = {},
): Promise<Candle[]> {
  const feed = syntheticFeed({ start: midnight, intervalSeconds: 0, ...options });
  return [...await feed.history({ symbol: "BTC-USD", timeframe: "5m", signal, count, ...request })];
}

async function live(feed: CandleFeed, { count = 10, ...options }: TakeOptions = {}): Promise<Candle[]> {
  const candles: Candle[] = [];
  for await (
    const candle of feed.live({ symbol: "BTC-USD", timeframe: "5m", after: -Infinity, signal, ...options })
  ) {
    if (candles.push(candle) === count) break;
  }
  return candles;
}

test("candles repeat themselves for a seed, wherever they are begun, and differ between seeds and symbols", async () => {
  const one = await history({ seed: 1 });
  assert.equal(await history({ seed: 1 }), one);
  assert.equal(await history({ seed: 1 }, { count: 100 }), one.slice(-100));
  assert.equal(await history({ seed: 1, start: midnight + 299_999 }), one);
  assert.not.equal(await history({ seed: 2 }), one);
  assert.not.equal(await history({ seed: 1 }, { symbol: "ETH-USD" }), one);
  const later = await history({ seed: 1, start: midnight + 60_000_000 });
  const feed = syntheticFeed({ seed: 1, start: midnight, intervalSeconds: 0 });
  assert.equal(await live(feed, { count: 200 }), later.slice(-200));
});

test("candles are possible, without gaps, around the price", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.constantFrom(0.00002, 1.5, 100, 60_000), async (seed, price) => {
      const candles = await history({ seed, price }, { count: 600 });
      assert.is(candles.length, 600);
      for (const [index, { time, open, high, low, close, volume }] of candles.entries()) {
        assert.is(time, midnight - (600 - index) * 300_000);
        if (index > 0) assert.is(open, candles[index - 1]?.close);
        assert.ok(low > 0 && low <= Math.min(open, close) && Math.max(open, close) <= high && volume >= 0);
        assert.ok(low > 0.6 * price && high < 1.6 * price, `${low} to ${high}`);
      }
      assert.ok(new Set(candles.map(({ close }) => close)).size > 300, "the price hardly moves");
    }),
    { numRuns: 20 },
  );
});

test("candles of all timeframes agree", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom(...timeframes), async (seed, timeframe) => {
      const [count, start] = [3, midnight + 5 * 86_400_000];
      const minutes = await history({ seed, start }, {
        timeframe: "1m",
        count: 4 * timeframeMs(timeframe) / 60_000,
      });
      const aggregator = new Aggregator("1m", timeframe);
      const larger = minutes.flatMap((candle) => aggregator.add(candle));
      assert.equal(await history({ seed, start }, { timeframe, count }), larger.slice(-3));
    }),
    { numRuns: 20 },
  );
});

test("a mean-reversion strategy finds something every day: the price leaves its mean and comes back", async () => {
  const candles = await history({ seed: 3 }, { count: 4 * 288 });
  for (let day = 0; day < 4; day++) {
    const far = candles.slice(20).filter(({ close }, index) => {
      const closes = candles.slice(index, index + 20).map(({ close }) => close);
      const mean = closes.reduce((sum, each) => sum + each) / 20;
      const deviation = Math.sqrt(closes.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 20);
      return Math.floor((index + 20) / 288) === day && Math.abs(close - mean) > 2 * deviation;
    });
    assert.ok(far.length >= 5, `day ${day}: ${far.length}`);
  }
});

test("it says that it is no market", () => {
  const { name, caution } = syntheticFeed({ seed: 7 });
  assert.equal([name, caution], ["synthetic, seed 7", "synthetic data, not a market"]);
});

test("in real time: the history up to now, then each candle as it closes", async () => {
  const clock = new StepClock(midnight + 32_000);
  const feed = syntheticFeed({ seed: 1, clock });
  const request = { symbol: "BTC-USD", timeframe: "1m", signal } as const;
  const before = await feed.history({ ...request, count: 50 });
  assert.is(before.length, 50);
  assert.is(closeTime(before.at(-1) as Candle, "1m"), midnight);
  const cameAt: number[] = [];
  const candles: Candle[] = [];
  const reading = (async (): Promise<void> => {
    for await (const candle of feed.live({ ...request, after: before.at(-1)?.time ?? NaN })) {
      cameAt.push(clock.now());
      assert.is(feed.now?.(), clock.now());
      if (candles.push(candle) === 3) break;
    }
  })();
  await clock.pass(200_000);
  await reading;
  assert.equal(cameAt, [1, 2, 3].map((minute) => midnight + minute * 60_000));
  const again = await syntheticFeed({ seed: 1, clock }).history({ ...request, count: 53 });
  assert.equal([...before, ...candles], again);
});

test("in real time it begins with the newest closed candle where none is known", async () => {
  const clock = new StepClock(midnight + 32_000);
  assert.equal((await live(syntheticFeed({ seed: 1, clock }), { count: 1 })).map(({ time }) => time), [
    midnight - 300_000,
  ]);
});

test("a demonstration: history before its start, then a candle every few seconds, and its own time", async () => {
  const clock = new StepClock(1_700_000_000_000);
  const feed = syntheticFeed({ seed: 1, start: midnight, intervalSeconds: 3, clock });
  const before = await feed.history({ symbol: "BTC-USD", timeframe: "1h", count: 5, signal });
  assert.equal(
    before.map(({ time }) => time),
    [-5, -4, -3, -2, -1].map((hour) => midnight + hour * 3_600_000),
  );
  assert.is(feed.now?.(), midnight);
  const cameAt: number[] = [];
  const reading = Promise.all(["BTC-USD", "ETH-USD"].map(async (symbol) => {
    for await (
      const candle of feed.live({ symbol, timeframe: "1h", after: before.at(-1)?.time ?? NaN, signal })
    ) {
      assert.is(feed.now?.(), closeTime(candle, "1h"));
      if (cameAt.push(clock.now() - 1_700_000_000_000) > 5) break;
    }
  }));
  await clock.pass(60_000);
  await reading;
  assert.equal(cameAt, [3000, 3000, 6000, 6000, 9000, 9000, 12_000].slice(0, cameAt.length));
  assert.ok(cameAt.length >= 6);
  const later = await feed.history({ symbol: "BTC-USD", timeframe: "1h", count: 1, signal });
  assert.is(closeTime(later[0] as Candle, "1h"), openingTime(feed.now?.() ?? NaN, "1h"));
});

test("it ends at once when aborted", async () => {
  const clock = new StepClock(midnight + 32_000);
  for (const options of [{}, { intervalSeconds: 60 }]) {
    const controller = new AbortController();
    const feed = syntheticFeed({ seed: 1, clock, ...options });
    const request = {
      symbol: "BTC-USD",
      timeframe: "1h",
      after: midnight,
      signal: controller.signal,
    } as const;
    const next = feed.live(request)[Symbol.asyncIterator]().next().catch((error) => error);
    await clock.pass(0);
    controller.abort(new Error("stop"));
    assert.is((await next).message, "stop");
    assert.is(clock.sleepers, 0);
    const past = await feed.history({ ...request, count: 5 }).catch((error) => error);
    assert.is(past.message, "stop");
  }
});

test("options that are unknown or malformed are refused", () => {
  const wrongs: readonly [options: object, message: RegExp][] = [
    [{}, /"seed" must be a whole number/],
    [{ seed: 1.5 }, /"seed" must be a whole number: current value is 1.5/],
    [
      { seed: 1, start: 1_767_571_200, intervalSeconds: 1 },
      /"start" must be in milliseconds since 1970.*looks like seconds/,
    ],
    [{ seed: 1, start: midnight }, /"start" needs "intervalSeconds"/],
    [{ seed: 1, price: 0 }, /"price" must be a number above 0/],
    [{ seed: 1, intervalSecond: 5 }, /did you mean intervalSeconds\?/],
  ];
  for (const [options, message] of wrongs) {
    assert.throws(() => syntheticFeed(options as SyntheticFeedOptions), (error: Error) => {
      assert.instance(error, ConfigError);
      return message.test(error.message);
    });
  }
});

test("an instrument has the step of its prices, one of amounts, and a currency", async () => {
  for (const [price, tickSize] of [[60_000, "0.01"], [1.1, "0.000001"], [5_000_000, "1"]] as const) {
    const feed = syntheticFeed({ seed: 1, price });
    assert.equal(await feed.instrument?.({ symbol: "X", signal }), {
      ...{ tickSize, sizeStep: "0.0001", currency: "USD" },
    });
    for (const { close } of await history({ seed: 1, price }, { symbol: "X" })) {
      assert.ok(Math.abs(close / Number(tickSize) - Math.round(close / Number(tickSize))) < 1e-6, `${close}`);
    }
  }
});

test.run();

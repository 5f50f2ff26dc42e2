/** Live candles by way of ccxt, which a stub stands for: whole ones only, none lost, and its errors in our words. */
import type { CandleFeed } from "../../../lib/live/feed.ts";
import { ccxtFeed } from "../../../lib/live/feeds/ccxt.ts";
import { type Timeframe, timeframeMs, timeframes } from "../../../lib/live/timeframe.ts";
import type { Candle } from "../../../lib/signals/candle.ts";
import { ConfigError } from "../../../lib/util/validate.ts";
import { assert, suite } from "../../harness.ts";
import {
  ccxtErrors,
  type CcxtMishap,
  type CcxtStub,
  type CcxtStubOptions,
  createCcxt,
} from "../../support/ccxt_stub.ts";
import { MarketClock } from "../../support/exchange.ts";
import { read, type Reading, type ReadOptions } from "../../support/feed_reader.ts";

const test = suite("ccxtFeed", undefined, 60_000);
const fiveMs = 300_000;
const start = Date.UTC(2026, 0, 6, 0, 12, 30);
const { signal } = new AbortController();

interface Scene {
  readonly ccxt: CcxtStub;
  readonly clock: MarketClock;
  readonly feed: CandleFeed;
  read(options: Partial<ReadOptions> & { readonly until: number }): Promise<Reading>;
}

interface SceneOptions extends Partial<CcxtStubOptions> {
  readonly at?: number;
}

function scene({ at = start, ...options }: SceneOptions = {}): Scene {
  const clock = new MarketClock(at);
  const latency = (): Promise<void> => clock.sleep(40);
  const ccxt = createCcxt({ now: () => clock.trueMs, candleAt: candleOf, latency, ...options });
  const feed = ccxtFeed("kraken", { clock, load: () => Promise.resolve(ccxt.module) });
  return { ccxt, clock, feed, read: (options) => read(feed, { clock, symbol: "BTC/USD", ...options }) };
}

function candleOf(time: number, lengthMs: number = fiveMs): Candle {
  const price = (minute: number): number => 100 + (minute / 60_000) % 89;
  const [open, close] = [price(time), price(time + lengthMs)];
  const [high, low] = [Math.max(open, close) + lengthMs / 1e6, Math.min(open, close) - 2];
  return { time, open, high, low, close, volume: lengthMs / 1000 };
}

const range = (from: number, until: number): Candle[] =>
  Array.from({ length: (until - from) / fiveMs }, (_, index) => candleOf(from + index * fiveMs));

const since = (time: number): number => Math.floor(time / fiveMs) * fiveMs - 50 * fiveMs;

const at = (hour: number, minute: number, second: number = 0): number =>
  Date.UTC(2026, 0, 6, hour, minute, second);

test("the history at once, then each candle as it closes, within ccxt's rate limit", async () => {
  const { read, ccxt, feed } = scene();
  const { candles, history, cameAt, failures } = await read({ until: at(0, 20) });
  assert.equal(candles, range(since(start), at(0, 20)));
  assert.equal([history, failures, feed.name, feed.caution], [50, [], "kraken", undefined]);
  for (const [index, time] of cameAt.entries()) {
    const lateMs = time - at(0, 15 + 5 * index);
    assert.ok(lateMs >= 2000 && lateMs < 4000, `${lateMs} ms after the close`);
  }
  assert.equal(ccxt.made, [{ enableRateLimit: true }]);
});

const sources: Readonly<Record<Timeframe, Timeframe>> = {
  ...{ "1m": "1m", "3m": "1m", "5m": "5m", "15m": "5m", "30m": "5m", "1h": "1h" },
  ...{ "2h": "1h", "4h": "1h", "6h": "1h", "8h": "1h", "12h": "1h", "1d": "1d" },
};
for (const timeframe of timeframes) {
  test(`candles of ${timeframe}, made of those of ${sources[timeframe]}`, async () => {
    const { read, ccxt } = scene();
    const [lengthMs, sourceMs] = [timeframeMs(timeframe), timeframeMs(sources[timeframe])];
    const opening = Math.floor(start / lengthMs) * lengthMs;
    const { candles, history } = await read({ timeframe, count: 40, until: opening + 2 * lengthMs });
    assert.is(history, 40);
    for (const [index, { time, open, close, volume }] of candles.entries()) {
      assert.is(time, opening + (index - 40) * lengthMs);
      const parts = lengthMs / sourceMs;
      const last = candleOf(time + (parts - 1) * sourceMs, sourceMs);
      assert.equal([open, close, volume], [candleOf(time, sourceMs).open, last.close, lengthMs / 1000]);
    }
    assert.ok(ccxt.calls.every(({ timeframe: asked }) => asked === sources[timeframe]));
  });
}

for (const [limit, isLimitKnown] of [[60, true], [300, true], [60, false], [720, false]] as const) {
  test(`nothing is lost where an answer has ${limit} rows at most${isLimitKnown ? "" : ", and nobody says so"}`, async () => {
    const { read, clock, ccxt } = scene({ limit, isLimitKnown });
    clock.sleep(20_000).then(() => clock.suspend(30 * 3_600_000));
    const { candles, failures } = await read({ count: 1000, until: at(30, 20) });
    assert.equal(candles, range(at(0, 10) - 1000 * fiveMs, at(30, 20)));
    assert.equal(failures, []);
    assert.ok(ccxt.calls.every(({ limit: asked }) => asked === (isLimitKnown ? limit : 100)));
  });
}

test("an interval without trades is flat, whether its row is absent or has no prices", async () => {
  const gaps = [at(-2, 0), at(0, 5), at(0, 15)];
  for (const isAbsent of [true, false]) {
    const { read, ccxt } = scene();
    ccxt.change = (rows) =>
      rows.flatMap((row) =>
        !gaps.includes(row[0] as number) ? [row] : isAbsent ? [] : [[row[0], null, null, null, null, 0]]
      );
    const { candles, failures } = await read({ until: at(0, 20) });
    assert.equal(failures, []);
    assert.equal(
      candles,
      range(since(start), at(0, 20)).map((candle, index, all) => {
        const { close } = all[index - 1] ?? candle;
        return gaps.includes(candle.time)
          ? { time: candle.time, open: close, high: close, low: close, close, volume: 0 }
          : candle;
      }),
    );
  }
});

test("a volume that is null is 0", async () => {
  const { read, ccxt } = scene();
  ccxt.change = (rows) => rows.map((row) => [...row.slice(0, 5), null]);
  const { candles } = await read({ until: at(0, 15) });
  assert.ok(candles.length === 51 && candles.every(({ volume }) => volume === 0));
});

for (const hasTime of [true, false]) {
  for (const aheadMs of [3_600_000, 300_000, -300_000, -3_600_000]) {
    const clock = `a clock ${Math.abs(aheadMs) / 60_000} minutes ${aheadMs > 0 ? "ahead" : "behind"}`;
    test(`${clock} does not matter ${hasTime ? "to an exchange that tells its time" : "where answers are dated"}`, async () => {
      const { read, clock, feed } = scene({ hasTime, isDated: !hasTime });
      clock.aheadMs = aheadMs;
      const { candles, cameAt } = await read({ until: at(0, 20) });
      assert.equal(candles, range(since(start), at(0, 20)));
      const lateMs = (cameAt.at(-1) ?? NaN) - at(0, 20);
      assert.ok(lateMs >= 2000 && lateMs < 4000, `${lateMs} ms after the close`);
      assert.ok(Math.abs((feed.now?.() ?? NaN) - clock.trueMs) <= 1100);
    });
    test(`${clock} that becomes so meanwhile gives no half-finished candle${hasTime ? "" : ", though only answers are dated"}`, async () => {
      const { read, clock } = scene({ hasTime, isDated: !hasTime });
      clock.sleep(60_000).then(() => clock.aheadMs = aheadMs);
      const { candles, cameAt, corrected } = await read({ until: at(0, 20) });
      assert.equal(candles, range(since(start), at(0, 20)));
      const lateMs = (cameAt.at(-1) ?? NaN) - at(0, 20);
      assert.ok(lateMs < 10_000, `${lateMs} ms after the close`);
      assert.equal(corrected, []);
    });
  }
}

const { NetworkError, RateLimitExceeded, RequestTimeout, ExchangeNotAvailable, OnMaintenance, BadRequest } =
  ccxtErrors;
const failures: Readonly<Record<string, [mishap: CcxtMishap, why: RegExp]>> = {
  "a network error": [new NetworkError("kraken GET https://x failed"), /^NetworkError: kraken GET/],
  "a refusal": [
    new RateLimitExceeded("kraken 429 Too Many Requests"),
    /^RateLimitExceeded: kraken 429|^too many/,
  ],
  "a timeout": [new RequestTimeout("kraken timed out"), /^RequestTimeout: /],
  "an outage": [
    new ExchangeNotAvailable("kraken GET https://a.b/c?since=1&x=2 503\n<html>"),
    /^ExchangeNotAvailable: kraken GET https:\/\/a\.b\/c 503 <html>$/,
  ],
  "maintenance": [new OnMaintenance("kraken\u001b is down"), /^OnMaintenance: kraken\\u001b is down/],
  "a refused request": [new BadRequest("kraken {error}"), /^BadRequest: /],
  "another error": [new TypeError("x is undefined"), /^TypeError: x is undefined/],
  "no list": [{ rows: null }, /no list of candles/],
  "rows of something else": [{ rows: [{ time: 1 }] }, /a candle is a list/],
  "silence": ["hang", /^no answer within 30 s$/],
};
for (const [name, [mishap, why]] of Object.entries(failures)) {
  test(`${name}: an error that says so, and nothing is lost`, async () => {
    const { read, ccxt, clock } = scene();
    ccxt.mishaps.push(mishap, mishap);
    clock.sleep(100_000).then(() => ccxt.mishaps.push(mishap, mishap));
    const { candles, failures } = await read({ until: at(0, 20) });
    assert.equal(candles, range(candles[0]?.time ?? NaN, at(0, 20)));
    assert.ok(candles.length >= 51 && failures.length >= 4, `${candles.length}, ${failures.length}`);
    for (const failure of failures) assert.match(failure, why);
  });
}

test("a refusal says how long it lasts, longer each time", async () => {
  const { feed, ccxt, clock } = scene();
  ccxt.mishaps.push(...Array.from({ length: 3 }, () => new RateLimitExceeded("slow down")));
  const request = { symbol: "BTC/USD", timeframe: "5m", count: 5, signal } as const;
  const waits: number[] = [];
  while (waits.length < 3) {
    const error = await feed.history(request).then(() => undefined, (error) => error);
    waits.push(error.retryAfterMs);
    await clock.sleep(error.retryAfterMs);
  }
  assert.equal(waits, [1000, 2000, 4000]);
  assert.is((await feed.history(request)).length, 5);
});

test("an empty answer is not believed at once, and an answer that waited while the machine slept tells no time", async () => {
  const { read, ccxt, clock } = scene();
  ccxt.mishaps.push({ rows: [] }, { rows: [] });
  clock.sleep(100_000).then(() => ccxt.mishaps.push(() => clock.suspend(3_600_000)));
  const { candles, failures } = await read({ until: at(1, 30) });
  assert.equal(candles, range(since(start), at(1, 30)));
  assert.equal(failures, ["no answer within 30 s"]);
});

test("candles that open at other times are made of smaller ones", async () => {
  const { read, ccxt } = scene({ at: at(12, 0, 30) });
  ccxt.change = (rows) =>
    rows.map(([time, ...rest]) => {
      const isDay = ccxt.calls.at(-1)?.timeframe === "1d";
      return [isDay ? (time as number) - 8 * 3_600_000 : time, ...rest];
    });
  const { candles, failures } = await read({ timeframe: "1d", count: 3, until: at(24, 0) });
  assert.equal(candles.map(({ time }) => time), [-72, -48, -24, 0].map((hour) => at(hour, 0)));
  assert.equal(candles.map(({ volume }) => volume), [86_400, 86_400, 86_400, 86_400]);
  assert.equal(failures, ["its candles of 1d open at other times; they are made of smaller ones"]);
});

test("mistakes in the configuration are told in one line each", async () => {
  const request = { symbol: "BTC/USD", timeframe: "5m", count: 5, signal } as const;
  const { ccxt, clock, feed } = scene();
  const load = (): Promise<object> => Promise.resolve(ccxt.module);
  const asked: readonly [feed: CandleFeed, change: object, message: RegExp][] = [
    [
      ccxtFeed("kracken", { load, clock }),
      {},
      /must be one of the 2 of ccxt.*"kracken" \(did you mean "kraken"\?\)/,
    ],
    [ccxtFeed("constructor", { load, clock }), {}, /must be one of the 2 of ccxt/],
    [ccxtFeed("paymium", { load, clock }), {}, /paymium has no candles in ccxt/],
    [
      feed,
      { symbol: "BTC-USD" },
      /one of the 3 of kraken, such as "BTC\/USD": current value is "BTC-USD" \(did you mean "BTC\/USD"\?\)/,
    ],
    [feed, { timeframe: "3m" }, /^$/],
    [ccxtFeed("kraken", { clock }), {}, /^The package ccxt cannot be loaded; install it: npm install ccxt /],
  ];
  for (const [feed, change, message] of asked) {
    const error = await feed.history({ ...request, ...change }).then(() => undefined, (error) => error);
    if (message.test("")) continue;
    assert.instance(error, ConfigError);
    assert.match(error.message, message);
    assert.not.match(error.message, /\n/);
  }
  assert.throws(() => ccxtFeed("", {}), /must be an id of ccxt such as "kraken"/);
  assert.throws(() => ccxtFeed("kraken", { loader: 1 } as object), /did you mean load\?/);
});

test("load() tells whether there is such an exchange, and asks nothing of it", async () => {
  const { ccxt, clock } = scene();
  const load = (): Promise<object> => Promise.resolve(ccxt.module);
  const failureOf = (id: string, options: object = { load }): Promise<Error | undefined> =>
    ccxtFeed(id, { clock, ...options }).load().then(() => undefined, (error) => error);
  assert.is(await failureOf("kraken"), undefined);
  assert.equal([ccxt.made.length, ccxt.calls], [1, []]);
  for (
    const [failure, words] of [
      [await failureOf("krakn"), /"krakn" \(did you mean "kraken"\?\)/],
      [await failureOf("paymium"), /paymium has no candles in ccxt/],
      [await failureOf("kraken", { load: () => Promise.reject(new Error("absent")) }), /npm install ccxt/],
    ] as const
  ) {
    assert.instance(failure, ConfigError);
    assert.match(failure?.message ?? "", words);
  }
});

test("a timeframe that cannot be made of those that there are is refused", async () => {
  const { feed } = scene({ timeframes: { "5m": 5, "15m": 15 } });
  const request = { symbol: "BTC/USD", timeframe: "3m", count: 5, signal } as const;
  const error = await feed.history(request).then(() => undefined, (error) => error);
  assert.instance(error, ConfigError);
  assert.match(error.message, /those that kraken has, which are 5m, 15m: current value is "3m"/);
});

test("a symbol that was there before is asked for again", async () => {
  const { read, ccxt, clock } = scene();
  const { symbols } = ccxt;
  clock.sleep(100_000).then(() => ccxt.symbols = []);
  clock.sleep(400_000).then(() => ccxt.symbols = symbols);
  const { candles, failures } = await read({ until: at(0, 20) });
  assert.equal(candles, range(since(start), at(0, 20)));
  assert.ok(
    failures.length > 10 && failures.every((each) => each === "BadSymbol: kraken has no BTC/USD any more"),
  );
});

test("it ends at once when aborted, in the middle of a request or waiting for a close", async () => {
  for (const isInRequest of [true, false]) {
    const { read, ccxt, clock } = scene();
    const controller = new AbortController();
    const reason = new Error("stop");
    let abortedAt = 0;
    if (isInRequest) ccxt.mishaps.push("hang");
    clock.sleep(5000).then(() => {
      abortedAt = clock.trueMs;
      controller.abort(reason);
    });
    assert.is(await read({ until: Infinity, signal: controller.signal }).catch((error) => error), reason);
    assert.is(clock.trueMs, abortedAt);
  }
});

test("thirty readers of one feed: one request at a time, and nobody misses a candle", async () => {
  const wanted: readonly Timeframe[] = ["1m", "3m", "5m"];
  const { feed, clock, ccxt } = scene();
  ccxt.symbols = Array.from({ length: 10 }, (_, index) => `COIN${index}/USD`);
  const until = at(0, 30);
  await Promise.all(ccxt.symbols.flatMap((symbol) =>
    wanted.map(async (timeframe) => {
      const { candles, failures } = await read(feed, { clock, symbol, timeframe, count: 20, until });
      const first = candles[0]?.time ?? NaN;
      assert.equal(
        candles.map(({ time }) => time),
        candles.map((_, index) => first + index * timeframeMs(timeframe)),
      );
      assert.is(candles.length, (until - first) / timeframeMs(timeframe));
      assert.equal(failures, []);
    })
  ));
  const spaces = ccxt.calls.slice(1).map(({ at }, index) => at - (ccxt.calls[index]?.at ?? NaN));
  assert.ok(Math.min(...spaces) >= 40, "two at once");
});

test("the steps of a market, by each of ccxt's modes of precision", async () => {
  const market = { precision: { price: 0.5, amount: 1e-8 }, quote: "USD" };
  const decimals = { precision: { price: 2, amount: 0 }, quote: "EUR" };
  const nothing = { tickSize: undefined, sizeStep: undefined, currency: undefined };
  for (
    const [precisionMode, given, expected] of [
      [4, market, { tickSize: "0.5", sizeStep: "0.00000001", currency: "USD" }],
      [2, decimals, { tickSize: "0.01", sizeStep: "1", currency: "EUR" }],
      [3, { precision: { price: 5, amount: 5 } }, nothing],
      [4, { precision: null }, nothing],
      [4, undefined, nothing],
    ] as const
  ) {
    const { feed } = scene({ precisionMode, markets: { "BTC/USD": given } });
    assert.equal(await feed.instrument?.({ symbol: "BTC/USD", signal }), expected);
  }
});

test.run();

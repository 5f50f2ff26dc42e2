/** Live candles of an exchange: whole ones only, none lost, whatever the exchange and this machine do. */
import { coinbaseFeed } from "../../../lib/live/feeds/coinbase.ts";
import type { CandleFeed } from "../../../lib/live/feed.ts";
import { type Timeframe, timeframeMs, timeframes } from "../../../lib/live/timeframe.ts";
import type { Candle } from "../../../lib/signals/candle.ts";
import { ConfigError } from "../../../lib/util/validate.ts";
import { assert, suite } from "../../harness.ts";
import {
  MarketClock,
  type Mishap,
  type Row,
  startExchange,
  type StubExchange,
} from "../../support/exchange.ts";
import { read, type Reading, type ReadOptions } from "../../support/feed_reader.ts";
import { failureOf } from "../../support/storage.ts";

const test = suite("coinbaseFeed", undefined, 60_000);
const hourMs = 3_600_000;
const fiveMs = 300_000;
const start = Date.UTC(2026, 0, 6, 0, 12, 30);

interface Scene {
  readonly exchange: StubExchange;
  readonly clock: MarketClock;
  readonly feed: CandleFeed;
  read(options: Partial<ReadOptions> & { readonly until: number }): Promise<Reading>;
}

interface SceneOptions {
  readonly at?: number;
  readonly candleAt?: (time: number, lengthMs: number, product: string) => Candle | undefined;
  readonly products?: readonly string[];
}

async function withExchange(
  body: (scene: Scene) => Promise<void>,
  { at = start, candleAt = candleOf, products }: SceneOptions = {},
): Promise<void> {
  const clock = new MarketClock(at);
  const onHang = (change: 1 | -1): void => clock.hang(change);
  const now = (): number => clock.trueMs;
  await using exchange = await startExchange({ now, candleAt, onHang, ...products && { products } });
  const feed = coinbaseFeed({ endpoint: exchange.endpoint, clock, fetch: clock.fetch });
  await body({ exchange, clock, feed, read: (options) => read(feed, { clock, ...options }) });
}

/** Each minute has a price of its own, and so has each candle. */
function candleOf(time: number, lengthMs: number = fiveMs): Candle {
  const price = (minute: number): number => 100 + (minute / 60_000) % 89;
  const [open, close] = [price(time), price(time + lengthMs)];
  const [high, low] = [Math.max(open, close) + lengthMs / 1e6, Math.min(open, close) - 2];
  return { time, open, high, low, close, volume: lengthMs / 1000 };
}

function flat(time: number, price: number): Candle {
  return { time, open: price, high: price, low: price, close: price, volume: 0 };
}

function range(from: number, until: number, candleAt: (time: number) => Candle = candleOf): Candle[] {
  return Array.from({ length: (until - from) / fiveMs }, (_, index) => candleAt(from + index * fiveMs));
}

/** The candles of 50 closed ones before the start, and those up to a time. */
const since = (time: number): number => Math.floor(time / fiveMs) * fiveMs - 50 * fiveMs;

const at = (hour: number, minute: number, second: number = 0): number =>
  Date.UTC(2026, 0, 6, hour, minute, second);

test("the history at once, then each candle as it closes", () =>
  withExchange(async (scene) => {
    const { candles, history, cameAt, failures } = await scene.read({ until: at(14, 10) });
    assert.equal(candles, range(since(at(14, 0)), at(14, 10)));
    assert.equal([history, failures, scene.feed.caution], [50, [], undefined]);
    for (const [index, time] of cameAt.entries()) {
      const close = at(14, 5 * (index + 1));
      assert.ok(time >= close + 2000 && time < close + 4000, `${time - close} ms after the close`);
    }
    assert.is(cameAt.length, 2);
    assert.is(scene.exchange.asked.length, 4, "the time, the history, and each that closes");
  }, { at: at(14, 0, 3) }));

/** What the exchange's smaller candles make of a larger one. */
function joined(time: number, timeframe: Timeframe, source: Timeframe): Candle {
  const sourceMs = timeframeMs(source);
  const parts = Array.from(
    { length: timeframeMs(timeframe) / sourceMs },
    (_, index) => candleOf(time + index * sourceMs, sourceMs),
  );
  return {
    ...{ time, open: parts[0]?.open ?? NaN, close: parts.at(-1)?.close ?? NaN },
    high: Math.max(...parts.map(({ high }) => high)),
    low: Math.min(...parts.map(({ low }) => low)),
    volume: parts.reduce((sum, { volume }) => sum + volume, 0),
  };
}

const sources: Readonly<Record<Timeframe, Timeframe>> = {
  ...{ "1m": "1m", "3m": "1m", "5m": "5m", "15m": "15m", "30m": "15m", "1h": "1h" },
  ...{ "2h": "1h", "4h": "1h", "6h": "6h", "8h": "1h", "12h": "6h", "1d": "1d" },
};
for (const timeframe of timeframes) {
  test(`candles of ${timeframe}, made of those of ${sources[timeframe]}`, () =>
    withExchange(async (scene) => {
      const lengthMs = timeframeMs(timeframe);
      const opening = Math.floor(start / lengthMs) * lengthMs;
      const until = opening + 2 * lengthMs;
      const { candles, cameAt, history, failures } = await scene.read({ timeframe, count: 40, until });
      const expected = Array.from({ length: 42 }, (_, index) => opening + (index - 40) * lengthMs);
      assert.equal(candles, expected.map((time) => joined(time, timeframe, sources[timeframe])));
      assert.equal([history, failures], [40, []]);
      const late = cameAt.map((time, index) => time - opening - (index + 1) * lengthMs);
      assert.ok(late.every((ms) => ms >= 2000 && ms < 5000), `${late} ms after the close`);
      const asked = scene.exchange.asked.slice(1).map(({ url }) => url.searchParams.get("granularity"));
      assert.equal([...new Set(asked)], [String(timeframeMs(sources[timeframe]) / 1000)]);
    }));
}

test("it asks for 300 candles at most, and never the same twice", () =>
  withExchange(async (scene) => {
    const { candles } = await scene.read({ count: 5000, until: at(23, 55) });
    assert.equal(candles, range(at(23, 50) - 5000 * fiveMs, at(23, 55)));
    const [time, ...asked] = scene.exchange.asked;
    assert.is(time?.url.pathname, "/time");
    for (const { url, userAgent } of asked) {
      assert.is(url.pathname, "/products/BTC-USD/candles");
      assert.is(url.searchParams.get("granularity"), "300");
      assert.is(userAgent, "telegram-signals");
    }
    assert.ok(asked.length <= 19, `${asked.length} requests`);
    assert.is(new Set(asked.map(({ url }) => url.href)).size, asked.length, "a cache could answer");
  }, { at: at(23, 54, 30) }));

for (const aheadMs of [hourMs, -hourMs]) {
  test(`with a clock an hour ${aheadMs > 0 ? "ahead" : "behind"}: the same candles as soon`, () =>
    withExchange(async (scene) => {
      scene.clock.aheadMs = aheadMs;
      const { candles, cameAt } = await scene.read({ until: at(0, 20) });
      assert.equal(candles, range(since(start), at(0, 20)));
      for (const [index, time] of cameAt.entries()) {
        const close = at(0, 15 + 5 * index);
        assert.ok(time >= close + 2000 && time < close + 4000, `${time - close} ms after the close`);
      }
      assert.ok(Math.abs((scene.feed.now?.() ?? NaN) - scene.clock.trueMs) <= 1000);
    }));
}

test("a clock that is set back while it waits costs a question more", () =>
  withExchange(async (scene) => {
    scene.clock.sleep(60_000).then(() => scene.clock.aheadMs -= hourMs);
    const { cameAt } = await scene.read({ until: at(0, 15) });
    assert.ok((cameAt.at(-1) ?? NaN) < at(0, 15, 10), "it waited for the hour to come again");
  }));

test("a row that is older than the answer is waited for, not taken half-finished", () =>
  withExchange(async (scene) => {
    scene.exchange.lagMs = 40_000;
    const { candles, cameAt, corrected } = await scene.read({ until: at(0, 20) });
    assert.equal(candles, range(candles[0]?.time ?? NaN, at(0, 20)));
    assert.equal(corrected, []);
    const lateMs = (cameAt.at(-1) ?? NaN) - at(0, 20);
    assert.ok(lateMs >= 40_000 && lateMs < 48_000, `${lateMs} ms after the close`);
    const { asked } = scene.exchange;
    assert.ok(asked.length < 24, `${asked.length} requests`);
  }));

test("an interval without trades is flat, as soon as a later one has traded", () => {
  const gaps = [at(-4, 0), at(0, 5), at(0, 15)];
  const candleAt = (time: number): Candle | undefined => gaps.includes(time) ? undefined : candleOf(time);
  return withExchange(async (scene) => {
    const { candles, cameAt } = await scene.read({ until: at(0, 20) });
    const filled = (time: number): Candle => candleAt(time) ?? flat(time, candleOf(time - fiveMs).close);
    assert.equal(candles, range(since(start), at(0, 20), filled));
    assert.ok((cameAt.at(-1) ?? NaN) < at(0, 20, 4));
  }, { candleAt });
});

test("where nobody trades any more, candles go on, flat and three minutes late", () => {
  const candleAt = (time: number): Candle | undefined => time > at(0, 5) ? undefined : candleOf(time);
  return withExchange(async (scene) => {
    const { candles, cameAt } = await scene.read({ until: at(0, 20) });
    const { close } = candleOf(at(0, 5));
    assert.equal(candles.slice(-3), [candleOf(at(0, 5)), flat(at(0, 10), close), flat(at(0, 15), close)]);
    const lateMs = (cameAt.at(-1) ?? NaN) - at(0, 20);
    assert.ok(lateMs >= 180_000 && lateMs < 190_000, `${lateMs} ms after the close`);
  }, { candleAt });
});

test("where nobody has traded for hours, the price of the last trade stays", () => {
  const last = at(-20, 0);
  const candleAt = (time: number): Candle | undefined => time > last ? undefined : candleOf(time);
  return withExchange(async (scene) => {
    const { candles, history } = await scene.read({ until: at(0, 20) });
    assert.ok(history >= 49, `${history} candles of history`);
    assert.equal(
      candles,
      range(candles[0]?.time ?? NaN, at(0, 20), (time) => flat(time, candleOf(last).close)),
    );
  }, { candleAt });
});

test("a reader that goes on after a while gets no gap, though nobody traded meanwhile", () => {
  const gap = at(0, 5);
  const candleAt = (time: number): Candle | undefined =>
    time >= gap && time < at(6, 0) ? undefined : candleOf(time);
  return withExchange(async ({ feed, clock }) => {
    const signal = new AbortController().signal;
    const candles: Candle[] = [];
    for await (const candle of feed.live({ symbol: "BTC-USD", timeframe: "5m", after: at(4, 0), signal })) {
      candles.push(candle);
      if (candle.time >= at(6, 0)) break;
    }
    assert.ok(clock.trueMs >= at(6, 5));
    assert.equal(
      candles.slice(0, -1),
      range(at(4, 5), at(6, 0), (time) => flat(time, candleOf(at(0, 0)).close)),
    );
  }, { candleAt, at: at(5, 1) });
});

test("it begins with the first trade of a market that is new", () => {
  const candleAt = (time: number): Candle | undefined => time < at(0, 5) ? undefined : candleOf(time);
  return withExchange(async (scene) => {
    const { candles, failures } = await scene.read({ until: at(0, 15) });
    assert.equal(candles, range(at(0, 5), at(0, 15)));
    assert.equal(failures, []);
  }, { candleAt });
});

test("without history it begins with the newest candle that has closed", () =>
  withExchange(async ({ feed }) => {
    const signal = new AbortController().signal;
    for await (const candle of feed.live({ symbol: "BTC-USD", timeframe: "5m", after: -Infinity, signal })) {
      assert.equal(candle, candleOf(at(0, 5)));
      break;
    }
  }));

test("a candle that the exchange has corrected comes again, and those after it that had no trades", () => {
  const gap = at(0, 15);
  const candleAt = (time: number): Candle | undefined => time === gap ? undefined : candleOf(time);
  return withExchange(async (scene) => {
    const late = { ...candleOf(at(0, 10)), close: candleOf(at(0, 10)).close + 1.5, high: 999, volume: 51 };
    scene.exchange.change = (rows) => {
      if (scene.clock.trueMs < at(0, 21)) return rows;
      return rows.map((row) =>
        row[0] * 1000 === late.time ? [row[0], late.low, late.high, late.open, late.close, late.volume] : row
      );
    };
    const { candles, corrected, failures } = await scene.read({ until: at(0, 25) });
    assert.equal(corrected, [late.time, gap]);
    assert.equal(candles.slice(-3), [late, flat(gap, late.close), candleOf(at(0, 20))]);
    assert.equal(failures, []);
  }, { candleAt });
});

test("a candle of the history that is corrected comes again, too", () =>
  withExchange(async (scene) => {
    const time = at(0, 0);
    scene.exchange.change = (rows) =>
      scene.clock.trueMs < at(0, 13)
        ? rows
        : rows.map((row) => row[0] * 1000 === time ? [...row.slice(0, 5), 51] as Row : row);
    const { candles, corrected } = await scene.read({ until: at(0, 15) });
    assert.equal(corrected, [time]);
    assert.equal(candles.find((candle) => candle.time === time), { ...candleOf(time), volume: 51 });
  }));

test("the history is as long as was asked for, where the newest candle is not final yet", () =>
  withExchange(async (scene) => {
    scene.exchange.lagMs = 40_000;
    const { candles, history } = await scene.read({ until: at(0, 15) });
    assert.is(history, 50);
    assert.equal(candles, range(at(0, 5) - 50 * fiveMs, at(0, 15)));
  }, { at: at(0, 10, 5) }));

test("a trade that is reported late fills its gap again, also in a larger candle", () =>
  withExchange(async (scene) => {
    const gap = at(0, 15);
    scene.exchange.change = (rows) =>
      scene.clock.trueMs < at(0, 40) ? rows.filter(([seconds]) => seconds * 1000 !== gap) : rows;
    const { candles, corrected } = await scene.read({ timeframe: "30m", count: 5, until: at(1, 0) });
    assert.equal(corrected, [at(0, 0)]);
    assert.equal(candles.slice(-2), [joined(at(0, 0), "30m", "15m"), joined(at(0, 30), "30m", "15m")]);
  }));

const failures: Readonly<Record<string, [mishap: Mishap, why: RegExp]>> = {
  "429": [{ status: 429, body: '{"message":"slow down"}' }, /^status 429: slow down$/],
  "429 for a while": [{ status: 429, headers: { "retry-after": "7" } }, /^status 429$/],
  "500": [
    { status: 500, body: '{"message":"Internal server error"}' },
    /^status 500: Internal server error$/,
  ],
  "maintenance": [{ status: 503, body: "<html>Down for maintenance</html>" }, /^status 503$/],
  "an HTML error page": [{ status: 502, body: "<html>Bad gateway</html>" }, /^status 502$/],
  "an HTML page that says all is well": [{ body: "<html>One moment</html>" }, /no list of candles/],
  "a 404 of somebody in between": [{ status: 404, body: "<html>Not found</html>" }, /^status 404$/],
  "truncated JSON": [{ body: "[[1767571200,1,2," }, /no list of candles/],
  "an object": [{ body: "{}" }, /no list of candles/],
  "rows of something else": [{ body: "[[1,2],[3,4]]" }, /must be a number/],
  "no date": [{ headers: { date: "" } }, /no date/],
  "silence": ["hang", /^no answer within 10 s$/],
  "a connection that is reset": ["reset", /./],
  "a connection that breaks off": ["cut", /./],
};
for (const [name, [mishap, why]] of Object.entries(failures)) {
  test(`${name}: an error that says so, and nothing is lost`, () =>
    withExchange(async (scene) => {
      // The first request is for the time, of which nobody reads the body.
      const isOfRows = typeof mishap === "object" && (mishap.status ?? 200) === 200 &&
        mishap.body !== undefined;
      scene.exchange.mishaps.push(...isOfRows ? [{}] : [], mishap, mishap);
      // Twice, as Deno tries again by itself where a connection that it has kept is reset.
      scene.clock.sleep(100_000).then(() => scene.exchange.mishaps.push(mishap, mishap));
      const { candles, failures } = await scene.read({ until: at(0, 20) });
      assert.equal(candles, range(since(start), at(0, 20)).slice(-candles.length));
      assert.ok(candles.length >= 51, `${candles.length} candles`);
      assert.ok(failures.length >= 2 && failures.length <= 4, `${failures.length} failures`);
      for (const failure of failures) assert.match(failure, why);
    }));
}

for (
  const [name, asked] of [["seconds", "45"], ["a date", new Date(start + 45_000).toUTCString()]] as const
) {
  test(`a 429 says how long it lasts, in ${name}, and all requests of the feed wait`, () =>
    withExchange(async ({ exchange, clock, feed }) => {
      const { signal } = new AbortController();
      const request = { symbol: "BTC-USD", timeframe: "5m", count: 5, signal } as const;
      exchange.mishaps.push({}, { status: 429, headers: { "retry-after": asked } });
      const error = await feed.history(request).catch((error) => error);
      assert.equal([error.name, error.message, error.retryAfterMs], ["FeedError", "status 429", 45_000]);
      const other = await feed.history({ ...request, timeframe: "1h" }).catch((error) => error);
      assert.match(other.message, /^too many requests: a pause of 45 s$/);
      assert.is(other.retryAfterMs, 45_000);
      assert.is(exchange.asked.length, 2, "it was asked during the pause");
      await clock.sleep(other.retryAfterMs);
      assert.is((await feed.history(request)).length, 5);
    }));
}

test("after refusals without a time, the feed waits longer each time, and asks more slowly", () =>
  withExchange(async ({ exchange, clock, feed }) => {
    const { signal } = new AbortController();
    const request = { symbol: "BTC-USD", timeframe: "1m", count: 2000, signal } as const;
    exchange.mishaps.push({}, ...Array.from({ length: 4 }, () => ({ status: 429 })));
    const waits: number[] = [];
    for (let done = false; !done;) {
      done = await feed.history(request).then(() => true, async ({ retryAfterMs }) => {
        waits.push(retryAfterMs);
        await clock.sleep(retryAfterMs);
        return false;
      });
    }
    assert.equal(waits, [1000, 2000, 4000, 8000]);
    const paces = exchange.asked.slice(6).map(({ at }, index) => at - (exchange.asked[index + 5]?.at ?? NaN));
    assert.ok((paces[0] ?? 0) > 1500, `${paces}`);
    assert.equal(paces, [...paces].sort((one, other) => other - one), "it does not get faster again");
    assert.ok((paces.at(-1) ?? NaN) < 0.9 * (paces[0] ?? NaN), `${paces}`);
  }));

test("after an outage: every candle, in order, in ranges", () =>
  withExchange(async (scene) => {
    const { exchange, clock } = scene;
    const outage = Array.from({ length: 31 }, () => ({ status: 503, headers: { "retry-after": "3600" } }));
    clock.sleep(60_000).then(() => exchange.mishaps.push(...outage));
    const end = at(32, 0);
    const { candles, failures } = await scene.read({ until: end });
    assert.equal(candles, range(since(start), end));
    assert.is(failures.length, 31);
  }));

test("a machine that slept wakes to every candle it missed", () =>
  withExchange(async (scene) => {
    const { clock } = scene;
    clock.sleep(20_000).then(() => clock.suspend(30 * hourMs));
    const wokenAt = start + 20_000 + 30 * hourMs;
    const end = at(30, 15);
    const { candles, cameAt } = await scene.read({ until: end });
    assert.equal(candles, range(since(start), end));
    const lateMs = (cameAt[0] ?? NaN) - wokenAt;
    assert.ok(lateMs >= 0 && lateMs < 20_000, `${lateMs} ms after it woke`);
  }));

test("an answer that came before the machine slept tells no time", () =>
  withExchange(async (scene) => {
    const { clock, exchange, feed } = scene;
    clock.sleep(60_000).then(() => exchange.mishaps.push(() => clock.suspend(3 * hourMs)));
    const { candles, failures } = await scene.read({ until: at(0, 15) });
    assert.equal(candles.at(-1), candleOf(at(0, 10)));
    assert.ok(Math.abs((feed.now?.() ?? NaN) - clock.trueMs) <= 1000);
    assert.equal(failures, ["no answer within 10 s"]);
  }));

test("an empty answer is not believed at once", () =>
  withExchange(async (scene) => {
    const { exchange, clock } = scene;
    const empty = { body: "[]" };
    exchange.mishaps.push({}, empty, empty);
    clock.sleep(100_000).then(() => exchange.mishaps.push(empty, empty));
    const { candles, failures } = await scene.read({ until: at(0, 15) });
    assert.equal(candles, range(since(start), at(0, 15)));
    assert.equal(failures, []);
  }));

test("rows twice and in any order", () =>
  withExchange(async (scene) => {
    scene.exchange.change = (rows) => [...rows.filter((_, index) => index % 2), ...rows.reverse()];
    const { candles, corrected } = await scene.read({ until: at(0, 20) });
    assert.equal(candles, range(since(start), at(0, 20)));
    assert.equal(corrected, []);
  }));

const wrongs: Readonly<Record<string, (row: Row) => unknown>> = {
  "null": () => null,
  "an object": ([time]) => ({ time }),
  "too short": (row) => row.slice(0, 4),
  "a word for a price": ([time, low, , open, close, volume]) => [time, low, "x", open, close, volume],
  "no price": ([time, low, high, , close, volume]) => [time, low, high, null, close, volume],
  "high below close": ([time, low, , open, close, volume]) => [time, low, close - 0.5, open, close, volume],
  "low above open": ([time, , high, open, close, volume]) => [time, open + 0.5, high, open, close, volume],
  "a negative volume": ([time, low, high, open, close]) => [time, low, high, open, close, -1],
  "a time in between": ([time, ...prices]) => [time + 60, ...prices],
  "a time in milliseconds": ([time, ...prices]) => [time * 1000 + 1, ...prices],
};
for (const [name, wrong] of Object.entries(wrongs)) {
  test(`a row that is no candle (${name}) is told once, and left out`, () =>
    withExchange(async (scene) => {
      const bad = [at(-1, 0)];
      scene.exchange.change = (rows) => rows.map((row) => bad.includes(row[0] * 1000) ? wrong(row) : row);
      const { candles, failures } = await scene.read({ until: at(0, 15) });
      const filled = (time: number): Candle =>
        bad.includes(time) ? flat(time, candleOf(time - fiveMs).close) : candleOf(time);
      assert.equal(candles, range(since(start), at(0, 15), filled));
      assert.match(failures.join("\n"), /^what came is not all candles \(.+\); the rest is used$/);
    }));
}

test("rows from the future prove nothing", () =>
  withExchange(async (scene) => {
    const gap = at(0, 10);
    const ahead: Row = [at(1, 0) / 1000, 1, 1, 1, 1, 1];
    scene.exchange.change = (rows) => {
      const isThere = scene.clock.trueMs > at(0, 15, 30);
      return [ahead, ...rows.filter(([seconds]) => isThere || seconds * 1000 < gap)];
    };
    assert.equal((await scene.read({ until: at(0, 15) })).candles.at(-1), candleOf(gap));
  }));

test("a product that the exchange does not know is a mistake in one line", () =>
  withExchange(async ({ exchange, feed, read }) => {
    for (
      const reading of [() => read({ symbol: "BTC/USD", until: at(0, 15) }), async () => {
        const { signal } = new AbortController();
        for await (const _ of feed.live({ symbol: "BTC/USD", timeframe: "5m", after: start, signal }));
      }]
    ) {
      const error = await reading().then(() => undefined, (reason) => reason);
      assert.instance(error, ConfigError);
      assert.is(
        error.message,
        `The symbol must be a product of ${
          new URL(exchange.endpoint).host
        } such as "BTC-USD" (all of them: ` +
          `${exchange.endpoint}/products): current value is "BTC/USD" (did you mean "BTC-USD"?).`,
      );
    }
    assert.ok(exchange.asked.some(({ url }) => url.pathname === "/products/BTC%2FUSD/candles"));
  }));

test("a product that was there before is asked for again", () =>
  withExchange(async (scene) => {
    const gone = { status: 404, body: '{"message":"NotFound"}' };
    scene.clock.sleep(60_000).then(() => scene.exchange.mishaps.push(gone));
    const { candles, failures } = await scene.read({ until: at(0, 15) });
    assert.equal(candles, range(since(start), at(0, 15)));
    assert.equal(failures, ["status 404: NotFound"]);
  }));

const moments: Readonly<Record<string, (scene: Scene, abort: () => void) => void>> = {
  "before it begins": (_scene, abort) => abort(),
  "while it asks for the time": ({ exchange, clock }, abort) => {
    exchange.mishaps.push("hang");
    clock.sleep(5000).then(abort);
  },
  "in the middle of a request": ({ exchange, clock }, abort) => {
    exchange.mishaps.push({}, "hang");
    clock.sleep(5000).then(abort);
  },
  "waiting for a close": ({ clock }, abort) => void clock.sleep(60_000).then(abort),
};
for (const [name, arrange] of Object.entries(moments)) {
  test(`it ends at once when aborted ${name}`, () =>
    withExchange(async (scene) => {
      const controller = new AbortController();
      const reason = new Error("stop");
      let abortedAt = 0;
      arrange(scene, () => {
        abortedAt = scene.clock.trueMs;
        controller.abort(reason);
      });
      const { signal } = controller;
      const error = await scene.read({ until: Infinity, signal }).catch((error) => error);
      assert.is(error, reason);
      assert.is(scene.clock.trueMs, abortedAt);
    }));
}

test("it gives no candle of what it has once aborted", () =>
  withExchange(async ({ feed }) => {
    const { signal, ...controller } = { signal: new AbortController(), count: 0 };
    const request = { symbol: "BTC-USD", timeframe: "5m", after: at(-9, 0), signal: signal.signal } as const;
    const reading = (async (): Promise<void> => {
      for await (const _candle of feed.live(request)) {
        if (++controller.count === 3) signal.abort();
      }
    })();
    assert.is(await reading.catch((error) => error.name), "AbortError");
    assert.is(controller.count, 3);
  }));

test("sixty readers of one feed: each gets every candle, within seconds, at eight requests a second", () => {
  const products = Array.from({ length: 20 }, (_, index) => `COIN${index}-USD`);
  return withExchange(async ({ exchange, feed, clock }) => {
    const wanted: readonly Timeframe[] = ["1m", "5m", "15m"];
    const until = at(0, 30);
    await Promise.all(products.flatMap((symbol) =>
      wanted.map(async (timeframe) => {
        const { candles, cameAt, failures } = await read(feed, {
          clock,
          symbol,
          timeframe,
          count: 20,
          until,
        });
        const lengthMs = timeframeMs(timeframe);
        const first = candles[0]?.time ?? NaN;
        assert.is(candles.length, (until - first) / lengthMs, `${symbol} ${timeframe}`);
        assert.equal(candles.map(({ time }) => time), candles.map((_, index) => first + index * lengthMs));
        assert.ok(candles.length > 20 && failures.length === 0);
        const closes = candles.slice(-cameAt.length).map(({ time }) => time + lengthMs);
        const late = cameAt.map((time, index) => time - (closes[index] ?? NaN));
        assert.ok(late.slice(1).every((ms) => ms < 12_000), `${symbol} ${timeframe} came ${late} ms late`);
      })
    ));
    const times = exchange.asked.map(({ at }) => at);
    const spaces = times.slice(1).map((time, index) => time - (times[index] ?? NaN));
    assert.ok(Math.min(...spaces) >= 125, `two requests within ${Math.min(...spaces)} ms`);
  }, { products });
});

test("one candle after another for two readers of the same symbol", () =>
  withExchange(async (scene) => {
    const readings = await Promise.all([1, 2].map(() => scene.read({ until: at(0, 30) })));
    for (const { candles } of readings) assert.equal(candles, range(since(start), at(0, 30)));
  }));

test("two readers that go on after the same history get every candle each", () =>
  withExchange(async ({ feed }) => {
    const { signal } = new AbortController();
    const request = { symbol: "BTC-USD", timeframe: "5m", signal } as const;
    const history = await feed.history({ ...request, count: 5 });
    await Promise.all([1, 2].map(async () => {
      const candles: Candle[] = [];
      for await (const candle of feed.live({ ...request, after: history.at(-1)?.time ?? NaN })) {
        if (candles.push(candle) === 5) break;
      }
      assert.equal(candles, range(at(0, 10), at(0, 35)));
    }));
  }));

test("the steps of a product, asked for once; what is no step is left out", () =>
  withExchange(async ({ feed, exchange }) => {
    const { signal } = new AbortController();
    const instrument = async (symbol: string): Promise<unknown> =>
      await feed.instrument?.({ symbol, signal });
    const steps = { tickSize: "0.01", sizeStep: "0.00000001", currency: "USD" };
    assert.equal(await instrument("BTC-USD"), steps);
    assert.equal(await instrument("BTC-USD"), steps);
    assert.is(exchange.asked.length, 2, "the time, and the product");
    exchange.product = { base_increment: "1e-7", quote_increment: "none", quote_currency: "\u001b[2J" };
    assert.equal(await instrument("ETH-USD"), {
      tickSize: undefined,
      sizeStep: "0.0000001",
      currency: undefined,
    });
    exchange.mishaps.push({ body: "null" });
    assert.match((await failureOf(instrument("SOL-USD")))?.message, "the answer is no product");
    const failure = await failureOf(instrument("NO-SUCH"));
    assert.is(failure?.name, "FeedError", "candles tell of a product that is unknown");
  }, { products: ["BTC-USD", "ETH-USD", "SOL-USD"] }));

test("options that are unknown or malformed are refused", () => {
  const wrong = { endpoint: "coinbase", clocks: 1 } as object;
  assert.throws(() => coinbaseFeed(wrong), (error: Error) => {
    assert.instance(error, ConfigError);
    return assert.match(
      error.message,
      /clocks is not an option: did you mean clock\?[\s\S]*"endpoint" must be a URL/,
    ) ??
      true;
  });
  assert.is(coinbaseFeed().name, "Coinbase");
});

test.run();

/** Live candles: whole ones only, each once, whatever the exchange and this machine do. */
import { basename, join } from "node:path";
import { UsageError } from "../../../examples/cli/arguments.ts";
import { resumeFeed } from "../../../examples/strategy/choose_feed.ts";
import { exchangeFeed } from "../../../examples/strategy/exchange_feed.ts";
import { type Candle, type CandleFeed, closeTime, timeframeMs } from "../../../examples/strategy/feed.ts";
import { createMeanReversion, type FoundSignal } from "../../../examples/strategy/mean_reversion.ts";
import type { Notifier, SignalOutcome } from "../../../examples/strategy/notifier.ts";
import { createSignalSender } from "../../../examples/strategy/send_signal.ts";
import { openSentLog } from "../../../examples/strategy/sent_log.ts";
import { syntheticFeed } from "../../../examples/strategy/synthetic_feed.ts";
import { trade } from "../../../examples/strategy/trade.ts";
import { startBotApiServer } from "../../../lib/local/mod.ts";
import { assert, suite } from "../../harness.ts";
import { inFolder } from "../../support/examples.ts";
import {
  MarketClock,
  type Mishap,
  type Row,
  startExchange,
  type StubExchange,
} from "../../support/exchange.ts";
import { root, startScript } from "../../support/script.ts";
import { removeSync } from "../../support/leaks.ts";

const test = suite("exchange_feed", undefined, 60_000);
const hourMs = 3_600_000;
const yesterday = Date.UTC(2026, 0, 5);
const start = Date.UTC(2026, 0, 6, 0, 12, 30);

interface Scene {
  readonly exchange: StubExchange;
  readonly clock: MarketClock;
  readonly feed: CandleFeed;
  /** What was said to the person at the screen. */
  readonly lines: string[];
}

interface SceneOptions {
  readonly at?: number;
  readonly candleAt?: (time: number) => Candle | undefined;
  readonly product?: string;
}

async function withExchange(
  body: (scene: Scene) => Promise<void>,
  { at = start, candleAt = candleOf, product = "BTC-USD" }: SceneOptions = {},
): Promise<void> {
  const clock = new MarketClock(at);
  const onHang = (change: 1 | -1): void => clock.hang(change);
  await using exchange = await startExchange({ now: () => clock.trueMs, candleAt, onHang });
  const lines: string[] = [];
  const say = (line: string): unknown => lines.push(line);
  const { endpoint } = exchange;
  const feed = exchangeFeed({ product, endpoint, clock, fetch: clock.fetch, say });
  await body({ exchange, clock, feed, lines });
}

/** Each time has a candle of its own. */
function candleOf(time: number): Candle {
  const open = 100 + (time / timeframeMs) % 89;
  return { time, open, high: open + 3, low: open - 2, close: open + 1, volume: 50 };
}

function flat(time: number, price: number): Candle {
  return { time, open: price, high: price, low: price, close: price, volume: 0 };
}

/** All candles up to the one that closes at a time, with the exchange's time when each came. */
async function until(
  time: number,
  { feed, clock }: Scene,
  signal?: AbortSignal,
): Promise<{ candles: Candle[]; cameAt: number[] }> {
  const candles: Candle[] = [];
  const cameAt: number[] = [];
  for await (const candle of feed.candles(signal)) {
    candles.push(candle);
    cameAt.push(clock.trueMs);
    if (closeTime(candle) >= time) break;
  }
  return { candles, cameAt };
}

function range(from: number, until: number, candleAt: (time: number) => Candle = candleOf): Candle[] {
  return Array.from(
    { length: (until - from) / timeframeMs },
    (_, index) => candleAt(from + index * timeframeMs),
  );
}

const at = (hour: number, minute: number, second: number = 0): number =>
  Date.UTC(2026, 0, 6, hour, minute, second);

test("exchangeFeed() yesterday's and today's candles at once, then each as it closes", () =>
  withExchange(async (scene) => {
    const { candles, cameAt } = await until(at(14, 10), scene);
    assert.equal(candles, range(yesterday, at(14, 10)));
    const [early, live] = [cameAt.slice(0, -2), cameAt.slice(-2)];
    assert.ok(early.every((time) => time < at(14, 0, 5)), "history waits for nothing");
    for (const [index, time] of live.entries()) {
      const close = at(14, 5 * (index + 1));
      assert.ok(time >= close + 2000 && time < close + 4000, `${time - close} ms after the close`);
    }
    assert.equal([scene.feed.caution, scene.lines], [undefined, []]);
  }, { at: at(14, 0, 3) }));

test("exchangeFeed() asks one after another, with room between, for 300 candles at most", () =>
  withExchange(async (scene) => {
    await until(at(23, 55), scene);
    const { asked } = scene.exchange;
    for (const [index, { at, url, userAgent }] of asked.entries()) {
      assert.is(url.pathname, "/products/BTC-USD/candles");
      assert.is(url.searchParams.get("granularity"), "300");
      assert.is(userAgent, "telegram-signals");
      assert.ok(at - (asked[index - 1]?.at ?? -Infinity) >= 250, `request ${index}`);
    }
    // The exchange's time, 300, 275, and the one that closes.
    assert.is(asked.length, 4);
  }, { at: at(23, 54, 30) }));

for (const aheadMs of [hourMs, -hourMs]) {
  test(`exchangeFeed() with a clock an hour ${aheadMs > 0 ? "ahead" : "behind"}: the same candles as soon`, () =>
    withExchange(async (scene) => {
      scene.clock.aheadMs = aheadMs;
      const { candles, cameAt } = await until(at(0, 20), scene);
      assert.equal(candles, range(yesterday, at(0, 20)));
      for (const [index, time] of cameAt.slice(-2).entries()) {
        const close = at(0, 15 + 5 * index);
        assert.ok(time >= close + 2000 && time < close + 4000, `${time - close} ms after the close`);
      }
      assert.ok(Math.abs((scene.feed.now?.() ?? NaN) - scene.clock.trueMs) <= 1000);
    }));
}

test("exchangeFeed() a clock that is set back while it waits costs a question more", () =>
  withExchange(async (scene) => {
    scene.clock.sleep(60_000).then(() => scene.clock.aheadMs -= hourMs);
    const { cameAt } = await until(at(0, 15), scene);
    assert.ok((cameAt.at(-1) ?? NaN) < at(0, 15, 10), "it waited for the hour to come again");
  }));

test("exchangeFeed() a row that is older than the answer is waited for, not taken half-finished", () =>
  withExchange(async (scene) => {
    scene.exchange.lagMs = 40_000;
    const { candles, cameAt } = await until(at(0, 20), scene);
    assert.equal(candles, range(yesterday, at(0, 20)));
    const lateMs = (cameAt.at(-1) ?? NaN) - at(0, 20);
    assert.ok(lateMs >= 40_000 && lateMs < 48_000, `${lateMs} ms after the close`);
    const { asked } = scene.exchange;
    assert.ok(asked.length < 24, `${asked.length} requests`);
    assert.is(new Set(asked.map(({ url }) => url.href)).size, asked.length, "a cache could answer");
  }));

test("exchangeFeed() an interval without trades is flat, as soon as a later one has traded", () => {
  const gaps = [at(0, 5), at(0, 15)];
  const candleAt = (time: number): Candle | undefined => gaps.includes(time) ? undefined : candleOf(time);
  return withExchange(async (scene) => {
    const { candles, cameAt } = await until(at(0, 20), scene);
    const filled = (time: number): Candle => candleAt(time) ?? flat(time, candleOf(time - timeframeMs).close);
    assert.equal(candles, range(yesterday, at(0, 20), filled));
    assert.ok((cameAt.at(-1) ?? NaN) < at(0, 20, 4));
  }, { candleAt });
});

test("exchangeFeed() where nobody trades any more, candles go on, flat and three minutes late", () => {
  const candleAt = (time: number): Candle | undefined => time > at(0, 5) ? undefined : candleOf(time);
  return withExchange(async (scene) => {
    const { candles, cameAt } = await until(at(0, 20), scene);
    const { close } = candleOf(at(0, 5));
    assert.equal(candles.slice(-3), [candleOf(at(0, 5)), flat(at(0, 10), close), flat(at(0, 15), close)]);
    const lateMs = (cameAt.at(-1) ?? NaN) - at(0, 20);
    assert.ok(lateMs >= 180_000 && lateMs < 190_000, `${lateMs} ms after the close`);
  }, { candleAt });
});

test("exchangeFeed() begins with the first trade of a market that is new", () => {
  const candleAt = (time: number): Candle | undefined => time < at(0, 5) ? undefined : candleOf(time);
  return withExchange(async (scene) => {
    assert.equal((await until(at(0, 15), scene)).candles, range(at(0, 5), at(0, 15)));
  }, { candleAt });
});

const failures: Readonly<Record<string, [mishap: Mishap, why: RegExp]>> = {
  "429": [{ status: 429, body: '{"message":"slow down"}' }, /^status 429: slow down$/],
  "429 for a while": [{ status: 429, headers: { "retry-after": "7" } }, /^status 429$/],
  "500": [
    { status: 500, body: '{"message":"Internal server error"}' },
    /^status 500: Internal server error$/,
  ],
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
  test(`exchangeFeed() ${name}: said once, tried again, nothing lost`, () =>
    withExchange(async (scene) => {
      scene.exchange.mishaps.push(mishap, mishap);
      // Twice, as Deno tries again by itself where a connection that it has kept is reset.
      scene.clock.sleep(100_000).then(() => scene.exchange.mishaps.push(mishap, mishap));
      const { candles } = await until(at(0, 20), scene);
      assert.equal(candles, range(yesterday, at(0, 20)));
      const [first = "", over, second = "", ...more] = scene.lines;
      for (const line of [first, second]) {
        assert.match(/^Candles cannot be fetched \((.+)\); trying again\.$/.exec(line)?.[1] ?? "", why);
      }
      assert.equal([over, ...more], ["Candles are fetched again.", "Candles are fetched again."]);
    }));
}

for (
  const [name, asked] of [["seconds", "45"], ["a date", new Date(start + 45_000).toUTCString()]] as const
) {
  test(`exchangeFeed() waits as long as a 429 says, in ${name}`, () =>
    withExchange(async (scene) => {
      scene.exchange.mishaps.push({ status: 429, headers: { "retry-after": asked } });
      await until(at(0, 10), scene);
      const [first, second] = scene.exchange.asked;
      assert.is((second?.at ?? NaN) - (first?.at ?? NaN), 45_000);
    }));
}

test("exchangeFeed() waits twice as long after each failure, up to a minute, for ever", () =>
  withExchange(async (scene) => {
    scene.exchange.mishaps.push(...Array.from({ length: 12 }, () => ({ status: 503 })));
    const { candles } = await until(at(0, 10), scene);
    assert.equal(candles.slice(0, 2), range(yesterday, yesterday + 2 * timeframeMs));
    const { asked } = scene.exchange;
    const waits = asked.slice(1, 12).map(({ at }, index) => (at - (asked[index]?.at ?? NaN)) / 1000);
    assert.equal(waits.slice(0, 8), [0.875, 1.75, 3.5, 7, 14, 28, 52.5, 52.5]);
    assert.ok(waits.slice(8).every((seconds) => seconds === 52.5));
    assert.is(scene.lines.length, 2);
  }));

test("exchangeFeed() after an outage: every candle, in order, in ranges", () =>
  withExchange(async (scene) => {
    const { exchange, clock, lines } = scene;
    const outage = Array.from({ length: 31 }, () => ({ status: 503, headers: { "retry-after": "3600" } }));
    clock.sleep(60_000).then(() => exchange.mishaps.push(...outage));
    const end = at(32, 0);
    const { candles } = await until(end, scene);
    assert.equal(candles, range(yesterday, end));
    assert.ok(exchange.asked.every(({ at }) => at < start + 60_000 || at > start + 60_000));
    assert.is(lines.length, 2);
  }));

test("exchangeFeed() a machine that slept wakes to every candle it missed", () =>
  withExchange(async (scene) => {
    const { clock } = scene;
    clock.sleep(20_000).then(() => clock.suspend(30 * hourMs));
    const wokenAt = start + 20_000 + 30 * hourMs;
    const end = at(30, 15);
    const { candles, cameAt } = await until(end, scene);
    assert.equal(candles, range(yesterday, end));
    const missed = candles.findIndex((candle) => closeTime(candle) === at(0, 15));
    const lateMs = (cameAt[missed] ?? NaN) - wokenAt;
    assert.ok(lateMs >= 0 && lateMs < 20_000, `${lateMs} ms after it woke`);
  }));

test("exchangeFeed() an answer that came before the machine slept tells no time", () =>
  withExchange(async (scene) => {
    const { clock, exchange, feed } = scene;
    clock.sleep(60_000).then(() => exchange.mishaps.push(() => clock.suspend(3 * hourMs)));
    for await (const candle of feed.candles()) {
      assert.ok(Math.abs((feed.now?.() ?? NaN) - clock.trueMs) <= 1000);
      if (closeTime(candle) >= at(0, 15)) break;
    }
    assert.match(scene.lines[0] ?? "", /no answer within 10 s/);
  }));

test("exchangeFeed() an empty answer is not believed at once", () =>
  withExchange(async (scene) => {
    const { exchange, lines } = scene;
    exchange.mishaps.push({}, { body: "[]" }, { body: "[]" });
    assert.equal((await until(at(0, 15), scene)).candles, range(yesterday, at(0, 15)));
    assert.equal(lines, []);
  }));

test("exchangeFeed() rows twice and in any order", () =>
  withExchange(async (scene) => {
    scene.exchange.change = (rows) => [...rows.filter((_, index) => index % 2), ...rows.reverse()];
    assert.equal((await until(at(0, 20), scene)).candles, range(yesterday, at(0, 20)));
    assert.equal(scene.lines, []);
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
  test(`exchangeFeed() a row that is no candle (${name}) is left out, and said once`, () =>
    withExchange(async (scene) => {
      const bad = [at(-1, 0), at(0, 5)];
      scene.exchange.change = (rows) => rows.map((row) => bad.includes(row[0] * 1000) ? wrong(row) : row);
      const { candles } = await until(at(0, 15), scene);
      const filled = (time: number): Candle =>
        bad.includes(time) ? flat(time, candleOf(time - timeframeMs).close) : candleOf(time);
      assert.equal(candles, range(yesterday, at(0, 15), filled));
      assert.match(
        scene.lines.join("\n"),
        /^What the exchange sent is not all candles \(.+\); the rest is used\.$/,
      );
    }));
}

test("exchangeFeed() rows from the future prove nothing", () =>
  withExchange(async (scene) => {
    const gap = at(0, 10);
    const ahead: Row = [at(1, 0) / 1000, 1, 1, 1, 1, 1];
    scene.exchange.change = (rows) => {
      const isThere = scene.clock.trueMs > at(0, 15, 30);
      return [ahead, ...rows.filter(([seconds]) => isThere || seconds * 1000 < gap)];
    };
    assert.equal((await until(at(0, 15), scene)).candles.at(-1), candleOf(gap));
  }));

test("exchangeFeed() a product that the exchange does not know is a mistake in one line", () =>
  withExchange(async (scene) => {
    const error = await until(at(0, 15), scene).catch((reason) => reason);
    assert.instance(error, UsageError);
    assert.is(
      error.message,
      'Cannot start as --symbol must be a product of the exchange such as "BTC-USD" ' +
        `(all of them: ${scene.exchange.endpoint}/products): current value is "BTC/USD"`,
    );
    assert.equal(scene.exchange.asked.map(({ url }) => url.pathname), ["/products/BTC%2FUSD/candles"]);
  }, { product: "BTC/USD" }));

test("exchangeFeed() a product that was there before is waited for", () =>
  withExchange(async (scene) => {
    scene.clock.sleep(60_000).then(() =>
      scene.exchange.mishaps.push({ status: 404, body: '{"message":"NotFound"}' })
    );
    assert.equal((await until(at(0, 15), scene)).candles, range(yesterday, at(0, 15)));
    assert.is(scene.lines.length, 2);
  }));

const moments: Readonly<Record<string, (scene: Scene, abort: () => void) => void>> = {
  "before it begins": (_scene, abort) => abort(),
  "in the middle of a request": ({ exchange, clock }, abort) => {
    exchange.mishaps.push("hang");
    clock.sleep(5000).then(abort);
  },
  "waiting for a close": ({ clock }, abort) => void clock.sleep(60_000).then(abort),
  "waiting after a failure": ({ exchange, clock }, abort) => {
    exchange.mishaps.push({ status: 429, headers: { "retry-after": "600" } });
    clock.sleep(60_000).then(abort);
  },
};
for (const [name, arrange] of Object.entries(moments)) {
  test(`exchangeFeed() ends at once when aborted ${name}`, () =>
    withExchange(async (scene) => {
      const controller = new AbortController();
      const reason = new Error("stop");
      let abortedAt = 0;
      arrange(scene, () => {
        abortedAt = scene.clock.trueMs;
        controller.abort(reason);
      });
      const error = await until(Infinity, scene, controller.signal).catch((error) => error);
      assert.is(error, reason);
      assert.is(scene.clock.trueMs, abortedAt);
      assert.is(scene.clock.sleepers, 0);
      assert.not.match(scene.lines.join(), "stop");
    }));
}

test("exchangeFeed() gives no candle of what it has once aborted", () =>
  withExchange(async ({ feed }) => {
    const controller = new AbortController();
    let count = 0;
    const reading = (async (): Promise<void> => {
      for await (const _candle of feed.candles(controller.signal)) {
        if (++count === 3) controller.abort();
      }
    })();
    assert.is(await reading.catch((error) => error.name), "AbortError");
    assert.is(count, 3);
  }));

/** A market with signals in it, on each of four days. */
async function eventful(): Promise<{ candleAt: (time: number) => Candle | undefined; signals: number[] }> {
  const candles = new Map<number, Candle>();
  const strategy = createStrategy();
  const signals: number[] = [];
  for await (const candle of syntheticFeed({ seed: 3547, start: yesterday }).candles()) {
    candles.set(candle.time, candle);
    const found = strategy.update(candle);
    if (found) signals.push(found.time.getTime());
    if (candles.size === 4 * 288) break;
  }
  return { candleAt: (time) => candles.get(time), signals };
}

function createStrategy(): ReturnType<typeof createMeanReversion> {
  return createMeanReversion({ symbol: "BTC-USD", account: 10_000 });
}

/** What the script does with a feed until `limit` signals are sent; gives when each was found, and when sent. */
async function traded(
  { feed, clock }: Scene,
  state: string,
  limit: number,
  tooOld: number[] = [],
): Promise<{ found: number; sentAt: number }[]> {
  const sent = await clock.holding(openSentLog(state, feed.name));
  const all: { found: number; sentAt: number }[] = [];
  const send = (signal: FoundSignal): Promise<SignalOutcome> => {
    assert.not.match(signal.note ?? "", /synthetic/);
    all.push({ found: signal.time.getTime(), sentAt: clock.trueMs });
    return Promise.resolve({ kind: "sent", line: "sent 1" });
  };
  const nothing = (): Promise<void> => Promise.resolve();
  const notifier = { start: nothing, stop: nothing, send: send as Notifier["send"] };
  const deliver = createSignalSender({ sent, notifier, say: () => {} });
  const series = resumeFeed({ feed, liveFrom: -Infinity, pace: nothing }, sent.last);
  await trade({
    ...series,
    strategy: createStrategy(),
    send: (found, candles) => clock.holding(deliver(found, candles)),
    tooOld: ({ time }) => tooOld.push(time.getTime()),
    limit,
  });
  return all;
}

test("trade() sends what it finds as candles close, none of yesterday's, and after a restart none twice", async () => {
  const { candleAt, signals } = await eventful();
  const today = signals.filter((time) => time > at(9, 0));
  const body = (state: string) => async (scene: Scene): Promise<void> => {
    assert.ok(signals.length > today.length, "nothing was found yesterday");
    const sent = [...await traded(scene, state, 1), ...await traded(scene, state, 1)];
    assert.equal(sent.map(({ found }) => found), today.slice(0, 2));
    for (const { found, sentAt } of sent) assert.ok(sentAt - found < 4000);
  };
  await inFolder((folder) => withExchange(body(join(folder, "s.json")), { at: at(9, 0), candleAt }));
});

const absences: Readonly<Record<string, (scene: Scene) => void>> = {
  "the machine slept": ({ clock }) => clock.suspend(20 * hourMs),
  "the exchange was away": ({ exchange }) => {
    const away = { status: 503, headers: { "retry-after": "3600" } };
    exchange.mishaps.push(...Array.from({ length: 20 }, () => away));
  },
};
for (const [name, begin] of Object.entries(absences)) {
  test(`trade() sends nothing that happened while ${name}, and tells it`, async () => {
    const { candleAt, signals } = await eventful();
    const [before = NaN, first = NaN] = signals.filter((time) => time > at(9, 0));
    const next = signals.find((time) => time > first + 20 * hourMs) ?? NaN;
    assert.ok(signals.filter((time) => time > before && time < next).length > 1, "nothing happened");
    const body = (state: string) => async (scene: Scene): Promise<void> => {
      scene.clock.sleep(first - at(9, 0) - 60_000).then(() => begin(scene));
      const tooOld: number[] = [];
      const sent = await traded(scene, state, 2, tooOld);
      assert.equal(sent.map(({ found }) => found), [before, next]);
      assert.equal(tooOld, signals.filter((time) => time > before && time < next));
      for (const { found, sentAt } of sent) assert.ok(sentAt - found < 4000);
    };
    await inFolder((folder) => withExchange(body(join(folder, "s.json")), { at: at(9, 0), candleAt }));
  });
}

for (const [lateMs, outcome] of [[299_000, "is still sent"], [301_000, "is history"]] as const) {
  test(`trade() a signal whose candle closed ${lateMs / 1000} s ago ${outcome}`, async () => {
    const { candleAt, signals } = await eventful();
    const [time = NaN] = signals;
    const now = (): number => time + lateMs;
    const feed: CandleFeed = {
      name: "late",
      now,
      async *candles() {
        for (let opens = yesterday; opens < time; opens += timeframeMs) yield candleAt(opens) as Candle;
      },
    };
    const deliver = (): Promise<boolean> => Promise.resolve(true);
    const count = await trade({ feed, strategy: createStrategy(), send: deliver, liveFrom: -Infinity });
    assert.is(count, lateMs < timeframeMs ? 1 : 0);
  });
}

test("live_scheduler sends an exchange's signal to whoever is subscribed, and ends", async () => {
  const { candleAt, signals } = await eventful();
  const found = signals.filter((time) => time > at(6, 0))[2] ?? NaN;
  await using telegram = await startBotApiServer();
  // The candle closes when the bot has been heard, not before.
  let startedAt = Infinity;
  const now = (): number => found + 1500 + Math.max(0, performance.now() - startedAt);
  await using exchange = await startExchange({ now, candleAt });
  exchange.mishaps.push({ status: 503, headers: { "retry-after": "1" } });
  const ada = telegram.user({ first_name: "Ada" });
  const state = `.signals/${basename(exchange.endpoint).replace(":", "-")}.json`;
  const script = ["examples/live_scheduler.ts", "--exchange", exchange.endpoint, "--state", state];
  const running = startScript([...script, "--signals", "1"], {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_REGION: "us-east-1",
    // The discard port: nobody listens there.
    AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:9",
  });
  try {
    ada.say("/start");
    await ada.received("subscribed");
    startedAt = performance.now();
    // It would wait for the list of the others, for as long as the signal is of use.
    await ada.received("BTC-USD");
    running.kill("SIGTERM");
    const { status, output } = await running.ended;
    assert.is(status, 0, output);
    assert.match(output, /^Candles: 127\.0\.0\.1:\d+ BTC-USD\.$/m);
    assert.match(
      output,
      /Candles cannot be fetched \(status 503\); trying again\.\nCandles are fetched again\./,
    );
    assert.match(output, /Sent to 1 of 1 chat \(from memory\).*\n1 signal; stopping\.\n/);
    assert.is(ada.inbox.filter(({ text, caption }) => (caption ?? text)?.includes("BTC-USD")).length, 1);
  } finally {
    running.kill("SIGKILL");
    removeSync(join(root, state), { force: true });
  }
});

test.run();

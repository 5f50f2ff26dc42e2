/** Whatever fails in a strategy, a feed, a logger or a callback stops nothing else, and is told once. */
import { type CandleRequest, FeedError } from "../../lib/live/feed.ts";
import { runStrategies, type StrategyRun } from "../../lib/live/runner.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import { dayMs } from "../../lib/util/clock.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { Logs, pause, subscribers, until, withBot } from "../support/bot.ts";
import { flat, HandFeed } from "../support/hand_feed.ts";
import { failureOf } from "../support/storage.ts";
import { follower, latest, length, minuteMs, play, texts, withLedger } from "../support/strategy_runs.ts";

const test = suite("strategies that fail, and what they run on");

test("an onSent that throws, or rejects, is logged once a signal, and changes nothing", async () => {
  for (
    const onSent of [(): void => JSON.parse("{"), (): Promise<void> => Promise.reject(new TypeError("mail"))]
  ) {
    await withBot(async (scene) => {
      const [user] = await subscribers(scene, 1) as [LocalUser];
      const { feed, run, logs } = play(scene, { onSent });
      feed.give([flat(latest(), 101)]);
      await until(() => run.sent === 1, "it is not sent");
      feed.give([flat(latest() + 1, 102)]);
      await until(() => run.sent === 2, "the next one is not sent");
      await pause(minuteMs);
      assert.equal([run.sent, texts(user).length], [2, 2]);
      assert.equal(logs.of("error").map((line) => line.split(":")[0]), [
        "onSent has failed",
        "onSent has failed",
      ]);
      await run.stop();
      await run.finished;
    }, withLedger);
  }
});

test("a feed may throw anything, and ask for any wait: it is asked again, and not all the time", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const nameless = Object.defineProperty({}, "name", { get: () => JSON.parse("{") });
    const waits = [NaN, "soon", -1].map((ms) => new FeedError("away", { retryAfterMs: ms as number }));
    for (const failure of [null, nameless, Symbol("x"), ...waits]) {
      const { feed, run } = play(scene);
      feed.fail(failure);
      if (failure === null) feed.fail({ toString: () => null });
      await pause(10 * minuteMs);
      assert.ok(feed.calls.history < 30, `${feed.calls.history} requests`);
      feed.give([flat(latest(), 101)]);
      feed.fail(undefined);
      await until(() => run.sent === 1, "it does not go on");
      await run.stop();
      await run.finished;
    }
  }, withLedger);
});

test("what is no message is the strategy's trouble: it is logged, not repeated, and others go on", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const parameters = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`p${index}`, "x".repeat(500)]),
    );
    const onCandle: Strategy["onCandle"] = () => ({
      direction: "long",
      entry: 100,
      stop: 99,
      target: 101,
      parameters,
    });
    const { feed, run, logs } = play(scene, {
      strategies: [follower({ name: "Wordy", onCandle }), follower()],
    });
    for (let index = latest(); run.sent < 3; index++) {
      feed.give([flat(index, 101 + index % 7)]);
      await pause(length);
    }
    assert.is(texts(user).length, 3);
    assert.match(logs.text, /Wordy.*Not sent: .*"text" must have 1 to 40960 characters/);
    await run.stop();
    await run.finished;
  }, withLedger);
});

test("an alert whose photo Telegram refuses is sent as text", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 3);
    const onCandle: Strategy["onCandle"] = () => ({ text: "Look here", photo: "nope" });
    const { feed, run, logs } = play(scene, { strategies: [follower({ onCandle })] });
    feed.give([flat(latest(), 101)]);
    await until(() => run.sent === 1, "it is not sent");
    for (const user of users) assert.equal(texts(user), ["Look here"]);
    assert.match(logs.of("warn")[0] ?? "", /^Alert of BTC-USD .* It is sent without its photo: .*wrong file/);
    await run.stop();
  }, withLedger);
});

test("a stop waits neither for a feed that does not heed it, nor long for Telegram", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const deaf = {
      ...{ name: "deaf", history: () => Promise.resolve([]), instrument: () => new Promise<never>(() => {}) },
      live: (): AsyncIterable<Candle> => ({
        [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
      }),
    };
    const logs = new Logs();
    const stopped = async (run: StrategyRun, withinMs: number): Promise<void> => {
      const at = Date.now();
      await run.stop();
      assert.ok(Date.now() - at <= withinMs, `${Date.now() - at} ms`);
    };
    const run = runStrategies({ bot: scene.bot, feed: deaf, strategies: [follower()], logger: logs });
    await pause(minuteMs);
    await stopped(run, 100);
    scene.server.fault({ method: "sendMessage", times: Infinity, answer: "hang" });
    const { feed, run: other } = play(scene);
    feed.give([flat(latest(), 101)]);
    await pause(5000);
    await stopped(other, 7000);
  }, withLedger);
});

test("a logger that throws, or rejects, stops nothing: its lines go to the console", async () => {
  const calls: string[] = [];
  const { error: before } = console;
  for (const fails of [() => calls.push("x") && raise(), () => Promise.reject(new Error("disk full"))]) {
    await withBot(async (scene) => {
      const [user] = await subscribers(scene, 1) as [LocalUser];
      const lines: unknown[] = [];
      console.error = (line) => lines.push(line);
      try {
        const feed = new HandFeed();
        const logger = { info() {}, warn() {}, error: fails } as unknown as Logs;
        const broken = follower({
          name: "Broken",
          onCandle() {
            throw new Error("no idea");
          },
        });
        const { run } = play(scene, { logger, strategies: [broken, follower()] }, feed);
        feed.give([flat(latest(), 101)]);
        await until(() => texts(user).length === 1, "it is not sent");
        await run.stop();
      } finally {
        console.error = before;
      }
      assert.match(String(lines[0]), /The logger has failed: disk full\. Its lines come here\./);
      assert.match(String(lines[1]), /The strategy Broken fails at BTC-USD 5m: no idea/);
    }, withLedger);
  }
});

function raise(): never {
  throw new Error("disk full");
}

test("a symbol that the market does not have stops no other one; without any other all ends", async () => {
  for (const method of ["history", "instrument", "live"] as const) {
    await withBot(async (scene) => {
      const [user] = await subscribers(scene, 1) as [LocalUser];
      const feed = new HandFeed();
      const own = feed[method].bind(feed) as (request: CandleRequest) => unknown;
      Object.assign(feed, {
        [method]: (request: CandleRequest) => {
          if (request.symbol !== "BTC-USD") throw new ConfigError(`There is no ${request.symbol} here.`);
          return own(request);
        },
      });
      const strategies = [follower({ symbols: ["BTC-USDD", "BTC-USD"] })];
      const { run, logs } = play(scene, { strategies }, feed);
      await until(() => logs.of("error").length > 0, "it is not told");
      assert.equal(logs.of("error"), [
        "No strategy runs on BTC-USDD 5m: There is no BTC-USDD here. The others go on.",
      ]);
      feed.give([flat(latest(), 101)]);
      await until(() => texts(user).length === 1, "the other one is not sent");
      await run.stop();
      await run.finished;
      const alone = play(scene, { strategies: [follower({ symbols: ["A", "B"] })] }, feed);
      assert.match((await failureOf(alone.run.finished)).message, /There is no [AB] here/);
    }, withLedger);
  }
});

test("what is no candle is the market's trouble: it is asked again, and no strategy sees it", async () => {
  const broken: readonly [(good: Candle) => unknown, RegExp][] = [
    [(good) => ({ ...good, close: NaN }), /"close" must be a finite number/],
    [(good) => ({ ...good, time: NaN }), /"time" must be a finite number/],
    [(good) => ({ ...good, time: good.time / 1000 }), /looks like seconds/],
    [(good) => ({ ...good, time: good.time + 60 * dayMs }), /"time" must not be days ahead: it is 2027-01/],
    [(good) => ({ ...good, high: 1 }), /"high" must be at least "open" and "close"/],
    [({ time }) => [time, 1, 1, 1, 1, 1], /which is an array/],
    [({ time, close }) => ({ time, close }), /"open" must be a finite number/],
    [() => "candle", /it must be an object/],
  ];
  for (
    const [[candle, words], isHistory] of broken.flatMap((each) => [[each, true], [each, false]] as const)
  ) {
    await withBot(async (scene) => {
      const [user] = await subscribers(scene, 1) as [LocalUser];
      const feed = new HandFeed();
      const good = flat(latest(), 101);
      const seen: number[] = [];
      const onCandle: Strategy["onCandle"] = (candles, context) => {
        seen.push((candles.at(-1) as Candle).close);
        return follower().onCandle(candles, context);
      };
      if (isHistory) feed.give([candle(good) as Candle]);
      const { run, logs } = play(scene, { strategies: [follower({ onCandle })] }, feed);
      await pause(1000);
      if (!isHistory) feed.give([candle(good) as Candle]);
      await until(() => logs.of("error").length > 0, "it is not told");
      assert.match(logs.of("error")[0] ?? "", words);
      assert.match(logs.of("error")[0] ?? "", /^Candles of BTC-USD 5m cannot be had from the market: /);
      feed.replace([good]);
      await until(() => texts(user).length === 1, "what is right is not sent");
      assert.equal(seen, [101]);
      await run.stop();
    }, withLedger);
  }
});

test("a strategy that changes its candles, or their list, changes nobody else's", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 1);
    const feed = new HandFeed();
    feed.give([flat(latest() - 2, 99), flat(latest() - 1, 100)]);
    const greedy = follower({
      name: "Greedy",
      onCandle(candles) {
        (candles as Candle[]).reverse().pop();
        Object.assign(candles[0] as object, { close: 1, low: 1 });
      },
    });
    const seen: string[] = [];
    const calm = follower({
      name: "Calm",
      warmUp: 2,
      onCandle(candles) {
        seen.push(candles.map(({ close }) => close).join());
        if (candles.length > 1 && candles.at(-1)?.close === 101) return "101 it is";
        return undefined;
      },
    });
    const { run, logs } = play(scene, { strategies: [{ ...greedy, warmUp: 2 }, calm] }, feed);
    feed.give([flat(latest(), 101)]);
    await until(() => users.every((user) => texts(user).length === 1), "it is not sent");
    assert.equal(seen, ["99,100", "100,101"]);
    assert.match(logs.of("error")[0] ?? "", /The strategy Greedy fails at BTC-USD 5m: .*read.only/);
    await run.stop();
  }, withLedger);
});

test("what fails again and again is logged more and more rarely, whatever its words", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const feed = new HandFeed();
    let candle = 0;
    const words = "abcdefghijklmnopqrstuvwxyz";
    const flapping = follower({
      name: "Flapping",
      onCandle() {
        if (candle % 2 === 0) throw new Error("no idea");
      },
    });
    const babbling = follower({
      name: "Babbling",
      onCandle() {
        throw new Error(
          `no idea, as ${[...words].map(() => words[Math.floor(Math.random() * 26)]).join("")}`,
        );
      },
    });
    const strategies = [flapping, babbling].map((each) => ({ ...each, timeframes: ["1m"] as const }));
    const runs = strategies.map((strategy) => play(scene, { strategies: [strategy] }, feed));
    const first = Math.floor(Date.now() / minuteMs);
    for (; candle < 300; candle++) {
      feed.give([flat(first + candle, 100, minuteMs)], { timeframe: "1m" });
      await pause(minuteMs);
    }
    const [one, other] = runs.map(({ logs }) => logs) as [Logs, Logs];
    const flaps = one.of("error", "Flapping fails");
    assert.ok(flaps.length > 3 && flaps.length < 10, one.text);
    assert.is(one.of("info", "All strategies work again.").length, flaps.length);
    const cries = other.of("error", "Babbling fails").length;
    assert.ok(cries > 3 && cries < 12, other.text);
    for (const { run } of runs) await run.stop();
  });
});

test("two strategies whose names and symbols read alike have ids of their own; a symbol given twice counts once", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const feed = new HandFeed();
    const strategies = [
      follower({ name: "A", symbols: ["B C", "B C"], timeframes: ["5m", "5m"] }),
      follower({ name: "A B", symbols: ["C"] }),
    ];
    const { run } = play(scene, { strategies }, feed);
    await pause(1000);
    feed.give([flat(latest(), 101)], { symbol: "B C" });
    feed.give([flat(latest(), 102)], { symbol: "C" });
    await until(() => run.sent >= 2, "they are not both sent");
    await pause(minuteMs);
    assert.equal(texts(user).map((text) => /10[12]/.exec(text)?.[0]).sort(), ["101", "102"]);
    assert.is(run.sent, 2);
    await run.stop();
  }, withLedger);
});

test("an error that cannot be looked at is the strategy's trouble, and not the market's", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const feed = new HandFeed();
    const onCandle = (): never => {
      throw new Proxy(new Error("x"), { getPrototypeOf: raise, get: raise });
    };
    const { run, logs } = play(scene, { strategies: [follower({ name: "Odd", onCandle })] }, feed);
    feed.give([flat(latest(), 101)]);
    await until(() => logs.of("error").length > 0, "it is not told");
    assert.match(logs.of("error")[0] ?? "", /^The strategy Odd fails at BTC-USD 5m/);
    await run.stop();
  });
});

test.run();

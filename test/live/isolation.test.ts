/** Whatever fails in a strategy, a feed, a logger or a callback stops nothing else, and is told once. */
import { type CandleRequest, FeedError } from "../../lib/live/feed.ts";
import { runStrategies, type StrategyRun } from "../../lib/live/runner.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import { dayMs } from "../../lib/util/clock.ts";
import { setTimeout } from "node:timers";
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
    [
      (good) => ({ ...good, time: good.time + 60 * dayMs }),
      /"time" must not be in the future: it is 2027-01/,
    ],
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
        if (candle % 4 === 0) throw new Error("no idea");
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
    assert.is(one.of("info", "The strategy Flapping works again").length, flaps.length);
    assert.match(one.of("info", "again").at(-1) ?? "", /Flapping works again(, after \d+ failures)?\.$/);
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

test("a strategy that fails at every second candle does not work again in between", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    let candle = 0;
    const onCandle = (): undefined => {
      if (candle++ % 2 === 0) throw new TypeError("no idea");
    };
    const { feed, run, logs } = play(scene, { strategies: [follower({ onCandle })] });
    while (candle < 40) {
      feed.give([flat(latest(), 100)]);
      await pause(length);
    }
    assert.is(logs.of("error").length, 1, logs.text);
    assert.equal(logs.of("info", "again"), []);
    await run.stop();
  });
});

test("each strategy that fails is named, and that it works again, whatever others do", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    let working = 0;
    const strategies = [1, 2, 3].map((number) =>
      follower({
        name: `Number ${number}`,
        onCandle() {
          if (number > working) throw new TypeError("no idea");
        },
      })
    );
    const { feed, run, logs } = play(scene, { strategies });
    for (let candle = 0; candle < 10; candle++) {
      working = candle / 3;
      feed.give([flat(latest(), 100)]);
      await pause(length);
    }
    assert.equal(logs.of("error").map((line) => /Number \d/.exec(line)?.[0]), [
      "Number 1",
      "Number 2",
      "Number 3",
    ]);
    assert.equal(logs.of("info", "again"), [
      "The strategy Number 1 works again, after 3 failures.",
      "The strategy Number 2 works again, after 6 failures.",
    ]);
    await run.stop();
  });
});

test("an error of a megabyte holds nobody up, and one that changes its status is told", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    let words = "x".repeat(1_000_000);
    const onCandle = (): never => {
      throw new Error(words);
    };
    const { feed, run, logs } = play(scene, { strategies: [follower({ name: "Wordy", onCandle })] });
    for (const each of [words, "status 503", "status 401", "price 103.25", "price 104.5"]) {
      words = each;
      feed.give([flat(latest())]);
      await pause(length);
    }
    const told = logs.of("error").map((line) => /(status|price) [\d.]+\d/.exec(line)?.[0]);
    assert.equal(told, [undefined, "status 503", "status 401", "price 103.25"]);
    assert.ok((logs.of("error")[0]?.length ?? 0) < 1000);
    await run.stop();
  });
});

test("a strategy can change nothing of its context, by which others would fail", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const feed = new HandFeed();
    feed.steps = { tickSize: "0.5" };
    const greedy = ["end", "symbol", "instrument", "explain"].map((name) =>
      follower({
        name: `Greedy for ${name}`,
        onCandle(_, context) {
          if (name === "instrument") Object.assign(context.instrument, { tickSize: "50" });
          Object.assign(context, { [name]: 1 });
        },
      })
    );
    const { run, logs } = play(scene, { strategies: [...greedy, follower()] }, feed);
    await pause(1000);
    feed.give([flat(latest(), 101)]);
    await until(() => texts(user).length === 1, "the other one is not sent");
    assert.is(logs.of("error").length, greedy.length, logs.text);
    for (const line of logs.of("error")) assert.match(line, /^The strategy Greedy for \w+ fails/);
    await run.stop();
  }, withLedger);
});

test("steps that are none are the market's mistake: signals go out without them", async () => {
  for (const tickSize of [null, "", "NaN", 0, {}, "abc", true]) {
    await withBot(async (scene) => {
      const [user] = await subscribers(scene, 1) as [LocalUser];
      const feed = new HandFeed();
      feed.steps = { tickSize, sizeStep: "1e-8", currency: "USD" } as object;
      const seen: unknown[] = [];
      const onCandle: Strategy["onCandle"] = (candles, context) => {
        seen.push(context.instrument);
        return follower().onCandle(candles, context);
      };
      const { run, logs } = play(scene, { strategies: [follower({ onCandle })] }, feed);
      await pause(1000);
      feed.give([flat(latest(), 101)]);
      await until(() => texts(user).length === 1, "it is not sent");
      assert.equal(seen, [{ symbol: "BTC-USD", sizeStep: "0.00000001", currency: "USD" }]);
      assert.equal(logs.of("error"), []);
      const told = logs.of("warn", '"tickSize" must be a step such as "0.01": current value is');
      assert.is(told.length, tickSize === null ? 0 : 1, logs.text);
      await run.stop();
    }, withLedger);
  }
});

test("a start sends all that is still fresh, however short the warm-up", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const feed = new HandFeed();
    feed.give(Array.from({ length: 40 }, (_, index) => flat(latest() - 39 + index, 101 + index)));
    const { run } = play(scene, { strategies: [follower({ maxAgeMs: 2 * 3_600_000 })] }, feed);
    await until(() => run.sent === 24, `they are not all sent`);
    await pause(minuteMs);
    assert.is(texts(user).length, 24);
    await run.stop();
  }, withLedger);
});

test("candles of the future, of another timeframe or off their grid are refused; what is right goes on", async () => {
  const wrong: readonly [(index: number) => Candle, RegExp][] = [
    [(index) => flat(index + 240, 105), /"time" must not be in the future: it is /],
    [
      (index) => ({ ...flat(index, 105), time: index * length - 17 }),
      /"time" must be 5m after that of the candle before/,
    ],
    [
      (index) => ({ ...flat(index, 105), time: index * length - 4 * minuteMs }),
      /"time" must be 5m after that of/,
    ],
  ];
  for (const [candle, words] of wrong) {
    await withBot(async (scene) => {
      const [user] = await subscribers(scene, 1) as [LocalUser];
      const feed = new HandFeed();
      const from = latest();
      feed.give([flat(from)]);
      const { run, logs } = play(scene, {}, feed);
      await pause(length);
      feed.give([candle(from + 1)]);
      await until(() => logs.of("error").length === 1, "it is not told");
      assert.match(logs.of("error")[0] ?? "", words);
      feed.replace([flat(from), flat(from + 1, 101)]);
      await until(() => run.sent === 1, "what is right is not sent");
      assert.match(texts(user).join(), /101/);
      await run.stop();
    }, withLedger);
  }
});

test("where this machine's clock was put back, it goes on after a while", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const ahead = 24;
    const feed = new HandFeed();
    feed.give([flat(latest())]);
    const { run, logs } = play(scene, {}, feed);
    await pause(1000);
    for (let minutes = 0; run.sent === 0; minutes++) {
      assert.ok(minutes < 30, logs.text);
      if (minutes % 5 === 0) feed.give([flat(latest() + ahead, 101 + minutes)]);
      await pause(minuteMs);
    }
    await run.stop();
  }, withLedger);
});

test("where candles come too late for any signal, or are still forming, or not at all, it is told once", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const late = play(scene);
    for (let number = 0; number < 20; number++) {
      late.feed.give([flat(latest() - 1, 101)]);
      await pause(length);
    }
    assert.equal(late.logs.of("error").map((line) => line.replace(/\d+ s after/, "N s after")), [
      "Candles of BTC-USD 5m come too late, by this machine's clock: N s after their close. " +
      "Follower sends no signal that is older than 300 s (maxAgeMs).",
    ]);
    late.feed.give([flat(latest(), 101)]);
    await until(() => late.run.sent === 1, "one in time is not sent");
    assert.is(late.logs.of("info", "Candles come in time again.").length, 1);
    const forming = play(scene, {}, new HandFeed());
    for (let number = 0; number < 5; number++) {
      forming.feed.give([flat(latest() + 1, 100)]);
      await pause(length);
    }
    assert.is(forming.logs.of("warn").length, 1, forming.logs.text);
    assert.match(
      forming.logs.text,
      /before they have closed: .* still forming, or this machine's clock is slow/,
    );
    const silent = play(scene, {}, new HandFeed());
    await pause(24 * 60 * minuteMs);
    assert.equal(silent.logs.of("error"), [
      "Candles of BTC-USD 5m cannot be had from the market: nothing has come for 15 minutes. Trying again.",
    ]);
    assert.ok(silent.feed.calls.live > 80, "it is not asked again");
    silent.feed.give([flat(latest(), 101)]);
    await until(() => silent.run.sent === 1, "what comes then is not sent");
    for (const { run } of [late, forming, silent]) await run.stop();
  }, withLedger);
});

test("a market that ends for one symbol is told", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const feed = new HandFeed();
    const own = feed.live.bind(feed);
    feed.live = async function* (request) {
      if (request.symbol !== "ENDED") yield* own(request);
    };
    const { run, logs } = play(scene, { strategies: [follower({ symbols: ["ENDED", "BTC-USD"] })] }, feed);
    await pause(1000);
    feed.give([flat(latest(), 101)]);
    await until(() => texts(user).length === 1, "it is not sent");
    assert.equal(logs.of("warn"), [
      "The candles of ENDED 5m have ended: its strategies are called no more.",
    ]);
    await run.stop();
  }, withLedger);
});

test("a market that floods leaves others their turn, and can be stopped", async () => {
  const feed = new HandFeed();
  feed.live = async function* () {
    for (;;) yield flat(latest());
  };
  const bot = { sendSignal: raise, broadcast: raise };
  const run = runStrategies({ bot, feed, strategies: [follower()], logger: new Logs() });
  await new Promise((resolve) => setTimeout(resolve, 50));
  await run.stop();
});

test("it is not said that signals can be sent again where one was given up", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const feed = new HandFeed();
    const { run, logs } = play(scene, { bot: { sendSignal: raise, broadcast: raise } }, feed);
    for (let number = 0; number < 6; number++) {
      feed.give([flat(latest(), 101 + number)]);
      await pause(length);
    }
    assert.is(logs.of("error", "It is not sent yet: disk full.").length, 1, logs.text);
    assert.equal(logs.of("info", "again"), []);
    await run.stop();
  });
});

test.run();

/** Strategies that run on a market: each signal goes out once, and nothing that fails stops the others. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { FeedError } from "../../lib/live/feed.ts";
import { runStrategies } from "../../lib/live/runner.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { pause, subscribers, until, withBot } from "../support/bot.ts";
import { flat, HandFeed } from "../support/hand_feed.ts";
import { failureOf } from "../support/storage.ts";
import { follower, latest, length, minuteMs, play, texts, withLedger } from "../support/strategy_runs.ts";

const test = suite("runStrategies()");

test("each new candle's signal goes to each subscriber once, with what is known of it", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 3);
    const { feed, run, logs } = play(scene);
    feed.give([flat(latest(), 101)]);
    await until(() => run.sent === 1, "it is not sent");
    for (const user of users) {
      assert.is(texts(user).length, 1);
      for (const part of ["BTC-USD", "101", "Follower", "5m"]) assert.match(texts(user)[0] ?? "", part);
    }
    assert.match(
      logs.text,
      /LONG BTC-USD at 101, stop 100, target 102 \(Follower, 5m, .* UTC\)\. Sent to 3 of 3 chats/,
    );
    await run.stop();
    await run.finished;
  }, withLedger);
});

test("what a killed process has sent is not sent again, what it has missed is, if it is fresh", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    const feed = new HandFeed();
    feed.give([flat(latest() - 5, 99), flat(latest(), 101)]);
    const first = play(scene, {}, feed);
    await until(() => first.run.sent === 1, "it is not sent");
    await first.run.stop();
    const second = play(scene, {}, feed);
    await until(() => second.run.sent === 1, "it is not asked for again");
    feed.give([flat(latest() + 1, 102)]);
    await until(() => second.run.sent === 2, "the next one is not sent");
    await second.run.stop();
    assert.equal(user && texts(user).map((text) => /10[12]/.exec(text)?.[0]), ["101", "102"]);
  }, withLedger);
});

for (const [onUnknown, expected] of [["skip", ["101", "102"]], ["resend", ["101", "101", "102"]]] as const) {
  test(`what was found before the start, while the ledger is down, by "${onUnknown}"; what is new does not wait`, async () => {
    await withBot(async (scene) => {
      const [user] = await subscribers(scene, 1) as [LocalUser];
      const feed = new HandFeed();
      feed.give([flat(latest(), 101)]);
      const first = play(scene, {}, feed);
      await until(() => first.run.sent === 1, "it is not sent");
      await first.run.stop();
      const bot = scene.another();
      await bot.initialize();
      const outage = scene.gate.fail({ status: 500, type: "InternalServerError", message: "away" });
      const second = play({ bot }, { onUnknown }, feed);
      await pause(minuteMs);
      feed.give([flat(latest() + 1, 102)]);
      await until(() => texts(user).some((text) => text.includes("102")), "the new one is not sent");
      outage.clear();
      await until(() => second.run.sent === 2, "the old one is not looked up");
      await pause(minuteMs);
      assert.equal(texts(user).map((text) => /10[12]/.exec(text)?.[0]), expected);
      await second.run.stop();
    }, withLedger);
  });
}

test("two processes side by side send each signal once", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 5);
    const other = scene.another();
    const feed = new HandFeed();
    const runs = [play(scene, {}, feed), play({ bot: other }, {}, feed)];
    const from = latest();
    for (let index = 0; index < 10; index++) {
      feed.give([flat(from + index, 101 + index)]);
      await pause(1000);
      await until(() => runs.every(({ run }) => run.sent === index + 1), "not both of them are done");
      await pause(length - 5000);
    }
    for (const { run } of runs) await run.stop();
    for (const user of users) assert.is(texts(user).length, 10);
  }, withLedger);
});

test("the strategies of a bot that is stopped end, and say so", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    const bot = scene.another();
    const feed = new HandFeed();
    const { run, logs } = play({ bot }, {}, feed);
    feed.give([flat(latest(), 101)]);
    await until(() => run.sent === 1, "the first is not sent");
    await bot.stopBot();
    feed.give([flat(latest() + 1, 102)]);
    await run.finished;
    assert.is(texts(user as LocalUser).length, 1);
    assert.is(logs.of("warn", "The bot was stopped, and its strategies with it.").length, 1);
  }, withLedger);
});

test("a candle that is too old signals nothing; its signal is known as the open one until a candle ends it", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    const feed = new HandFeed();
    const seen: (string | undefined)[] = [];
    const strategy = follower({
      onCandle(candles, { openSignal, isLive, time }) {
        const { close, time: opened } = candles.at(-1) as Candle;
        seen.push(`${close} ${isLive} ${openSignal?.entry} ${time - opened}`);
        return close === 101 ? { direction: "long", entry: 101, stop: 95, target: 110 } : undefined;
      },
      warmUp: 2,
    });
    const now = latest();
    feed.give([flat(now - 4), flat(now - 3, 101), flat(now - 2, 101), flat(now - 1), flat(now, 90)]);
    const { run } = play(scene, { strategies: [strategy] }, feed);
    await until(() => seen.length === 4, "it is not called");
    await pause(1000);
    // Five candles: those that may be fresh, the last two, and those that the first of them needs.
    assert.equal(seen, [
      `101 false undefined ${length}`,
      `101 false 101 ${length}`,
      `100 false 101 ${length}`,
      `90 true undefined ${length}`,
    ]);
    assert.equal(user && texts(user), []);
    await run.stop();
  }, withLedger);
});

test("a strategy that throws, gives nonsense or hangs is logged once, and again when it is over; others go on", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    let mood: (...args: Parameters<Strategy["onCandle"]>) => unknown = () => {
      throw new Error(`boom\nof ${scene.server.token}`);
    };
    const moody = follower({
      name: "Moody",
      symbols: ["BTC-USD", "ETH-USD"],
      onCandle: (...args) => mood(...args) as undefined,
    });
    const { feed, run, logs } = play(scene, { strategies: [moody, follower()] });
    let index = latest();
    const next = async (): Promise<void> => {
      feed.give([flat(index, 101 + index)]);
      feed.give([flat(index++)], { symbol: "ETH-USD" });
      await pause(length);
    };
    await next();
    await next();
    assert.equal(logs.of("error").length, 1, logs.text);
    assert.match(
      logs.text,
      /The strategy Moody fails at BTC-USD 5m: boom of <token> \(runner\.test\.ts:\d+:\d+\)\. It is called again/,
    );
    mood = () => ({ direction: "up" });
    await next();
    assert.match(logs.text, /Cannot use the signal as .* value is undefined\. It is called again/);
    const aborted: boolean[] = [];
    const hang: Strategy["onCandle"] = (_, { signal }) =>
      new Promise(() => signal.addEventListener("abort", () => aborted.push(true)));
    mood = hang;
    await next();
    await next();
    assert.ok(aborted.length >= 2, "who waits in vain is told so");
    assert.match(logs.text, /The strategy Moody fails at BTC-USD 5m: no answer within 5m/);
    mood = () => undefined;
    for (let candle = 0; candle < 4; candle++) await next();
    assert.is(logs.text.match(/The strategy Moody works again, after \d+ failures\./g)?.length, 1, logs.text);
    assert.is(logs.of("error").length, 3, logs.text);
    assert.is(run.sent, 9);
    assert.is(user && texts(user).length, 9);
    await run.stop();
  }, withLedger);
});

test("a market that is down is logged once for all symbols, and again when it is over; what is fresh then is sent", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    const symbols = ["BTC-USD", "ETH-USD", "SOL-USD"];
    const { feed, run, logs } = play(scene, { strategies: [follower({ symbols })] });
    feed.give([flat(latest())]);
    await pause(1000);
    feed.fail(new FeedError("status 503", { retryAfterMs: 2 * minuteMs }));
    await pause(10 * minuteMs);
    const calls = feed.calls.live + feed.calls.history;
    assert.ok(calls <= 6 + 3 * 6, `${calls} requests`);
    const from = latest();
    feed.give([flat(from - 1, 101), flat(from, 102)]);
    feed.fail(undefined);
    await until(() => run.sent === 1, "the fresh one is not sent");
    await pause(10 * minuteMs);
    for (const symbol of symbols.slice(1)) feed.give([flat(latest())], { symbol });
    await pause(1000);
    assert.equal(user && texts(user).map((text) => /10[12]/.exec(text)?.[0]), ["102"]);
    const [line = "", ...others] = logs.of("error");
    assert.match(line, /^Candles of \w+-USD 5m cannot be had from the market: status 503\. Trying again\.$/);
    assert.equal(others, []);
    assert.is(logs.text.match(/Candles come from the market again/g)?.length, 1, logs.text);
    await run.stop();
  }, withLedger);
});

test("a signal waits for a bot that cannot send, as long as it is fresh", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    const { feed, run, logs } = play({ bot: scene.another() });
    const fault = scene.server.fault({ method: "getMe", times: Infinity, answer: "reset" });
    feed.give([flat(latest(), 101)]);
    await pause(2 * minuteMs);
    assert.is(run.sent, 0);
    fault.clear();
    await until(() => run.sent === 1, "it is not sent");
    assert.equal(user && texts(user).length, 1);
    assert.match(scene.logs.text, "The signal is sent as soon as it can.");
    assert.equal(logs.of("error"), []);
    scene.server.fault({ method: "getMe", times: Infinity, answer: "reset" });
    await run.stop();
    const late = play({ bot: scene.another() });
    late.feed.give([flat(latest(), 102)]);
    await pause(length);
    assert.match(late.logs.text, /LONG BTC-USD at 102.*Not sent, as it is too old by now\./);
    await late.run.stop();
  }, withLedger);
});

test("a signal much like one before is not sent, also if that was before the start", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    const feed = new HandFeed();
    const now = latest();
    feed.give([flat(now - 2), flat(now - 1, 101)]);
    const { run, logs } = play(scene, {
      strategies: [follower({ warmUp: 2 })],
      similar: { percent: 0.05, hours: 24 },
    }, feed);
    await pause(1000);
    feed.give([flat(now, 101.05), flat(now + 1, 101.06), flat(now + 2, 101.04), flat(now + 3, 90)]);
    await until(() => run.sent === 2, "the others are not sent");
    assert.is(logs.of("info", "one much like it came before; nor are others").length, 1, logs.text);
    assert.equal(user && texts(user).map((text) => /101\.0\d|90/.exec(text)?.[0]), ["101.06", "90"]);
    assert.match(logs.text, /LONG BTC-USD at 101\.05.*Not sent, as one much like it came before/);
    await run.stop();
  }, withLedger);
});

test("an alert is sent as it is, and a feed's caution stands in each message", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    const feed = new HandFeed({ caution: "not a market" });
    const onCandle: Strategy["onCandle"] = ([candle], { symbol }) =>
      candle?.close === 1 ? `${symbol} sleeps` : follower().onCandle([candle as never], {} as never);
    const { run } = play(scene, { strategies: [follower({ onCandle })] }, feed);
    feed.give([flat(latest(), 1), flat(latest() + 1, 101)]);
    await until(() => run.sent === 2, "they are not sent");
    const [alert, signal] = user ? texts(user) : [];
    assert.is(alert, "BTC-USD sleeps\n\nnot a market");
    assert.match(signal ?? "", "not a market");
    await run.stop();
  }, withLedger);
});

test("signals of a market that is none take no real one's place", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1);
    const synthetic = play(scene, {}, new HandFeed({ caution: "not a market" }));
    const real = play(scene);
    for (const { feed } of [synthetic, real]) feed.give([flat(latest(), 101)]);
    await until(() => real.run.sent === 1 && synthetic.run.sent === 1, "they are not sent");
    assert.is(user && texts(user).length, 2);
    for (const { run } of [synthetic, real]) await run.stop();
  }, withLedger);
});

test("onlyTo: one chat gets them, and nothing is taken from the others", async () => {
  await withBot(async (scene) => {
    const [operator, other] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    const feed = new HandFeed();
    const dry = play(scene, { onlyTo: operator.chatId }, feed);
    feed.give([flat(latest(), 101)]);
    await until(() => dry.run.sent === 1, "it is not sent");
    assert.equal([texts(operator).length, texts(other).length], [1, 0]);
    assert.match(dry.logs.text, /Sent to 1 of 1 chat/);
    await dry.run.stop();
    const real = play(scene, {}, feed);
    await until(() => real.run.sent === 1, "it is not sent");
    assert.equal([texts(operator).length, texts(other).length], [2, 1]);
    await real.run.stop();
  }, withLedger);
});

test("a strategy knows the steps of prices and amounts; a market that does not tell them is asked again", async () => {
  await withBot(async (scene) => {
    const seen: unknown[] = [];
    const onCandle: Strategy["onCandle"] = (_, { instrument }) => void seen.push(instrument);
    const feed = new HandFeed();
    feed.steps = new FeedError("status 503");
    const { run, logs } = play(scene, { strategies: [follower({ onCandle })] }, feed);
    await pause(1000);
    feed.give([flat(latest())]);
    await until(() => seen.length === 1, "it is not called");
    feed.steps = { tickSize: "0.5", sizeStep: "0.01", currency: "USD" };
    await pause(length);
    feed.give([flat(latest())]);
    await pause(length);
    feed.give([flat(latest())]);
    await until(() => seen.length === 3, "it is not called");
    const symbol = "BTC-USD";
    assert.equal(seen, [{ symbol }, { symbol }, { symbol, ...feed.steps }]);
    assert.is(feed.calls.instrument, 3);
    assert.equal(logs.of("warn"), [
      "The steps of BTC-USD's prices and amounts cannot be had from the market: status 503. Strategies go on without them.",
    ]);
    await run.stop();
  });
});

test("a candle that comes again is put right, and calls no strategy", async () => {
  await withBot(async (scene) => {
    const seen: number[][] = [];
    const onCandle: Strategy["onCandle"] = (candles) => void seen.push(candles.map(({ close }) => close));
    const { feed, run } = play(scene, { strategies: [follower({ onCandle, warmUp: 3 })] });
    const now = latest();
    feed.give([flat(now - 3, 1), flat(now - 2, 2), flat(now - 1, 3), flat(now - 2, 5), flat(now, 4)]);
    await until(() => seen.length === 2, "it is not called");
    await pause(1000);
    assert.equal(seen, [[1, 2, 3], [5, 3, 4]]);
    await run.stop();
  });
});

test("it ends with its market, by a signal, or by a mistake in the settings, and says which", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const ending = play(scene);
    ending.feed.give([flat(latest(), 101)]);
    ending.feed.end();
    await ending.run.finished;
    assert.is(ending.run.sent, 1);
    const controller = new AbortController();
    const stopped = play(scene, { signal: controller.signal });
    await pause(100);
    controller.abort();
    await stopped.run.finished;
    const mistaken = new HandFeed();
    mistaken.fail(new ConfigError("There is no NO-SUCH."));
    const failure = await failureOf(play(scene, {}, mistaken).run.finished);
    assert.instance(failure, ConfigError);
  }, withLedger);
});

test("what can be no strategy, and no option, is refused before anything is asked", async () => {
  await withBot(({ bot }) => {
    const run = (options: object): Error => {
      try {
        runStrategies({ bot, feed: new HandFeed(), strategies: [follower()], ...options });
      } catch (error) {
        return error as Error;
      }
      throw new Error("nothing was refused");
    };
    for (
      const [options, words] of [
        [{ strategies: [] }, /"strategies" must be a list of strategies/],
        [{ strategies: [follower(), follower()] }, /two strategies have the name "Follower"/],
        [{ strategies: [follower({ name: "é".repeat(50) })] }, /must have 80 bytes together at most/],
        [
          { strategies: [follower({ name: "a\u0000b" })] },
          /a name and a symbol must have no control characters/,
        ],
        [{ strategies: [follower({ symbols: ["BTC\nUSD"] })] }, /must have no control characters/],
        [{ strategies: [follower({ maxAgeMs: Infinity })] }, /"maxAgeMs" must be a finite number/],
        [{ strategies: [follower({ warmUp: 0 })] }, /"warmUp" must be a whole number/],
        [{ strategy: [] }, /strategy is not an option: did you mean strategies/],
        [{ feed: {} }, /"feed" must be a feed/],
        [{ similar: { percent: 1 } }, /"hours" must be a number above 0/],
        [{ similar: { percent: 1, hours: 2, minutes: 3 } }, /minutes is not a name in similar/],
        [{ similar: 1 }, /"similar" must be an object such as \{ percent: 0\.05, hours: 24 \}/],
        [{ strategies: [follower({ symbols: Array(2) })] }, /"symbols" must be a list of symbols/],
        [
          { feed: Object.assign(new HandFeed(), { name: " " }) },
          /"name" must be a name for log lines/,
        ],
        [{ onlyTo: 0 }, /"onlyTo" must be a chat's id/],
        [{ bot: undefined }, /"bot" must be a bot/],
        [{ onlyTo: "123" }, /"onlyTo" must be a chat's id, a whole number/],
      ] as const
    ) assert.match(run(options).message, words);
    return Promise.resolve();
  });
});

test.run();

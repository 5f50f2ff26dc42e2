/** The daily summary of strategies that run: what it says, when it comes, and that it comes once. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { FeedError } from "../../lib/live/feed.ts";
import { runStrategies, type StrategyRun } from "../../lib/live/runner.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import { assert, suite } from "../harness.ts";
import { pause, subscribers, until, withBot } from "../support/bot.ts";
import {
  clockOf,
  closeOf,
  isoOf,
  latest,
  length,
  pass,
  play,
  summaries,
  titleOf,
  trader,
} from "../support/daily_summaries.ts";
import { flat, HandFeed } from "../support/hand_feed.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const withLedger = { hasLedger: true } as const;
const test = suite("dailySummary");

test("each signal of the day stands in it with what became of it; what was silent, with why", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 3) as [LocalUser, LocalUser, LocalUser];
    const from = latest() + 1;
    const { feed, run, logs } = play(scene, from + 6, {
      strategies: [trader({ symbols: ["BTC-USD", "ETH-USD", "SOL-USD"], warmUp: 2 })],
    });
    feed.give([flat(from - 1)]);
    feed.give([flat(from - 1)], { symbol: "ETH-USD" });
    await Promise.all([
      pass(feed, from, [
        101,
        103,
        // A signal's own candle does not end it; of the next one, which spans both prices, the stop counts.
        { open: 101, high: 103, low: 101, close: 101, volume: 1 },
        { open: 101, high: 103, low: 98, close: 98, volume: 1 },
        99,
        99,
        98.5,
      ]),
      pass(feed, from, [7, 100, 7, 7, 7, 7, 7], "ETH-USD"),
      pass(feed, from + 6, [7], "SOL-USD"),
    ]);
    const text = [
      titleOf(from + 6),
      "4 signals: +2.0 R, −1.0 R, 2 open",
      `${clockOf(from)} LONG BTC-USD at 101, 5m: target, +2.0 R`,
      `${clockOf(from + 2)} LONG BTC-USD at 101, 5m: stop, −1.0 R`,
      `${clockOf(from + 4)} SHORT BTC-USD at 99, 5m: open, +1.0 R so far`,
      `${clockOf(from + 5)} SHORT BTC-USD at 99, 5m: open, +1.0 R so far`,
      "No signal: Trader ETH-USD 5m (inside its bands)",
      "No signal: Trader SOL-USD 5m (too few candles yet)",
    ].join("\n");
    for (const user of users) assert.equal(summaries(user), [text]);
    const [bold] = users[0].inbox.at(-1)?.entities ?? [];
    assert.equal(bold, { type: "bold", offset: 0, length: titleOf(from + 6).length });
    assert.match(logs.text, `${titleOf(from + 6)}. Sent to 3 of 3 chats`);
    assert.is(run.sent, 4, "a summary is no signal");
    await run.stop();
  }, withLedger);
});

test("after a restart in the middle of the day it is the same", async () => {
  await withBot(async (scene) => {
    const [one, other] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    const hour = (time: number): number => Math.floor(time / hourMs);
    const from = hour(Date.now());
    const at = isoOf((from + 24) * hourMs).slice(11, 16);
    const strategy = trader({ timeframes: ["1h"], warmUp: 3, symbols: ["BTC-USD", "ETH-USD"] });
    const feed = new HandFeed();
    const begin = ({ chatId }: LocalUser): StrategyRun =>
      play(scene, 0, {
        ...{ strategies: [strategy], onlyTo: chatId, dailySummary: { at } },
        similar: { percent: 0.05, hours: 12 },
      }, feed).run;
    const give = (index: number, price: number, other: number): void => {
      feed.give([flat(index, price, hourMs)], { timeframe: "1h" });
      feed.give([flat(index, other, hourMs)], { timeframe: "1h", symbol: "ETH-USD" });
    };
    for (let index = from - 30; index < from; index++) give(index, index === from - 9 ? 101 : 7, 7);
    const whole = begin(one);
    let restarted = begin(other);
    for (let index = from; index < from + 24; index++) {
      await pause(Math.max(0, (index + 1) * hourMs - Date.now() + 1000));
      const price = new Map([[from + 1, 99], [from + 2, 101], [from + 4, 96], [from + 20, 101]]).get(index);
      give(index, price ?? 98, index === from + 3 ? 100 : 13);
      if (index !== from + 22) continue;
      await pause(minuteMs);
      await restarted.stop();
      restarted = begin(other);
    }
    await pause(2000);
    assert.equal(summaries(one), summaries(other));
    assert.is(summaries(one).length, 2, "the one at the start, and this one");
    const today = /\d{4}-\d\d-\d\d/.exec(summaries(one).at(-1) ?? "")?.[0];
    const ago = (index: number): string => {
      const [date, clock = ""] = isoOf((index + 1) * hourMs).split("T");
      return `${date === today ? "" : "yesterday "}${clock.slice(0, 5)}`;
    };
    assert.equal(summaries(one).at(-1)?.split("\n").slice(1), [
      "3 signals: −10.0 R, 1 not sent",
      `${ago(from + 1)} SHORT BTC-USD at 99, 1h: stop, −4.0 R`,
      `${ago(from + 2)} LONG BTC-USD at 101, 1h: not sent (much like an earlier one)`,
      `${ago(from + 20)} LONG BTC-USD at 101, 1h: stop, −6.0 R`,
      `Failed: Trader ETH-USD 1h (boom, last at ${at})`,
    ]);
    for (const run of [whole, restarted]) await run.stop();
  }, withLedger);
});

test("what was open at the end of a day stands in the next one, once it has ended not any more", async () => {
  await withBot(async (scene) => {
    const [one, other] = await subscribers(scene, 2) as [LocalUser, LocalUser];
    const from = Math.floor(Date.now() / hourMs);
    const at = isoOf((from + 1) * hourMs).slice(11, 16);
    const feed = new HandFeed();
    const begin = ({ chatId }: LocalUser): StrategyRun =>
      play(scene, 0, {
        ...{ strategies: [trader({ timeframes: ["1h"] })], onlyTo: chatId, dailySummary: { at } },
      }, feed).run;
    const whole = begin(one);
    let restarted = begin(other);
    const prices = new Map([[2, 101], [10, 99], [12, 99], [20, 98], [21, 97.5], [30, 99.5], [50, 99], [
      60,
      97,
    ]]);
    for (let hour = 1; hour <= 73; hour++) {
      await pause(Math.max(0, (from + hour + 1) * hourMs - Date.now() + 1000));
      feed.give([flat(from + hour, prices.get(hour) ?? 98.5, hourMs)], { timeframe: "1h" });
      await pause(minuteMs);
      if (hour !== 40) continue;
      await restarted.stop();
      restarted = begin(other);
    }
    assert.equal(summaries(one), summaries(other));
    const dates = summaries(one).map((text) => /\d{4}-\d\d-\d\d/.exec(text)?.[0]);
    const shown = (hour: number): string => isoOf((from + hour + 1) * hourMs).slice(11, 16);
    assert.equal(summaries(one).slice(1).map((text) => text.split("\n").slice(1)), [
      [
        "3 signals: −5.0 R, 2 open",
        `yesterday ${shown(2)} LONG BTC-USD at 101, 1h: stop, −5.0 R`,
        `yesterday ${shown(10)} SHORT BTC-USD at 99, 1h: open, +1.0 R so far`,
        `${shown(12)} SHORT BTC-USD at 99, 1h: open, +1.0 R so far`,
      ],
      [
        "Of earlier days:",
        `${dates[0]} ${shown(10)} SHORT BTC-USD at 99, 1h: stop, −1.0 R`,
        `${dates[1]} ${shown(12)} SHORT BTC-USD at 99, 1h: stop, −1.0 R`,
        "No signal: Trader BTC-USD 1h",
      ],
      [
        "1 signal: +4.0 R",
        `yesterday ${shown(50)} SHORT BTC-USD at 99, 1h: target, +4.0 R`,
      ],
    ]);
    for (const run of [whole, restarted]) await run.stop();
  }, withLedger);
});

test("two processes side by side send it once", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 5);
    const feed = new HandFeed();
    const from = latest() + 1;
    const runs = [play(scene, from + 1, {}, feed), play({ bot: scene.another() }, from + 1, {}, feed)];
    await pass(feed, from, [101, 103, 7]);
    const [first, second] = runs.map(({ logs }) => logs.text);
    const title = titleOf(from + 1);
    assert.match(`${first}${second}`, `${title}. Sent to 5 of 5 chats`);
    assert.match(`${first}${second}`, `${title}. It had been begun before; its report: Sent to 5 of 5 chats`);
    for (const user of users) assert.is(summaries(user).length, 1);
    for (const { run } of runs) await run.stop();
  }, withLedger);
});

test("a start within the hour after it sends it, a later one waits for the next day", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const feed = new HandFeed();
    const now = latest();
    feed.give([flat(now - 20, 101), flat(now - 12, 102), flat(now - 9, 7), flat(now, 101)]);
    const late = play(scene, now - 12, {}, feed);
    await pause(10 * minuteMs);
    assert.equal(summaries(user), []);
    assert.not.match(late.logs.text, "Summary");
    await late.run.stop();
    const soon = play(scene, now - 9, {}, feed);
    await pause(6 * minuteMs);
    assert.equal(summaries(user), [[
      titleOf(now - 9),
      "1 signal: +2.0 R",
      `${clockOf(now - 20)} LONG BTC-USD at 101, 5m: target, +2.0 R`,
    ].join("\n")]);
    await soon.run.stop();
  }, withLedger);
});

test("a start that knows no candle of the day says nothing of it, until it does", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const now = latest();
    const feed = new HandFeed();
    feed.fail(new FeedError("status 503"));
    const { run } = play(scene, now, {}, feed);
    await pause(20 * minuteMs);
    assert.equal(summaries(user), []);
    feed.give([flat(now - 1, 101), flat(now)]);
    feed.fail(undefined);
    await pause(2 * minuteMs);
    assert.match(summaries(user)[0] ?? "", `LONG BTC-USD at 101, 5m: stop, −2.0 R`);
    await run.stop();
  }, withLedger);
});

test("it also comes when no candle does: of a market that is silent, and one that is down", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const from = latest();
    const symbols = ["BTC-USD", "ETH-USD"];
    const { run, feed } = play(scene, from + 4, { strategies: [trader({ symbols })] });
    for (const symbol of symbols) feed.give([flat(from)], { symbol });
    await pause(closeOf(from + 4) - Date.now() + 6.5 * minuteMs);
    assert.equal(summaries(user), [
      `${titleOf(from + 4)}\nNo candles: BTC-USD 5m, ETH-USD 5m since ${
        clockOf(from)
      } (nothing has come for 15 minutes)`,
    ]);
    await run.stop();
    const down = play(scene, from + 10, { strategies: [trader({ symbols })] }, feed);
    await pass(feed, from + 6, [7, 7, 7]);
    feed.fail(new FeedError("status 503"));
    await pause(minuteMs);
    feed.fail(undefined);
    await pass(feed, from + 9, [7, 7]);
    await pause(1.1 * minuteMs);
    assert.equal(summaries(user).at(-1)?.split("\n").slice(1), [
      "No signal: Trader BTC-USD 5m (inside its bands)",
      `No candles: ETH-USD 5m since ${clockOf(from)} (status 503)`,
    ]);
    await down.run.stop();
  }, withLedger);
});

test("the last candle of the day and its answer are waited for; a market that is down for long is not", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const from = latest() + 1;
    const slow: Strategy["onCandle"] = async (...args) => {
      if (args[1].symbol === "ETH-USD") await pause(2 * minuteMs);
      return trader().onCandle(...args);
    };
    const symbols = ["BTC-USD", "ETH-USD"];
    const { run, feed } = play(scene, from + 1, { strategies: [trader({ symbols, onCandle: slow })] });
    for (const symbol of symbols) await pass(feed, from, [7], symbol);
    await pass(feed, from + 1, [7]);
    feed.give([flat(from + 2, 101)]);
    await pause(minuteMs);
    feed.give([flat(from + 1, 101)], { symbol: "ETH-USD" });
    await pause(minuteMs);
    assert.equal(summaries(user), []);
    await pause(1.1 * minuteMs);
    assert.equal(summaries(user)[0]?.split("\n").slice(1), [
      "1 signal: 1 open",
      `${clockOf(from + 1)} LONG ETH-USD at 101, 5m: open, 0.0 R so far`,
      "No signal: Trader BTC-USD 5m",
    ]);
    await run.stop();
    const next = play(scene, from + 5, { strategies: [trader({ symbols })] }, feed);
    await pass(feed, from + 3, [7, 7]);
    feed.fail(new FeedError("status 503"));
    feed.give([flat(from + 5)]);
    await pause(closeOf(from + 5) - Date.now() + 2.5 * minuteMs);
    assert.is(summaries(user).length, 1);
    feed.fail(undefined);
    await pause(1.5 * minuteMs);
    assert.equal(summaries(user)[1]?.split("\n").slice(-1), [
      `No candles: ETH-USD 5m since ${clockOf(from + 1)} (status 503)`,
    ]);
    await next.run.stop();
  }, withLedger);
});

test("where the market ends, nothing more is waited for", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const from = latest() + 1;
    const { run, feed } = play(scene, from, { strategies: [trader({ symbols: ["BTC-USD", "ETH-USD"] })] });
    await pass(feed, from, [7]);
    assert.equal(summaries(user), []);
    feed.end();
    await run.finished;
    assert.equal(summaries(user)[0]?.split("\n").slice(1), [
      "No signal: Trader BTC-USD 5m",
      "No candles: ETH-USD 5m",
    ]);
  }, withLedger);
});

test("a signal that was not sent says why", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const from = latest() + 1;
    const { run, feed } = play(scene, from + 6, { similar: { percent: 0.05, hours: 24 } });
    await pass(feed, from, [101, 101]);
    await pause(3 * length);
    feed.give([flat(from + 2, 7), flat(from + 3, 99), flat(from + 4, 7)]);
    await pass(feed, from + 5, [7, 7]);
    assert.equal(summaries(user)[0]?.split("\n").slice(1), [
      "3 signals: −188.0 R, 2 not sent",
      `${clockOf(from)} LONG BTC-USD at 101, 5m: stop, −188.0 R`,
      `${clockOf(from + 1)} LONG BTC-USD at 101, 5m: not sent (much like an earlier one)`,
      `${clockOf(from + 3)} SHORT BTC-USD at 99, 5m: not sent (too old)`,
    ]);
    await run.stop();
  }, withLedger);
});

test("many series stand together by their reasons, and what others have written is cut", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const from = latest() + 1;
    const symbols = Array.from({ length: 40 }, (_, index) => `S${index}`);
    const onCandle: Strategy["onCandle"] = (_, { symbol, explain }) =>
      explain(Number(symbol.slice(1)) < 15 ? "flat" : `${symbol}\n${"x".repeat(200)}`);
    const { run, feed } = play(scene, from, {
      strategies: [trader({ symbols, onCandle }), trader({ name: "Other", symbols: symbols.slice(0, 2) })],
    });
    for (const symbol of symbols) feed.give([flat(from)], { symbol });
    await pause(closeOf(from) - Date.now() + 2000);
    const lines = summaries(user)[0]?.split("\n") ?? [];
    const nine = symbols.slice(1, 10).map((symbol) => `, ${symbol} 5m`).join("");
    assert.is(lines[1], `No signal: Trader S0 5m${nine}, 5 more (flat)`);
    assert.is(lines[2], "No signal: Other S0 5m, S1 5m (inside its bands)");
    assert.is(lines[3], `No signal: Trader S15 5m (S15 ${"x".repeat(95)}…)`);
    assert.equal([lines.length, lines.at(-1)], [22, "No signal: 7 more"]);
    await run.stop();
  }, withLedger);
});

test("a stop does not wait for a ledger that is down; the next process sends it", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const from = latest() + 1;
    const { run, feed } = play(scene, from);
    await pause(closeOf(from) - Date.now() - 1000);
    const fault = scene.gate.throttle();
    feed.give([flat(from)]);
    await pause(10_000);
    const stoppedAt = Date.now();
    await run.stop();
    assert.ok(Date.now() - stoppedAt < 2000);
    fault.clear();
    const next = play(scene, from, {}, feed);
    await until(() => summaries(user).length === 1, "it is not sent");
    await next.run.stop();
  }, withLedger);
});

test("nobody gets it, and no day's candles are asked for, unless it is asked for", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const counts: number[] = [];
    class CountingFeed extends HandFeed {
      override history(request: Parameters<HandFeed["history"]>[0]): ReturnType<HandFeed["history"]> {
        counts.push(request.count);
        return super.history(request);
      }
    }
    const from = latest() + 1;
    const options = { strategies: [trader({ warmUp: 20 })] };
    const without = play(scene, from, { ...options, dailySummary: undefined }, new CountingFeed());
    await pass(without.feed, from, [7, 7]);
    await without.run.stop();
    assert.equal(summaries(user), []);
    const asked = play(scene, from, options, new CountingFeed());
    await asked.run.stop();
    // The candle that may be fresh; the day, and the one before, of which signals may be open.
    assert.equal(counts, [40 + 1, 40 + (26 + 24) * 12]);
  }, withLedger);
});

test("a time or a place that is none is refused", async () => {
  await withBot(({ bot }) => {
    const run = (dailySummary: unknown): Error => {
      try {
        runStrategies({
          bot,
          feed: new HandFeed(),
          strategies: [trader()],
          dailySummary: dailySummary as never,
        });
      } catch (error) {
        return error as Error;
      }
      throw new Error("nothing was refused");
    };
    for (
      const [options, words] of [
        [
          {},
          /Cannot send a daily summary as "at" must be a time of day such as "17:05": current value is undefined/,
        ],
        [{ at: "24:00" }, /"at" must be a time of day such as "17:05": current value is "24:00"/],
        [{ at: "17:05", timeZone: "London" }, /"timeZone" must be a time zone such as "Europe\/London"/],
        [{ at: "17:05", zone: "UTC" }, /zone is not an option: did you mean timeZone\?/],
        ["17:05", /"dailySummary" must be an object such as \{ at: "17:05" \}: current value is "17:05"/],
      ] as const
    ) assert.match(run(options).message, words);
    return Promise.resolve();
  });
});

test.run();

/** The daily summary where market time is not the machine's: replays, and places with daylight saving. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { replayFeed } from "../../lib/live/feeds/candle_file.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import { assert, suite } from "../harness.ts";
import { pause, subscribers, withBot } from "../support/bot.ts";
import { isoOf, length, play, summaries, trader } from "../support/daily_summaries.ts";

const withLedger = { hasLedger: true } as const;
const test = suite("dailySummary of a replay");

/** Replays candles of 5m that close from a time on, at these prices; 7 where none is given. */
function replayOf(
  start: string,
  count: number,
  prices: Readonly<Record<string, number>>,
): ReturnType<typeof replayFeed> {
  const rows = Array.from({ length: count }, (_, index) => {
    const time = Date.parse(start) + (index - 1) * length;
    const price = prices[isoOf(time + length).slice(0, 16)] ?? 7;
    return [time, price, price, price, price, 1].join();
  });
  return replayFeed({ text: rows.join("\n") });
}

test("a replay gives each day's, in their order, however fast it is; its caution stands in it", async () => {
  for (const delayMs of [0, 1000]) {
    await withBot(async (scene) => {
      const [user] = await subscribers(scene, 1) as [LocalUser];
      const feed = replayOf("2026-01-05T00:05:00Z", 576, {
        "2026-01-05T06:10": 101,
        "2026-01-05T07:00": 103,
        "2026-01-05T17:05": 101,
        "2026-01-05T17:10": 99,
        "2026-01-06T17:05": 101,
        "2026-01-06T17:10": 101,
      });
      const onCandle: Strategy["onCandle"] = async (...args) => {
        if (args[0].at(-1)?.close === 101) await pause(delayMs);
        return trader().onCandle(...args);
      };
      const { run } = play(scene, 0, {
        ...{
          feed,
          dailySummary: { at: "17:05" },
          strategies: [delayMs === 0 ? trader() : trader({ onCandle })],
        },
      });
      await run.finished;
      const texts = summaries(user).map((text) => text.split("\n"));
      assert.equal(texts.map(([title]) => title), [
        "Summary of 2026-01-05, 17:05 UTC",
        "Summary of 2026-01-06, 17:05 UTC",
      ]);
      assert.equal(texts[0]?.slice(1), [
        "2 signals: −188.0 R, 1 open",
        "06:10 LONG BTC-USD at 101, 5m: stop, −188.0 R",
        "17:05 LONG BTC-USD at 101, 5m: open, 0.0 R so far",
        "",
        "a replay of candles from 2026-01-05 on, not the market now",
      ]);
      assert.equal(texts[1]?.slice(1, 4), [
        "2 signals: +4.0 R, 1 open",
        "yesterday 17:10 SHORT BTC-USD at 99, 5m: target, +4.0 R",
        "17:05 LONG BTC-USD at 101, 5m: open, 0.0 R so far",
      ]);
    }, withLedger);
  }
});

test("where market time leaps from day to day, none is too late", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const feed = replayOf("2026-01-05T00:05:00Z", 3 * 288, {});
    const strategies = [trader({ timeframes: ["1d"] })];
    await play(scene, 0, { feed, strategies, dailySummary: { at: "17:05" } }).run.finished;
    assert.equal(summaries(user).map((text) => text.split("\n").slice(0, 2)), [
      ["Summary of 2026-01-06, 17:05 UTC", "No signal: Trader BTC-USD 1d"],
      ["Summary of 2026-01-07, 17:05 UTC", "No signal: Trader BTC-USD 1d"],
    ]);
  }, withLedger);
});

test("it keeps to the clocks of its place, which daylight saving moves", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const feed = replayOf("2026-03-28T12:05:00Z", 576, {
      "2026-03-28T17:05": 101,
      "2026-03-28T17:10": 99,
      "2026-03-29T16:05": 99,
      "2026-03-29T16:10": 101,
    });
    await play(scene, 0, { feed, dailySummary: { at: "17:05", timeZone: "Europe/London" } }).run.finished;
    assert.equal(summaries(user).map((text) => text.split("\n").slice(0, 4)), [
      [
        "Summary of 2026-03-28, 17:05 Europe/London",
        "1 signal: 1 open",
        "17:05 LONG BTC-USD at 101, 5m: open, 0.0 R so far",
        "",
      ],
      [
        "Summary of 2026-03-29, 17:05 Europe/London",
        "2 signals: +4.0 R, 1 open",
        "yesterday 17:10 SHORT BTC-USD at 99, 5m: target, +4.0 R",
        "17:05 SHORT BTC-USD at 99, 5m: open, 0.0 R so far",
      ],
    ]);
  }, withLedger);
});

test.run();

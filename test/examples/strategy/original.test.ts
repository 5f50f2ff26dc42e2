/** The Python original's rules on a table of candles: three days of 15 minutes, in `original_candles.csv`. */
import { originalMeanReversion } from "../../../examples/strategy/original.ts";
import { readSettings, type Settings } from "../../../examples/strategy/settings.ts";
import { closeTime, replayFeed, type Timeframe } from "../../../lib/live/mod.ts";
import type { Candle } from "../../../mod.ts";
import { assert, suite } from "../../harness.ts";
import { fileURLToPath } from "node:url";

const test = suite("originalMeanReversion");
const { signal } = new AbortController();

async function candlesOfTable(): Promise<Candle[]> {
  const feed = replayFeed({ file: fileURLToPath(new URL("original_candles.csv", import.meta.url)) });
  const candles: Candle[] = [];
  const request = { symbol: "EURUSD", timeframe: "15m", after: -Infinity, signal } as const;
  for await (const candle of feed.live(request)) candles.push(candle);
  return candles;
}

/** What it finds at each candle: the time at which that opens, direction, entry, stop and target; or why nothing. */
function play(candles: readonly Candle[], args: readonly string[] = [], timeframe: Timeframe = "15m"): {
  signals: string[];
  reasons: string[];
} {
  const settings = readSettings(["--rules", "original", "--timeframe", timeframe, ...args]) as Settings;
  const { onCandle } = originalMeanReversion(settings);
  const [signals, reasons] = [[] as string[], [] as string[]];
  for (const [index, candle] of candles.entries()) {
    const found = onCandle(candles.slice(0, index + 1), {
      ...{
        symbol: "EURUSD",
        timeframe,
        instrument: { symbol: "EURUSD" },
        isLive: true,
        openSignal: undefined,
        signal,
      },
      time: closeTime(candle, timeframe),
      explain: (text) => void reasons.push(text),
    });
    if (typeof found !== "object" || found === null || !("entry" in found)) continue;
    const { direction, entry, stop, target } = found;
    signals.push(
      `${new Date(candle.time).toISOString().slice(5, 16)} ${direction} ${entry} ${stop} ${target}`,
    );
  }
  return { signals, reasons };
}

/** Computed apart, by a program in Python that follows the original's documentation. */
const expected = [
  "01-05T07:00 long 1.04641 1.04533 1.04911",
  "01-05T13:30 long 1.04557 1.04449 1.04827",
  "01-06T15:00 long 1.04503 1.04411 1.04733",
  "01-07T09:00 long 1.04921 1.04842 1.05118",
  "01-07T11:15 short 1.05209 1.05318 1.04937",
];

test("finds the same signals in the same candles", async () => {
  const candles = await candlesOfTable();
  const { signals, reasons } = play(candles);
  assert.equal(signals, expected);
  assert.is(signals.length + reasons.length, candles.length, "every other candle says why there is none");
});

test("hours, bands and the stop's distance are settings", async () => {
  const candles = await candlesOfTable();
  assert.ok(play(candles, ["--hours", "00:00-24:00"]).signals.length > 0);
  assert.not.equal(play(candles, ["--hours", "00:00-24:00"]).signals, expected);
  assert.not.equal(play(candles, ["--bollinger-period", "10"]).signals, expected);
  assert.ok(play(candles, ["--bollinger-deviations", "9", "--vwap-deviations", "9"]).signals.length === 0);
  const risks = [["1.2"], ["2.4"]].map(([multiple = ""]) => {
    const [first = ""] = play(candles, ["--atr-multiple", multiple]).signals;
    const [entry = NaN, stop = NaN] = first.split(" ").slice(2).map(Number);
    return Math.abs(entry - stop);
  }) as [number, number];
  assert.ok(Math.abs(risks[1] / risks[0] - 2) < 0.02, `${risks}`);
});

test.run();

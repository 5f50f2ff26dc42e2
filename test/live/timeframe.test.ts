/** Timeframes: where candles open, what they can be made of, and larger candles made of smaller ones. */
import fc from "fast-check";
import {
  Aggregator,
  closeTime,
  openingTime,
  sourceOf,
  type Timeframe,
  timeframeMs,
  timeframes,
} from "../../lib/live/timeframe.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import { assert, suite } from "../harness.ts";

const test = suite("timeframe");
const midnight = Date.UTC(2026, 0, 5);
const minuteMs = 60_000;

const candleAt = (time: number, price: number = 10, volume: number = 1): Candle => ({
  ...{ time, open: price, high: price + 2, low: price - 2, close: price + 1, volume },
});

test("timeframes ascend, and each divides a day", () => {
  const lengths = timeframes.map(timeframeMs);
  assert.equal(lengths, [...lengths].sort((one, other) => one - other));
  assert.ok(lengths.every((ms) => 86_400_000 % ms === 0));
});

test("openingTime() is a multiple of the length in UTC, and closeTime() the next one", () => {
  for (const timeframe of timeframes) {
    for (const time of [midnight, midnight + 1, midnight + timeframeMs(timeframe) - 1]) {
      assert.is(openingTime(time, timeframe), midnight);
    }
    assert.is(
      openingTime(closeTime({ time: midnight }, timeframe), timeframe),
      midnight + timeframeMs(timeframe),
    );
  }
});

test("sourceOf() is the largest that divides the timeframe", () => {
  const coinbase: readonly Timeframe[] = ["1m", "5m", "15m", "1h", "6h", "1d"];
  const sources = timeframes.map((timeframe) => sourceOf(timeframe, coinbase));
  assert.equal(sources, ["1m", "1m", "5m", "15m", "15m", "1h", "1h", "1h", "6h", "1h", "6h", "1d"]);
  assert.is(sourceOf("1m", ["3m", "1h"]), undefined);
  assert.is(sourceOf("8h", ["6h", "12h"]), undefined);
});

/** All larger candles of smaller ones, by their definition; the first and the last may be partial. */
function grouped(candles: readonly Candle[], to: Timeframe): Candle[] {
  const openings = [...new Set(candles.map(({ time }) => openingTime(time, to)))];
  return openings.map((time) => {
    const group = candles.filter((candle) => openingTime(candle.time, to) === time);
    return {
      ...{ time, open: group[0]?.open ?? NaN, close: group.at(-1)?.close ?? NaN },
      high: Math.max(...group.map(({ high }) => high)),
      low: Math.min(...group.map(({ low }) => low)),
      volume: group.reduce((sum, { volume }) => sum + volume, 0),
    };
  });
}

test("Aggregator gives every larger candle whose beginning and end are known, wherever nobody traded", () => {
  const pairs = timeframes.flatMap((from) =>
    timeframes.filter((to) => timeframeMs(to) % timeframeMs(from) === 0).map((to) => [from, to] as const)
  ).filter(([from, to]) => timeframeMs(to) / timeframeMs(from) <= 20);
  fc.assert(
    fc.property(
      fc.constantFrom(...pairs),
      fc.nat(30),
      fc.array(fc.record({ skipped: fc.nat(4), price: fc.integer({ min: 5, max: 99 }) }), { maxLength: 80 }),
      ([from, to], first, steps) => {
        let time = midnight + first * timeframeMs(from);
        const candles = steps.map(({ skipped, price }) => {
          time += (1 + skipped) * timeframeMs(from);
          return candleAt(time, price);
        });
        const aggregator = new Aggregator(from, to);
        const given = candles.map((candle) => aggregator.add(candle));
        const all = grouped(candles, to);
        const isFirstKnown = candles.length > 0 && candles[0]?.time === all[0]?.time;
        const isLastOver = candles.length > 0 &&
          closeTime(candles.at(-1) as Candle, from) === closeTime(all.at(-1) as Candle, to);
        assert.equal(
          given.flat(),
          all.slice(isFirstKnown ? 0 : 1, isLastOver ? undefined : -1).filter(Boolean),
        );
        for (const [index, closed] of given.entries()) {
          const now = closeTime(candles[index] as Candle, from);
          assert.ok(closed.every((candle) => closeTime(candle, to) <= now), "it is still forming");
        }
      },
    ),
  );
});

test("Aggregator knows the beginning of a candle in whose first minute nobody traded", () => {
  const aggregator = new Aggregator("1m", "5m");
  const minutes = [0, 1, 2, 3, 4, 6, 9].map((minute) => candleAt(midnight + minute * minuteMs, minute + 10));
  const given = minutes.flatMap((candle) => aggregator.add(candle));
  assert.equal(given.map(({ time, open, volume }) => [time, open, volume]), [
    [midnight, 10, 5],
    [midnight + 5 * minuteMs, 16, 2],
  ]);
});

test("Aggregator leaves the first candle out where it began in the middle", () => {
  const aggregator = new Aggregator("1m", "5m");
  const minutes = [2, 3, 4, 5, 6, 7, 8, 9].map((minute) => candleAt(midnight + minute * minuteMs));
  assert.equal(minutes.flatMap((candle) => aggregator.add(candle)).map(({ time }) => time), [
    midnight + 5 * minuteMs,
  ]);
});

test.run();

/** The VWAP's bands against figures computed in another way. */
import fc from "fast-check";
import { createVwapBands } from "../../../lib/signals/chart/vwap_bands.ts";
import type { Candle } from "../../../mod.ts";
import { assert, suite } from "../../harness.ts";
import { someCandles } from "../../support/charts.ts";

const test = suite("vwap_bands");
const midnight = Date.UTC(2026, 0, 5);
const timeframeMs = 300_000;
const day = 288;
const prices = fc.integer({ min: 100, max: 100_000 });

test("createVwapBands() known answer by hand", () => {
  const bands = createVwapBands(1, 2);
  const candle = { time: midnight, open: 10, high: 10, low: 10, close: 10, volume: 1 };
  assert.is(bands.add(candle), undefined);
  const found = bands.add({
    ...candle,
    time: midnight + timeframeMs,
    high: 14,
    low: 12,
    close: 13,
    volume: 2,
  });
  // (10 × 1 + 13 × 2) / 3 = 12; (1 × 2² + 2 × 1²) / 3 = 2.
  assert.is(found?.middle, 12);
  assert.ok(Math.abs((found?.upper ?? 0) - 12 - Math.SQRT2) < 1e-12);
  assert.ok(Math.abs((found?.lower ?? 0) - 12 + Math.SQRT2) < 1e-12);
});

test("createVwapBands() is the weighted mean and deviation of the day's candles, and of no other day's", async () => {
  await fc.assert(
    fc.asyncProperty(prices, async (price) => {
      const candles = await someCandles(day + 40, price);
      const bands = createVwapBands(2, 20);
      const found = candles.map((candle) => bands.add(candle));
      const today = candles.slice(day);
      const volume = today.reduce((sum, candle) => sum + candle.volume, 0);
      const typical = ({ high, low, close }: Candle): number => (high + low + close) / 3;
      const middle = today.reduce((sum, candle) => sum + typical(candle) * candle.volume, 0) / volume;
      const variance = today.reduce(
        (sum, candle) => sum + candle.volume * (typical(candle) - middle) ** 2,
        0,
      );
      const last = found.at(-1);
      assert.ok(Math.abs((last?.middle ?? 0) - middle) < 1e-6);
      assert.ok(Math.abs((last?.upper ?? 0) - middle - 2 * Math.sqrt(variance / volume)) < 1e-5);
      assert.is(found[day + 18], undefined, "19 candles are too few");
      assert.ok(found[day + 19]);
    }),
    { numRuns: 20 },
  );
});

test("createVwapBands() leaves out candles in which nothing was traded", () => {
  const bands = createVwapBands(1, 1);
  const candle = { time: midnight, open: 10, high: 10, low: 10, close: 10, volume: 1 };
  assert.is(bands.add({ ...candle, volume: 0 }), undefined);
  assert.is(bands.add(candle)?.middle, 10);
  const quiet = { time: midnight + timeframeMs, open: 20, high: 20, low: 20, close: 20, volume: 0 };
  assert.is(bands.add(quiet)?.middle, 10);
});

test.run();

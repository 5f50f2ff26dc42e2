/** Percentiles of any durations, within one per cent of those of the sorted list. */
import fc from "fast-check";
import { Histogram } from "../../lib/broadcast/report.ts";
import { assert, suite } from "../harness.ts";

const test = suite("Histogram");

function histogramOf(durations: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const ms of durations) histogram.add(ms);
  return histogram;
}

test("nothing counted is no percentiles", () => {
  assert.is(new Histogram().percentiles, undefined);
});

test("a single duration is all of them", () => {
  for (const ms of [0, 1, 80, 12_345, 864_000_000]) {
    const { p50 = NaN, p95 = NaN, p99 = NaN, max } = histogramOf([ms]).percentiles ?? {};
    assert.is(max, ms);
    for (const each of [p50, p95, p99]) {
      assert.ok(each <= ms && each >= Math.floor(ms * 0.99), `${each} of ${ms}`);
    }
  }
});

test("for any durations: within one per cent of the sorted list's, in order, and none above the longest", () => {
  const ms = fc.oneof(fc.nat(200), fc.nat(100_000), fc.double({ min: 0, max: 1e9, noNaN: true }));
  fc.assert(fc.property(fc.array(ms, { minLength: 1, maxLength: 500 }), (durations) => {
    const percentiles = histogramOf(durations).percentiles;
    const sorted = [...durations].sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? NaN;
    for (const [name, share] of [["p50", 0.5], ["p95", 0.95], ["p99", 0.99]] as const) {
      const value = percentiles?.[name] ?? NaN;
      assert.ok(Math.abs(value - at(share)) <= at(share) * 0.01 + 1, `${name}: ${value}, not ${at(share)}`);
    }
    const { p50 = NaN, p95 = NaN, p99 = NaN, max = NaN } = percentiles ?? {};
    assert.ok(p50 <= p95 && p95 <= p99 && p99 <= max);
    assert.is(max, Math.round(sorted.at(-1) ?? NaN));
  }));
});

test("a clock that was set back counts as no time", () => {
  const { p50, max } = histogramOf([-5000]).percentiles ?? {};
  assert.equal([p50, max], [0, 0]);
});

test("a million durations take no more room than ten", () => {
  const histogram = new Histogram();
  for (let count = 1; count <= 1_000_000; count++) histogram.add(count / 100);
  const { p50 = NaN, p99 = NaN } = histogram.percentiles ?? {};
  assert.ok(Math.abs(p50 - 5000) <= 51 && Math.abs(p99 - 9900) <= 100, `${p50}, ${p99}`);
});

test.run();

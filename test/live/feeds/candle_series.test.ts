/** The candles of a market's answers, whatever their order, overlaps, duplicates and lateness: complete, ascending, final. */
import fc from "fast-check";
import { CandleSeries, type Rows } from "../../../lib/live/feeds/candle_series.ts";
import { Aggregator, closeTime, type Timeframe, timeframeMs } from "../../../lib/live/timeframe.ts";
import type { Candle } from "../../../lib/signals/candle.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("CandleSeries");
const midnight = Date.UTC(2026, 0, 5);

/** What the market did: a price for each interval in which somebody traded. */
type Market = readonly (number | undefined)[];

const candleAt = (time: number, price: number): Candle => ({
  ...{ time, open: price, high: price + 3, low: price - 3, close: price + 1, volume: 10 },
});

/** The rows of a market as of a time: the newest of them is still forming. */
function rowsOf(market: Market, from: number, to: number, asOf: number): Candle[] {
  return market.flatMap((price, index) => {
    const time = midnight + index * 60_000;
    if (price === undefined || time < from || time > Math.min(to, asOf)) return [];
    const whole = candleAt(time, price);
    return [time + 60_000 > asOf ? { ...whole, high: price, low: price, close: price, volume: 1 } : whole];
  });
}

/** All candles of a market, by the definition of what a series gives. */
function expectedOf(market: Market, to: Timeframe): Candle[] {
  const aggregator = new Aggregator("1m", to);
  let before: Candle | undefined;
  return market.flatMap((price, index) => {
    const time = midnight + index * 60_000;
    const flat = before &&
      { time, open: before.close, high: before.close, low: before.close, close: before.close, volume: 0 };
    before = price === undefined ? flat : candleAt(time, price);
    return before === undefined ? [] : aggregator.add(before);
  });
}

interface Step {
  readonly minutes: number;
  readonly lagMs: number;
  readonly back: number;
  readonly size: number;
  readonly isOutOfOrder: boolean;
}

const marketOf: fc.Arbitrary<Market> = fc.array(
  fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 10, max: 99 }) }, {
    weight: 1,
    arbitrary: fc.constant(undefined),
  }),
  { minLength: 30, maxLength: 90 },
);
const stepsOf: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    minutes: fc.double({ min: 0, max: 6, noNaN: true }),
    lagMs: fc.constantFrom(0, 0, 30_000, 90_000),
    back: fc.nat(20),
    size: fc.integer({ min: 1, max: 60 }),
    isOutOfOrder: fc.boolean(),
  }),
  { maxLength: 40 },
);

/** Takes an answer as a reader of the series does. */
function ask(
  series: CandleSeries,
  market: Market,
  asOf: number,
  { lagMs, back, size, isOutOfOrder }: Step,
): Candle[] {
  const from = series.next + (isOutOfOrder ? back : -back) * 60_000;
  const to = Math.min(from + size * 60_000, asOf);
  const rows = rowsOf(market, from, to, asOf - lagMs);
  const candles = [...rows.filter((_, index) => index % 3 === 0), ...rows.reverse()];
  return series.add({ candles, asOf, from, to } satisfies Rows);
}

test("every candle once, ascending, complete, and as the market has it in the end", () => {
  fc.assert(
    fc.property(marketOf, stepsOf, fc.constantFrom("1m", "3m", "5m", "15m"), (market, steps, to) => {
      const series = new CandleSeries({ from: "1m", to, start: midnight + 5 * timeframeMs(to) });
      const given: Candle[] = [];
      let asOf = midnight;
      const take = (candles: readonly Candle[]): void => {
        for (const candle of candles) assert.ok(closeTime(candle, to) <= asOf, "it is still forming");
        given.push(...candles);
      };
      for (const step of steps) {
        asOf += step.minutes * 60_000;
        take(ask(series, market, Math.floor(asOf / 1000) * 1000, step));
      }
      // At last the reader asks until it knows everything.
      asOf = midnight + (market.length + 10) * 60_000;
      const last = { minutes: 0, lagMs: 0, back: 3, size: 60, isOutOfOrder: false };
      for (let index = 0; index < 10; index++) take(ask(series, market, asOf, last));
      const expected = expectedOf(market, to).filter(({ time }) => time >= series.start);
      const end = midnight + market.length * 60_000;
      const inMarket = given.filter((candle) => closeTime(candle, to) <= end);
      assert.equal(
        inMarket.map(({ time }) => time),
        expected.map(({ time }) => time),
        "missing, twice, or in disorder",
      );
      assert.equal(inMarket, expected);
      assert.is(series.newest, given.at(-1)?.time ?? -Infinity);
    }),
    { numRuns: 300 },
  );
});

test("what is corrected comes again, with what follows from it", () => {
  fc.assert(
    fc.property(marketOf, fc.nat(4), fc.integer({ min: 100, max: 120 }), (market, age, price) => {
      const series = new CandleSeries({ from: "1m", to: "1m", start: midnight + 5 * 60_000 });
      const asOf = midnight + market.length * 60_000 + 300_000;
      const [from, to] = [midnight, asOf];
      const first = series.add({ candles: rowsOf(market, from, to, asOf), asOf, from, to });
      const index = Math.max(0, Math.floor((series.next - midnight) / 60_000) - 1 - age);
      const corrected = market.length > index
        ? market.map((each, at) => at === index ? price : each)
        : [...market, ...Array.from({ length: index - market.length }, () => undefined), price];
      const again = series.add({ candles: rowsOf(corrected, from, to, asOf), asOf, from, to });
      assert.ok(again.length > 0 && again[0]?.time === midnight + index * 60_000);
      const all = new Map([...first, ...again].map((candle) => [candle.time, candle]));
      const whole = [...corrected, ...Array.from({ length: 20 }, () => undefined)];
      const expected = expectedOf(whole, "1m").filter(({ time }) =>
        time >= series.start && time < series.next
      );
      assert.equal([...all.values()].sort((one, other) => one.time - other.time), expected);
      assert.equal(
        series.add({ candles: rowsOf(corrected, from, to, asOf), asOf, from, to }),
        [],
        "the same again",
      );
    }),
    { numRuns: 200 },
  );
});

test("a price from before the series is what it begins at", () => {
  const series = new CandleSeries({ from: "1m", to: "1m", start: midnight });
  assert.is(series.hasPrice, false);
  series.seed([
    candleAt(midnight - 3_600_000, 50),
    candleAt(midnight - 7_200_000, 20),
    candleAt(midnight + 60_000, 99),
  ]);
  assert.is(series.hasPrice, true);
  const asOf = midnight + 3_600_000;
  const [first] = series.add({ candles: [], asOf, from: series.next, to: asOf });
  assert.equal(first, { time: midnight, open: 51, high: 51, low: 51, close: 51, volume: 0 });
});

test("the price stays for as long as nobody trades, in larger candles, too", () => {
  const series = new CandleSeries({ from: "1m", to: "3m", start: midnight });
  const given: Candle[] = [];
  for (let minute = 10; minute < 100; minute += 10) {
    const asOf = midnight + minute * 60_000;
    given.push(...series.add({ candles: [candleAt(midnight, 50)], asOf, from: series.next, to: asOf }));
  }
  assert.equal(given[0], { ...candleAt(midnight, 50), volume: 10 });
  for (const [index, { time, open, close }] of given.slice(1).entries()) {
    assert.equal([time, open, close], [midnight + (index + 1) * 180_000, 51, 51]);
  }
  assert.is(given.length, 29);
});

test.run();

/** The strategy against figures computed in another way, and against rules that any series must obey. */
import fc from "fast-check";
import { ATR, BollingerBands } from "trading-signals";
import { type Candle, closeTime, timeframeMs } from "../../../examples/strategy/feed.ts";
import {
  createMeanReversion,
  type FoundSignal,
  type MeanReversionParameters,
} from "../../../examples/strategy/mean_reversion.ts";
import { positionSize, toTick } from "../../../examples/strategy/position_size.ts";
import { syntheticFeed } from "../../../examples/strategy/synthetic_feed.ts";
import { createVwapBands } from "../../../lib/signals/chart/vwap_bands.ts";
import { validateSignal } from "../../../lib/signals/signal.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("mean_reversion");
const midnight = Date.UTC(2026, 0, 5);
const day = 288;
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const parameters: MeanReversionParameters = { symbol: "BTC-USD", account: 10_000 };

function find(candles: readonly Candle[], changes: Partial<MeanReversionParameters> = {}): FoundSignal[] {
  const strategy = createMeanReversion({ ...parameters, ...changes });
  return candles.map((candle) => strategy.update(candle)).filter((signal) => signal !== undefined);
}

async function synthetic(seed: number, count: number): Promise<Candle[]> {
  const candles: Candle[] = [];
  for await (const candle of syntheticFeed({ seed, start: midnight }).candles()) {
    if (candles.push(candle) === count) break;
  }
  return candles;
}

/** Candles from closes: each opens at the close before and reaches 0.1 beyond both. */
function candlesFrom(closes: readonly number[]): Candle[] {
  return closes.map((close, index) => {
    const open = closes[index - 1] ?? close;
    const [high, low] = [Math.max(open, close) + 0.1, Math.min(open, close) - 0.1];
    return { time: midnight + index * timeframeMs, open, high, low, close, volume: 1 + (index % 3) };
  });
}

/** A quiet day until candle `index`, which closes back inside after the one before fell outside. */
function dip(index: number, { fall = 97, back = 98.9 } = {}): Candle[] {
  const quiet = Array.from({ length: index - 1 }, (_, at) => at % 2 === 0 ? 100 : 100.2);
  return candlesFrom([...quiet, fall, back]);
}

const candidate = { minRewardRisk: 0.1 };

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

test("the indicators' known answers: Bollinger bands, Wilder's ATR", () => {
  const bollinger = new BollingerBands(4, 2);
  const bands = [2, 4, 4, 6].map((close) => bollinger.add(close)).at(-1);
  // Mean 4; squares of the distances 4, 0, 0, 4; deviation √2.
  assert.equal(bands, { lower: 4 - 2 * Math.SQRT2, middle: 4, upper: 4 + 2 * Math.SQRT2 });
  const atr = new ATR(2);
  const ranges = [[12, 10, 11], [15, 12, 14], [14, 13, 13]].map(([high = 0, low = 0, close = 0]) =>
    atr.add({ high, low, close })
  );
  // True ranges 2, 15 − 11 = 4 and 1: first their mean 3, then (3 × 1 + 1) / 2.
  assert.equal(ranges, [null, 3, 2]);
});

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
    fc.asyncProperty(seeds, async (seed) => {
      const candles = await synthetic(seed, day + 40);
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

test("createMeanReversion() fills the ticket with figures that a second computation confirms", () => {
  const candles = dip(100);
  const found = find(candles, candidate);
  assert.is(found.length, 1);
  const [signal] = found as [FoundSignal];
  const ranges = candles.map(({ high, low }, index) => {
    const before = candles[index - 1]?.close ?? high;
    return Math.max(high, before) - Math.min(low, before);
  });
  ranges[0] = 0.2;
  const atr = ranges.slice(14).reduce((sum, range) => (sum * 13 + range) / 14, mean(ranges.slice(0, 14)));
  const weights = candles.flatMap(({ high, low, close, volume }) =>
    Array.from({ length: volume }, () => (high + low + close) / 3)
  );
  assert.is(signal.direction, "long");
  assert.is(signal.entry, "98.90");
  assert.is(signal.stop, (98.9 - 1.5 * atr).toFixed(2));
  assert.is(signal.target, mean(weights).toFixed(2));
  const loss = 98.9 - Number(signal.stop);
  assert.is(signal.size, (Math.floor(100 / loss * 1e4) / 1e4).toFixed(4));
  assert.is(signal.risk, "100.00");
  assert.is(signal.time.toISOString(), new Date(midnight + 101 * timeframeMs).toISOString());
  assert.is(signal.currency, "USD");
  assert.is(signal.timeframe, "5m");
  assert.is(signal.symbol, "BTC-USD");
  assert.ok(signal.strategy && signal.parameters && signal.note);
});

test("createMeanReversion() waits for the close back inside", () => {
  assert.is(find(dip(100, { back: 97 }), candidate).length, 0, "still outside");
  assert.is(find(dip(100, { fall: 99.9, back: 100 }), candidate).length, 0, "never outside");
  const late = dip(100);
  late[100] = { ...late[100] as Candle, time: midnight + 101 * timeframeMs };
  assert.is(find(late, candidate).length, 0, "a candle is missing in between");
});

test("createMeanReversion() trades from 06:00 inclusive to 17:00 exclusive, by the candle's close", () => {
  const closing = (hour: number, minute: number): number => (hour * 60 + minute) / 5 - 1;
  const opens = (index: number): boolean => find(dip(index), candidate).length === 1;
  assert.is(opens(closing(5, 55)), false);
  assert.is(opens(closing(6, 0)), true);
  assert.is(opens(closing(16, 55)), true);
  assert.is(opens(closing(17, 0)), false);
});

test("createMeanReversion() a trade that nothing has ended is over when the trading hours are", () => {
  const closes = dip(200).map(({ close }) => close);
  const night = Array.from({ length: 180 }, (_, at) => at % 2 === 0 ? 98.9 : 99);
  const spike = [99.7, 99.2];
  const sameDay = find(
    candlesFrom([...closes.slice(0, 100), 97, 98.9, ...night.slice(0, 60), ...spike]),
    candidate,
  );
  assert.equal(sameDay.map(({ direction }) => direction), ["long"]);
  const nextDay = find(candlesFrom([...closes, ...night, ...spike]), candidate);
  assert.equal(nextDay.map(({ direction }) => direction), ["long", "short"]);
});

test("createMeanReversion() refuses a trade below the minimum reward for its risk", () => {
  const [signal] = find(dip(100), candidate) as [FoundSignal];
  const ratio = Math.abs(Number(signal.target) - Number(signal.entry)) /
    Math.abs(Number(signal.entry) - Number(signal.stop));
  assert.is(find(dip(100), { minRewardRisk: ratio - 1e-6 }).length, 1);
  assert.is(find(dip(100), { minRewardRisk: ratio + 1e-6 }).length, 0);
});

test("createMeanReversion() refuses what cannot be sized, and quotes prices in the market's ticks", () => {
  assert.is(find(dip(100), { ...candidate, sizeStep: "1000" }).length, 0);
  const [signal] = find(dip(100), { ...candidate, tickSize: "0.25" }) as [FoundSignal];
  for (const price of [signal.entry, signal.stop, signal.target]) {
    assert.is(Number(price) % 0.25, 0);
    assert.match(String(price), /^\d+\.\d\d$/);
  }
});

test("createMeanReversion() ignores candles that still form, and repeated ones", async () => {
  const candles = await synthetic(3547, day);
  const noisy = candles.flatMap((candle, index) => {
    const forming = { ...candle, close: candle.open * 0.9, low: candle.open * 0.9, closed: false };
    return [forming, candle, candles[Math.max(0, index - 3)] as Candle, candle];
  });
  assert.ok(find(candles).length > 0);
  assert.equal(find(noisy), find(candles));
});

test("createMeanReversion() mirrored prices give mirrored signals", async () => {
  const mirror = 120_000;
  const flip = (price: unknown): string => (mirror - Number(price)).toFixed(2);
  let seen = 0;
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const candles = await synthetic(seed, day);
      const mirrored = candles.map(({ open, high, low, close, ...rest }) => ({
        ...rest,
        ...{ open: mirror - open, high: mirror - low, low: mirror - high, close: mirror - close },
      }));
      const expected = find(candles).map(({ direction, entry, stop, target, time, size }) => {
        seen++;
        const other = direction === "long" ? "short" : "long";
        return [other, flip(entry), flip(stop), flip(target), time.toISOString(), Number(size).toFixed(3)];
      });
      const found = find(mirrored).map(({ direction, entry, stop, target, time, size }) => {
        return [direction, entry, stop, target, time.toISOString(), Number(size).toFixed(3)];
      });
      assert.equal(found, expected);
    }),
    { numRuns: 25 },
  );
  assert.ok(seen > 10, `${seen} signals compared`);
});

test("createMeanReversion() finds nothing in later candles that changes an earlier signal", async () => {
  await fc.assert(
    fc.asyncProperty(seeds, seeds, fc.nat(2 * day), async (seed, other, cut) => {
      const [candles, others] = await Promise.all([synthetic(seed, 2 * day), synthetic(other, 2 * day)]);
      const known = find(candles.slice(0, cut));
      const changed = find([...candles.slice(0, cut), ...others.slice(cut)]);
      assert.equal(changed.slice(0, known.length), known);
      const later = changed.slice(known.length).map(({ time }) => time.getTime());
      assert.ok(later.every((time) => time > midnight + cut * timeframeMs));
    }),
    { numRuns: 25 },
  );
});

test("createMeanReversion() signals are valid, in hours, and one trade at a time", async () => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const candles = await synthetic(seed, 3 * day);
      let open: FoundSignal | undefined;
      const strategy = createMeanReversion(parameters);
      for (const candle of candles) {
        const found = strategy.update(candle);
        const hour = new Date(closeTime(candle)).getUTCHours();
        if (hour < 6 || hour >= 17 || (open && touches(open, candle))) open = undefined;
        if (!found) continue;
        validateSignal(found);
        assert.is(open, undefined, "the trade before is still open");
        assert.ok(hour >= 6 && hour < 17);
        open = found;
      }
    }),
    { numRuns: 25 },
  );
});

function touches({ stop, target }: FoundSignal, { high, low }: Candle): boolean {
  return [stop, target].some((price) => low <= Number(price) && Number(price) <= high) ||
    high < Math.min(Number(stop), Number(target)) || low > Math.max(Number(stop), Number(target));
}

test("positionSize() known answers", () => {
  const question = { account: 10_000, riskPercent: 1, entry: 100, stop: 98, sizeStep: "0.0001" };
  assert.equal(positionSize(question), { size: "50.0000", risk: "100.00" });
  assert.equal(positionSize({ ...question, stop: 103, sizeStep: "1" }), { size: "33", risk: "99.00" });
  assert.equal(positionSize({ ...question, account: 30, riskPercent: 1, stop: 99, sizeStep: "0.1" }), {
    size: "0.3",
    risk: "0.30",
  });
  assert.is(positionSize({ ...question, stop: 100 }), undefined);
  assert.is(positionSize({ ...question, sizeStep: "51" }), undefined);
});

test("positionSize() loses at the stop what was meant, less one step at most", () => {
  const money = fc.integer({ min: 100, max: 10_000_000 });
  const prices = fc.tuple(fc.integer({ min: 1, max: 1e7 }), fc.integer({ min: 1, max: 1e7 }));
  const percent = fc.integer({ min: 1, max: 1000 });
  fc.assert(fc.property(money, percent, prices, (account, tenths, [entryCents, stopCents]) => {
    fc.pre(entryCents !== stopCents);
    const [entry, stop, riskPercent] = [entryCents / 100, stopCents / 100, tenths / 10];
    const position = positionSize({ account, riskPercent, entry, stop, sizeStep: "0.001" });
    const meant = account * riskPercent / 100;
    const oneStep = 0.001 * Math.abs(entry - stop);
    if (!position) return assert.ok(meant < oneStep + 0.005);
    const loss = Number(position.size) * Math.abs(entry - stop);
    assert.ok(Math.abs(loss - Number(position.risk)) <= 0.0051);
    assert.ok(loss <= meant * (1 + 1e-9) + oneStep * 1e-6, `loses ${loss}, meant ${meant}`);
    assert.ok(loss > meant - oneStep * 1.001, `loses ${loss}, meant ${meant}`);
  }));
});

test("toTick() keeps the tick's decimals", () => {
  assert.is(toTick(1.084996, "0.0001"), "1.0850");
  assert.is(toTick(60123.456, "0.5"), "60123.5");
  assert.is(toTick(60123.456, "1"), "60123");
  assert.is(toTick(1.3, "0.25"), "1.25");
});

test.run();

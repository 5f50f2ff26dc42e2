/** The re-entry rule against figures computed in another way, and against rules that any series must obey. */
import fc from "fast-check";
import { ATR, BollingerBands } from "trading-signals";
import { meanReversion } from "../../../examples/strategy/mean_reversion.ts";
import type { MeanReversionSettings } from "../../../examples/strategy/rules.ts";
import { readSettings } from "../../../examples/strategy/settings.ts";
import { exitOf } from "../../../lib/live/outcome.ts";
import {
  closeTime,
  type Instrument,
  type StrategySignal,
  syntheticFeed,
  timeframeMs,
  tradingHours,
} from "../../../lib/live/mod.ts";
import { validateSignal } from "../../../lib/signals/signal.ts";
import type { Candle, TradingSignal } from "../../../mod.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("mean_reversion");
const midnight = Date.UTC(2026, 0, 5);
const day = 288;
const length = timeframeMs("5m");
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const defaults = readSettings([]) as MeanReversionSettings;

interface Found extends StrategySignal {
  readonly time: Date;
}

interface Play {
  readonly signals: readonly Found[];
  /** What was explained. */
  readonly reasons: readonly string[];
  /** When candles closed at which nothing was found or explained. */
  readonly silent: readonly number[];
}

/** Plays the strategy as it runs live, from the first candle on for which its bands are known. */
function play(
  candles: readonly Candle[],
  changes: Partial<MeanReversionSettings> = {},
  instrument: Instrument = {},
): Play {
  const settings = { ...defaults, ...changes };
  const { onCandle, warmUp } = meanReversion(settings);
  const [signals, reasons, silent] = [[] as Found[], [] as string[], [] as number[]];
  let open: Found | undefined;
  for (let end = settings.bollingerPeriod + 1; end <= candles.length; end++) {
    const window = candles.slice(Math.max(0, end - warmUp), end);
    const candle = window.at(-1) as Candle;
    if (open && exitOf({ ...open, symbol: "X" }, candle)) open = undefined;
    const time = closeTime(candle, "5m");
    const said = reasons.length;
    const found = onCandle(window, {
      ...{
        symbol: "X",
        timeframe: "5m",
        instrument: { symbol: "X", ...instrument },
        time,
        isLive: true,
        signal: new AbortController().signal,
      },
      openSignal: open as TradingSignal | undefined,
      explain: (text) => void reasons.push(text),
    });
    if (typeof found !== "object" || found === null || !("entry" in found)) {
      if (reasons.length === said) silent.push(time);
      continue;
    }
    signals.push(open = { ...found, time: new Date(time) });
  }
  return { signals, reasons, silent };
}

const find = (...args: Parameters<typeof play>): readonly Found[] => play(...args).signals;

async function synthetic(seed: number, count: number): Promise<Candle[]> {
  const feed = syntheticFeed({ seed, start: midnight + count * length, intervalSeconds: 0 });
  const { signal } = new AbortController();
  return [...await feed.history({ symbol: "BTC-USD", timeframe: "5m", count, signal })];
}

/** Candles from closes: each opens at the close before and reaches 0.1 beyond both. */
function candlesFrom(closes: readonly number[]): Candle[] {
  return closes.map((close, index) => {
    const open = closes[index - 1] ?? close;
    const [high, low] = [Math.max(open, close) + 0.1, Math.min(open, close) - 0.1];
    return { time: midnight + index * length, open, high, low, close, volume: 1 + (index % 3) };
  });
}

/** A quiet day until candle `index`, which closes back inside after the one before fell outside. */
function dip(index: number, { fall = 97, back = 98.9 } = {}): Candle[] {
  const quiet = Array.from({ length: index - 1 }, (_, at) => at % 2 === 0 ? 100 : 100.2);
  return candlesFrom([...quiet, fall, back]);
}

const isOpen = tradingHours(defaults.hours);
const candidate = { rewardRisk: 0.1 };

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

test("fills the ticket with figures that a second computation confirms", () => {
  const candles = dip(100);
  const found = find(candles, candidate);
  assert.is(found.length, 1);
  const [signal] = found as [Found];
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
  assert.is(signal.time.toISOString(), new Date(midnight + 101 * length).toISOString());
  assert.is(signal.currency, "USD");
  assert.ok(signal.parameters && signal.note);
});

test("waits for the close back inside", () => {
  assert.is(find(dip(100, { back: 97 }), candidate).length, 0, "still outside");
  assert.is(find(dip(100, { fall: 99.9, back: 100 }), candidate).length, 0, "never outside");
  assert.equal(play(dip(100, { back: 97 }), candidate).reasons.at(-1), "still beyond its bands");
});

test("trades from 06:00 inclusive to 17:00 exclusive, by the candle's close", () => {
  const closing = (hour: number, minute: number): number => (hour * 60 + minute) / 5 - 1;
  const opens = (index: number): boolean => find(dip(index), candidate).length === 1;
  assert.is(opens(closing(5, 55)), false);
  assert.is(opens(closing(6, 0)), true);
  assert.is(opens(closing(16, 55)), true);
  assert.is(opens(closing(17, 0)), false);
});

test("a trade that nothing has ended is over when the trading hours are", () => {
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

test("refuses a trade below the minimum reward for its risk", () => {
  const [signal] = find(dip(100), candidate) as [Found];
  const ratio = Math.abs(Number(signal.target) - Number(signal.entry)) /
    Math.abs(Number(signal.entry) - Number(signal.stop));
  assert.is(find(dip(100), { rewardRisk: ratio - 1e-6 }).length, 1);
  assert.is(find(dip(100), { rewardRisk: ratio + 1e-6 }).length, 0);
});

test("refuses what cannot be sized, and quotes prices in the market's ticks", () => {
  assert.is(find(dip(100), { ...candidate, sizeStep: "1000" }).length, 0);
  const [signal] = find(dip(100), { ...candidate, tickSize: "0.25" }) as [Found];
  for (const price of [signal.entry, signal.stop, signal.target]) {
    assert.is(Number(price) % 0.25, 0);
    assert.match(String(price), /^\d+\.\d\d$/);
  }
});

test("mirrored prices give mirrored signals", async () => {
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

test("signals are valid, in hours, and one trade at a time; each other candle in hours says why there is none", async () => {
  let seen = 0;
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const candles = await synthetic(seed, 2 * day);
      const { signals, reasons, silent } = play(candles);
      // 01:45 to 05:55, and 17:05 to 05:55 and to midnight: the candle at 17:00 says that the hours are over.
      assert.is(silent.length, 51 + 155 + 84);
      assert.ok(silent.every((time) => !isOpen(time)), "a candle in the hours says nothing");
      const told = (text: string): number => reasons.filter((reason) => reason === text).length;
      assert.equal([told("its hours begin"), told("its hours are over")], [2, 2]);
      seen += signals.length;
      for (const [index, found] of signals.entries()) {
        validateSignal({ ...found, symbol: "X" });
        const hour = found.time.getUTCHours();
        assert.ok(hour >= 6 && hour < 17, found.time.toISOString());
        const next = signals[index + 1];
        if (next === undefined || next.time.getUTCDate() !== found.time.getUTCDate()) continue;
        const between = candles.filter(({ time }) =>
          time >= found.time.getTime() && time < next.time.getTime()
        );
        assert.ok(
          between.some((candle) => exitOf({ ...found, symbol: "X" }, candle)),
          "the trade before is open",
        );
      }
    }),
    { numRuns: 10 },
  );
  assert.ok(seen > 10, `${seen} signals`);
});

test("prices and sizes are in the market's steps; a setting beats them", () => {
  const candles = dip(100);
  const market = { tickSize: "0.25", sizeStep: "0.5", currency: "EUR" };
  const [signal] = find(candles, candidate, market) as [Found];
  assert.equal([signal.entry, signal.currency, Number(signal.size) % 0.5], ["99.00", "EUR", 0]);
  const [own] = find(candles, { ...candidate, tickSize: "0.1", sizeStep: "1", currency: "USD" }, market) as [
    Found,
  ];
  assert.equal([own.entry, own.currency, Number(own.size) % 1], ["98.9", "USD", 0]);
  const small = candles.map(({ open, high, low, close, ...rest }) => ({
    ...rest,
    ...{ open: open / 1e6, high: high / 1e6, low: low / 1e6, close: close / 1e6 },
  }));
  assert.is(find(small, candidate)[0]?.entry, "0.0000989000");
});

test("the demonstration's first day has signals, soon after its beginning, long and short", async () => {
  const { seed } = readSettings(["--interval", "1"]) ?? {};
  const feed = syntheticFeed({ seed: seed as number, start: midnight + day * length, intervalSeconds: 0 });
  const { signal } = new AbortController();
  const candles = await feed.history({ symbol: "BTC-USD", timeframe: "5m", count: 3 * day, signal });
  const today = find(candles).filter(({ time }) => time.getTime() > midnight);
  assert.ok(
    (today[0]?.time.getTime() ?? Infinity) < midnight + 9 * 12 * length,
    "the first comes before 09:00",
  );
  assert.equal([...new Set(today.map(({ direction }) => direction))].sort(), ["long", "short"]);
});

test.run();

/** What holds for every backtest, whatever the candles and the signals. */
import fc from "fast-check";
import { backtest, type BacktestReport } from "../../lib/live/backtest.ts";
import type { Strategy } from "../../lib/live/strategy.ts";
import { assert, suite } from "../harness.ts";
import {
  candlesOf,
  feedOf,
  long,
  planned,
  plans,
  type Prices,
  reportOf,
  start,
  walks,
} from "../support/backtests.ts";

const test = suite("backtest(): properties");
const hour = 3_600_000;

const near = (one: number, other: number): boolean =>
  Math.abs(one - other) <= 1e-9 * Math.max(1, Math.abs(one));
const percents = fc.integer({ min: 0, max: 200 }).map((hundredths) => ({ percent: hundredths / 100 }));

test("results add up to totalR, equity is their product, and every trade is counted once", async () => {
  await fc.assert(fc.asyncProperty(walks, plans, percents, async (walk, plan, costs) => {
    const report = await backtest({ strategy: planned(plan), candles: candlesOf(walk), costs });
    const { trades, figures, equity } = report;
    assert.ok(near(trades.reduce((sum, { r }) => sum + r, 0), figures.totalR));
    const product = trades.reduce((value, { r }) => value * Math.max(0, 1 + r / 100), 10_000);
    assert.ok(near(product, figures.finalEquity));
    assert.is(equity.at(-1)?.equity, figures.finalEquity);
    assert.is(figures.wins + figures.losses + figures.open, figures.signals);
    assert.is(figures.signals, Object.keys(plan).filter((index) => Number(index) < walk.length).length);
    assert.ok(figures.exposure >= 0 && figures.exposure <= 1);
    assert.ok(figures.maxDrawdownPercent >= 0 && figures.maxDrawdownPercent <= 100);
    assert.ok(figures.maxDrawdownR >= -figures.totalR - 1e-9);
  }));
});

test("no trade ends before it begins, nor after the last candle; none that is closed does so at its own candle", async () => {
  await fc.assert(fc.asyncProperty(walks, plans, async (walk, plan) => {
    const { trades, figures } = await backtest({ strategy: planned(plan), candles: candlesOf(walk) });
    for (const { openedAt, exit, durationMs } of trades) {
      assert.is(exit.time - openedAt, durationMs);
      assert.ok(durationMs >= (exit.reason === "open" ? 0 : hour) && exit.time <= figures.to);
    }
  }));
});

/** The results of each trade in the order of their signals. */
const results = ({ trades }: BacktestReport): number[] => trades.map(({ r }) => r);

test("the worst case is never better than the best", async () => {
  await fc.assert(fc.asyncProperty(walks, plans, async (walk, plan) => {
    const test = { strategy: planned(plan), candles: candlesOf(walk) };
    const worst = results(await backtest(test));
    const best = results(await backtest({ ...test, intrabar: "best" }));
    for (const [index, r] of worst.entries()) assert.ok(r <= (best[index] ?? NaN));
  }));
  // They differ where a candle spans both.
  const spanning = [100, [100, 125, 85, 100]] as const;
  assert.equal(results(await reportOf({ 0: long }, spanning)), [-1]);
  assert.equal(results(await reportOf({ 0: long }, spanning, { intrabar: "best" })), [2]);
});

test("costs and slippage only ever worsen a trade", async () => {
  await fc.assert(fc.asyncProperty(walks, plans, percents, percents, async (walk, plan, costs, slippage) => {
    const test = { strategy: planned(plan), candles: candlesOf(walk) };
    const [free, charged, slipped, both] = [
      results(await backtest(test)),
      results(await backtest({ ...test, costs })),
      results(await backtest({ ...test, slippage })),
      results(await backtest({ ...test, costs, slippage })),
    ];
    for (const [index, r] of both.entries()) {
      const [whole = NaN, paid = NaN, slid = NaN] = [free[index], charged[index], slipped[index]];
      assert.ok(r <= paid && r <= slid && paid <= whole && slid <= whole);
      assert.is(paid < whole, costs.percent > 0);
      assert.is(slid < whole, slippage.percent > 0);
    }
  }));
});

test("a mirrored market gives mirrored trades the same results", async () => {
  await fc.assert(fc.asyncProperty(walks, plans, async (walk, plan) => {
    const mirrored = walk.map((price): Prices => {
      const [open, high, low, close] = price as readonly [number, number, number, number];
      return [1000 - open, 1000 - low, 1000 - high, 1000 - close];
    });
    const turned = Object.fromEntries(
      Object.entries(plan).map(([index, it]) => [index, { ...it, isLong: !it.isLong }]),
    );
    const one = await backtest({ strategy: planned(plan), candles: candlesOf(walk) });
    const other = await backtest({ strategy: planned(turned), candles: candlesOf(mirrored) });
    assert.equal(results(other), results(one));
  }));
});

const pairs = fc.tuple(walks, walks, plans, plans);

test("other symbols, in whatever order, change nothing in a symbol's trades", async () => {
  await fc.assert(
    fc.asyncProperty(pairs, fc.boolean(), async ([walk, otherWalk, plan], isFirst) => {
      const feed = feedOf(({ symbol }) => candlesOf(symbol === "A" ? walk : otherWalk), start + 100 * hour);
      const tried = (symbols: readonly string[]): Promise<BacktestReport> =>
        backtest({ strategy: planned(plan, { symbols }), feed, from: start });
      const alone = await tried(["A"]);
      const beside = await tried(isFirst ? ["A", "B", "C"] : ["C", "B", "A"]);
      assert.equal(beside.trades.filter(({ symbol }) => symbol === "A"), alone.trades);
      const shuffled = await tried(isFirst ? ["B", "C", "A"] : ["B", "A", "C"]);
      assert.equal(JSON.stringify(shuffled), JSON.stringify(beside));
    }),
    { numRuns: 50 },
  );
});

test("strategies have the figures that each has alone, in whatever order they come", async () => {
  await fc.assert(
    fc.asyncProperty(pairs, async ([walk, , plan, otherPlan]) => {
      const candles = candlesOf(walk);
      const one = planned(plan, { name: "One" });
      const two = planned(otherPlan, { name: "Two", warmUp: Math.min(4, walk.length) });
      const tried = (...strategies: Strategy[]): Promise<BacktestReport> => backtest({ strategies, candles });
      const both = await tried(one, two);
      assert.equal(JSON.stringify(await tried(two, one)), JSON.stringify(both));
      for (const [index, strategy] of [one, two].entries()) {
        assert.equal(both.strategies[index]?.figures, (await tried(strategy)).figures);
      }
    }),
    { numRuns: 50 },
  );
});

test.run();

/** A backtest: what is played, and the figures of examples that were reckoned by hand. */
import { backtest } from "../../lib/live/backtest.ts";
import type { StrategyContext } from "../../lib/live/strategy.ts";
import type { Candle } from "../../lib/signals/candle.ts";
import { assert, suite } from "../harness.ts";
import { candlesOf, long, reportOf, scripted, short, start } from "../support/backtests.ts";

const test = suite("backtest()");
const hour = 3_600_000;
const close = (price: number): number => Math.round(price * 1e9) / 1e9;

test("a win, a loss and an open trade, reckoned by hand", async () => {
  const report = await reportOf({ 0: long, 2: short, 4: long }, [
    100, // long at 100
    [100, 121, 100, 120], // target 120: +2 R
    100, // short at 100
    [100, 112, 99, 111], // stop 110: −1 R
    100, // long at 100
    [100, 106, 99, 105], // open, valued at 105: +0.5 R
  ]);
  assert.equal(
    report.trades.map(({ r, percent, durationMs, exit }) => [r, percent, durationMs / hour, exit]),
    [
      [2, 20, 1, { reason: "target", price: 120, time: start + 2 * hour }],
      [-1, -10, 1, { reason: "stop", price: 110, time: start + 4 * hour }],
      [0.5, 5, 1, { reason: "open", price: 105, time: start + 6 * hour }],
    ],
  );
  assert.equal(report.trades.map(({ openedAt }) => (openedAt - start) / hour), [1, 3, 5]);
  const { figures } = report;
  assert.equal(figures, {
    ...{ signals: 3, wins: 1, losses: 1, open: 1, winRate: 0.5, totalR: 1.5, averageR: 0.5 },
    ...{ expectancyR: 0.5, profitFactor: 2, finalEquity: 10_000 * 1.02 * 0.99 * 1.005 },
    maxDrawdownPercent: 100 * (1 - (10_000 * 1.02 * 0.99) / (10_000 * 1.02)),
    ...{ maxDrawdownR: 1, longestLosingStreak: 1, exposure: 0.5, signalsPerDay: 12 },
    ...{ from: start, to: start + 6 * hour, candles: 6, filled: 0, alerts: 0, mistakes: 0 },
  });
  assert.equal(report.equity.map(({ time, totalR }) => [(time - start) / hour, totalR]), [
    [0, 0],
    [2, 2],
    [4, 1],
    [6, 1.5],
  ]);
});

test("a strategy that changes a candle, its signal or the market's steps has made a mistake, and harms nobody", async () => {
  const all = candlesOf([100, 101, 102, 103]).map((candle) => ({ ...candle, trades: 5 }));
  const own = structuredClone(all);
  const seen: number[] = [];
  type Writable = { -readonly [Name in keyof Candle]: Candle[Name] };
  const [careless, watching] = [
    scripted({ 1: long }, { name: "Careless", warmUp: 2 }, (candles, { openSignal, instrument }) => {
      if (openSignal !== undefined) (openSignal as { stop: number }).stop = 1;
      if (candles.length > 1) (candles[0] as Writable).close = 1;
      (instrument as { tickSize: string }).tickSize = "1";
    }),
    scripted({}, { name: "Watching", warmUp: 2 }, (candles) => {
      seen.push(...candles.map(({ close }) => close));
      assert.ok(candles.every((candle) => "trades" in candle), "fields of the caller's own are lost");
    }),
  ];
  const { mistakes } = await backtest({ strategies: [careless, watching], candles: all });
  assert.equal(mistakes.map(({ strategy, time }) => [strategy, (time - start) / hour]), [
    ["Careless", 2],
    ["Careless", 3],
    ["Careless", 4],
  ]);
  for (const { message } of mistakes) assert.match(message, /read.?only/i);
  assert.equal(seen, [100, 101, 101, 102, 102, 103]);
  assert.equal(all, own);
  (all[0] as Writable).close = 7;
  assert.is(all[0]?.close, 7, "the caller's own are frozen");
  const held = scripted({ 1: long }, { warmUp: 1 }, (_, { openSignal }) => {
    if (openSignal !== undefined) (openSignal as { stop: number }).stop = 1;
  });
  const report = await backtest({ strategy: held, candles: own });
  assert.equal([report.mistakes.length, report.trades[0]?.signal.stop], [2, 90]);
});

test("costs and slippage are paid at both sides, against the trader", async () => {
  const prices = [100, [100, 121, 100, 120], 100, [100, 101, 79, 80]] as const;
  const [won, sold] = (await reportOf({ 0: long, 2: short }, prices, {
    ...{ costs: { percent: 1 }, slippage: { percent: 0.5 } },
  })).trades;
  // Bought at 100.5, sold at 119.4, and 1 % of both: 18.9 − 2.199.
  assert.is(close(won?.r ?? 0), 1.6701);
  assert.is(close(won?.percent ?? 0), 16.701);
  // Sold at 99.5, bought at 80.4, and 1 % of both: 19.1 − 1.799.
  assert.is(close(sold?.r ?? 0), 1.7301);
});

test("a gap beyond the stop loses more than was risked", async () => {
  const { trades, figures } = await reportOf({ 0: long }, [100, [75, 80, 70, 80]]);
  assert.equal([trades[0]?.r, trades[0]?.exit.price, figures.maxDrawdownR], [-2.5, 75, 2.5]);
});

test("a candle that spans both is a loss, or by choice a win", async () => {
  const prices = [100, [100, 125, 85, 100]] as const;
  assert.is((await reportOf({ 0: long }, prices)).figures.totalR, -1);
  assert.is((await reportOf({ 0: long }, prices, { intrabar: "best" })).figures.totalR, 2);
});

test("the signal's own candle ends nothing; signals may overlap", async () => {
  const { trades, figures } = await reportOf({ 0: long, 1: long }, [
    [100, 130, 80, 100],
    [100, 105, 95, 100],
    [100, 120, 100, 110],
  ]);
  assert.equal(trades.map(({ r, durationMs }) => [r, durationMs / hour]), [[2, 2], [2, 1]]);
  assert.is(figures.exposure, 2 / 3);
  assert.is(figures.finalEquity, 10_000 * 1.02 * 1.02);
});

test("the equity compounds by riskPercent, and never falls below 0", async () => {
  const two = await reportOf({ 0: long, 1: long }, [100, 100, [100, 120, 100, 120]], {
    ...{ riskPercent: 10, startingEquity: 500 },
  });
  assert.is(two.figures.finalEquity, 500 * 1.2 * 1.2);
  const ruined = await reportOf({ 0: long }, [100, [70, 70, 70, 70]], { riskPercent: 50 });
  assert.equal([ruined.figures.finalEquity, ruined.figures.maxDrawdownPercent], [0, 100]);
});

test("figures that need closed trades are undefined without them", async () => {
  const { figures, trades } = await reportOf({}, [100, 100]);
  const { winRate, averageR, expectancyR, profitFactor, totalR, exposure, maxDrawdownR } = figures;
  assert.equal([winRate, averageR, expectancyR, profitFactor], [undefined, undefined, undefined, undefined]);
  assert.equal([totalR, exposure, maxDrawdownR, trades.length], [0, 0, 0, 0]);
  assert.is((await reportOf({ 0: long }, [100, [100, 120, 100, 120]])).figures.profitFactor, Infinity);
});

test("the losing streak goes by the order in which trades end, open ones apart", async () => {
  const { figures } = await reportOf({ 0: long, 1: long, 2: short, 3: short, 4: long }, [
    ...[100, 100, 100, 100, 100],
    [100, 111, 100, 100], // both shorts are stopped
    [100, 100, 89, 95], // all longs are stopped
  ]);
  assert.equal([figures.losses, figures.longestLosingStreak, figures.maxDrawdownR], [5, 5, 5]);
});

test("a win ends a losing streak; equity goes by the time at which trades end", async () => {
  const script = { 0: { ...long, stop: 50 }, 1: long, 2: long, 3: { ...long, target: 110 }, 5: long };
  const { figures, equity } = await reportOf(script, [
    ...[100, 100, 100, 100],
    [100, 110, 100, 100], // the fourth: +1 R
    [100, 100, 90, 100], // the second and the third: −1 R each
    [100, 120, 100, 120], // the first: +0.4 R, and the last: +2 R
    [100, 100, 100, 100],
  ]);
  assert.equal([figures.wins, figures.losses, figures.longestLosingStreak], [3, 2, 2]);
  assert.equal(equity.map(({ time, totalR }) => [(time - start) / hour, close(totalR)]), [
    ...[[0, 0], [5, 1], [6, -1]],
    [7, 1.4],
  ]);
  const apart = await reportOf({ 0: long, 1: { ...long, target: 101 }, 2: long }, [
    ...[100, [100, 100, 90, 100], [100, 101, 100, 100], [100, 100, 90, 100]] as const,
  ]);
  assert.equal([apart.figures.losses, apart.figures.longestLosingStreak], [2, 1]);
});

test("the equity stays a number, however large", async () => {
  const { figures } = await reportOf({ 0: long }, [100, [100, 120, 100, 120]], {
    ...{ startingEquity: 1e308, riskPercent: 100 },
  });
  assert.equal([figures.finalEquity, figures.maxDrawdownPercent], [Number.MAX_VALUE, 0]);
});

test("onCandle gets the last warmUp candles, and a context as live", async () => {
  const seen: [readonly number[], StrategyContext][] = [];
  const strategy = scripted({ 3: long }, { warmUp: 3 }, (candles, context) => {
    seen.push([candles.map(({ time }) => (time - start) / hour), context]);
  });
  const prices = [100, 100, 100, 100, [100, 119, 91, 100], [100, 120, 100, 100]] as const;
  const report = await backtest({ strategy, candles: candlesOf(prices) });
  assert.equal(seen.map(([indexes]) => indexes), [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]);
  const [, context] = seen[2] as [unknown, StrategyContext];
  const { signal, explain, ...rest } = context;
  explain("nobody asks");
  assert.ok(signal instanceof AbortSignal && !signal.aborted);
  const openSignal = {
    ...{ ...long, symbol: "BTC-USD", timeframe: "1h", strategy: "Scripted" },
    time: new Date(start + 4 * hour),
  };
  assert.equal(rest, {
    ...{ symbol: "BTC-USD", timeframe: "1h", time: start + 5 * hour, openSignal, isLive: false },
    instrument: { symbol: "BTC-USD" },
  });
  // The newest candle has touched the target.
  assert.equal(seen.map(([, it]) => it.openSignal !== undefined), [false, false, true, false]);
  assert.equal([report.figures.candles, report.figures.from], [4, start + 2 * hour]);
  assert.equal(report.trades[0]?.signal, openSignal);
});

test("alerts and mistakes are listed with their candles, and end nothing", async () => {
  const report = await reportOf(
    {
      0: "Quiet",
      1: new Error("no data\u001b[31m"),
      2: { ...long, stop: 105 },
      3: false,
      4: long,
      5: { text: "Bye" },
    },
    [100, 100, 100, 100, 100, [100, 120, 100, 110]],
  );
  assert.equal(report.alerts.map(({ time, message }) => [(time - start) / hour, message.text]), [
    [1, "Quiet"],
    [6, "Bye"],
  ]);
  assert.equal(report.mistakes.map(({ candle }) => (candle.time - start) / hour), [1, 2, 3]);
  assert.match(report.mistakes[0]?.message ?? "", /^no data\\u001b\[31m$/);
  assert.match(report.mistakes[1]?.message ?? "", /"stop" must be below "entry"/);
  assert.match(report.mistakes[2]?.message ?? "", /must be a signal .*current value is false/);
  const { signals, alerts, mistakes } = report.figures;
  assert.equal([signals, alerts, mistakes, report.figures.totalR], [1, 2, 3, 2]);
});

test("promises are awaited, rejections are mistakes", async () => {
  const strategy = scripted({}, {
    onCandle: async ([candle]) => {
      await Promise.resolve();
      if (candle?.time === start) return long;
      throw new Error("late");
    },
  });
  const report = await backtest({ strategy, candles: candlesOf([100, [100, 120, 100, 110]]) });
  assert.equal([report.figures.totalR, report.mistakes.map(({ message }) => message)], [2, ["late"]]);
});

test("a signal ends the test", async () => {
  const stop = new AbortController();
  const strategy = scripted({}, {}, (candles: readonly Candle[]) => {
    if (candles.at(-1)?.time === start + hour) stop.abort(new Error("enough"));
  });
  const error = await backtest({ strategy, candles: candlesOf([1, 1, 1]), signal: stop.signal }).catch((it) =>
    it
  );
  assert.is((error as Error).message, "enough");
});

test.run();

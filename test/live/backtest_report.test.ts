/** A backtest's report: its lines, its picture, and what a notebook shows. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { PNG } from "pngjs";
import { backtest, type BacktestReport } from "../../lib/live/backtest.ts";
import { assert, suite } from "../harness.ts";
import {
  candlesOf,
  feedOf,
  long,
  planned,
  plans,
  reportOf,
  scripted,
  short,
  start,
  walks,
} from "../support/backtests.ts";
import { flawsOf, textsOf } from "../support/chart_scenes.ts";
import { failureOf } from "../support/storage.ts";

const test = suite("the report of backtest()");
const hour = 3_600_000;

/** A win, a loss and an open trade. */
const prices = [100, [100, 121, 100, 120], 100, [100, 112, 99, 111], 100, [100, 106, 99, 105]] as const;
const script = { 0: long, 2: short, 4: long };

test("prints as a few lines", async () => {
  const costs = { percent: 0.1 };
  const report = await reportOf({ ...script, 1: "Quiet", 3: new Error("no data") }, prices, { costs });
  assert.equal(String(report).split("\n"), [
    "Scripted on BTC-USD 1h, 5 Jan 2026 (6 candles)",
    "3 signals, 12.00 a day: 1 won, 1 lost, 1 open, valued at the last price; 50 % won.",
    "+1.44 R in all, +0.48 R a trade; profit factor 1.94.",
    "Equity 10,000 → 10,142 at 1 % risk a trade; largest drawdown 1.0 % (1.02 R), longest losing streak 1; " +
    "in a trade 50 % of the time.",
    "Costs 0.1 % and slippage 0 % a side; the stop counts where a candle spans both.",
    "1 alert.",
    "1 mistake, the first at 2026-01-05 04:00 (Scripted, BTC-USD 1h): no data",
  ]);
});

test("says where nothing was found, where nothing was lost, and what the feed warns of", async () => {
  assert.is(String(await reportOf({}, [100, 100])).split("\n")[1], "No signals.");
  assert.match(String(await reportOf({ 0: long }, [100, 130])), /profit factor ∞ \(no losses\)/);
  const feed = feedOf(() => candlesOf([100, 100]), start + 2 * hour, { caution: "synthetic data" });
  const report = await backtest({ strategy: scripted({}), feed, from: start, intrabar: "best" });
  assert.match(String(report), /the target counts where a candle spans both\.\nCaution: synthetic data\.$/);
});

test("several strategies have a line each", async () => {
  const strategies = [scripted(script, { name: "Two" }), scripted({}, { name: "One\u001b[2J" })];
  const lines = String(await backtest({ strategies, candles: candlesOf(prices) })).split("\n");
  assert.is(lines[0], "2 strategies on BTC-USD 1h, 5 Jan 2026 (12 candles)");
  assert.equal(lines.slice(5), [
    "  One\\u001b[2J: 0 signals, 0.00 R, drawdown 0.00 R",
    "  Two: 3 signals, +1.50 R, drawdown 1.00 R",
  ]);
});

test("serialises as it is", async () => {
  const report = await reportOf(script, prices);
  const { figures, trades, settings } = JSON.parse(JSON.stringify(report)) as BacktestReport;
  assert.equal([figures.totalR, trades.length, settings.riskPercent], [1.5, 3, 1]);
});

/** What is where in a picture: bars of trades, from left to right, by what they look like. */
function barsOf(svg: string): string[] {
  const bars = [...svg.matchAll(/<rect x="[\d.]+" y="([\d.]+)" width="14" height="[\d.]+" ([^>]*)>/g)];
  return bars.map(([, , style = ""]) =>
    /stroke=/.test(style) ? "hollow" : /fill="([^"]*)"/.exec(style)?.[1] ?? ""
  );
}

test("the picture has the result, the trades up and down, the open one hollow, and the drawdown", async () => {
  const svg = await (await reportOf(script, prices)).equityChart();
  const words = textsOf(svg).map((box) => box.words);
  for (const each of ["Scripted", "BTC-USD 1h", "+1.50 R", "Drawdown 1.0 %", "10,148", "0 R", "03:00"]) {
    assert.ok(words.includes(each), `${each} in ${words.join(" | ")}`);
  }
  assert.ok(words.includes("5 Jan 2026 · 3 trades · 50 % won"));
  assert.equal(barsOf(svg), ["#0a6ebd", "#c9510c", "hollow"]);
  assert.equal(flawsOf(svg), []);
});

test("the picture is a PNG, too, in either theme", async () => {
  const report = await reportOf(script, prices);
  const [light, dark] = [await report.equityPng(), await report.equityPng({ theme: "dark" })]
    .map((png) => PNG.sync.read(Buffer.from(png)));
  assert.equal([light?.width, light?.height], [1200, 800]);
  assert.equal([[...light?.data.subarray(0, 3) ?? []], [...dark?.data.subarray(0, 3) ?? []]], [[
    255,
    255,
    255,
  ], [16, 23, 31]]);
  const wrong = await failureOf(report.equityChart({ theme: "drak" as never }));
  assert.match(wrong.message, /"theme" must be .* \(did you mean "dark"\?\)$/);
});

const names = fc.oneof(
  fc.constantFrom("Breakout", "<&\">'", "\ud800", "Mean reversion ".repeat(4)),
  fc.string({ unit: "binary", minLength: 1, maxLength: 25 }),
)
  .filter((name) => /^(?=.*\S).{1,60}$/u.test(name));

test("for any trades the picture's texts are whole, apart from each other, and legible", async () => {
  const settings = fc.record({
    startingEquity: fc.constantFrom(0.01, 1, 500, 10_000, 999_999, 1e7, 1e12, 1e300),
    riskPercent: fc.constantFrom(0.01, 1, 10, 100),
  });
  const timeframes = fc.constantFrom("1m", "1h", "1d" as const);
  await fc.assert(
    fc.asyncProperty(
      walks,
      plans,
      settings,
      names,
      timeframes,
      async (walk, plan, options, name, timeframe) => {
        const strategy = planned(plan, { name, timeframes: [timeframe] });
        const report = await backtest({ strategy, candles: candlesOf(walk, timeframe), ...options });
        assert.equal(flawsOf(await report.equityChart()), []);
      },
    ),
    { numRuns: 200 },
  );
});

/** What Deno's Jupyter kernel asks for. */
const show = (value: object): Promise<Record<string, string>> =>
  (value as Record<symbol, () => Promise<Record<string, string>>>)[Symbol.for("Jupyter.display")]?.() ??
    Promise.reject(new Error("it shows nothing"));

test("a notebook shows the lines, the picture and the trades, with every text escaped", async () => {
  const strategy = scripted({ ...script, 1: "<b>Quiet", 3: new Error("<i>") }, { name: "<script>" });
  const report = await backtest({ strategy, candles: candlesOf(prices) });
  const { "text/plain": plain = "", "text/html": html = "" } = await show(report);
  assert.match(plain, /^<script> on BTC-USD 1h.*\n {2}3 signals, /);
  assert.not.match(html, /<script|<b>|<i>/);
  assert.match(html, /&lt;b&gt;Quiet/);
  const [, source = ""] = /src="data:image\/svg\+xml;base64,([^"]+)"/.exec(html) ?? [];
  assert.is(Buffer.from(source, "base64").toString(), await report.equityChart());
  assert.is([...html.matchAll(/<td[^>]*>(?:target|stop|open)<\/td>/g)].length, 3);
  for (const cell of ["2026-01-05 01:00", "2026-01-05 02:00", "long", "100", "90", "120", "+2.00", "−1.00"]) {
    assert.ok(html.includes(`>${cell}</td>`), cell);
  }
});

test("the prices of trades are those of the tickets, in the report and in a notebook", async () => {
  const feed = feedOf(() => candlesOf([100, 100, 130]), start + 3 * hour, {
    instrument: () => Promise.resolve({ tickSize: "0.5" }),
  });
  const symbols: unknown[] = [];
  const strategy = scripted(
    { 1: { ...long, entry: 100.1 + 0.2, target: 119.99999999 } },
    {},
    (_, { instrument }) => symbols.push(instrument.symbol),
  );
  const report = await backtest({ strategy, feed, from: start });
  const { signal: { entry, stop, target } = {}, exit } = report.trades[0] ?? {};
  assert.equal([entry, stop, target, exit?.price], [100.5, 90, 120, 120]);
  assert.equal([...new Set(symbols)], ["BTC-USD"]);
  const html = (await show(report))["text/html"] ?? "";
  for (const cell of ["100.5", "90.0", "120.0"]) assert.ok(html.includes(`>${cell}</td>`), cell);
});

test("a notebook shows the first hundred trades, and says how many there are besides", async () => {
  const all = Object.fromEntries(Array.from({ length: 130 }, (_, index) => [index, long]));
  const { "text/html": html = "" } = await show(await reportOf(all, Array.from({ length: 131 }, () => 100)));
  assert.is([...html.matchAll(/>open<\/td>/g)].length, 100);
  assert.match(html, /… and 30 more rows/);
});

test.run();

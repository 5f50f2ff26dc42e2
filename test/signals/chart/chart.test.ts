/** Charts: the pictures themselves. */
import { readFile } from "node:fs/promises";
import { drawSvg } from "../../../lib/signals/chart/draw.ts";
import { loadDrawing } from "../../../lib/signals/chart/loading.ts";
import { drawChart } from "../../../lib/signals/chart/mod.ts";
import { spread } from "../../../lib/signals/chart/price_levels.ts";
import { render } from "../../../lib/signals/chart/render.ts";
import type { Candle, TradingSignal } from "../../../mod.ts";
import { assert, suite } from "../../harness.ts";
import { bands, textsOf } from "../../support/chart_scenes.ts";
import { difference, goldenFile, pixelsOf, someCandles, specimens } from "../../support/charts.ts";
import { failureOf } from "../../support/storage.ts";

const test = suite("chart", undefined, 60_000);
const ticket = { direction: "long", symbol: "BTC-USD", entry: 60_000, stop: 59_900, target: 60_200 } as const;
/** Runtimes calculate the series a little differently; a line that is missing makes more than a thousand. */
const tolerance = 300;

for (const { theme, candles: count, signal } of specimens) {
  test(`drawChart() draws the ${theme} picture that is kept, in 1200 × 800 pixels and less than 200 KB`, async () => {
    const png = await drawChart(signal, await someCandles(count), { theme });
    const { width, height } = pixelsOf(png);
    assert.equal([width, height], [1200, 800]);
    assert.ok(png.length < 200_000, `${png.length} bytes`);
    const pixels = difference(png, await readFile(goldenFile(theme)));
    assert.ok(pixels <= tolerance, `${pixels} pixels differ`);
  });
}

/** What may be lost, and by which words of the SVG one would know. */
const parts: Readonly<Record<string, RegExp>> = {
  "the target's line": /<line [^>]*stroke-dasharray="18 8"[^>]*><\/line>/,
  "the stop's line": /<line [^>]*stroke-dasharray="6 8"[^>]*><\/line>/,
  "the entry's price": /<text [^>]*>57788\.21<\/text>/,
  "the VWAP's bands": /<path [^>]*stroke-dasharray="10 6"[^>]*><\/path>/g,
  "the symbol": /<text [^>]*>BTC-USD<\/text>/,
};
for (const [name, pattern] of Object.entries(parts)) {
  test(`the comparison misses ${name}`, async () => {
    const [{ signal, candles, theme }] = specimens as [typeof specimens[0] & object];
    const svg = drawSvg({ signal, candles: await someCandles(candles), theme, bands });
    assert.match(svg, pattern);
    const pixels = difference(await render(svg.replace(pattern, "")), await readFile(goldenFile(theme)));
    assert.ok(pixels > 2 * tolerance, `${pixels} pixels differ`);
  });
}

test("spread() keeps labels apart, in order, between its bounds, and moves none without need", () => {
  assert.equal(spread([100, 300, 500], 80, 40, 700), [100, 300, 500]);
  assert.equal(spread([300, 300, 300], 80, 40, 700), [300, 380, 460]);
  assert.equal(spread([0, 0, 0], 80, 40, 700), [40, 120, 200]);
  assert.equal(spread([900, 900, 900], 80, 40, 700), [540, 620, 700]);
});

test("levels that are far away keep their labels, with an arrow, and leave the candles their shape", async () => {
  const candles = await someCandles(100);
  const signal: TradingSignal = { ...ticket, stop: 1, target: 1_000_000 };
  const svg = drawSvg({ signal, candles, theme: "light", bands });
  const words = textsOf(svg).map((box) => box.words);
  assert.ok(words.includes("↑ Target +1567 %") && words.includes("↓ Stop −100.0 %"), words.join(" | "));
  assert.not.match(svg, /stroke-dasharray="18 8"/);
});

test("prices keep their digits, all of them as many, and none that calculating has left", () => {
  const candles = [1, 2].map((time) => ({
    time: time * 60_000,
    open: 1,
    high: 2,
    low: 0.5,
    close: 1,
    volume: 1,
  }));
  const pricesOf = (entry: number | string, stop: number | string, target: number | string): string[] =>
    textsOf(drawSvg({ signal: { ...ticket, entry, stop, target }, candles, theme: "light", bands }))
      .map(({ words }) => words).filter((words) => /^\d[\d.]*$/.test(words)).slice(-3);
  assert.equal(pricesOf("67250.5", 66980, 67800), ["67800.0", "67250.5", "66980.0"]);
  assert.equal(pricesOf("1.0850", "1.0830", "1.0890"), ["1.0890", "1.0850", "1.0830"]);
  assert.equal(pricesOf("0.00001234", "0.00001228", "0.0000125"), ["0.00001250", "0.00001234", "0.00001228"]);
  assert.equal(pricesOf(0.1 + 0.2, 0.2, 0.4), ["0.4", "0.3", "0.2"]);
});

test("the volume's strip is left out where nothing was traded", async () => {
  const candles = (await someCandles(40)).map((candle) => ({ ...candle, volume: 0 }));
  const svg = drawSvg({ signal: ticket, candles, theme: "light", bands });
  assert.not.match(svg, /fill-opacity="0\.6"/);
  assert.match(
    drawSvg({ signal: ticket, candles: await someCandles(40), theme: "light", bands }),
    /fill-opacity="0\.6"/,
  );
});

test("drawChart() names what is no candle, no signal or no option, and the rule", async () => {
  const good = { time: 60_000, open: 2, high: 3, low: 1, close: 2, volume: 1 };
  const next = { ...good, time: 120_000 };
  const wrong: [unknown, RegExp][] = [
    [undefined, /the candles as they must be a list/],
    [[], /two or more: here are 0/],
    [[good], /two or more: here are 1/],
    [[good, null], /at index 1 as it must be an object: current value is null/],
    [
      [[60_000, 2, 3, 1, 2, 1], [120_000, 2, 3, 1, 2, 1]],
      /^Cannot use the candle at index 0 as it must be \{ time, open, high, low, close, volume \}: current value is \[.*\], which is an array: candles\.map\(\(\[time, open, high, low, close, volume\]\) => \(\{ time/s,
    ],
    [
      [{ ...good, time: new Date(60_000) }, next],
      /"time" must be .*: time\.getTime\(\) gives its milliseconds$/,
    ],
    [
      [{ ...good, time: "2026-01-05T00:00:00Z" }, next],
      /"time" .*: Date\.parse\(time\) gives its milliseconds$/,
    ],
    [[good, { ...next, close: NaN }], /at index 1 as "close" must be a finite number: current value is NaN/],
    [[good, { ...next, open: "2" }], /"open" must be a finite number: current value is "2"/],
    [[good, { ...next, high: 1.5 }], /"high" must be at least "open" and "close": current value is 1.5/],
    [[good, { ...next, low: 2.5 }], /"low" must be at most/],
    [[good, { ...next, volume: -1 }], /"volume" must be 0 or more/],
    [[good, { ...next, time: 9e15 }], /"time" must be in milliseconds.* looks like microseconds, or finer/],
    [
      [{ ...good, time: 1_767_571_200 }, { ...next, time: 1_767_571_260 }],
      /index 0 as "time" must be in milliseconds.* 1767571200, which looks like seconds: multiply it by 1000/,
    ],
    [[good, good], /"time" must rise from one to the next: at index 1 it is 60000, after 60000/],
  ];
  for (const [candles, words] of wrong) {
    assert.match((await failureOf(drawChart(ticket, candles as Candle[]))).message, words);
  }
  const options: [object, RegExp][] = [
    [{ theme: "blue" }, /"theme" must be "light" or "dark": current value is "blue"$/],
    [{ theme: "drak" }, /current value is "drak" \(did you mean "dark"\?\)$/],
    [{ bands: 5 }, /"bands" must be an object/],
    [{ bands: { bollingerPeriod: 1.5 } }, /"bollingerPeriod" must be a whole number from 2 on/],
    [{ bands: { vwapDeviations: 0 } }, /"vwapDeviations" must be a number above 0/],
  ];
  for (const [option, words] of options) {
    assert.match((await failureOf(drawChart(ticket, [good, next], option))).message, words);
  }
  const noSignal = { ...ticket, stop: 70_000 };
  assert.match((await failureOf(drawChart(noSignal, [good, next]))).message, /"stop" must be below "entry"/);
});

test("a package that is missing is named, with the command that installs it", async () => {
  const missing = new Error("Cannot find package 'd3-scale' imported from chart.js\nRequire stack:");
  const error = await failureOf(loadDrawing(() => Promise.reject(missing)));
  assert.match(
    error.message,
    /npm install @resvg\/resvg-wasm d3-scale d3-shape trading-signals \(with Deno: deno add npm:/,
  );
  assert.match(error.message, /'d3-scale' imported from chart\.js$/);
  assert.is(error.cause, missing);
});

test.run();

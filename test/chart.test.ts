/** Charts: the pictures themselves, and what they do with odd prices, odd candles and odd names. */
import fc from "fast-check";
import { readFile } from "node:fs/promises";
import { drawChart } from "../lib/chart.ts";
import { drawSvg } from "../lib/chart/draw.ts";
import type { Scene } from "../lib/chart/frame.ts";
import { spread } from "../lib/chart/levels.ts";
import { loadDrawing } from "../lib/chart/loading.ts";
import { render } from "../lib/chart/render.ts";
import { widthOf } from "../lib/chart/svg.ts";
import { type Candle, type TradingSignal, validateSignal } from "../mod.ts";
import { assert, suite } from "./harness.ts";
import { difference, goldenFile, pixelsOf, someCandles, specimens } from "./support/charts.ts";
import { failureOf } from "./support/storage.ts";

const test = suite("chart", undefined, 60_000);
const bands = { bollingerPeriod: 20, bollingerDeviations: 2, vwapDeviations: 2 };
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
  "the entry's price": /<text [^>]*>59689\.33<\/text>/,
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

interface Box {
  readonly words: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Where the texts of an SVG are, by the size of their letters. */
function textsOf(svg: string): Box[] {
  return [...svg.matchAll(/<text ([^>]*)>([^<]*)<\/text>/g)].map(([, attributes = "", escaped = ""]) => {
    const value = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
    const words = escaped.replace(
      /&(amp|lt|gt|quot);/g,
      (_, it) => ({ amp: "&", lt: "<", gt: ">", quot: '"' })[it as "amp"],
    );
    const [x, y, size] = [Number(value(" x") || value("x")), Number(value("y")), Number(value("font-size"))];
    const width = widthOf(words, size, value("font-family").includes("Bold"));
    const left = value("text-anchor") === "end"
      ? x - width
      : value("text-anchor") === "middle"
      ? x - width / 2
      : x;
    return { words, left, right: left + width, top: y - 0.75 * size, bottom: y + 0.05 * size };
  });
}

/** What is wrong with a picture's words: one over another, cut off at the edge, too small, or no words at all. */
function flawsOf(svg: string): string[] {
  const boxes = textsOf(svg).filter(({ words }) => words !== "");
  const cut = boxes.filter(({ left, right, top, bottom }) =>
    left < 8 || right > 1192 || top < 8 || bottom > 792
  );
  const overlapping = boxes.flatMap((one, index) =>
    boxes.slice(index + 1)
      .filter((it) =>
        one.left < it.right && it.left < one.right && one.top < it.bottom && it.top < one.bottom
      )
      .map((other) => `"${one.words}" over "${other.words}"`)
  );
  const sizes = [...svg.matchAll(/font-size="([\d.]+)"/g)].map(([, size]) => Number(size));
  return [
    ...cut.map(({ words }) => `"${words}" is cut`),
    ...overlapping,
    ...sizes.filter((size) => size < 20).map((size) => `letters of ${size}`),
    ...(/NaN|Infinity|undefined/.exec(svg) ?? []),
  ];
}

const symbols = fc.oneof(
  fc.constantFrom(
    "BTC-USD",
    "1000PEPE/USDT:USDT-PERP",
    "<&\">'",
    "]]><!--",
    "Ωmega Золото",
    "比特币",
    "🚀",
    "\ud800",
    "a\u0000b",
  ),
  fc.string({ unit: "binary", minLength: 1, maxLength: 60 }).filter((it) => it.trim() !== ""),
);

/** A series that wanders, with gaps, at prices from 1e-8 to 1e9. */
const series = fc.record({
  scale: fc.double({ min: -8, max: 9, noNaN: true }),
  moves: fc.array(fc.tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.nat(3)), {
    minLength: 2,
    maxLength: 110,
  }),
  volatility: fc.constantFrom(0, 1e-4, 0.01, 0.3),
  stepMs: fc.constantFrom(60_000, 300_000, 86_400_000, 7 * 86_400_000),
  hasVolume: fc.boolean(),
}).map(({ scale, moves, volatility, stepMs, hasVolume }) => {
  let [time, close] = [Date.UTC(2026, 0, 5), 10 ** scale];
  return moves.map(([move, gap]): Candle => {
    const open = close;
    close *= Math.exp(volatility * move);
    time += stepMs * (1 + gap);
    const [high, low] = [
      Math.max(open, close) * (1 + volatility / 4),
      Math.min(open, close) / (1 + volatility / 4),
    ];
    return { time, open, high, low, close, volume: hasVolume ? 100 * Math.abs(move) : 0 };
  });
});

const scenes: fc.Arbitrary<Scene> = fc.record({
  candles: series,
  symbol: symbols,
  timeframe: fc.constantFrom(undefined, "5m", "one day and a half"),
  isLong: fc.boolean(),
  risk: fc.double({ min: -5, max: -0.01, noNaN: true }),
  reward: fc.double({ min: -5, max: 3, noNaN: true }),
  digits: fc.constantFrom(undefined, 2, 8, 20),
  theme: fc.constantFrom("light" as const, "dark" as const),
}).map(({ candles, symbol, timeframe, isLong, risk, reward, digits, theme }) => {
  const entry = candles.at(-1)?.close ?? 1;
  const [down, up] = [entry * (1 - 10 ** risk), entry * (1 + 10 ** reward)];
  const [stop, target] = isLong
    ? [down, up]
    : [entry * (1 + 10 ** risk), entry * (1 - Math.min(0.99, 10 ** reward))];
  const written = (price: number): number | string => {
    const text = price.toFixed(digits ?? 0);
    return digits === undefined || Number(text) <= 0 ? price : text;
  };
  const direction = isLong ? "long" as const : "short" as const;
  const signal = { direction, symbol, entry: written(entry), stop: written(stop), target: written(target) };
  return { signal: timeframe === undefined ? signal : { ...signal, timeframe }, candles, theme, bands };
}).filter(({ signal }) => isSignal(signal));

/** Digits that are cut off may leave none. */
function isSignal(signal: TradingSignal): boolean {
  try {
    validateSignal(signal);
    return true;
  } catch {
    return false;
  }
}

test("no word is over another, cut or unreadable, whatever is drawn", () => {
  fc.assert(fc.property(scenes, (scene) => assert.equal(flawsOf(drawSvg(scene)), [])), { numRuns: 150 });
});

test("flawsOf() finds what is wrong with words", async () => {
  const [{ signal, candles, theme }] = specimens as [typeof specimens[0] & object];
  const svg = drawSvg({ signal, candles: await someCandles(candles), theme, bands });
  assert.equal(flawsOf(svg), []);
  const copy = svg.replace(/<text [^>]*>Entry<\/text>/, "$&$&");
  assert.equal(flawsOf(copy), ['"Entry" over "Entry"']);
  assert.equal(
    flawsOf(svg.replace("Risk/reward", "Risk/reward, in words that are far too long for it")).length > 0,
    true,
  );
});

test("what is drawn is a picture, whatever stands in it", async () => {
  await fc.assert(
    fc.asyncProperty(scenes, async (scene) => {
      const png = await render(drawSvg(scene));
      assert.ok(png.length > 5000 && png.length < 200_000, `${png.length} bytes`);
    }),
    { numRuns: 6 },
  );
});

test("words are as wide as one thinks they are", async () => {
  const words = "Stop −0.21 % BTC-USD 0.00001234 Risk/reward 1 : 2.44 Bollinger 20 × 2σ";
  const width = widthOf(words, 30);
  const picture = (at: number): string =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="100"><text x="${at}" y="60" font-size="30" ` +
    `font-family="Inter Medium">${words}</text></svg>`;
  const inked = await inkOf(picture(20));
  assert.ok(inked.right > 20 + width - 6 && inked.right <= 20 + width, `${inked.right} for ${20 + width}`);
});

/** The right edge of what is written. */
async function inkOf(svg: string): Promise<{ right: number }> {
  const { data, width } = pixelsOf(await render(svg));
  let right = 0;
  for (let index = 3; index < data.length; index += 4) {
    if ((data[index] ?? 0) > 128) right = Math.max(right, (index - 3) / 4 % width);
  }
  return { right };
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
  assert.match(svg, />↑ Target \+1567 %</);
  assert.match(svg, />↓ Stop −100\.0 %</);
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
  assert.equal(pricesOf(0.1 + 0.2, 0.2, 0.4), ["0.40000", "0.30000", "0.20000"]);
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
    [[good, { ...next, close: NaN }], /at index 1 as "close" must be a finite number: current value is NaN/],
    [[good, { ...next, open: "2" }], /"open" must be a finite number: current value is '2'/],
    [[good, { ...next, high: 1.5 }], /"high" must be at least "open" and "close": current value is 1.5/],
    [[good, { ...next, low: 2.5 }], /"low" must be at most/],
    [[good, { ...next, volume: -1 }], /"volume" must be 0 or more/],
    [[good, { ...next, time: 9e15 }], /"time" must be in milliseconds/],
    [[good, good], /"time" must rise from one to the next: at index 1 it is 60000, after 60000/],
  ];
  for (const [candles, words] of wrong) {
    assert.match((await failureOf(drawChart(ticket, candles as Candle[]))).message, words);
  }
  const options: [object, RegExp][] = [
    [{ theme: "blue" }, /"theme" must be "light" or "dark": current value is "blue"/],
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

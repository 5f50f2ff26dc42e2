/** Random charts, and flaws of the texts in them. */
import fc from "fast-check";
import type { ChartInput } from "../../lib/signals/chart/layout.ts";
import { widthOf } from "../../lib/signals/chart/svg.ts";
import { validateSignal } from "../../lib/signals/signal.ts";
import type { Candle, TradingSignal } from "../../mod.ts";

export const bands = { bollingerPeriod: 20, bollingerDeviations: 2, vwapDeviations: 2 };

export interface Box {
  readonly words: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Where the texts of an SVG are, by the size of their letters. */
export function textsOf(svg: string): Box[] {
  return [...svg.matchAll(/<text ([^>]*)>(.*?)<\/text>/g)].map(([, attributes = "", content = ""]) => {
    const value = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
    const words = wordsOf(content);
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

function wordsOf(content: string): string {
  return content.replace(/<[^>]*>/g, "").replace(
    /&(amp|lt|gt|quot);/g,
    (_, it) => ({ amp: "&", lt: "<", gt: ">", quot: '"' })[it as "amp"],
  );
}

/** Letters that are as wide as the viewer's font has them; accents belong to the letter before. */
function looseLettersOf(svg: string): string[] {
  const texts = [...svg.matchAll(/<text ([^>]*)>(.*?)<\/text>/g)];
  const runs = texts.flatMap(([text, , content = ""]) =>
    content.includes("<tspan")
      ? [...text.matchAll(/<tspan([^>]*)>([^<]*)<\/tspan>/g)]
      : [[...text.matchAll(/<text ([^>]*)>([^<]*)/g)][0] ?? []]
  );
  const loose = runs.filter(([, attributes = ""]) => !attributes.includes("textLength="));
  return loose.map(([, , content = ""]) => wordsOf(content)).filter((words) => /[ -~](?!\p{M})/u.test(words));
}

/**
 * Flaws of a picture's texts: overlapping, cut off at the edge, too small, containing NaN or undefined, or as wide as the
 * viewer's font has them.
 */
export function flawsOf(svg: string): string[] {
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
    ...looseLettersOf(svg).map((words) => `${JSON.stringify(words)} is as wide as the font has it`),
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

export const scenes: fc.Arbitrary<ChartInput> = fc.record({
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

/** The layout of a chart: what is drawn, and the pixel of each price and candle. */
import { scaleLinear } from "d3-scale";
import type { Candle } from "../candle.ts";
import { signalTime, type TradingSignal } from "../signal.ts";
import { type BandsAt, bandsAt } from "./indicators.ts";
import { margin, sizes, width } from "./page.ts";
import { labelName, type PriceLevel, priceLevelsOf } from "./price_levels.ts";
import type { Bands, Theme } from "./options.ts";
import { type Span, widthOf } from "./svg.ts";
import { type Colours, themes } from "./theme.ts";

export interface ChartInput {
  readonly signal: TradingSignal;
  readonly candles: readonly Candle[];
  readonly theme: Theme;
  readonly bands: Bands;
}

const candlesAtMost = 80;
const widestCandle = 40;
/** The part of the plot's width that is left free for the time after the newest candle. */
const futurePart = 0.14;

export interface Box extends Span {
  readonly left: number;
  readonly right: number;
}

export interface Layout {
  readonly signal: TradingSignal;
  readonly colours: Colours;
  readonly parameters: Bands;
  readonly candles: readonly Candle[];
  readonly bands: readonly BandsAt[];
  readonly levels: readonly PriceLevel[];
  readonly plot: Box;
  /** `undefined` where no candle has a volume. */
  readonly volume: Box | undefined;
  readonly labels: { readonly left: number; readonly right: number; readonly size: number };
  /** A candle's width in pixels, gap included. */
  readonly step: number;
  /** The pixel of the middle of the candle at this index. */
  readonly x: (index: number) => number;
  /** The pixel of a price. */
  readonly y: (price: number) => number;
  /** The lowest and the highest price that is drawn. */
  readonly prices: readonly [number, number];
  /** Round prices, with their labels. */
  readonly ticks: readonly { readonly price: number; readonly label: string }[];
  /** The candle at whose close the signal was found. */
  readonly signalIndex: number;
  /** When it was found. */
  readonly time: Date;
}

export function layoutOf({ signal, candles: all, theme, bands: parameters }: ChartInput): Layout {
  const [candles, bands] = [all.slice(-candlesAtMost), bandsAt(all, parameters).slice(-candlesAtMost)];
  const levels = priceLevelsOf(signal);
  const prices = domainOf(candles, bands, levels);
  const labels = labelsOf(levels, prices);
  const hasVolume = candles.some(({ volume }) => volume > 0);
  const sides = { left: margin, right: labels.left - 34 };
  const plot = { ...sides, top: 158, bottom: hasVolume ? 618 : 738 };
  const time = timeOf(signal, all);
  return {
    ...{ signal, colours: themes[theme], parameters, candles, bands, levels, plot, labels, time },
    volume: hasVolume ? { ...sides, top: 636, bottom: 738 } : undefined,
    ...columnsOf(candles.length, plot),
    ...pricesOf(prices, plot),
    signalIndex: Math.max(0, candles.filter((candle) => candle.time < time.getTime()).length - 1),
  };
}

/** The newest candle stands where the free part begins. */
function columnsOf(count: number, { left, right }: Box): Pick<Layout, "step" | "x"> {
  const past = (right - left) * (1 - futurePart);
  const step = Math.min(widestCandle, past / count);
  const lastX = left + past - step / 2;
  return { step, x: (index) => lastX - (count - 1 - index) * step };
}

function pricesOf(prices: [number, number], { top, bottom }: Box): Pick<Layout, "y" | "prices" | "ticks"> {
  const scale = scaleLinear(prices, [bottom, top]);
  const count = 6;
  const write: (price: number) => string = scale.tickFormat(count, "f");
  const ticks = scale.ticks(count).map((price: number) => ({ price, label: write(price) }));
  return { prices, ticks, y: (price) => scale(price) };
}

/** Wide enough for the longest label; one that is very long is written smaller. */
function labelsOf(levels: readonly PriceLevel[], prices: Layout["prices"]): Layout["labels"] {
  const padding = 14;
  const names = Math.max(...levels.map((level) => widthOf(labelName(level, prices), sizes.small)));
  const widest = Math.max(...levels.map(({ text }) => widthOf(text, sizes.medium + 4, true)));
  const wide = Math.min(340, Math.max(180, names, widest));
  const right = width - 16;
  const size = Math.floor((sizes.medium + 4) * Math.min(1, wide / widest));
  return { left: right - wide - 2 * padding, right, size };
}

/** By default the close of the newest candle, if that one is as long as the one before. */
function timeOf(signal: TradingSignal, candles: readonly Candle[]): Date {
  const [before, last] = candles.slice(-2).map(({ time }) => time) as [number, number];
  return signalTime(signal, 2 * last - before);
}

/**
 * The range of prices: all candles, the levels that are near enough for the candles to keep their shape, and a little of
 * the bands.
 */
function domainOf(
  candles: readonly Candle[],
  bands: readonly BandsAt[],
  levels: readonly PriceLevel[],
): [number, number] {
  const [low, high] = [Math.min(...candles.map((it) => it.low)), Math.max(...candles.map((it) => it.high))];
  const span = high - low || Math.abs(high) / 100 || 1;
  const near = levels.map(({ price }) => price)
    .filter((price) => price > low - 1.2 * span && price < high + 1.2 * span);
  const [bottom, top] = [Math.min(low, ...near), Math.max(high, ...near)];
  const prices = bands.flatMap(({ bollinger, vwap }) =>
    [bollinger, vwap].flatMap((it) => it ? [it.lower, it.upper] : [])
  );
  const reach = 0.12 * (top - bottom || span);
  const lowest = Math.max(bottom - reach, Math.min(bottom, ...prices));
  const highest = Math.min(top + reach, Math.max(top, ...prices));
  // Room for the signal's marker beyond the candles.
  const pad = 0.085 * (highest - lowest || span);
  return [lowest - pad, highest + pad];
}

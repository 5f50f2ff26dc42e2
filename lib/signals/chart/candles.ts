/** Draws candles, bands and volume. */
import { area, line as pathOf } from "d3-shape";
import type { BandsResult } from "trading-signals";
import type { Candle } from "../candle.ts";
import type { Layout } from "./layout.ts";
import { element, tenth } from "./svg.ts";

interface Point {
  readonly x: number;
  readonly bands: BandsResult | undefined;
}

export function bandsPlot(layout: Layout): string {
  const { bands, colours, x } = layout;
  const bollinger = bands.map((it, index) => ({ x: x(index), bands: it.bollinger }));
  // A point without bands makes a gap between two sessions.
  const vwap = bands.flatMap((it, index) => {
    const point = { x: x(index), bands: it.vwap };
    return it.isNewSession ? [{ x: x(index), bands: undefined }, point] : [point];
  });
  const [lower, upper] = [heightOf(layout, "lower"), heightOf(layout, "upper")];
  const fill = area<Point>().defined(isKnown).x(place).y0(lower).y1(upper).digits(1)(bollinger) ?? "";
  const solid = { fill: "none", stroke: colours.bollinger, "stroke-width": 2 };
  const dashed = { fill: "none", stroke: colours.vwap, "stroke-width": 2.5, "stroke-dasharray": "10 6" };
  return element("path", { d: fill, fill: colours.bollinger, "fill-opacity": 0.1 }) +
    (["lower", "upper"] as const).map((side) =>
      element("path", { d: along(layout, bollinger, side), ...solid }) +
      element("path", { d: along(layout, vwap, side), ...dashed })
    ).join("") +
    element("path", { d: along(layout, vwap, "middle"), ...dashed, "stroke-dasharray": undefined });
}

function along(layout: Layout, points: readonly Point[], name: keyof BandsResult): string {
  const path = pathOf<Point>().defined(isKnown).x(place).y(heightOf(layout, name)).digits(1);
  return path([...points]) ?? "";
}

const isKnown = ({ bands }: Point): boolean => bands !== undefined;
const place = ({ x }: Point): number => x;

function heightOf({ y }: Layout, name: keyof BandsResult): (point: Point) => number {
  return ({ bands }) => y(bands?.[name] ?? 0);
}

/** Hollow where the price rose, filled where it fell. */
export function candlesPlot(layout: Layout): string {
  const { candles, colours } = layout;
  return [true, false].map((isRising) => {
    const colour = isRising ? colours.rising : colours.falling;
    const shapes = candles.map((candle, index) => ({ candle, index }))
      .filter(({ candle }) => hasRisen(candle) === isRising)
      .map(({ candle, index }) => wicks(layout, candle, index) + body(layout, candle, index));
    const fill = isRising ? colours.background : colour;
    return element("path", { d: shapes.join(""), fill, stroke: colour, "stroke-width": 2 });
  }).join("");
}

const hasRisen = ({ open, close }: Candle): boolean => close >= open;

function wicks({ x, y }: Layout, { open, close, high, low }: Candle, index: number): string {
  const middle = tenth(x(index));
  const [top, bottom] = [Math.max(open, close), Math.min(open, close)];
  return `M${middle} ${tenth(y(high))}V${tenth(y(top))}M${middle} ${tenth(y(bottom))}V${tenth(y(low))}`;
}

function body({ x, y, step }: Layout, { open, close }: Candle, index: number): string {
  const half = bodyWidth(step) / 2;
  const [top, bottom] = [tenth(y(Math.max(open, close))), tenth(y(Math.min(open, close)))];
  return `M${tenth(x(index) - half)} ${top}h${tenth(2 * half)}V${bottom}h${tenth(-2 * half)}Z`;
}

const bodyWidth = (step: number): number => Math.max(2, 0.64 * step);

export function volumePlot({ candles, colours, volume, x, step }: Layout): string {
  if (volume === undefined) return "";
  const most = Math.max(...candles.map((candle) => candle.volume));
  const wide = bodyWidth(step);
  const bars = (isRising: boolean): string =>
    candles.map((candle, index) => {
      if (hasRisen(candle) !== isRising || candle.volume === 0) return "";
      const tall = tenth((volume.bottom - volume.top) * candle.volume / most);
      return `M${tenth(x(index) - wide / 2)} ${volume.bottom}v${-tall}h${tenth(wide)}v${tall}Z`;
    }).join("");
  const style = { "fill-opacity": 0.6 };
  return element("path", { d: bars(true), fill: colours.rising, ...style }) +
    element("path", { d: bars(false), fill: colours.falling, ...style });
}

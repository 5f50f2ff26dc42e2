/** Draws the trade over the candles: the lines of its price levels, zones of gain and loss, and labels. */
import type { Layout } from "./layout.ts";
import { sizes } from "./page.ts";
import { beyond, labelName, type PriceLevel, spread } from "./price_levels.ts";
import { element, line, type Span, text, triangle } from "./svg.ts";

const labelHeight = 80;

export interface Label extends Span {
  readonly level: PriceLevel;
  readonly middle: number;
  /** The pixel of its line, or the nearest one in the plot. */
  readonly y: number;
  /** Whether the line is within the plot. */
  readonly hasLine: boolean;
}

/** Labels from the top to the bottom, none over another. */
export function labelsAt({ levels, y, prices, plot, volume }: Layout): Label[] {
  const sorted = [...levels].sort((one, other) => other.price - one.price);
  const places = sorted.map(({ price }) => Math.min(plot.bottom, Math.max(plot.top, y(price))));
  const half = labelHeight / 2;
  const bottom = (volume ?? plot).bottom;
  const middles = spread(places, labelHeight + 8, plot.top + half, bottom - half);
  return sorted.map((level, index) => {
    const [place = 0, middle = 0] = [places[index], middles[index]];
    const span = { top: middle - half, bottom: middle + half };
    return { level, middle, y: place, hasLine: !beyond(level, prices), ...span };
  });
}

/** From the signal's candle on: the zone of gain and the zone of loss. */
export function zones(layout: Layout, labels: readonly Label[]): string {
  const { plot, colours, x, signalIndex } = layout;
  const yOf = (kind: PriceLevel["kind"]): number => labels.find(({ level }) => level.kind === kind)?.y ?? 0;
  const left = x(signalIndex);
  return (["target", "stop"] as const).map((kind) => {
    const [one, other] = [yOf("entry"), yOf(kind)];
    return element("rect", {
      ...{ x: left, y: Math.min(one, other), width: plot.right - left, height: Math.abs(one - other) },
      fill: kind === "target" ? colours.rising : colours.falling,
      "fill-opacity": 0.18,
    });
  }).join("");
}

export function levelLines(layout: Layout, labels: readonly Label[]): string {
  const { plot } = layout;
  return labels.filter(({ hasLine }) => hasLine).map(({ level, y, middle }) => {
    const stroke = { stroke: colourOf(level, layout), "stroke-width": 3 };
    const dashed = { ...stroke, "stroke-dasharray": dashes[level.kind] };
    return line([plot.left, y], [plot.right, y], dashed) +
      line([plot.right, y], [layout.labels.left, middle], stroke);
  }).join("") + marker(layout);
}

const dashes: Readonly<Record<PriceLevel["kind"], string | undefined>> = {
  entry: undefined,
  stop: "6 8",
  target: "18 8",
};

function colourOf({ kind }: PriceLevel, { colours }: Layout): string {
  return kind === "entry" ? colours.entry : kind === "target" ? colours.rising : colours.falling;
}

/** Points at the signal's candle: from below for a long, from above for a short. */
function marker({ candles, signalIndex, signal, x, y, colours, plot }: Layout): string {
  const candle = candles[signalIndex];
  if (candle === undefined) return "";
  const isLong = signal.direction === "long";
  const place = isLong
    ? Math.min(plot.bottom - 14, y(candle.low) + 24)
    : Math.max(plot.top + 14, y(candle.high) - 24);
  const halo = { stroke: colours.background, "stroke-width": 4, "paint-order": "stroke" };
  return element("path", { d: triangle(x(signalIndex), place, 13, isLong), fill: colours.entry, ...halo });
}

export function labelsPlot(layout: Layout, labels: readonly Label[]): string {
  const { left, right, size } = layout.labels;
  const inner = { x: right - 14, fill: layout.colours.onFill, anchor: "end" } as const;
  return labels.map(({ level, top }) => {
    const fill = colourOf(level, layout);
    const box = element("rect", { x: left, y: top, width: right - left, height: labelHeight, rx: 8, fill });
    return box + text(labelName(level, layout.prices), { ...inner, y: top + 32, size: sizes.small }) +
      text(level.text, { ...inner, y: top + 67, size, isBold: true });
  }).join("");
}

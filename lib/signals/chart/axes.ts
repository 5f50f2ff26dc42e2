/** Draws the grid, prices at its right and times below it. */
import { scaleUtc } from "d3-scale";
import { dayMs } from "../../util/clock.ts";
import type { Layout } from "./layout.ts";
import { sizes } from "./page.ts";
import { line, type Span, text, widthOf } from "./svg.ts";

/** `taken` are the heights of the price levels' labels, which hide the axis's own. */
export function axes(layout: Layout, taken: readonly Span[]): string {
  return priceAxis(layout, taken) + timeAxis(layout);
}

function priceAxis({ y, ticks, plot, labels, colours }: Layout, taken: readonly Span[]): string {
  return ticks.map(({ price, label }) => {
    const middle = y(price);
    const grid = line([plot.left, middle], [plot.right, middle], { stroke: colours.grid, "stroke-width": 2 });
    const [top, bottom] = [middle - 20, middle + 20];
    const isHidden = top < plot.top - 4 || taken.some((span) => top < span.bottom && bottom > span.top) ||
      widthOf(label, sizes.small) > labels.right - labels.left;
    if (isHidden) return grid;
    const style = { size: sizes.small, fill: colours.muted, anchor: "end" } as const;
    return grid + text(label, { x: labels.right - 14, y: middle + 10, ...style });
  }).join("");
}

function timeAxis(layout: Layout): string {
  const { plot, volume, colours } = layout;
  const bottom = (volume ?? plot).bottom;
  const style = { size: sizes.small, fill: colours.muted, anchor: "middle" } as const;
  return timeTicks(layout).map(({ at, label }) =>
    line([at, plot.top], [at, bottom], { stroke: colours.grid, "stroke-width": 2 }) +
    text(label, { x: at, y: bottom + 40, ...style })
  ).join("");
}

interface Tick {
  readonly at: number;
  readonly half: number;
  readonly label: string;
}

/** Labels candles that open at a round time, or next after it: days first, then hours, as many as have room. */
function timeTicks({ candles, x, plot: { left, right } }: Layout): Tick[] {
  const times = candles.map(({ time }) => time);
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const rounds: readonly Date[] = scaleUtc([first, last], [0, 1]).ticks(5);
  const ticks: Tick[] = [];
  for (const time of [...rounds.filter(isMidnight), ...rounds.filter((it) => !isMidnight(it))]) {
    const label = timeText(time, last - first);
    const half = widthOf(label, sizes.small) / 2;
    const at = x(times.findIndex((it) => it >= time.getTime()));
    const isFree = ticks.every((tick) => Math.abs(tick.at - at) > tick.half + half + 24);
    if (isFree && at - half >= left && at + half <= right) ticks.push({ at, half, label });
  }
  return ticks;
}

const isMidnight = (time: Date): boolean => time.getTime() % dayMs === 0;

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const yearMs = 366 * dayMs;

/** `06:30`, `5 Jan` at midnight, `Jan 2026` in a chart of more than a year. */
function timeText(time: Date, spanMs: number): string {
  const month = months[time.getUTCMonth()];
  if (spanMs > yearMs) return `${month} ${time.getUTCFullYear()}`;
  return isMidnight(time) ? `${time.getUTCDate()} ${month}` : time.toISOString().slice(11, 16);
}

/** Draws the whole chart, from the back to the front. */
import { axes } from "./axes.ts";
import { bandsPlot, candlesPlot, volumePlot } from "./candles.ts";
import { header } from "./header.ts";
import { type ChartInput, type Layout, layoutOf } from "./layout.ts";
import { height, width } from "./page.ts";
import { render } from "./render.ts";
import { element } from "./svg.ts";
import { labelsAt, labelsPlot, levelLines, zones } from "./trade_overlay.ts";

export { render };

export async function drawPng(input: ChartInput): Promise<Uint8Array> {
  return await render(drawSvg(input));
}

export function drawSvg(input: ChartInput): string {
  const layout = layoutOf(input);
  const labels = labelsAt(layout);
  return element(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    element("rect", { width, height, fill: layout.colours.background }),
    clip(layout),
    axes(layout, labels),
    inside(zones(layout, labels) + bandsPlot(layout)),
    levelLines(layout, labels),
    inside(candlesPlot(layout)),
    volumePlot(layout),
    labelsPlot(layout, labels),
    header(layout),
  );
}

/** Cuts off bands that are wider than the range of prices that is drawn. */
function clip({ plot }: Layout): string {
  const size = { width: plot.right - plot.left, height: plot.bottom - plot.top };
  return element("clipPath", { id: "plot" }, element("rect", { x: plot.left, y: plot.top, ...size }));
}

const inside = (shapes: string): string => element("g", { "clip-path": "url(#plot)" }, shapes);

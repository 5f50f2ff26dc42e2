/** The picture, from the back to the front. */
import { axes } from "./axes.ts";
import { type ChartInput, height, type Layout, layoutOf, width } from "./layout.ts";
import { header } from "./header.ts";
import { bandsPlot, candlesPlot, volumePlot } from "./candles.ts";
import { render } from "./render.ts";
import { element } from "./svg.ts";
import { labelsAt, labelsPlot, lines, zones } from "./trade_overlay.ts";

export async function drawPng(scene: ChartInput): Promise<Uint8Array> {
  return await render(drawSvg(scene));
}

export function drawSvg(scene: ChartInput): string {
  const frame = layoutOf(scene);
  const labels = labelsAt(frame);
  return element(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    element("rect", { width, height, fill: frame.colours.background }),
    clip(frame),
    axes(frame, labels),
    inside(zones(frame, labels) + bandsPlot(frame)),
    lines(frame, labels),
    inside(candlesPlot(frame)),
    volumePlot(frame),
    labelsPlot(frame, labels),
    header(frame),
  );
}

/** Bands may be wider than the prices that are drawn. */
function clip({ plot }: Layout): string {
  const { left, right, top, bottom } = plot;
  const rect = element("rect", { x: left, y: top, width: right - left, height: bottom - top });
  return element("clipPath", { id: "plot" }, rect);
}

function inside(shapes: string): string {
  return element("g", { "clip-path": "url(#plot)" }, shapes);
}

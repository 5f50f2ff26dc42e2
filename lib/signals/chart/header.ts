/** Draws the chart's header: direction, symbol and risk/reward above, time and legend below. */
import { riskReward } from "../signal.ts";
import type { Layout } from "./layout.ts";
import { margin, sizes, width } from "./page.ts";
import { element, fitted, line, text, triangle, widthOf } from "./svg.ts";

export function header(layout: Layout): string {
  return title(layout) + subtitle(layout) + legend(layout);
}

/** Direction, symbol and timeframe at the left, risk/reward at the right. */
function title(layout: Layout): string {
  const { signal, colours } = layout;
  const baseline = 72;
  const isLong = signal.direction === "long";
  const label = isLong ? "LONG" : "SHORT";
  const badgeWidth = 84 + widthOf(label, 38, true);
  const badgeFill = isLong ? colours.rising : colours.falling;
  const badge = element("rect", { x: margin, y: 22, width: badgeWidth, height: 64, rx: 12, fill: badgeFill });
  const arrow = element("path", { d: triangle(margin + 36, 54, 14, isLong), fill: colours.onFill });
  const direction = text(label, { x: margin + 62, y: 67.5, size: 38, fill: colours.onFill, isBold: true });
  const ratio = `1 : ${ratioText(riskReward(signal))}`;
  const right = width - margin;
  const ratioWidth = widthOf(ratio, 40, true);
  const riskRewardText = text("Risk/reward", {
    ...{ x: right - ratioWidth - 14, y: baseline, size: sizes.medium, fill: colours.muted, anchor: "end" },
  }) + text(ratio, { x: right, y: baseline, size: 40, fill: colours.text, anchor: "end", isBold: true });
  const left = margin + badgeWidth + 24;
  const room = right - ratioWidth - 14 - widthOf("Risk/reward", sizes.medium) - 30 - left;
  return badge + arrow + direction + riskRewardText + name(layout, left, baseline, room);
}

function name({ signal, colours }: Layout, x: number, y: number, room: number): string {
  const timeframe = fitted(signal.timeframe ?? "", 160, 38);
  const timeframeRoom = timeframe === "" ? 0 : 18 + widthOf(timeframe, 38);
  const symbolRoom = room - timeframeRoom;
  // A long symbol is written smaller before it is cut.
  const size = Math.max(34, Math.floor(Math.min(sizes.large, symbolRoom / widthOf(signal.symbol, 1, true))));
  const symbol = fitted(signal.symbol, symbolRoom, size, true);
  return text(symbol, { x, y, size, fill: colours.text, isBold: true }) +
    text(timeframe, { x: x + widthOf(symbol, size, true) + 18, y, size: 38, fill: colours.muted });
}

function subtitle({ time, colours }: Layout): string {
  const written = `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  return text(written, { x: margin, y: 128, size: sizes.small, fill: colours.muted });
}

/** `2.14`; a very small or large ratio is written with two significant digits. */
function ratioText(ratio: number): string {
  if (ratio < 0.01 || ratio >= 100_000) return ratio.toPrecision(2);
  return ratio.toFixed(ratio < 100 ? 2 : 0);
}

/** The bands' names, each beside a sample of its line. */
function legend({ colours, bands, parameters }: Layout): string {
  const { bollingerPeriod, bollingerDeviations, vwapDeviations } = parameters;
  const entries = [
    {
      isDrawn: bands.some(({ vwap }) => vwap),
      label: `VWAP ${vwapDeviations}σ`,
      stroke: { stroke: colours.vwap, "stroke-width": 3, "stroke-dasharray": "10 6" },
    },
    {
      isDrawn: bands.some(({ bollinger }) => bollinger),
      label: `Bollinger ${bollingerPeriod} × ${bollingerDeviations}σ`,
      stroke: { stroke: colours.bollinger, "stroke-width": 3 },
    },
  ];
  let right = width - margin;
  return entries.filter(({ isDrawn }) => isDrawn).map(({ label, stroke }) => {
    const name = text(label, { x: right, y: 128, size: sizes.small, fill: colours.muted, anchor: "end" });
    const end = right - widthOf(label, sizes.small) - 10;
    right = end - 46 - 30;
    return name + line([end - 46, 119], [end, 119], stroke);
  }).join("");
}

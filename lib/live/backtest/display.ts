/** What notebooks show of a backtest: its lines, its equity as a picture, its trades, and its first mistakes. */
import { Buffer } from "node:buffer";
import { priceText } from "../../signals/signal.ts";
import type { MimeBundle } from "../../util/display.ts";
import { block, heading, plainLines, type SafeHtml, safeHtml, small, table } from "../../util/html.ts";
import { safeText } from "../../util/safe_text.ts";
import { equityChart } from "./equity_chart.ts";
import type { BacktestTrade } from "./replay.ts";
import { moment, plural, type ShownReport, signed, summary } from "./summary.ts";

const tradesAtMost = 100;
const othersAtMost = 5;

export function showBacktest(report: ShownReport): MimeBundle {
  const [title = "", ...lines] = summary(report).split("\n");
  const { trades, mistakes, alerts } = report;
  const where = (
    place: { readonly strategy: string; readonly symbol: string; readonly timeframe: string },
  ) => [
    place.strategy,
    `${place.symbol} ${place.timeframe}`,
  ];
  return {
    "text/plain": plainLines(title, lines),
    "text/html": block([
      heading(title),
      ...lines.map(small),
      picture(equityChart(report), title),
      ...listed(tradeColumns, trades, tradesAtMost, (trade) => tradeRow(trade, where(trade))),
      ...listed(["alert at", "strategy", "series", "text"], alerts, othersAtMost, (alert) => [
        ...[moment(alert.time), ...where(alert), safeText(alert.message.text)],
      ]),
      ...listed(["mistake at", "strategy", "series", "what"], mistakes, othersAtMost, (mistake) => [
        ...[moment(mistake.time), ...where(mistake), mistake.message],
      ]),
    ]),
  };
}

/** As an image: the picture's ids and letters are its own, and it is as wide as the notebook allows. */
function picture(svg: string, title: string): SafeHtml {
  const source = `data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}`;
  const style = "display: block; max-width: 100%; margin: 8px 0";
  return safeHtml`<img src="${source}" width="860" alt="Equity of ${title}" style="${style}">`;
}

const tradeColumns = [
  "from",
  "to",
  "strategy",
  "series",
  "",
  "entry",
  "stop",
  "target",
  "end",
  "R",
  "percent",
];

function tradeRow(
  { signal, openedAt, exit, r, percent }: BacktestTrade,
  where: readonly string[],
): string[] {
  return [
    ...[moment(openedAt), moment(exit.time), ...where, signal.direction],
    ...(["entry", "stop", "target"] as const).map((name) => priceText(signal, name)),
    ...[exit.reason, signed(r), signed(percent)],
  ];
}

/** A table of the first of them; nothing where there are none. */
function listed<T>(
  names: readonly string[],
  all: readonly T[],
  atMost: number,
  row: (each: T) => string[],
): SafeHtml[] {
  if (all.length === 0) return [];
  const more = all.length > atMost ? `… and ${plural(all.length - atMost, "more row")}` : "";
  return [table(names, all.slice(0, atMost).map(row)), small(more)];
}

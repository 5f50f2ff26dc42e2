/**
 * Draws the equity of a backtest: the curve, how far it is below its highest, and each trade's result. It needs none of the
 * chart's packages; letters are measured in the chart's font.
 */
import { type ChartOptions, resolveChartOptions } from "../../signals/chart/options.ts";
import { height, margin, sizes, width } from "../../signals/chart/page.ts";
import { element, fitted, line, type Span, tenth, text, widthOf } from "../../signals/chart/svg.ts";
import { type Colours, themes } from "../../signals/chart/theme.ts";
import {
  amount,
  percent,
  plural,
  seriesOf,
  type ShownReport,
  signed,
  span,
  strategiesOf,
} from "./summary.ts";
import { decimalsOf, roundTimes, roundValues, type Tick } from "./ticks.ts";

/** A part of the picture: where it is, and the pixel of each value in it. */
interface Panel extends Span {
  readonly y: (value: number) => number;
  readonly ticks: readonly Tick[];
}

interface Layout {
  readonly report: ShownReport;
  readonly colours: Colours;
  readonly left: number;
  readonly right: number;
  /** The pixel of a time. */
  readonly x: (time: number) => number;
  readonly equity: Panel;
  readonly results: Panel;
}

/** The right edge of the axis's labels. */
const labelsRight = width - 16;
const padding = 14;
const bold = sizes.medium;
/** How strong the drawdown's colour is. */
const shade = 0.26;

/** @throws {TypeError} If an option is none. */
export function equityChart(report: ShownReport, options: Pick<ChartOptions, "theme"> = {}): string {
  const { theme } = resolveChartOptions(options);
  const layout = layoutOf(report, themes[theme]);
  return element(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    element("rect", { width, height, fill: layout.colours.background }),
    grid(layout),
    curve(layout),
    results(layout),
    finalLabel(layout),
    header(layout),
  );
}

function layoutOf(report: ShownReport, colours: Colours): Layout {
  const { figures: { from, to, finalEquity }, settings, equity, trades } = report;
  const values = [settings.startingEquity, ...equity.map((point) => point.equity)];
  const rs = trades.map(({ r }) => r);
  const [lowest, highest] = [least(values, Infinity), most(values, -Infinity)];
  const pad = 0.07 * (highest - lowest) || 0.01 * highest;
  const money = panel(158, 560, [lowest - pad, highest + pad], 5, moneyTexts);
  const rPanel = panel(
    600,
    738,
    [1.2 * least(rs, -1), 1.2 * most(rs, 1)],
    3,
    (ticks) =>
      ticks.map((value) =>
        value === 0 ? "0 R" : `${value < 0 ? "−" : "+"}${short(Math.abs(value), decimalsOf(ticks))} R`
      ),
  );
  const labels = [...money.ticks, ...rPanel.ticks].map(({ label }) => widthOf(label, sizes.small));
  const widest = Math.max(...labels, widthOf(amount(finalEquity), bold, true));
  const [left, right] = [margin, labelsRight - widest - 2 * padding - 12];
  const x = (time: number): number => left + (right - left) * (time - from) / (to - from || 1);
  return { report, colours, left, right, x, equity: money, results: rPanel };
}

function panel(
  top: number,
  bottom: number,
  [lowest, highest]: readonly [number, number],
  count: number,
  write: (values: readonly number[]) => string[],
): Panel {
  const y = (value: number): number => bottom - (bottom - top) * (value - lowest) / (highest - lowest || 1);
  const values = roundValues(lowest, highest, count);
  const labels = write(values);
  return { top, bottom, y, ticks: values.map((value, index) => ({ value, label: labels[index] ?? "" })) };
}

const moneyTexts = (values: readonly number[]): string[] =>
  values.map((value) => short(value, decimalsOf(values)));

/** `10,250`, `1.2M`. */
function short(value: number, decimals: number): string {
  if (Math.abs(value) >= 1e15) return value.toPrecision(2);
  if (Math.abs(value) >= 1e6) {
    return value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 4 });
  }
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** Spreading a hundred thousand values over the arguments of a call would fail. */
const least = (values: readonly number[], start: number): number =>
  values.reduce((one, other) => Math.min(one, other), start);
const most = (values: readonly number[], start: number): number =>
  values.reduce((one, other) => Math.max(one, other), start);

/** Lines at round values with their labels at the right, and at round times with theirs below. */
function grid({ report: { figures, settings }, equity, results, colours, left, right, x }: Layout): string {
  const stroke = { stroke: colours.grid, "stroke-width": 2 };
  const small = { size: sizes.small, fill: colours.muted };
  const final = equity.y(figures.finalEquity);
  const rows = [equity, results].flatMap((panel) =>
    panel.ticks.map(({ value, label }) => {
      const y = panel.y(value);
      const rule = line([left, y], [right, y], stroke);
      const isTaken = panel === equity && Math.abs(y - final) < 46;
      if (isTaken || y < panel.top + 8 || y > panel.bottom - 4) return rule;
      return rule + text(label, { x: labelsRight - padding, y: y + 10, anchor: "end", ...small });
    })
  );
  const columns = timeTicks(figures, x, left, right).map(({ at, label }) =>
    line([at, equity.top], [at, results.bottom], stroke) +
    text(label, { x: at, y: results.bottom + 40, anchor: "middle", ...small })
  );
  const start = equity.y(settings.startingEquity);
  const base = { stroke: colours.muted, "stroke-width": 2, "stroke-dasharray": "6 8" };
  return columns.join("") + rows.join("") + line([left, start], [right, start], base);
}

function timeTicks(
  { from, to }: ShownReport["figures"],
  x: Layout["x"],
  left: number,
  right: number,
): { readonly at: number; readonly label: string }[] {
  return roundTimes(from, to, 7).map(({ value, label }) => ({ at: x(value), label })).filter(
    ({ at, label }) => {
      const half = widthOf(label, sizes.small) / 2;
      return at - half >= left && at + half <= right;
    },
  );
}

/** The curve in steps, as the equity changes when trades end; its drawdown is shaded up to its highest. */
function curve({ report, equity: { y, bottom }, colours, right, x }: Layout): string {
  const points = report.equity.map(({ time, equity }) => ({ x: tenth(x(time)), equity }));
  let highest = 0;
  const peaks = points.map((point) => ({ ...point, equity: highest = Math.max(highest, point.equity) }));
  const stepped = (steps: typeof points): string =>
    steps.map(({ x, equity }, index) =>
      index === 0 ? `M${x} ${tenth(y(equity))}` : `H${x}V${tenth(y(equity))}`
    )
      .join("") + `H${tenth(right)}`;
  // From the end back: a step is down first, and then to the left.
  const back = [...points].reverse().map(({ x, equity }) => `V${tenth(y(equity))}H${x}`).join("");
  const path = stepped(points);
  const style = { fill: "none", stroke: colours.rising, "stroke-width": 4, "stroke-linejoin": "round" };
  return element("path", {
    ...{ d: `${path}V${bottom}H${points[0]?.x ?? 0}Z`, fill: colours.rising, "fill-opacity": 0.08 },
  }) +
    element("path", { d: `${stepped(peaks)}${back}Z`, fill: colours.falling, "fill-opacity": shade }) +
    element("path", { d: path, ...style });
}

const widestBar = 14;

/** A bar for each trade where it ended: up for a gain, down for a loss, hollow for one that is open. */
function results({ report: { trades }, results: { y }, colours, left, right, x }: Layout): string {
  const wide = Math.min(widestBar, Math.max(2, 0.55 * (right - left) / (trades.length || 1)));
  const bars = trades.map(({ exit, r }) => {
    const colour = r > 0 ? colours.rising : colours.falling;
    const middle = Math.min(right - wide / 2, Math.max(left + wide / 2, x(exit.time)));
    const [top, bottom] = [y(Math.max(0, r)), y(Math.min(0, r))];
    const isOpen = exit.reason === "open";
    return element("rect", {
      ...{ x: middle - wide / 2, y: top, width: wide, height: Math.max(2, bottom - top) },
      ...isOpen
        ? { fill: colours.background, stroke: colour, "stroke-width": 2 }
        : { fill: colour, "fill-opacity": 0.85 },
    });
  });
  const zero = line([left, y(0)], [right, y(0)], { stroke: colours.muted, "stroke-width": 2 });
  return bars.join("") + zero;
}

/** The equity at the end, beside the curve's end. */
function finalLabel({ report: { figures }, equity: { y }, colours, right }: Layout): string {
  const middle = y(figures.finalEquity);
  const box = { x: right + 12, y: middle - 26, width: labelsRight - right - 12, height: 52, rx: 8 };
  const style = { size: bold, fill: colours.onFill, anchor: "end", isBold: true } as const;
  return line([right, middle], [right + 12, middle], { stroke: colours.rising, "stroke-width": 4 }) +
    element("rect", { ...box, fill: colours.rising }) +
    text(amount(figures.finalEquity), { x: labelsRight - padding, y: middle + 11, ...style });
}

/** Strategy and series at the left, the result at the right; below the time, the trades and the largest drawdown. */
function header({ report, colours }: Layout): string {
  const { figures, figures: { totalR } } = report;
  const right = width - margin;
  const result = `${signed(totalR)} R`;
  const resultFill = totalR === 0 ? colours.text : totalR < 0 ? colours.falling : colours.rising;
  const room = right - widthOf(result, 44, true) - 36 - margin;
  const series = fitted(seriesOf(report), 0.45 * room, 34);
  const titleRoom = room - widthOf(series, 34) - 18;
  const wanted = strategiesOf(report);
  const size = Math.max(34, Math.floor(Math.min(sizes.large, titleRoom / widthOf(wanted, 1, true))));
  const title = fitted(wanted, titleRoom, size, true);
  const drawdown = `Drawdown ${percent(figures.maxDrawdownPercent)}`;
  const swatch = right - widthOf(drawdown, sizes.small) - 46;
  const small = { size: sizes.small, fill: colours.muted } as const;
  const facts = fitted(factsOf(report), swatch - 30 - margin, sizes.small);
  const seriesX = margin + widthOf(title, size, true) + 18;
  return text(title, { x: margin, y: 72, size, fill: colours.text, isBold: true }) +
    text(series, { x: seriesX, y: 72, size: 34, fill: colours.muted }) +
    text(result, { x: right, y: 72, size: 44, fill: resultFill, anchor: "end", isBold: true }) +
    text(facts, { x: margin, y: 128, ...small }) +
    element("rect", {
      x: swatch,
      y: 107,
      width: 34,
      height: 24,
      fill: colours.falling,
      "fill-opacity": 0.35,
    }) +
    text(drawdown, { x: right, y: 128, anchor: "end", ...small });
}

function factsOf({ figures: { from, to, signals, winRate } }: ShownReport): string {
  const rate = winRate === undefined ? [] : [`${percent(100 * winRate)} won`];
  const count = signals === 0 ? "no signals" : plural(signals, "trade");
  return [span(from, to), count, ...rate].join(" · ");
}

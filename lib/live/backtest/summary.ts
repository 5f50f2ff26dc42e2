/** A backtest's report as a few lines, and its figures as they are written. */
import { safeText } from "../../util/safe_text.ts";
import type { BacktestFigures, EquityPoint, StrategyFigures } from "./figures.ts";
import type { BacktestSettings } from "./options.ts";
import type { BacktestAlert, BacktestMistake, BacktestTrade } from "./replay.ts";

/** A report, as far as it is shown. */
export interface ShownReport {
  readonly series: readonly string[];
  readonly figures: BacktestFigures;
  readonly strategies: readonly StrategyFigures[];
  readonly trades: readonly BacktestTrade[];
  readonly alerts: readonly BacktestAlert[];
  readonly mistakes: readonly BacktestMistake[];
  readonly equity: readonly EquityPoint[];
  readonly settings: BacktestSettings;
  readonly caution: string | undefined;
}

/** The lines of a report. */
export function summary(report: ShownReport): string {
  const { figures, strategies, mistakes, caution } = report;
  const [mistake] = mistakes;
  const lines = [
    titleOf(report),
    countsOf(figures),
    ...figures.signals === 0 ? [] : [resultsOf(figures), equityLine(report)],
    settingsOf(report),
    ...strategies.length < 2
      ? []
      : strategies.map(({ strategy, figures }) =>
        `  ${strategy}: ${plural(figures.signals, "signal")}, ${signed(figures.totalR)} R, ` +
        `drawdown ${decimals(figures.maxDrawdownR)} R`
      ),
    ...figures.alerts === 0 ? [] : [`${plural(figures.alerts, "alert")}.`],
    ...mistake === undefined ? [] : [
      `${plural(mistakes.length, "mistake")}, the first at ${
        moment(mistake.time)
      } (${mistake.strategy}, ${mistake.symbol} ${mistake.timeframe}): ${mistake.message}`,
    ],
    ...caution === undefined ? [] : [`Caution: ${caution}.`],
  ];
  return safeText(lines.join("\n"));
}

/** `Breakout on BTC-USD 5m, 5 Jan 2026 – 5 Jan 2027 (105,120 candles)` */
export function titleOf(report: ShownReport): string {
  const { from, to, candles, filled } = report.figures;
  const gaps = filled === 0 ? "" : `, ${filled.toLocaleString("en")} of them filled where the file has none`;
  return `${strategiesOf(report)} on ${seriesOf(report)}, ${span(from, to)} (${
    plural(candles, "candle")
  }${gaps})`;
}

/** The strategy's name, or how many there are. */
export function strategiesOf({ strategies }: ShownReport): string {
  return strategies.length === 1 ? strategies[0]?.strategy ?? "" : `${strategies.length} strategies`;
}

/** Up to three symbols with their timeframes, or how many there are. */
export function seriesOf({ series }: ShownReport): string {
  return series.length <= 3 ? series.join(", ") : `${series.length} series`;
}

/** `124 signals, 0.34 a day: 58 won, 65 lost, 1 open, valued at the last price; 47 % won.` */
export function countsOf({ signals, signalsPerDay, wins, losses, open, winRate }: BacktestFigures): string {
  if (signals === 0) return "No signals.";
  const rate = winRate === undefined ? "" : `; ${percent(100 * winRate)} won`;
  const still = open === 0 ? "" : `, ${open} open, valued at the last price`;
  return `${plural(signals, "signal")}, ${
    decimals(signalsPerDay)
  } a day: ${wins} won, ${losses} lost${still}${rate}.`;
}

function resultsOf({ totalR, averageR, profitFactor }: BacktestFigures): string {
  return `${signed(totalR)} R in all, ${signed(averageR ?? 0)} R a trade; profit factor ${
    factorOf(profitFactor)
  }.`;
}

function equityLine({ figures, settings }: ShownReport): string {
  const { finalEquity, maxDrawdownPercent, maxDrawdownR, longestLosingStreak, exposure } = figures;
  const { startingEquity, riskPercent } = settings;
  return `Equity ${amount(startingEquity)} → ${amount(finalEquity)} at ${
    plain(riskPercent)
  } % risk a trade; ` +
    `largest drawdown ${percent(maxDrawdownPercent)} (${decimals(maxDrawdownR)} R), ` +
    `longest losing streak ${longestLosingStreak}; in a trade ${percent(100 * exposure)} of the time.`;
}

/** What the figures were made with. */
export function settingsOf({ settings }: ShownReport): string {
  const { costsPercent, slippagePercent, intrabar } = settings;
  const first = intrabar === "worst" ? "stop" : "target";
  return `Costs ${plain(costsPercent)} % and slippage ${
    plain(slippagePercent)
  } % a side; the ${first} counts where a candle spans both.`;
}

// How figures are written.

const minus = "−";

/** Two decimals, with its sign: `+31.40`. */
export function signed(value: number): string {
  const text = decimals(Math.abs(value));
  return /^[0.,]*$/.test(text) ? text : `${value < 0 ? minus : "+"}${text}`;
}

/** Two decimals, of large values none. */
export function decimals(value: number): string {
  if (Math.abs(value) >= 1e15) return value.toPrecision(3);
  const digits = Math.abs(value) < 1000 ? 2 : 0;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** `9.2 %`, `47 %`: a decimal where it is below 10. */
export function percent(value: number): string {
  return `${value.toFixed(value > 0 && value < 9.95 ? 1 : 0)} %`;
}

/** An amount of money without cents, unless it is small: `13,412`. */
export function amount(value: number): string {
  if (value >= 1e15) return value.toPrecision(3);
  return value.toLocaleString("en", { maximumFractionDigits: value < 1000 ? 2 : 0 });
}

export function factorOf(profitFactor: number | undefined): string {
  if (profitFactor === undefined) return "–";
  return profitFactor === Infinity ? "∞ (no losses)" : decimals(profitFactor);
}

/** As it was given: `0.05`. */
const plain = (value: number): string => String(value);

export function plural(count: number, name: string): string {
  return `${count.toLocaleString("en")} ${name}${count === 1 ? "" : "s"}`;
}

/** The names of months, as pictures and reports write them. */
export const months: readonly string[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** `5 Jan 2026`, in UTC. */
export function day(time: number): string {
  const date = new Date(time);
  return `${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

/** `2026-01-05 10:05`, in UTC. */
export function moment(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace("T", " ");
}

/** The first and the last day: a close at midnight belongs to the day before. */
export function span(from: number, to: number): string {
  const [first, last] = [day(from), day(to - 1)];
  return first === last ? first : `${first} – ${last}`;
}

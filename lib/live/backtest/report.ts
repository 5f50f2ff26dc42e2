/** The report of a backtest: its trades, figures and equity, as an object, as a text, as a picture. */
import { loadChartModule } from "../../signals/chart_loader.ts";
import type { ChartOptions } from "../../signals/chart/options.ts";
import { createDisplay } from "../../util/display.ts";
import {
  type BacktestFigures,
  equityOf,
  type EquityPoint,
  figuresOf,
  inOrder,
  spanOf,
  type StrategyFigures,
} from "./figures.ts";
import type { BacktestSettings } from "./options.ts";
import type { BacktestAlert, BacktestMistake, BacktestTrade, Replayed } from "./replay.ts";
import { summary } from "./summary.ts";

/** What a report is made of. */
export interface BacktestParts {
  /** Of each strategy and series, one or more. */
  readonly replayed: readonly Replayed[];
  readonly settings: BacktestSettings;
  readonly caution: string | undefined;
}

const displayReport = createDisplay<BacktestReport>(async () => (await import("./display.ts")).showBacktest);

/** What subscribers would have got. Prints as a few lines, shows itself in a notebook, and serialises as it is. */
export class BacktestReport {
  /** Symbols and timeframes, as they were tried: `"BTC-USD 5m"`. */
  readonly series: readonly string[];
  /** What came of all strategies together. */
  readonly figures: BacktestFigures;
  /** The same for each strategy by itself, by their names. */
  readonly strategies: readonly StrategyFigures[];
  /** In the order of their signals. */
  readonly trades: readonly BacktestTrade[];
  /** In the order of their candles. */
  readonly alerts: readonly BacktestAlert[];
  /** In the order of their candles. */
  readonly mistakes: readonly BacktestMistake[];
  /** At the beginning, and after each time at which trades ended. */
  readonly equity: readonly EquityPoint[];
  /** What the figures were made with. */
  readonly settings: BacktestSettings;
  /** The feed's warning about its candles. */
  readonly caution: string | undefined;

  static {
    displayReport(BacktestReport.prototype);
  }

  /** @ignore Reports are made by `backtest`. */
  constructor({ replayed, settings, caution }: BacktestParts) {
    const whole = figured(replayed, settings);
    const names = [...new Set(replayed.map(({ strategy }) => strategy))].sort();
    this.series = [...new Set(replayed.map(({ symbol, timeframe }) => `${symbol} ${timeframe}`))].sort();
    this.figures = whole.figures;
    this.strategies = names.map((strategy) => {
      const own = replayed.filter((part) => part.strategy === strategy);
      return { strategy, figures: figured(own, settings).figures };
    });
    this.trades = whole.trades;
    this.alerts = replayed.flatMap(({ alerts }) => alerts).sort(byTime);
    this.mistakes = replayed.flatMap(({ mistakes }) => mistakes).sort(byTime);
    this.equity = whole.equity;
    this.settings = settings;
    this.caution = caution;
  }

  /** A few lines: what was tried, signals, results, equity and drawdown, and what they were made with. */
  toString(): string {
    return summary(this);
  }

  /** The equity as a picture, 1200 × 800: an SVG's text. `theme`: `"light"` or `"dark"`; default: `"light"`. */
  async equityChart(options: Pick<ChartOptions, "theme"> = {}): Promise<string> {
    return (await import("./equity_chart.ts")).equityChart(this, options);
  }

  /** The same as a PNG, which a message may have as its `photo`. It needs the packages of `telegram-signals/chart`. */
  async equityPng(options: Pick<ChartOptions, "theme"> = {}): Promise<Uint8Array> {
    const svg = await this.equityChart(options);
    return await (await loadChartModule()).renderSvg(svg);
  }
}

const byTime = (one: { readonly time: number }, other: { readonly time: number }): number =>
  one.time - other.time;

function figured(
  parts: readonly Replayed[],
  settings: BacktestSettings,
): Pick<BacktestReport, "figures" | "trades" | "equity"> {
  const trades = inOrder(parts.flatMap((part) => part.trades));
  const equity = equityOf(trades, spanOf(parts)[0], settings);
  return { trades, equity, figures: figuresOf(parts, trades, equity) };
}

/** The options of a chart, their defaults and their rules. */
import { assertOptions, type Checks, isObject, numberRule, oneOfRule } from "../../util/validate.ts";

/** How a chart looks. */
export interface ChartOptions {
  /** Default: `"light"`. */
  readonly theme?: "light" | "dark" | undefined;
  /** Which bands are drawn, beside those that have too few candles. */
  readonly bands?: ChartBands | undefined;
}

/** The parameters of the bands, as a strategy has them. */
export interface ChartBands {
  /** Candles in the Bollinger bands, and before a session's VWAP counts: 2 or more. Default: 20. */
  readonly bollingerPeriod?: number | undefined;
  /** How many standard deviations the Bollinger bands are from their mean: above 0. Default: 2. */
  readonly bollingerDeviations?: number | undefined;
  /** The same for the bands of the session's VWAP (a session is a day in UTC). Default: 2. */
  readonly vwapDeviations?: number | undefined;
}

export type Theme = NonNullable<ChartOptions["theme"]>;
export type Bands = Readonly<Record<keyof ChartBands, number>>;

const chartChecks: Checks<ChartOptions> = {
  rules: { theme: oneOfRule("light", "dark"), bands: { isGood: isObject, rule: "an object" } },
};

const deviations = numberRule("a number above 0", (value) => value > 0 && value < Infinity, RangeError);
const bandChecks: Checks<ChartBands> = {
  rules: {
    bollingerPeriod: numberRule(
      "a whole number from 2 on",
      (value) => Number.isInteger(value) && value >= 2,
      RangeError,
    ),
    bollingerDeviations: deviations,
    vwapDeviations: deviations,
  },
  what: "a name in bands",
};

/**
 * The options with their defaults.
 * @throws {TypeError | RangeError} If an option is unknown, or its value breaks the option's rule.
 */
export function resolveChartOptions(options: ChartOptions): { readonly theme: Theme; readonly bands: Bands } {
  assertOptions("draw the chart", options, chartChecks);
  const { theme = "light", bands = {} } = options;
  assertOptions("draw the chart", bands, bandChecks);
  const { bollingerPeriod = 20, bollingerDeviations = 2, vwapDeviations = 2 } = bands;
  return { theme, bands: { bollingerPeriod, bollingerDeviations, vwapDeviations } };
}

/** What can be chosen of a chart. */
import { assertNames, namesOf, valueHint } from "../../util/validate.ts";

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

export type Theme = "light" | "dark";

export interface Bands {
  readonly bollingerPeriod: number;
  readonly bollingerDeviations: number;
  readonly vwapDeviations: number;
}

const chartNames = { known: namesOf<ChartOptions>({ theme: true, bands: true }) };
const bandNames = {
  known: namesOf<ChartBands>({ bollingerPeriod: true, bollingerDeviations: true, vwapDeviations: true }),
  what: "a name in bands",
};

/** @throws {TypeError | RangeError} If an option is unknown, or its value none. */
export function assertChartOptions(options: ChartOptions): void {
  assertNames("draw the chart", options, chartNames);
  assertNames("draw the chart", options.bands, bandNames);
  themeOf(options);
  bandsOf(options);
}

/** @throws {TypeError} If it is neither of the two. */
export function themeOf({ theme = "light" }: ChartOptions): Theme {
  if (theme === "light" || theme === "dark") return theme;
  const hint = valueHint(theme, ["light", "dark"]);
  throw new TypeError(refusal("theme", '"light" or "dark"', theme) + hint);
}

/** @throws {TypeError | RangeError} Naming the parameter, and its rule. */
export function bandsOf({ bands = {} }: ChartOptions): Bands {
  if (typeof bands !== "object" || bands === null) throw new TypeError(refusal("bands", "an object", bands));
  const { bollingerPeriod = 20, bollingerDeviations = 2, vwapDeviations = 2 } = bands;
  if (!Number.isInteger(bollingerPeriod) || bollingerPeriod < 2) {
    throw new RangeError(refusal("bollingerPeriod", "a whole number from 2 on", bollingerPeriod));
  }
  for (const [name, value] of Object.entries({ bollingerDeviations, vwapDeviations })) {
    if (!(Number.isFinite(value) && value > 0)) {
      throw new RangeError(refusal(name, "a number above 0", value));
    }
  }
  return { bollingerPeriod, bollingerDeviations, vwapDeviations };
}

function refusal(name: string, rule: string, value: unknown): string {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return `Cannot draw the chart as "${name}" must be ${rule}: current value is ${shown}`;
}

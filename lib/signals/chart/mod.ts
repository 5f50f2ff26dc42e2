/**
 * A signal as a picture: candles, bands, entry, stop and target, for whoever looks at it on a phone.
 *
 * ```ts
 * import { drawChart } from "telegram-signals/chart";
 *
 * const png = await drawChart(signal, candles, { theme: "dark" });
 * ```
 *
 * It needs the packages `@resvg/resvg-wasm`, `d3-scale`, `d3-shape` and `trading-signals`, which have to be installed
 * beside this one.
 *
 * @module
 */
import { type Candle, validateCandles } from "../candle.ts";
import { type ChartOptions, resolveChartOptions } from "./options.ts";
import { loadDrawing } from "./loading.ts";
import { type TradingSignal, validateSignal } from "../signal.ts";

export type { Candle } from "../candle.ts";
export type { ChartBands, ChartOptions } from "./options.ts";
export type { Decimal, TradingSignal } from "../signal.ts";

/**
 * Draws the newest 80 candles at most, with what older ones tell of the bands; a PNG of 1200 × 800 pixels. Without a
 * network, a browser or fonts of the machine.
 * @param candles Two or more, ascending; the newest is the one at whose close the signal was found.
 * @throws {TypeError | RangeError} If the signal, a candle or an option is none.
 * @throws {Error} If a package is missing, or may not be loaded.
 */
export async function drawChart(
  signal: TradingSignal,
  candles: readonly Candle[],
  options: ChartOptions = {},
): Promise<Uint8Array> {
  validateSignal(signal);
  validateCandles(candles);
  const { theme, bands } = resolveChartOptions(options);
  const { drawPng } = await loadDrawing();
  return await drawPng({ signal, candles, theme, bands });
}

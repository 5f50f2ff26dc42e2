/**
 * Draws a signal as a picture to read on a phone: candles, bands, entry, stop and target.
 *
 * ```ts
 * import { drawChart } from "telegram-signals/chart";
 *
 * const png = await drawChart(signal, candles, { theme: "dark" });
 * ```
 *
 * Install the packages that it needs beside this one: `@resvg/resvg-wasm`, `d3-scale`, `d3-shape`, `trading-signals`.
 *
 * @module
 */
import { type Candle, validateCandles } from "../candle.ts";
import { type TradingSignal, validateSignal } from "../signal.ts";
import { type ChartOptions, resolveChartOptions } from "./options.ts";
import { loadDrawing } from "./loading.ts";
import { Lazy } from "../../util/async.ts";

export type { Candle } from "../candle.ts";
export type { ChartBands, ChartOptions } from "./options.ts";
export type { Decimal, TradingSignal } from "../signal.ts";
export { createVwapBands, type PriceBands, type VwapBands } from "./vwap_bands.ts";

/** Marked so that a bundle which draws no chart leaves it out. */
const drawing = /* @__PURE__ */ new Lazy(() => loadDrawing());

/**
 * Draws the newest 80 candles at most, with what older ones tell of the bands; a PNG of 1200 × 800 pixels. It needs
 * no network, no browser and none of the machine's fonts.
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
  const { drawPng } = await drawing.get();
  return await drawPng({ signal, candles, theme, bands });
}

/** @ignore Renders a picture that this package has drawn as SVG as a PNG, in the chart's font. */
export async function renderSvg(svg: string): Promise<Uint8Array> {
  return await (await drawing.get()).render(svg);
}

/** Draws a chart as sendSignal() does, and prints whether there is one: run by tests with other permissions. */
import { createChartRenderer } from "../../lib/signals/chart_loader.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { consoleLogger } from "../../lib/util/log.ts";

const candles = [1, 2, 3].map((index) => ({
  ...{ time: 300_000 * index, volume: 1 },
  ...{ open: index, high: index + 1, low: index / 2, close: index + 0.5 },
}));
const signal = { direction: "long", symbol: "X", entry: 3, stop: 2, target: 5 } as const;
// Longer time limits, as the machine may be busy.
const sleep = (ms: number, aborting?: AbortSignal): Promise<void> => systemClock.sleep(5 * ms, aborting);
const charting = createChartRenderer({ clock: { ...systemClock, sleep }, logger: consoleLogger });
const png = await charting({ signal, candles });
console.log(png === undefined ? "no chart" : "a chart");

/** Charts of signals, for those who have what it takes to draw them; a signal never waits for its chart in vain. */
import process from "node:process";
import { createKeyedMutex, deadline } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { Candle } from "./candle.ts";
import type { ChartOptions } from "./chart/options.ts";
import type { TradingSignal } from "./signal.ts";

export interface ChartRendererOptions {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ChartRequest extends ChartOptions {
  readonly signal: TradingSignal;
  readonly candles: readonly Candle[];
  /** Whoever is waiting for it may go. */
  readonly abortSignal?: AbortSignal | undefined;
}

/** The first one of a process loads packages and compiles WebAssembly, on a small machine. */
const patienceMs = 10_000;

/** A PNG; `undefined` where none could be drawn in time, which is logged, though not the same twice in a row. */
export type ChartRenderer = (order: ChartRequest) => Promise<Uint8Array | undefined>;

export function createChartRenderer({ clock, logger }: ChartRendererOptions): ChartRenderer {
  let told: string | undefined;
  const inOrder = createKeyedMutex();
  // Others have their turn between two charts, each of which holds the processor for a while.
  const drawNext = (order: ChartRequest): Promise<Uint8Array> =>
    inOrder(0, async () => {
      await new Promise((resolve) => setTimeout(resolve, 0));
      return await draw(order);
    });
  return async (order) => {
    try {
      const png = await deadline(drawNext(order), { ms: patienceMs, clock, signal: order.abortSignal });
      told = undefined;
      return png;
    } catch (error) {
      if (order.abortSignal?.aborted) return undefined;
      const reason = messageOf(error);
      if (reason !== told) logger.warn(`A signal goes out without its chart. ${reason}`);
      told = reason;
      return undefined;
    }
  };
}

async function draw({ signal, candles, theme, bands }: ChartRequest): Promise<Uint8Array> {
  const { drawChart } = await load();
  return await drawChart(signal, candles, { theme, bands });
}

/** Named only now, so that Deno does not download its packages for those who draw nothing. */
async function load(): Promise<typeof import("./chart/mod.ts")> {
  const isSource = import.meta.url.endsWith(".ts");
  const name = isSource ? new URL("./chart/mod.ts", import.meta.url).href : "telegram-signals/chart";
  try {
    return await import(name) as typeof import("./chart/mod.ts");
  } catch (cause) {
    const isFile = isSource && name.startsWith("file:") && process.versions["deno"] !== undefined;
    const hint = isFile
      ? ` Deno has to be allowed to read the folder: --allow-read=${folderOf(name)}`
      : " The package in one file has no charts in it: they need the package itself.";
    throw new Error(`The chart's module could not be loaded: ${(cause as Error).message}.${hint}`, { cause });
  }
}

function folderOf(url: string): string {
  return decodeURIComponent(new URL("./", url).pathname).slice(0, -1);
}

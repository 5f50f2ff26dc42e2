/** Draws the charts of signals, for bots that have the packages for it; the packages are loaded with the first chart. */
import process from "node:process";
import { createKeyedMutex, deadline, Lazy } from "../util/async.ts";
import { type Clock, nextTurn } from "../util/clock.ts";
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
  /** Ends the wait for the chart. */
  readonly abortSignal?: AbortSignal | undefined;
}

/** The first chart of a process loads packages and compiles WebAssembly, perhaps on a small machine. */
const drawWithinMs = 10_000;

/** Gives a PNG; `undefined` if none could be drawn in time, which is logged, though not the same twice in a row. */
export type ChartRenderer = (request: ChartRequest) => Promise<Uint8Array | undefined>;

export function createChartRenderer({ clock, logger }: ChartRendererOptions): ChartRenderer {
  let lastFailure: string | undefined;
  const oneAtATime = createKeyedMutex();
  // A chart holds the processor for a while: other work has its turn before the next one.
  const drawNext = (request: ChartRequest): Promise<Uint8Array> =>
    oneAtATime(0, async () => {
      await nextTurn(clock);
      const { signal, candles, theme, bands } = request;
      return await (await chartModule.get()).drawChart(signal, candles, { theme, bands });
    });
  return async (request) => {
    const { abortSignal } = request;
    try {
      const png = await deadline(drawNext(request), { ms: drawWithinMs, clock, signal: abortSignal });
      lastFailure = undefined;
      return png;
    } catch (error) {
      if (abortSignal?.aborted) return undefined;
      const reason = messageOf(error);
      if (reason !== lastFailure) logger.warn(`A signal goes out without its chart. ${reason}`);
      lastFailure = reason;
      return undefined;
    }
  };
}

const chartModule = new Lazy(load);

/** The chart's module, with its packages. @throws {Error} If it cannot be loaded, with what is missing. */
export function loadChartModule(): ReturnType<typeof load> {
  return chartModule.get();
}

/** The module's name is no literal: otherwise Deno would download the chart's packages for bots that draw none. */
async function load(): Promise<typeof import("./chart/mod.ts")> {
  const isSource = import.meta.url.endsWith(".ts");
  const name = isSource ? new URL("./chart/mod.ts", import.meta.url).href : "telegram-signals/chart";
  try {
    return await import(name) as typeof import("./chart/mod.ts");
  } catch (cause) {
    const isFile = isSource && name.startsWith("file:") && process.versions["deno"] !== undefined;
    const hint = isFile
      ? ` Deno has to be allowed to read the folder: --allow-read=${libFolder()}`
      : " The package in one file has no charts in it: they need the package itself.";
    throw new Error(`The chart's module could not be loaded: ${(cause as Error).message}.${hint}`, { cause });
  }
}

/** The chart's module imports from other folders, too. */
function libFolder(): string {
  return decodeURIComponent(new URL("../", import.meta.url).pathname).slice(0, -1);
}

/** How a signal is sent. */
import type { BroadcastOptions } from "./broadcast_options.ts";
import type { Candle } from "./candle.ts";
import type { ChartOptions } from "./chart_options.ts";
import { namesOf } from "./option_names.ts";

/** How a signal is sent: as a broadcast, with a chart where there are candles for it. */
export interface SignalOptions extends BroadcastOptions, ChartOptions {
  /**
   * What the signal was found in, two or more, ascending: they are drawn (see `telegram-signals/chart`, and the packages
   * that it needs), and the ticket is the picture's caption. What cannot be drawn goes out as text, and the log says why.
   * Default: no chart.
   */
  readonly candles?: readonly Candle[] | undefined;
}

/** What `sendSignal` may be told besides what `broadcast` is. */
export const signalOnlyNames: readonly string[] = namesOf<Omit<SignalOptions, keyof BroadcastOptions>>({
  candles: true,
  theme: true,
  bands: true,
});

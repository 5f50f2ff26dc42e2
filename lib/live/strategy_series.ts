/** One strategy on the candles of one series: it is called with each new one, and its open signal is followed. */
import type { Candle } from "../signals/candle.ts";
import { deadline, DeadlineError } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import { completed, type Found, type Series } from "./found.ts";
import { exitAt, type Levels, levelsOf } from "./outcome.ts";
import type { Strategy } from "./strategy.ts";
import { closeTime, timeframeMs } from "./timeframe.ts";
import type { TroubleLog } from "./trouble_log.ts";

export interface StrategySeriesOptions {
  readonly strategy: Strategy;
  readonly series: Series;
  readonly clock: Clock;
  readonly troubles: TroubleLog;
  /** Called with what the strategy explains. */
  readonly explain: ((line: string) => void) | undefined;
  /** Aborts when the strategies are stopped. */
  readonly signal: AbortSignal;
}

/** A candle, and those before it that the strategy gets. */
export interface Call {
  readonly candle: Candle;
  /** The last `warmUp` candles. */
  readonly candles: readonly Candle[];
  readonly isLive: boolean;
}

export class StrategySeries {
  readonly #options: StrategySeriesOptions;
  readonly #name: string;
  #open: { readonly found: Extract<Found, { kind: "signal" }>; readonly levels: Levels } | undefined;
  /** The call under way, as candles come in their order. */
  #last: Promise<unknown> | undefined;

  constructor(options: StrategySeriesOptions) {
    const { strategy, series } = options;
    this.#options = options;
    this.#name = `${strategy.name} ${series.symbol} ${series.timeframe}`;
  }

  /** What the strategy has found; `undefined` also where it fails, which is logged. */
  async call(call: Call): Promise<Found | undefined> {
    const before = this.#last;
    const mine = before === undefined ? this.#call(call) : before.then(() => this.#call(call));
    this.#last = mine;
    try {
      return await mine;
    } finally {
      if (this.#last === mine) this.#last = undefined;
    }
  }

  async #call(call: Call): Promise<Found | undefined> {
    const { strategy, series, clock, troubles, signal } = this.#options;
    const { candle } = call;
    if (signal.aborted) return undefined;
    if (this.#open !== undefined && exitAt(this.#open.levels, candle) !== undefined) this.#open = undefined;
    try {
      const ms = timeframeMs(series.timeframe);
      const found = completed(
        strategy,
        series,
        candle,
        await deadline((late) => this.#answer(call, late), { ms, clock, signal }),
      );
      troubles.succeeded(this.#name);
      if (found?.kind === "signal") this.#open = { found, levels: levelsOf(found.signal) };
      return found;
    } catch (error) {
      if (signal.aborted) return undefined;
      const reason = error instanceof DeadlineError
        ? `no answer within ${series.timeframe}`
        : messageOf(error);
      troubles.failed(
        this.#name,
        reason,
        `The strategy ${strategy.name} fails at ${series.symbol} ${series.timeframe}: ${
          reason.replace(/\.$/, "")
        }. It is called again with the next candle.`,
      );
      return undefined;
    }
  }

  async #answer({ candle, candles, isLive }: Call, signal: AbortSignal): Promise<unknown> {
    const { strategy, series: { symbol, timeframe }, explain } = this.#options;
    return await strategy.onCandle(candles, {
      ...{ symbol, timeframe, isLive, signal, time: closeTime(candle, timeframe) },
      openSignal: this.#open?.found.signal,
      explain: (text) => isLive && !signal.aborted ? explain?.(`${this.#name}: ${text}`) : undefined,
    });
  }
}

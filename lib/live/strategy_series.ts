/** One strategy on the candles of one series: it is called with each new one, and its open signal is followed. */
import type { Candle } from "../signals/candle.ts";
import type { TradingSignal } from "../signals/signal.ts";
import { deadline, DeadlineError } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import { completed, type Found, type Series } from "./found.ts";
import { exitAt, type Levels, levelsOf } from "./outcome.ts";
import type { Strategy, StrategyContext } from "./strategy.ts";
import { closeTime, type Timeframe, timeframeMs } from "./timeframe.ts";
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
    const context = this.#contextOf(call);
    try {
      const answer = strategy.onCandle(call.candles, context);
      // Most answer at once, and need no timer.
      const ms = timeframeMs(series.timeframe);
      const value = isPromise(answer) ? await deadline(answer, { ms, clock, signal }) : answer;
      const found = completed(strategy, series, candle, value);
      troubles.succeeded(this.#name);
      if (found?.kind === "signal") this.#open = { found, levels: levelsOf(found.signal) };
      return found;
    } catch (error) {
      context.end(error);
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

  #contextOf({ candle, isLive }: Call): CallContext {
    const { series: { symbol, timeframe }, explain } = this.#options;
    return new CallContext({
      ...{ symbol, timeframe, isLive, time: closeTime(candle, timeframe) },
      openSignal: this.#open?.found.signal,
      explain: (text) => isLive ? explain?.(`${this.#name}: ${text}`) : undefined,
    });
  }
}

const isPromise = (value: unknown): value is Promise<unknown> =>
  typeof (value as Partial<Promise<unknown>> | null | undefined)?.then === "function";

/** Has a signal for who asks for it. */
class CallContext implements StrategyContext {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly time: number;
  readonly openSignal: TradingSignal | undefined;
  readonly isLive: boolean;
  readonly explain: (text: string) => void;
  #ended: AbortController | undefined;

  constructor({ symbol, timeframe, time, openSignal, isLive, explain }: Omit<StrategyContext, "signal">) {
    this.symbol = symbol;
    this.timeframe = timeframe;
    this.time = time;
    this.openSignal = openSignal;
    this.isLive = isLive;
    this.explain = explain;
  }

  get signal(): AbortSignal {
    return (this.#ended ??= new AbortController()).signal;
  }

  /** Nobody waits for the answer any more. */
  end(reason: unknown): void {
    this.#ended?.abort(reason);
  }
}

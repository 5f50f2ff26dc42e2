/** Plays a strategy over the candles of a series, as it runs live: what it finds, and what becomes of its signals. */
import type { BroadcastMessage } from "../../broadcast/options.ts";
import type { Candle } from "../../signals/candle.ts";
import type { TradingSignal } from "../../signals/signal.ts";
import { nextTurn, systemClock } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import type { Instrument } from "../feed.ts";
import { completed, type Found, type Series } from "../found.ts";
import { exitAt, type Levels, levelsOf } from "../outcome.ts";
import type { Strategy, StrategyContext, StrategyInstrument } from "../strategy.ts";
import { closeTime, type Timeframe } from "../timeframe.ts";
import type { BacktestSettings } from "./options.ts";

/** Where something was found. */
export interface BacktestPlace {
  /** The strategy's name. */
  readonly strategy: string;
  /** The instrument. */
  readonly symbol: string;
  /** The length of its candles. */
  readonly timeframe: Timeframe;
}

/** How a trade of a backtest ends; `"open"`: it has not, and is valued at the last close. */
export interface BacktestExit {
  /** Which price was touched, if any. */
  readonly reason: "stop" | "target" | "open";
  /** Without slippage. */
  readonly price: number;
  /** The close of the candle that ended it, or of the last one; in milliseconds since 1970. */
  readonly time: number;
}

/** A signal, and what a subscriber would have got from it. */
export interface BacktestTrade extends BacktestPlace {
  /** What subscribers would have got. */
  readonly signal: TradingSignal;
  /** The close of the signal's candle, in milliseconds since 1970. */
  readonly openedAt: number;
  /** How the trade ended. */
  readonly exit: BacktestExit;
  /** The result after costs, in units of what was risked: −1 is a stop, before costs. */
  readonly r: number;
  /** The result after costs, in percent of the entry's price. */
  readonly percent: number;
  /** From the entry to the exit, in milliseconds. */
  readonly durationMs: number;
}

/** A message that subscribers would have got. */
export interface BacktestAlert extends BacktestPlace {
  /** The close of its candle, in milliseconds since 1970. */
  readonly time: number;
  /** The message. */
  readonly message: BroadcastMessage;
}

/** A candle at which the strategy threw, or gave what can be no signal. */
export interface BacktestMistake extends BacktestPlace {
  /** The candle. */
  readonly candle: Candle;
  /** The close of the candle, in milliseconds since 1970. */
  readonly time: number;
  /** What went wrong. */
  readonly message: string;
}

/** What has come of one strategy and one series. */
export interface Replayed extends BacktestPlace {
  readonly trades: readonly BacktestTrade[];
  readonly alerts: readonly BacktestAlert[];
  readonly mistakes: readonly BacktestMistake[];
  /** How many candles the strategy was called with, as the new one. */
  readonly candles: number;
  /** How many of these were filled, as the file has none. */
  readonly filled: number;
  /** When the first of these opened, in milliseconds since 1970. */
  readonly from: number;
  /** When the last of these closed. */
  readonly to: number;
}

export interface ReplayRequest {
  readonly strategy: Strategy;
  readonly series: Series;
  readonly instrument: Instrument;
  readonly candles: readonly Candle[];
  /** When those open that were filled. */
  readonly filled: ReadonlySet<number>;
  /** The candles before only warm up: their signals are known to the strategy, and belong to no report. */
  readonly from: number;
  readonly settings: BacktestSettings;
  readonly signal: AbortSignal;
}

interface OpenTrade {
  readonly signal: TradingSignal;
  readonly levels: Levels;
  readonly openedAt: number;
  readonly isCounted: boolean;
}

const nobodyAsks = (): void => {};

/** Other work of the process has its turn after so many candles. */
const candlesAtOnce = 1000;

export async function replay(request: ReplayRequest): Promise<Replayed> {
  const { strategy: { warmUp }, candles, signal } = request;
  const replay = new Replay(request);
  for (let index = 0; index < candles.length; index++) {
    const candle = candles[index] as Candle;
    replay.close(candle);
    // What is not awaited needs no turn of its own, a hundred thousand times.
    if (index >= warmUp - 1) {
      const found = replay.play(candle, candles.slice(index + 1 - warmUp, index + 1));
      if (found !== undefined) await found;
    }
    if (index % candlesAtOnce === candlesAtOnce - 1) await nextTurn(systemClock);
    signal.throwIfAborted();
  }
  return replay.result;
}

class Replay {
  readonly #request: ReplayRequest;
  readonly #place: BacktestPlace;
  readonly #instrument: StrategyInstrument;
  readonly #trades: BacktestTrade[] = [];
  readonly #alerts: BacktestAlert[] = [];
  readonly #mistakes: BacktestMistake[] = [];
  #open: OpenTrade[] = [];
  #last: OpenTrade | undefined;
  #newest: Candle | undefined;
  #from: number | undefined;
  #candles = 0;

  constructor(request: ReplayRequest) {
    this.#request = request;
    const { strategy, series, instrument } = request;
    this.#place = { strategy: strategy.name, ...series };
    this.#instrument = Object.freeze({ symbol: series.symbol, ...instrument });
  }

  /** Ends the trades that the candle ends. */
  close(candle: Candle): void {
    this.#newest = candle;
    if (this.#open.length === 0) return;
    const { series, settings } = this.#request;
    this.#open = this.#open.filter((trade) => {
      const exit = exitAt(trade.levels, candle, settings.intrabar);
      if (exit === undefined) return true;
      this.#end(trade, { ...exit, time: closeTime(candle, series.timeframe) });
      if (this.#last === trade) this.#last = undefined;
      return false;
    });
  }

  /** Calls the strategy; `undefined` where it has answered at once. */
  play(candle: Candle, window: readonly Candle[]): Promise<void> | undefined {
    const { strategy, series, from, signal } = this.#request;
    const time = closeTime(candle, series.timeframe);
    if (candle.time >= from) {
      this.#candles++;
      this.#from ??= candle.time;
    }
    const context: StrategyContext = {
      ...{ symbol: series.symbol, timeframe: series.timeframe, instrument: this.#instrument, time },
      ...{ openSignal: this.#last?.signal, isLive: false, signal, explain: nobodyAsks },
    };
    try {
      const found = strategy.onCandle(window, context);
      if (!isPromise(found)) return void this.#take(candle, time, found);
      return Promise.resolve(found).then(
        (value) => this.#take(candle, time, value),
        (error) => this.#fail(candle, time, error),
      );
    } catch (error) {
      return void this.#fail(candle, time, error);
    }
  }

  /** What has come of it; trades that are open are valued at the last close. */
  get result(): Replayed {
    const { series, candles, filled } = this.#request;
    const [last, from] = [this.#newest, this.#from];
    if (last === undefined || from === undefined) throw new Error("No candle was played.");
    const to = closeTime(last, series.timeframe);
    for (const trade of this.#open) this.#end(trade, { reason: "open", price: last.close, time: to });
    this.#open = [];
    const [trades, alerts, mistakes] = [this.#trades, this.#alerts, this.#mistakes];
    const ofThem = candles.filter(({ time }) => time >= from && filled.has(time)).length;
    return {
      ...{ ...this.#place, trades, alerts, mistakes, from, to },
      ...{ candles: this.#candles, filled: ofThem },
    };
  }

  #take(candle: Candle, time: number, value: unknown): void {
    const { strategy, series, instrument, from } = this.#request;
    const isCounted = candle.time >= from;
    let found: Found | undefined;
    try {
      found = completed(strategy, { ...series, instrument }, candle, value);
    } catch (error) {
      return this.#fail(candle, time, error);
    }
    if (found?.kind === "alert" && isCounted) {
      this.#alerts.push({ ...this.#place, time, message: found.message });
    }
    if (found?.kind !== "signal") return;
    // The strategy gets it again, as its open signal.
    const signal = Object.freeze(found.signal);
    this.#last = { signal, levels: levelsOf(signal), openedAt: time, isCounted };
    this.#open.push(this.#last);
  }

  #fail(candle: Candle, time: number, error: unknown): void {
    if (candle.time < this.#request.from) return;
    this.#mistakes.push({ ...this.#place, candle, time, message: messageOf(error) });
  }

  #end({ signal, levels, openedAt, isCounted }: OpenTrade, exit: BacktestExit): void {
    if (!isCounted) return;
    const gain = gainOf(levels, exit.price, this.#request.settings);
    this.#trades.push({
      ...this.#place,
      ...{ signal, openedAt, exit, durationMs: exit.time - openedAt },
      r: gain / Math.abs(levels.entry - levels.stop),
      percent: 100 * gain / levels.entry,
    });
  }
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";

/** What a unit of the instrument has gained: each side is worse by its slippage, and pays costs of its price. */
function gainOf({ isLong, entry }: Levels, exit: number, settings: BacktestSettings): number {
  const [side, slippage, costs] = [
    isLong ? 1 : -1,
    settings.slippagePercent / 100,
    settings.costsPercent / 100,
  ];
  const [paid, got] = [entry * (1 + side * slippage), exit * (1 - side * slippage)];
  return side * (got - paid) - costs * (paid + got);
}

/** One strategy on the candles of one series: it is called with each new one, and its open signal is followed. */
import type { Candle } from "../signals/candle.ts";
import type { TradingSignal } from "../signals/signal.ts";
import { attempt, deadline, DeadlineError } from "../util/async.ts";
import { type Clock, minuteOf } from "../util/clock.ts";
import { messageOf, placeOf } from "../util/errors.ts";
import type { CallNote } from "./call_note.ts";
import type { Instrument } from "./feed.ts";
import { completed, type Found, type Series } from "./found.ts";
import { exitAt, type Levels, levelsOf } from "./outcome.ts";
import type { Strategy, StrategyContext, StrategyInstrument } from "./strategy.ts";
import { closeTime, type Timeframe, timeframeMs } from "./timeframe.ts";
import { reasonOf, sentenceOf, type TroubleLog } from "./trouble_log.ts";

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
  readonly instrument: Instrument;
  readonly isLive: boolean;
  /** Is told what the strategy explains, and why it fails. */
  readonly note: CallNote;
}

export class StrategySeries {
  readonly #options: StrategySeriesOptions;
  readonly #name: string;
  #open: { readonly found: Extract<Found, { kind: "signal" }>; readonly levels: Levels } | undefined;
  /** The call under way, as candles come in their order. */
  #last: Promise<Found | undefined> | undefined;

  constructor(options: StrategySeriesOptions) {
    const { strategy, series } = options;
    this.#options = options;
    this.#name = `${strategy.name} ${series.symbol} ${series.timeframe}`;
  }

  /** What the strategy has found, at once where it answers at once; `undefined` also where it fails, which is logged. */
  call(call: Call): Found | undefined | Promise<Found | undefined> {
    const before = this.#last;
    const answer = before === undefined ? this.#call(call) : before.then(() => this.#call(call));
    if (!isPromise(answer)) return answer;
    const mine = this.#last = answer.finally(() => {
      if (this.#last === mine) this.#last = undefined;
    });
    return mine;
  }

  #call(call: Call): Found | undefined | Promise<Found | undefined> {
    const { strategy, series, clock, signal } = this.#options;
    if (signal.aborted) return undefined;
    if (this.#open !== undefined && exitAt(this.#open.levels, call.candle) !== undefined) {
      this.#open = undefined;
    }
    const context = this.#contextOf(call);
    const take = (value: unknown): Found | undefined => this.#take(call, value);
    const fail = (error: unknown): undefined => this.#fail(call, context, error);
    try {
      const answer = strategy.onCandle(call.candles, context);
      if (!isPromise(answer)) return take(answer);
      // Those that answer at once need no timer.
      return deadline(answer, { ms: timeframeMs(series.timeframe), clock, signal }).then(take).catch(fail);
    } catch (error) {
      return fail(error);
    }
  }

  #take({ candle, instrument }: Call, value: unknown): Found | undefined {
    const { strategy, series, troubles } = this.#options;
    const found = completed(strategy, { ...series, instrument }, candle, value);
    troubles.succeeded(this.#name);
    if (found?.kind === "signal") this.#open = { found, levels: levelsOf(found.signal) };
    return found;
  }

  #fail({ note }: Call, context: CallContext, error: unknown): undefined {
    const { strategy: { name }, series: { symbol, timeframe }, troubles, signal } = this.#options;
    CallContext.end(context, error);
    if (signal.aborted) return;
    const isLate = attempt(() => error instanceof DeadlineError, false);
    const reason = isLate ? `no answer within ${timeframe}` : reasonOf(error);
    note.mistake = reason;
    const place = placeOf(error, "StrategySeries");
    troubles.failed(
      this.#name,
      reason,
      `The strategy ${name} fails at ${symbol} ${timeframe}: ` +
        `${place === undefined ? sentenceOf(reason) : `${reason} (${place}).`} ` +
        "It is called again with the next candle.",
    );
  }

  #contextOf({ candle, instrument, isLive, note }: Call): CallContext {
    const { series: { symbol, timeframe }, explain } = this.#options;
    const time = closeTime(candle, timeframe);
    return new CallContext({
      ...{ symbol, timeframe, isLive, time },
      instrument: Object.freeze({ symbol, ...instrument }),
      openSignal: this.#open?.found.signal,
      explain: (text) => {
        note.explained = text;
        if (isLive) explain?.(`${minuteOf(time)}  ${this.#name}: ${shortened(messageOf(text))}`);
      },
    });
  }
}

const longestExplanation = 500;

function shortened(text: string): string {
  return text.length <= longestExplanation ? text : `${text.slice(0, longestExplanation)}…`;
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Partial<Promise<T>> | null | undefined)?.then === "function";
}

/** Has a signal for who asks for it. A strategy can change nothing of it. */
class CallContext implements StrategyContext {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly instrument: StrategyInstrument;
  readonly time: number;
  readonly openSignal: TradingSignal | undefined;
  readonly isLive: boolean;
  readonly explain: (text: string) => void;
  #ended: AbortController | undefined;

  constructor(parts: Omit<StrategyContext, "signal">) {
    this.symbol = parts.symbol;
    this.timeframe = parts.timeframe;
    this.instrument = parts.instrument;
    this.time = parts.time;
    this.openSignal = parts.openSignal;
    this.isLive = parts.isLive;
    this.explain = parts.explain;
    Object.freeze(this);
  }

  get signal(): AbortSignal {
    return (this.#ended ??= new AbortController()).signal;
  }

  /** Nobody waits for the answer any more. */
  static end(context: CallContext, reason: unknown): void {
    context.#ended?.abort(reason);
  }
}

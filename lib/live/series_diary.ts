/** What has happened in one series: the calls of its strategies, and from them and the candles the facts of a day. */
import type { Candle } from "../signals/candle.ts";
import type { TradingSignal } from "../signals/signal.ts";
import type { CallNote } from "./call_note.ts";
import type { Series } from "./found.ts";
import { type Exit, exitAt, levelsOf, rOf } from "./outcome.ts";
import { closeTime, openingTime, timeframeMs } from "./timeframe.ts";

/** A day: what closes after `from`, up to `to`; in milliseconds since 1970. */
export interface Day {
  readonly from: number;
  readonly to: number;
}

/** A signal, and what became of it by the end of the day. */
export interface SignalFact {
  readonly strategy: string;
  readonly series: Series;
  readonly signal: TradingSignal;
  /** Whether it was sent may be known later. */
  readonly note: CallNote;
  /** By which price it ended. */
  readonly end: Exit["reason"] | "open";
  /** What it has gained by then, in R; an open one is valued at the last close. */
  readonly r: number;
}

/** What one strategy did in one series. */
export interface MemberFacts {
  readonly strategy: string;
  readonly signals: readonly SignalFact[];
  readonly alerts: number;
  /** What it has said last. */
  readonly explained: unknown;
  /** When it failed last, and why. */
  readonly mistake: { readonly time: number; readonly reason: string } | undefined;
  /** Whether candles came, but too few of them for a first call. */
  readonly isWarmingUp: boolean;
}

export interface SeriesFacts {
  readonly series: Series;
  readonly members: readonly MemberFacts[];
  /** Since when candles are missing at the end of the day, as far as that is known, and why. */
  readonly gap: { readonly since: number | undefined; readonly reason: string | undefined } | undefined;
}

interface Member {
  readonly strategy: string;
  notes: CallNote[];
}

export class SeriesDiary {
  readonly series: Series;
  readonly #members: readonly Member[];
  #candles: readonly Candle[] = [];

  /** @param strategies The names of those that want its candles. */
  constructor(series: Series, strategies: readonly string[]) {
    this.series = series;
    this.#members = strategies.map((strategy) => ({ strategy, notes: [] }));
  }

  add(strategy: string, note: CallNote): void {
    this.#members.find((member) => member.strategy === strategy)?.notes.push(note);
  }

  /** Takes the candles that are kept, of which the last one is new. */
  take(candles: readonly Candle[]): void {
    this.#candles = candles;
  }

  /** When the newest candle closed; `-Infinity` where there is none. */
  get newest(): number {
    const candle = this.#candles.at(-1);
    return candle === undefined ? -Infinity : closeTime(candle, this.series.timeframe);
  }

  /** How many candles that close until then have not come. */
  missing(to: number): number {
    const { timeframe } = this.series;
    return Math.max(0, (openingTime(to, timeframe) - this.newest) / timeframeMs(timeframe));
  }

  /** Whether each strategy has answered what it was asked until then. */
  hasAnswers(to: number): boolean {
    return this.#members.every(({ notes }) => notes.every(({ time, isOver }) => isOver || time > to));
  }

  candlesOf({ from, to }: Day): readonly Candle[] {
    return this.#candles.filter((candle) => {
      const time = closeTime(candle, this.series.timeframe);
      return time > from && time <= to;
    });
  }

  /**
   * Gives the facts of a day, and forgets the calls until its end.
   * @param candles Those of the day.
   * @param trouble Why no candles come at present.
   */
  close(day: Day, candles: readonly Candle[], trouble: string | undefined): SeriesFacts {
    const { series } = this;
    const before = this.#candles.map((candle) => closeTime(candle, series.timeframe))
      .filter((time) => time <= day.to).at(-1);
    const last = candles.at(-1);
    const newest = last === undefined ? before : closeTime(last, series.timeframe);
    const members = this.#members.map((member) => {
      const notes = member.notes.filter(({ time }) => time > day.from && time <= day.to);
      member.notes = member.notes.filter(({ time }) => time > day.to);
      return this.#factsOf(member.strategy, notes, candles);
    });
    const isBehind = (newest ?? -Infinity) < openingTime(day.to, series.timeframe);
    return { series, members, gap: isBehind ? { since: newest, reason: trouble } : undefined };
  }

  #factsOf(strategy: string, notes: readonly CallNote[], candles: readonly Candle[]): MemberFacts {
    const failed = notes.filter(({ mistake }) => mistake !== undefined).at(-1);
    return {
      strategy,
      signals: notes.flatMap((note) =>
        note.found?.kind === "signal" ? [this.#outcomeOf(strategy, note, note.found.signal, candles)] : []
      ),
      alerts: notes.filter(({ found }) => found?.kind === "alert").length,
      explained: notes.filter(({ explained }) => explained !== undefined).at(-1)?.explained,
      mistake: failed && { time: failed.time, reason: failed.mistake as string },
      isWarmingUp: notes.length === 0 && candles.length > 0,
    };
  }

  #outcomeOf(
    strategy: string,
    note: CallNote,
    signal: TradingSignal,
    candles: readonly Candle[],
  ): SignalFact {
    const { series } = this;
    const levels = levelsOf(signal);
    const later = candles.filter((candle) => closeTime(candle, series.timeframe) > note.time);
    let exit: Exit | undefined;
    for (const candle of later) {
      exit = exitAt(levels, candle);
      if (exit !== undefined) break;
    }
    const price = exit?.price ?? later.at(-1)?.close ?? levels.entry;
    return { strategy, series, signal, note, end: exit?.reason ?? "open", r: rOf(levels, price) };
  }
}

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

/** A day that is over. */
export interface ClosedDay extends Day {
  /** Signals since then are followed that were open when the day began. */
  readonly followedFrom: number;
}

/** What the market gave on a day. */
export interface DayMarket {
  readonly candles: readonly Candle[];
  /** Why no candles come at present. */
  readonly trouble: string | undefined;
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
  /** When the candle closed that ended it; `undefined` where it is open. */
  readonly endedAt: number | undefined;
  /** What it has gained by then, in R; an open one is valued at the last close. */
  readonly r: number;
}

/** What one strategy did in one series. */
export interface MemberFacts {
  readonly strategy: string;
  readonly signals: readonly SignalFact[];
  /** Those that were open at the end of the day before. */
  readonly earlier: readonly SignalFact[];
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

  /** Gives the facts of a day, and forgets the calls that no later day is to know. */
  close(day: ClosedDay, { candles, trouble }: DayMarket): SeriesFacts {
    const { series } = this;
    const before = this.#candles.map((candle) => closeTime(candle, series.timeframe))
      .filter((time) => time <= day.to).at(-1);
    const last = candles.at(-1);
    const newest = last === undefined ? before : closeTime(last, series.timeframe);
    const members = this.#members.map((member) => {
      const notes = member.notes.filter(({ time }) => time > day.from && time <= day.to);
      const earlier = member.notes.filter((note) => note.time <= day.from && note.time > day.followedFrom)
        .flatMap((note) => this.#outcomeOf(member.strategy, note, this.#candlesAfter(note, day.to)))
        .filter(({ note, endedAt = Infinity }) => note.unsent === undefined && endedAt > day.from);
      member.notes = member.notes.filter(({ time, found }) => time > day.to || found?.kind === "signal")
        .filter(({ time }) => time > day.followedFrom);
      return { ...this.#factsOf(member.strategy, notes, candles), earlier };
    });
    const isBehind = (newest ?? -Infinity) < openingTime(day.to, series.timeframe);
    return { series, members, gap: isBehind ? { since: newest, reason: trouble } : undefined };
  }

  /** The candles that are kept, from the one after the call up to the end of the day. */
  #candlesAfter(note: CallNote, to: number): readonly Candle[] {
    return this.#candles.filter((candle) => {
      const time = closeTime(candle, this.series.timeframe);
      return time > note.time && time <= to;
    });
  }

  #factsOf(
    strategy: string,
    notes: readonly CallNote[],
    candles: readonly Candle[],
  ): Omit<MemberFacts, "earlier"> {
    const failed = notes.filter(({ mistake }) => mistake !== undefined).at(-1);
    return {
      strategy,
      signals: notes.flatMap((note) => this.#outcomeOf(strategy, note, candles)),
      alerts: notes.filter(({ found }) => found?.kind === "alert").length,
      explained: notes.filter(({ explained }) => explained !== undefined).at(-1)?.explained,
      mistake: failed && { time: failed.time, reason: failed.mistake as string },
      isWarmingUp: notes.length === 0 && candles.length > 0,
    };
  }

  /** The signal of a call, if it gave one, with what became of it. */
  #outcomeOf(strategy: string, note: CallNote, candles: readonly Candle[]): SignalFact[] {
    if (note.found?.kind !== "signal") return [];
    const { series } = this;
    const { signal } = note.found;
    const levels = levelsOf(signal);
    const later = candles.filter((candle) => closeTime(candle, series.timeframe) > note.time);
    let exit: Exit | undefined;
    let endedAt: number | undefined;
    for (const candle of later) {
      exit = exitAt(levels, candle);
      if (exit === undefined) continue;
      endedAt = closeTime(candle, series.timeframe);
      break;
    }
    const price = exit?.price ?? later.at(-1)?.close ?? levels.entry;
    const end = exit?.reason ?? "open";
    return [{ strategy, series, signal, note, end, endedAt, r: rOf(levels, price) }];
  }
}

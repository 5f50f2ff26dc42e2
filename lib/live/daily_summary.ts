/** Sends a summary once a day: when it is due, when all that belongs to it is known, and what it is sent as. */
import { createHash } from "node:crypto";
import type { Candle } from "../signals/candle.ts";
import type { FormattedText } from "../telegram/text.ts";
import { type Clock, dayMs, toIso } from "../util/clock.ts";
import { assertOptions, type Rules } from "../util/validate.ts";
import type { Series } from "./found.ts";
import { DailyTime, timeOfDayRule, timeZoneRule } from "./local_time.ts";
import { type Day, SeriesDiary } from "./series_diary.ts";
import type { Summary } from "./signal_sender.ts";
import type { Strategy } from "./strategy.ts";
import { summaryText } from "./summary_text.ts";
import { type Timeframe, timeframeMs } from "./timeframe.ts";

/** When a day's summary is sent. */
export interface DailySummaryOptions {
  /** The time of day: `"17:05"`. Candles that close then belong to the day that ends. */
  readonly at: string;
  /** Whose clocks: `"Europe/London"`, `"America/New_York"`. Default: `"UTC"`. */
  readonly timeZone?: string | undefined;
}

const rules: Rules<DailySummaryOptions> = {
  at: { ...timeOfDayRule("17:05"), isRequired: true },
  timeZone: timeZoneRule,
};

/** @throws {TypeError} If an option is unknown or malformed. */
export function assertDailySummary(options: DailySummaryOptions): void {
  assertOptions("send a daily summary", options, {
    rules,
    ...{ subject: '"dailySummary"', example: '{ at: "17:05" }' },
    synonyms: { at: ["time", "hour"], timeZone: ["zone", "tz"] },
  });
}

/** A summary is sent until so long after its time. */
const freshMs = 3_600_000;
/** It waits so long for the day's last candles, and for answers of strategies. */
const patienceMs = 5 * 60_000;
const lookEveryMs = 60_000;
/** A day that daylight saving makes longer, and the hour in which its summary may still be sent. */
const longestDayMs = 26 * 3_600_000;
/** What was open at the end of a day is followed for a day more, and for so many candles. */
const followedCandles = 60;
/** Of earlier signals that make one similar, as many hours are fetched at most. */
const similarHoursAtMost = 24;

export interface DailySummarySettings {
  readonly options: DailySummaryOptions;
  readonly strategies: readonly Strategy[];
  /** For how many hours a signal makes others similar. */
  readonly similarHours: number;
  readonly clock: Clock;
  /** The market's time. */
  readonly now: () => number;
  /** Why a series cannot be had at present. */
  readonly troubleOf: (series: Series) => string | undefined;
  readonly send: (summary: Summary) => Promise<unknown>;
  /** Is given what is under way. */
  readonly track: (sending: Promise<unknown>) => void;
  /** Aborts when the strategies are stopped. */
  readonly signal: AbortSignal;
}

/** A day whose summary is due. */
interface DueDay extends Day {
  readonly expiresAt: number;
  readonly patientUntil: number;
  /** The day's candles of each series that has all of them. */
  readonly candles: Map<SeriesDiary, readonly Candle[]>;
}

export class DailySummary {
  readonly #settings: DailySummarySettings;
  readonly #time: DailyTime;
  readonly #startedAt: number;
  readonly #diaries: SeriesDiary[] = [];
  readonly #ended = new AbortController();
  #due: DueDay[] = [];
  #next = -Infinity;
  #checkedAt = -Infinity;
  #newest = -Infinity;
  #sending: Promise<unknown> = Promise.resolve();

  constructor(settings: DailySummarySettings) {
    const { options: { at, timeZone = "UTC" }, now } = settings;
    this.#settings = settings;
    this.#time = new DailyTime(at, timeZone);
    this.#startedAt = now();
  }

  /** How many candles a start needs, besides those that warm up, to know the whole day, and what was open before. */
  candlesOf(timeframe: Timeframe): number {
    const similarMs = 3_600_000 * Math.min(this.#settings.similarHours, similarHoursAtMost);
    const beforeMs = Math.max(followedMs(timeframe), similarMs);
    return Math.ceil((longestDayMs + beforeMs) / timeframeMs(timeframe));
  }

  /** The diary of a series. @param strategies The names of those that want its candles. */
  open(series: Series, strategies: readonly string[]): SeriesDiary {
    const diary = new SeriesDiary(series, strategies);
    this.#diaries.push(diary);
    return diary;
  }

  /** Looks once a minute, as a market may be silent, until `end()`. */
  async follow(): Promise<void> {
    const { clock } = this.#settings;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      this.#sendDue((day) => this.#isComplete(day) || this.#isLate(day));
      await clock.sleep(lookEveryMs, signal).catch(() => {});
    }
  }

  /** To be called with each candle and each answer: sends what is complete by then. */
  check(): void {
    this.#sendDue((day) => this.#isComplete(day));
  }

  /** Nothing comes any more. */
  end(): void {
    this.#ended.abort();
    this.#sendDue(() => true);
  }

  #sendDue(isEnough: (day: DueDay) => boolean): void {
    if (this.#settings.signal.aborted) return;
    this.#notice();
    this.#keep();
    for (const day of [...this.#due]) {
      if (!isEnough(day)) return;
      this.#due = this.#due.filter((each) => each !== day);
      if (this.#isKnown(day)) this.#send(day);
    }
  }

  /** Market time may leap from candle to candle: what no machine has waited for is not late. */
  #notice(): void {
    const { clock, now } = this.#settings;
    const passedMs = clock.now() - this.#checkedAt;
    this.#checkedAt = clock.now();
    this.#newest = Math.max(this.#newest, ...this.#diaries.map(({ newest }) => newest));
    const time = Math.max(now(), this.#newest);
    if (time < this.#next) return;
    this.#next = this.#time.next(time);
    const to = this.#time.last(time);
    const leftMs = freshMs - Math.min(time - to, Math.max(0, passedMs));
    this.#due.push({
      ...{ from: this.#time.last(to - 1), to, candles: new Map() },
      ...{ expiresAt: clock.now() + leftMs, patientUntil: clock.now() + patienceMs },
    });
  }

  /** Keeps the candles of each series that has given the last one of a due day: more may come before others have. */
  #keep(): void {
    for (const day of this.#due) {
      for (const diary of this.#diaries) {
        if (day.candles.has(diary) || diary.missing(day.to) > 0) continue;
        day.candles.set(diary, diary.candlesOf(day));
      }
    }
  }

  #isComplete({ to, candles }: DueDay): boolean {
    return this.#diaries.every((diary) =>
      diary.hasAnswers(to) && (candles.has(diary) || this.#isGivenUp(diary, to))
    );
  }

  /** Nothing more is waited for, except by who knows nothing. */
  #isLate(day: DueDay): boolean {
    const now = this.#settings.clock.now();
    return now >= day.expiresAt || (now >= day.patientUntil && this.#isKnown(day));
  }

  /** Who has started after the day, or whose market begins after it, knows nothing of it. */
  #isKnown(day: DueDay): boolean {
    return this.#diaries.some((diary) =>
      candlesIn(diary, day).length > 0 || (day.to > this.#startedAt && diary.newest <= day.to)
    );
  }

  /** Nobody waits for a market that has been down since before its last candle. */
  #isGivenUp(diary: SeriesDiary, to: number): boolean {
    const missing = diary.missing(to);
    return missing > 1 && missing < Infinity && this.#settings.troubleOf(diary.series) !== undefined;
  }

  #send(day: DueDay): void {
    const { options: { timeZone = "UTC" }, troubleOf, send, track } = this.#settings;
    const series = this.#diaries.map((diary) =>
      diary.close({ ...day, followedFrom: day.from - followedMs(diary.series.timeframe) }, {
        candles: candlesIn(diary, day),
        trouble: troubleOf(diary.series),
      })
    );
    const { date, clock } = this.#time.shown(day.to);
    const shown = (time: number): string => {
      const { date: ownDate, clock } = this.#time.shown(time);
      if (time <= day.from) return `${ownDate} ${clock}`;
      return ownDate === date ? clock : `yesterday ${clock}`;
    };
    const title = `Summary of ${date}, ${clock} ${timeZone}`;
    const message = (): FormattedText => summaryText({ title, series, clock: shown });
    const summary = { id: this.#idOf(day), title, message, expiresAt: day.expiresAt };
    this.#sending = this.#sending.then(() => send(summary));
    track(this.#sending);
  }

  /** The same for the same strategies and the same day, whoever sends it. */
  #idOf({ to }: Day): string {
    const parts = this.#settings.strategies.map(({ name, symbols, timeframes }) =>
      JSON.stringify([name, symbols, timeframes])
    );
    const hash = createHash("sha256").update(parts.sort().join("\n")).digest("hex").slice(0, 16);
    return `summary ${hash} ${toIso(to)}`;
  }
}

const followedMs = (timeframe: Timeframe): number =>
  Math.max(dayMs, followedCandles * timeframeMs(timeframe));

const candlesIn = (diary: SeriesDiary, day: DueDay): readonly Candle[] =>
  day.candles.get(diary) ?? diary.candlesOf(day);

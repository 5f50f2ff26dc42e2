/** Sends a summary once a day: when it is due, when all that belongs to it is known, and what it is sent as. */
import { createHash } from "node:crypto";
import type { Candle } from "../signals/candle.ts";
import type { FormattedText } from "../telegram/text.ts";
import { type Clock, toIso } from "../util/clock.ts";
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

  /** How many candles a start needs, besides those that warm up, to know the whole day. */
  candlesOf(timeframe: Timeframe): number {
    const similarMs = 3_600_000 * Math.min(this.#settings.similarHours, similarHoursAtMost);
    return Math.ceil((longestDayMs + similarMs) / timeframeMs(timeframe));
  }

  /** The diary of a series. @param strategies The names of those that want its candles. */
  open(series: Series, strategies: readonly string[]): SeriesDiary {
    const diary = new SeriesDiary(series, strategies);
    this.#diaries.push(diary);
    return diary;
  }

  /** Looks once a minute, as a market may be silent, until `end()`. */
  async follow(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      this.check();
      await this.#settings.clock.sleep(lookEveryMs, signal).catch(() => {});
    }
  }

  /** To be called where something is known that was not before. Sends what is due and complete. */
  check(isEnd: boolean = false): void {
    if (this.#settings.signal.aborted) return;
    this.#notice();
    this.#keep();
    for (const day of [...this.#due]) {
      if (!this.#isComplete(day) && !isEnd) return;
      this.#due = this.#due.filter((each) => each !== day);
      this.#close(day);
    }
  }

  /** Nothing comes any more. */
  end(): void {
    this.#ended.abort();
    this.check(true);
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
    if (leftMs <= 0) return;
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

  #isComplete(day: DueDay): boolean {
    const now = this.#settings.clock.now();
    return now >= day.expiresAt || (now >= day.patientUntil && this.#isKnown(day)) ||
      this.#diaries.every((diary) =>
        diary.hasAnswers(day.to) && (day.candles.has(diary) || this.#isGivenUp(diary, day.to))
      );
  }

  /** Who has started after the day, and has none of its candles, knows nothing of it. */
  #isKnown(day: DueDay): boolean {
    return day.to > this.#startedAt || this.#diaries.some((diary) => diary.candlesOf(day).length > 0);
  }

  /** Nobody waits for a market that has been down since before its last candle. */
  #isGivenUp(diary: SeriesDiary, to: number): boolean {
    const missing = diary.missing(to);
    return missing > 1 && missing < Infinity && this.#settings.troubleOf(diary.series) !== undefined;
  }

  #close(day: DueDay): void {
    const { options: { timeZone = "UTC" }, troubleOf, send, track } = this.#settings;
    const series = this.#diaries.map((diary) =>
      diary.close(day, day.candles.get(diary) ?? diary.candlesOf(day), troubleOf(diary.series))
    );
    if (!this.#isKnown(day)) return;
    const shown = (time: number): string => {
      const { date, clock } = this.#time.shown(time);
      return time > day.from ? clock : `${date} ${clock}`;
    };
    const { date, clock } = this.#time.shown(day.to);
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

/** The candles of one series: its history, then each as it closes, and again after a feed has failed. */
import { type Candle, frozenCandle, validateCandle, validateCandles } from "../signals/candle.ts";
import { abortable, attempt, backoffMs, deadline, DeadlineError } from "../util/async.ts";
import { type Clock, minuteOf, nextTurn, steady, toIso } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { type CandleFeed, FeedError, type Instrument } from "./feed.ts";
import type { Series } from "./found.ts";
import { readInstrument } from "./instrument.ts";
import { closeTime, timeframeMs } from "./timeframe.ts";
import { reasonOf, sentenceOf, type TroubleLog } from "./trouble_log.ts";

export interface MarketSeriesOptions {
  readonly feed: CandleFeed;
  readonly series: Series;
  /** How many candles are kept. */
  readonly count: number;
  readonly clock: Clock;
  /** The market's time. */
  readonly now: () => number;
  readonly troubles: TroubleLog;
  readonly logger: Logger;
  /** Called with the candles that are kept, of which the last one is new; the next one waits until it resolves. */
  readonly onCandle: (candles: readonly Candle[], market: MarketFacts) => Promise<void>;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** What is known besides a series' candles. */
export interface MarketFacts {
  readonly instrument: Instrument;
  /** Whether the newest candle closed before the start, so that an earlier process may have seen it. */
  readonly isHistory: boolean;
}

const retries = { firstMs: 1000, longestMs: 60_000, jitter: 0.25 };

/** So long a start waits for the steps of prices. */
const instrumentWithinMs = 5000;
/** A market that asks for more is asked again after an hour. */
const longestAskedMs = 3_600_000;
/** So long a candle, or the history, is waited for; and so many candles at least. */
const [silentMs, silentCandles] = [15 * 60_000, 3];
/** Other work of the process has its turn after so many candles. */
const candlesAtOnce = 100;
/** A machine's clock may be so far behind the market's. */
const unclosedMs = 30_000;
/** By which the first candle may be ahead, as the machine's clock may be wrong. */
const farAheadMs = 86_400_000;
/** Daylight saving moves candles that open by a place's clocks, such as days. */
const daylightMs = 3_600_000;

export class MarketSeries {
  readonly #options: MarketSeriesOptions;
  /** The newest, ascending. */
  readonly #candles: Candle[] = [];
  #failures = 0;
  #taken = 0;
  #instrument: Instrument | undefined;
  #isAsking = false;
  #hasWarned = false;
  #hasWarnedOfUnclosed = false;
  /** By how much the newest candle's close was ahead of the market's time when it came. */
  #leadMs: number | undefined;
  /** Since when all candles that come are of the future. */
  #aheadSince: number | undefined;
  readonly #elapsed: () => number;

  constructor(options: MarketSeriesOptions) {
    this.#options = options;
    this.#elapsed = steady(options.clock);
  }

  /** Resolves when the market ends, or the signal aborts. @throws {ConfigError} If the market has no such series. */
  async follow(): Promise<void> {
    const { signal } = this.#options;
    let hasHistory = false;
    while (!signal.aborted) {
      try {
        if (!hasHistory) await this.#readHistory();
        hasHistory = true;
        await this.#readLive();
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (isConfigError(error)) throw error;
        await this.#wait(error);
      }
    }
  }

  async #readHistory(): Promise<void> {
    const { feed, series, count, clock, signal } = this.#options;
    const candles = await this.#within(async (signal) => await feed.history({ ...series, count, signal }));
    validateCandles(candles, true);
    for (const [index, candle] of candles.entries()) this.#assertSpacing(candle, candles[index - 1]);
    this.#assertTime(candles.at(-1));
    this.#succeeded();
    await deadline(this.#readInstrument(), { ms: instrumentWithinMs, clock, signal }).catch((error) => {
      if (!(error instanceof DeadlineError)) throw error;
    });
    for (const candle of candles) await this.#take(candle, true);
  }

  async #readLive(): Promise<void> {
    const { feed, series, signal } = this.#options;
    const after = this.#candles.at(-1)?.time ?? -Infinity;
    const ending = new AbortController();
    const end = (): void => ending.abort(signal.reason);
    signal.addEventListener("abort", end, { once: true });
    let candles: AsyncIterator<Candle> | undefined;
    let isOver = false;
    try {
      const iterator = feed.live({ ...series, after, signal: ending.signal })[Symbol.asyncIterator]();
      candles = iterator;
      for (;;) {
        signal.throwIfAborted();
        const { done, value: candle } = await this.#within(() => iterator.next());
        isOver = done === true;
        if (isOver) return;
        this.#check(candle);
        this.#succeeded();
        this.#readInstrument().catch(() => {});
        await this.#take(candle, false);
      }
    } finally {
      signal.removeEventListener("abort", end);
      ending.abort();
      // A feed that does not heed its signal is not waited for.
      if (!isOver) attempt(() => void Promise.resolve(candles?.return?.()).catch(() => {}), undefined);
    }
  }

  /** Waits for the market as long as it may be silent; a market that has its own time may be so for ever. */
  async #within<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { feed, series, clock, signal } = this.#options;
    if (feed.now !== undefined) return await abortable(ask(signal), signal);
    const ms = Math.max(silentMs, silentCandles * timeframeMs(series.timeframe));
    const since = this.#elapsed();
    try {
      return await deadline(ask, { ms, clock, signal });
    } catch (error) {
      // A feed may have deadlines of its own.
      if (!(error instanceof DeadlineError) || this.#elapsed() - since < ms) throw error;
      throw new FeedError(`nothing has come for ${Math.round(ms / 60_000)} minutes`);
    }
  }

  /** Candles do not wait for it: where it cannot be had, it is asked for again with the next new one. */
  async #readInstrument(): Promise<void> {
    const { feed, series: { symbol }, signal } = this.#options;
    if (feed.instrument === undefined || this.#instrument !== undefined || this.#isAsking) return;
    this.#isAsking = true;
    try {
      const { instrument, mistakes } = readInstrument(await feed.instrument({ symbol, signal }));
      this.#instrument = instrument;
      if (mistakes.length > 0) this.#warnOfSteps(mistakes.join("; "));
    } catch (error) {
      if (signal.aborted || isConfigError(error)) throw error;
      this.#warnOfSteps(reasonOf(error));
    } finally {
      this.#isAsking = false;
    }
  }

  #warnOfSteps(reason: string): void {
    const { feed, series: { symbol }, logger } = this.#options;
    if (!this.#hasWarned) {
      logger.warn(
        `The steps of ${symbol}'s prices and amounts cannot be had from ${feed.name}: ${
          sentenceOf(reason)
        } ` +
          "Strategies go on without them.",
      );
    }
    this.#hasWarned = true;
  }

  #check(candle: Candle): void {
    validateCandle(candle);
    const last = this.#candles.at(-1);
    if (last !== undefined && candle.time > last.time) this.#assertSpacing(candle, last);
    this.#assertTime(candle);
  }

  /** Candles of another timeframe would close at other times than a strategy is told. */
  #assertSpacing({ time }: Candle, before: Candle | undefined): void {
    const { timeframe } = this.#options.series;
    const lengthMs = timeframeMs(timeframe);
    const leastMs = lengthMs > daylightMs ? lengthMs - daylightMs : lengthMs;
    if (before === undefined || time - before.time >= leastMs) return;
    throw new RangeError(
      `Cannot use the candle as "time" must be ${timeframe} after that of the candle before: it is ${
        toIso(time)
      }, after ${toIso(before.time)}`,
    );
  }

  /** Behind a candle of the future no other one would count as new. */
  #assertTime(candle: Candle | undefined): void {
    if (candle === undefined) return;
    const { feed, series, now, logger } = this.#options;
    const lengthMs = timeframeMs(series.timeframe);
    const leadMs = closeTime(candle, series.timeframe) - now();
    const mostMs = this.#leadMs === undefined
      ? farAheadMs
      : Math.max(0, this.#leadMs) + lengthMs + unclosedMs;
    // Where all candles are ahead for long, it is the machine's clock that was put back.
    if (leadMs > mostMs && this.#elapsed() - (this.#aheadSince ??= this.#elapsed()) < silentMs) {
      throw new RangeError(
        `Cannot use the candle as "time" must not be in the future: it is ${toIso(candle.time)}, and now is ${
          toIso(now())
        }`,
      );
    }
    this.#aheadSince = undefined;
    this.#leadMs = leadMs;
    if (leadMs > unclosedMs && !this.#hasWarnedOfUnclosed) {
      this.#hasWarnedOfUnclosed = true;
      logger.warn(
        `Candles of ${nameOf(series)} come from ${feed.name} before they have closed: the one of ${
          minuteOf(candle.time)
        } ` +
          `at ${minuteOf(now())} UTC. Either they are still forming, or this machine's clock is slow.`,
      );
    }
  }

  /**
   * A candle that comes again was corrected: it takes the former one's place, and no strategy is called. No strategy can
   * change the candles of the others.
   */
  async #take(given: Candle, isHistory: boolean): Promise<void> {
    const { count, clock, onCandle } = this.#options;
    if (++this.#taken % candlesAtOnce === 0) await nextTurn(clock);
    const candle = frozenCandle(given);
    const candles = this.#candles;
    const last = candles.at(-1);
    if (last !== undefined && candle.time <= last.time) {
      const index = candles.findIndex(({ time }) => time === candle.time);
      if (index >= 0) candles[index] = candle;
      return;
    }
    candles.push(candle);
    if (candles.length > count) candles.shift();
    await onCandle(candles, { instrument: this.#instrument ?? {}, isHistory });
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#options.troubles.succeeded(nameOf(this.#options.series));
  }

  async #wait(error: unknown): Promise<void> {
    const { feed, series, clock, troubles, signal } = this.#options;
    const reason = reasonOf(error);
    const name = nameOf(series);
    troubles.failed(
      name,
      reason,
      `Candles of ${name} cannot be had from ${feed.name}: ${sentenceOf(reason)} Trying again.`,
    );
    const asked = attempt(() => (error as Partial<FeedError>).retryAfterMs, undefined);
    const askedMs = Number.isFinite(asked) ? Math.min(asked as number, longestAskedMs) : 0;
    const waitMs = Math.max(askedMs, backoffMs(this.#failures++, retries, clock.random()));
    await clock.sleep(waitMs, signal).catch(() => {});
  }
}

/** `BTC-USD 5m` */
export const nameOf = ({ symbol, timeframe }: Series): string => `${symbol} ${timeframe}`;

/** By its name, as another copy of this package may have thrown it; and anything may be thrown. */
function isConfigError(error: unknown): boolean {
  return attempt(() => (error as Partial<Error> | undefined)?.name === "ConfigError", false);
}

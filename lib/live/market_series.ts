/** The candles of one series: its history, then each as it closes, and again after a feed has failed. */
import { type Candle, frozenCandle, validateCandle, validateCandles } from "../signals/candle.ts";
import { abortable, attempt, backoffMs, deadline, DeadlineError } from "../util/async.ts";
import { type Clock, dayMs, toIso } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { CandleFeed, FeedError, Instrument } from "./feed.ts";
import type { Series } from "./found.ts";
import type { TroubleLog } from "./trouble_log.ts";

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

export class MarketSeries {
  readonly #options: MarketSeriesOptions;
  /** The newest, ascending. */
  readonly #candles: Candle[] = [];
  #failures = 0;
  #instrument: Instrument | undefined;
  #isAsking = false;
  #hasWarned = false;

  constructor(options: MarketSeriesOptions) {
    this.#options = options;
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
    const candles = await abortable(feed.history({ ...series, count, signal }), signal);
    validateCandles(candles, true);
    this.#assertNotAhead(candles.at(-1));
    this.#succeeded();
    await deadline(this.#readInstrument(), { ms: instrumentWithinMs, clock, signal }).catch((error) => {
      if (!(error instanceof DeadlineError)) throw error;
    });
    for (const candle of candles) await this.#take(candle, true);
  }

  async #readLive(): Promise<void> {
    const { feed, series, signal } = this.#options;
    const after = this.#candles.at(-1)?.time ?? -Infinity;
    for await (const candle of untilAborted(feed.live({ ...series, after, signal }), signal)) {
      signal.throwIfAborted();
      validateCandle(candle);
      this.#assertNotAhead(candle);
      this.#succeeded();
      this.#readInstrument().catch(() => {});
      await this.#take(candle, false);
    }
  }

  /** Candles do not wait for it: where it cannot be had, it is asked for again with the next new one. */
  async #readInstrument(): Promise<void> {
    const { feed, series: { symbol }, logger, signal } = this.#options;
    if (feed.instrument === undefined || this.#instrument !== undefined || this.#isAsking) return;
    this.#isAsking = true;
    try {
      this.#instrument = await feed.instrument({ symbol, signal });
    } catch (error) {
      if (signal.aborted || isConfigError(error)) throw error;
      const reason = messageOf(error).replace(/\.$/, "");
      if (!this.#hasWarned) {
        logger.warn(
          `The steps of ${symbol}'s prices and amounts cannot be had from ${feed.name}: ${reason}. ` +
            "Strategies go on without them.",
        );
      }
      this.#hasWarned = true;
    } finally {
      this.#isAsking = false;
    }
  }

  /** Behind a candle of a far future no other one would count as new. */
  #assertNotAhead(candle: Candle | undefined): void {
    const now = this.#options.now();
    if (candle === undefined || candle.time - now <= dayMs) return;
    throw new RangeError(
      `Cannot use the candle as "time" must not be days ahead: it is ${toIso(candle.time)}, and now is ${
        toIso(now)
      }`,
    );
  }

  /**
   * A candle that comes again was corrected: it takes the former one's place, and no strategy is called. No strategy can
   * change the candles of the others.
   */
  async #take(given: Candle, isHistory: boolean): Promise<void> {
    const { count, onCandle } = this.#options;
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
    const reason = messageOf(error).replace(/\.$/, "");
    const name = nameOf(series);
    troubles.failed(
      name,
      reason,
      `Candles of ${name} cannot be had from ${feed.name}: ${reason}. Trying again.`,
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

/** Ends with the signal, also where the feed does not heed it. */
async function* untilAborted(candles: AsyncIterable<Candle>, signal: AbortSignal): AsyncGenerator<Candle> {
  const iterator = candles[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const { done, value } = await abortable(iterator.next(), signal);
      isOver = done === true;
      if (isOver) return;
      yield value;
    }
  } finally {
    if (!isOver) iterator.return?.().catch(() => {});
  }
}

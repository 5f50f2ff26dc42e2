/** A feed of a market that is asked for candles again and again, as exchanges are over HTTP. */
import type { Candle } from "../../signals/candle.ts";
import type { Clock } from "../../util/clock.ts";
import { BoundedMap, BoundedSet } from "../../util/collections.ts";
import { ConfigError } from "../../util/validate.ts";
import {
  type CandleFeed,
  type CandleRequest,
  FeedError,
  type HistoryRequest,
  type Instrument,
  type InstrumentRequest,
  type LiveRequest,
} from "../feed.ts";
import { openingTime, sourceOf, type Timeframe, timeframeMs } from "../timeframe.ts";
import { CandleSeries, newestOf } from "./candle_series.ts";
import { sleepUntil } from "./sleep_until.ts";

/** What a market has. */
export interface MarketFacts {
  readonly timeframes: readonly Timeframe[];
  /** How many rows it gives at once, at most. */
  readonly rowsAtMost: number;
}

/** The rows of a market that open in a range: times in milliseconds since 1970, both included. */
export interface RowRequest {
  readonly symbol: string;
  readonly timeframe: Timeframe;
  readonly from: number;
  readonly to: number;
  readonly signal: AbortSignal;
}

export interface RowAnswer {
  /** In any order; one may come twice, and the newest may still be forming. */
  readonly candles: readonly Candle[];
  /** What is wrong with the first row that could not be read. */
  readonly mistake?: string | undefined;
  /** The market's own time of the answer, in milliseconds since 1970. */
  readonly asOf: number;
}

/** A market that answers requests. Its methods throw a `FeedError`, or a `ConfigError` for a symbol that it does not know. */
export interface Market {
  readonly name: string;
  readonly clock: Clock;
  /** The market's own time, in milliseconds since 1970. */
  now(): number;
  /** Called before each series of requests: from then on `now()` is right. */
  open(signal: AbortSignal): Promise<MarketFacts>;
  rows(request: RowRequest): Promise<RowAnswer>;
  instrument(request: InstrumentRequest): Promise<Instrument>;
}

/** A market publishes a candle a moment after its close. */
const publishedAfterMs = 2000;
const pollAgainMs = 5000;
/** Now and then an answer is empty although there are candles. */
const emptyAnswersBelieved = 3;
const emptyAgainMs = 1000;
/** How many rows that are known already a request asks for at most, to find out which were corrected. */
const overlapAtMost = 40;

/** One caller's series of requests. */
interface Poll {
  readonly request: CandleRequest;
  readonly facts: MarketFacts;
  readonly source: Timeframe;
  readonly series: CandleSeries;
  /** How many answers in a row were empty. */
  empty: number;
}

export class PolledFeed implements CandleFeed {
  readonly name: string;
  readonly #market: Market;
  /** A series that nobody reads at present, by symbol and timeframe: the next reader goes on with it. */
  readonly #kept = new Map<string, CandleSeries>();
  readonly #instruments = new BoundedMap<string, Instrument>(1000);
  /** Mistakes in rows that were told: from then on such rows are left out. */
  readonly #told = new BoundedSet<string>(1000);

  constructor(market: Market) {
    this.name = market.name;
    this.#market = market;
  }

  now(): number {
    return this.#market.now();
  }

  async history(request: HistoryRequest): Promise<readonly Candle[]> {
    const { timeframe, count, signal } = request;
    const facts = await this.#market.open(signal);
    const end = openingTime(this.now(), timeframe);
    // One more, as the newest may not be final yet.
    const poll = this.#createPoll(request, facts, end - (count + 1) * timeframeMs(timeframe));
    const { series } = poll;
    const candles = new Map<number, Candle>();
    for (let before = -Infinity; series.next < end && (series.next > before || isDoubtful(poll));) {
      if (isDoubtful(poll)) await this.#market.clock.sleep(emptyAgainMs, signal);
      before = series.next;
      for (const candle of await this.#ask(poll)) candles.set(candle.time, candle);
    }
    this.#kept.set(keyOf(request), series);
    return [...candles.values()].sort((one, other) => one.time - other.time).slice(-count);
  }

  async *live(request: LiveRequest): AsyncGenerator<Candle, void, undefined> {
    const { timeframe, after, signal } = request;
    const { clock } = this.#market;
    const facts = await this.#market.open(signal);
    const first = after === -Infinity
      ? openingTime(this.now(), timeframe) - timeframeMs(timeframe)
      : openingTime(after, timeframe) + timeframeMs(timeframe);
    const poll = this.#createPoll(request, facts, first, this.#take(request));
    const { series } = poll;
    const now = (): number => this.now();
    try {
      for (;;) {
        const before = series.next;
        const close = openingTime(before, timeframe) + timeframeMs(timeframe);
        await sleepUntil(close + publishedAfterMs, { clock, now, signal });
        for (const candle of await this.#ask(poll)) {
          signal.throwIfAborted();
          yield candle;
        }
        if (series.next === before) await clock.sleep(pollAgainMs, signal);
      }
    } finally {
      this.#kept.set(keyOf(request), series);
    }
  }

  /** Asked for once; the series of a symbol share the answer. */
  async instrument(request: InstrumentRequest): Promise<Instrument> {
    const { symbol, signal } = request;
    const known = this.#instruments.get(symbol);
    if (known !== undefined) return known;
    await this.#market.open(signal);
    const found = await this.#market.instrument(request);
    this.#instruments.set(symbol, found);
    return found;
  }

  /** The series that was read up to `after`, for one reader. */
  #take(request: LiveRequest): CandleSeries | undefined {
    const series = this.#kept.get(keyOf(request));
    if (series?.newest !== request.after) return undefined;
    this.#kept.delete(keyOf(request));
    return series;
  }

  #createPoll(request: CandleRequest, facts: MarketFacts, start: number, series?: CandleSeries): Poll {
    const { timeframe } = request;
    const source = sourceOf(timeframe, facts.timeframes);
    if (source === undefined) {
      throw new ConfigError(
        `The timeframe must be one that can be made of those that ${this.name} has, which are ` +
          `${facts.timeframes.join(", ") || "none"}: current value is ${JSON.stringify(timeframe)}.`,
      );
    }
    return {
      ...{ request, facts, source, empty: 0 },
      series: series ?? new CandleSeries({ from: source, to: timeframe, start }),
    };
  }

  /** Asks for what follows what is known, as much as one answer holds, and for a little before. */
  async #ask(poll: Poll): Promise<Candle[]> {
    const { series, source, facts: { rowsAtMost } } = poll;
    const sourceMs = timeframeMs(source);
    const { next } = series;
    const overlap = Math.min(overlapAtMost, Math.floor(rowsAtMost / 4));
    const from = Math.max(series.since, next - overlap * sourceMs);
    // The end is not rounded: no two requests are alike, so that no cache answers one.
    const to = Math.max(from, Math.min(from + (rowsAtMost - 1) * sourceMs, this.now()));
    const { candles, asOf } = await this.#rows(poll, from, to);
    poll.empty = candles.length === 0 ? poll.empty + 1 : 0;
    if (isDoubtful(poll)) return [];
    if (next < series.start && !series.hasPrice && candles.every(({ time }) => time > series.start)) {
      series.seed((await this.#rows(poll, from - rowsAtMost * sourceMs, from - sourceMs)).candles);
    }
    const newest = newestOf(candles, asOf);
    // An answer may hold fewer rows than were asked for: after its last one it proves nothing.
    return series.add({ candles, asOf, from, to: newest < next ? to : Math.min(newest, to) });
  }

  /** Rows that cannot be read are told once, and then left out. */
  async #rows({ request: { symbol, signal }, source }: Poll, from: number, to: number): Promise<RowAnswer> {
    const answer = await this.#market.rows({ symbol, timeframe: source, from, to, signal });
    const mistake = answer.mistake && `${symbol} ${source} ${answer.mistake}`;
    if (mistake !== undefined && !this.#told.has(mistake)) {
      this.#told.add(mistake);
      throw new FeedError(`what came is not all candles (${answer.mistake}); the rest is used`);
    }
    return answer;
  }
}

const keyOf = ({ symbol, timeframe }: CandleRequest): string => `${symbol} ${timeframe}`;

/** Whether the last answers were empty, and too few to be believed. */
const isDoubtful = ({ empty }: Poll): boolean => empty > 0 && empty < emptyAnswersBelieved;

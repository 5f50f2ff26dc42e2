/** Makes a series of candles without gaps out of a market's answers. Pure; time is that of the answers. */
import type { Candle } from "../../signals/candle.ts";
import { Aggregator, openingTime, type Timeframe, timeframeMs } from "../timeframe.ts";
import { flatCandle } from "./read_candle.ts";

export interface SeriesOptions {
  /** Which candles come from the market. */
  readonly from: Timeframe;
  /** Which candles are made of them. */
  readonly to: Timeframe;
  /** When the first candle to be given opens. */
  readonly start: number;
}

/** Rows of a market, and what they prove. Times are openings, in milliseconds since 1970, both included. */
export interface Rows {
  /** In any order; one may come twice, and the newest may still be forming. */
  readonly candles: readonly Candle[];
  /** The market's own time when it answered. */
  readonly asOf: number;
  /** Between these times an absent row is an interval without trades. */
  readonly from: number;
  readonly to: number;
}

/** So long after its close a candle counts as final without a row after it, and an absent row as no trades. */
const finalAfterMs = 180_000;
/** So many of the newest candles are compared with later answers; as many lie before the first, for the price it begins at. */
const revisited = 5;

export class CandleSeries {
  readonly start: number;
  readonly #options: SeriesOptions;
  /** When the next of the market's candles opens: all before it are known. */
  #next: number;
  /** When the first of the market's candles opens that may still be corrected. */
  #since: number;
  /** The last known candle before. */
  #before: Candle | undefined;
  /** The market's rows from `since` on, by their openings. */
  readonly #rows = new Map<number, Candle>();
  /** What was made of them, by their openings. */
  readonly #made = new Map<number, Candle>();
  #newest = -Infinity;

  constructor(options: SeriesOptions) {
    const { start, to } = options;
    this.#options = options;
    this.start = start;
    this.#next = this.#since = start - revisited * timeframeMs(to);
  }

  /** When the market's next candle opens, of which nothing is known yet. */
  get next(): number {
    return this.#next;
  }

  /** When the first of the market's candles opens that may still be corrected. */
  get since(): number {
    return this.#since;
  }

  /** When the newest candle opened that was given; `-Infinity` before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** Whether there is a price from before the series. */
  get hasPrice(): boolean {
    return this.#before !== undefined;
  }

  /** Takes rows from before the series: without a price to begin at, it begins with the first trade. */
  seed(candles: readonly Candle[]): void {
    for (const candle of candles) {
      const isLater = this.#before === undefined || candle.time > this.#before.time;
      if (candle.time < this.#since && isLater) this.#before = candle;
    }
  }

  /** Takes an answer; gives the candles that are new or corrected by it, ascending. */
  add({ candles, asOf, from, to }: Rows): Candle[] {
    const sourceMs = timeframeMs(this.#options.from);
    const isFinal = finality(candles, asOf, sourceMs);
    for (const candle of candles) {
      if (candle.time >= this.#since && isFinal(candle.time)) this.#rows.set(candle.time, candle);
    }
    if (from <= this.#next) {
      while (this.#next <= to && isFinal(this.#next)) this.#next += sourceMs;
    }
    const changed = this.#make();
    this.#forget();
    return changed;
  }

  /** Makes all candles anew that may have changed; gives those that have. */
  #make(): Candle[] {
    const aggregator = new Aggregator(this.#options.from, this.#options.to);
    const changed: Candle[] = [];
    for (const row of this.#known(this.#next)) {
      for (const candle of aggregator.add(row)) {
        const before = this.#made.get(candle.time);
        if (before !== undefined && isSame(before, candle)) continue;
        this.#made.set(candle.time, candle);
        if (candle.time < this.start && before === undefined) continue;
        this.#newest = Math.max(this.#newest, candle.time);
        changed.push(candle);
      }
    }
    return changed;
  }

  /** The market's candles up to a time, with those in which nobody traded. */
  *#known(until: number): Generator<Candle> {
    let before = this.#before;
    for (let time = this.#since; time < until; time += timeframeMs(this.#options.from)) {
      before = this.#rows.get(time) ?? (before && flatCandle(before, time));
      if (before !== undefined) yield before;
    }
  }

  #forget(): void {
    const { to } = this.#options;
    const since = Math.max(this.#since, openingTime(this.#next, to) - revisited * timeframeMs(to));
    for (const candle of this.#known(since)) this.#before = candle;
    for (const known of [this.#rows, this.#made]) {
      for (const time of known.keys()) if (time < since) known.delete(time);
    }
    this.#since = since;
  }
}

/**
 * A candle whose time is over is not yet final: its row may have been written before its close. A later row proves that it
 * is complete, or that nobody traded.
 */
function finality(candles: readonly Candle[], asOf: number, lengthMs: number): (time: number) => boolean {
  const newest = newestOf(candles, asOf);
  return (time) => time < newest || time + lengthMs + finalAfterMs <= asOf;
}

/** When the newest row opened; what opens later than its answer proves nothing. */
export function newestOf(candles: readonly Candle[], asOf: number): number {
  return candles.reduce((newest, { time }) => time <= asOf ? Math.max(newest, time) : newest, -Infinity);
}

function isSame(one: Candle, other: Candle): boolean {
  return one.open === other.open && one.high === other.high && one.low === other.low &&
    one.close === other.close && one.volume === other.volume;
}

/** Synthetic candles of one instrument, made from a seed. Pure; any day can be made without those before it. */
import type { Candle } from "../../signals/candle.ts";
import { dayMs } from "../../util/clock.ts";
import { stepText } from "../instrument.ts";
import { Aggregator, openingTime, type Timeframe } from "../timeframe.ts";

export interface SyntheticMarketOptions {
  readonly seed: number;
  readonly symbol: string;
  /** The price around which it moves. */
  readonly price: number;
}

/** The usual move of five minutes, as a fraction of the price. */
const noise = 0.0006;
const [minuteMs, stepMs] = [60_000, 300_000];
const stepsOfDay = dayMs / stepMs;
/** In the last hour of a day the price goes back to its drift, where the next day begins. */
const tapered = 12;
/** How the price drifts over days, and over months. */
const drifts = [{ days: 4, size: 0.01 }, { days: 16, size: 0.03 }, { days: 64, size: 0.08 }, {
  days: 256,
  size: 0.16,
}];

/**
 * The price reverts to a slowly drifting mean; every hour or two a push of a quarter of an hour moves it far enough for a
 * mean-reversion strategy to find a signal. Results on it say nothing about a market.
 */
export class SyntheticMarket {
  readonly #key: number;
  readonly #price: number;
  /** Prices are whole numbers of a unit's fraction: cents at tens of thousands. */
  readonly #perUnit: number;

  constructor({ seed, symbol, price }: SyntheticMarketOptions) {
    this.#key = hashed(`${seed} ${symbol}`);
    this.#price = price;
    this.#perUnit = 10 ** Math.max(0, 6 - Math.floor(Math.log10(price)));
  }

  /** The smallest step of a price, in plain digits. */
  get tickSize(): string {
    return stepText(1 / this.#perUnit) as string;
  }

  /** All candles from one that opens at or after a time; larger ones are made of those of a minute. Never ends. */
  *candles(timeframe: Timeframe, from: number): Generator<Candle> {
    const aggregator = new Aggregator("1m", timeframe);
    for (let day = Math.floor(from / dayMs);; day++) {
      for (const minute of this.#minutes(day)) {
        if (minute.time < openingTime(from, timeframe)) continue;
        for (const candle of aggregator.add(minute)) if (candle.time >= from) yield candle;
      }
    }
  }

  *#minutes(day: number): Generator<Candle> {
    const random = seededRandom(mixed(this.#key ^ mixed(day)));
    const deviation = createDeviation(random);
    const reach = this.#price * noise;
    let open = this.#rounded(this.#drift(day));
    for (let step = 1; step <= stepsOfDay; step++) {
      const part = Math.min(1, (stepsOfDay - step) / tapered);
      const target = this.#drift(day + step / stepsOfDay) * Math.exp(noise * part * deviation());
      const start = open;
      for (let minute = 1; minute <= 5; minute++) {
        const way = minute === 5
          ? target
          : start + (target - start) * minute / 5 + reach * 0.6 * (random() - 0.5);
        const close = this.#rounded(way);
        const high = this.#rounded(Math.max(open, close) + reach * 0.4 * random() ** 2);
        const low = this.#rounded(Math.min(open, close) - reach * 0.4 * random() ** 2);
        const time = day * dayMs + (step - 1) * stepMs + (minute - 1) * minuteMs;
        yield { time, open, high, low, close, volume: Math.round(100 * (2 + 6 * random() ** 2)) / 100 };
        open = close;
      }
    }
  }

  /** The mean at a time, in days since 1970. */
  #drift(time: number): number {
    let sum = 0;
    for (const [index, { days, size }] of drifts.entries()) {
      const left = Math.floor(time / days);
      const part = time / days - left;
      const value = (at: number): number => 2 * mixed(this.#key + 977 * index ^ mixed(at)) / 2 ** 32 - 1;
      sum += size * (value(left) + (value(left + 1) - value(left)) * part * part * (3 - 2 * part));
    }
    return this.#price * Math.exp(sum);
  }

  #rounded(price: number): number {
    return Math.round(price * this.#perUnit) / this.#perUnit;
  }
}

/** The distance from the mean in units of `noise`: it shrinks with each step, and grows with a push now and then. */
function createDeviation(random: () => number): () => number {
  let distance = 0;
  let push = 0;
  let left = 0;
  return () => {
    if (left > 0) left--;
    else if (random() < 0.08) {
      // Most pushes go further away from the mean; these stop mean-reversion trades out.
      const away = distance > 0 ? 1 : -1;
      push = (random() < 0.2 ? -away : away) * (2 + random());
      left = 2;
    } else push = 0;
    distance = (push === 0 ? 0.75 : 1) * distance + push + 0.8 * normal(random);
    return distance;
  };
}

/** Normally distributed around 0 with deviation 1 (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Mulberry32: 32 bits of state, numbers in [0, 1). */
function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Another 32 bits for each 32 bits, which look as if by chance. */
function mixed(bits: number): number {
  let mix = Math.imul((bits ^ (bits >>> 16)) + 0x9e3779b9, 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}

/** 32 bits of a text (FNV-1a). */
function hashed(text: string): number {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193);
  return mixed(hash);
}

/** A feed of synthetic candles, made from a seed: for trying the strategy and the bot without a market. */
import { type Candle, type CandleFeed, timeframeMs } from "./feed.ts";

export interface SyntheticOptions {
  /** A whole number; the same seed and start always give the same candles. */
  readonly seed: number;
  /** When the first candle opens, in milliseconds since 1970. */
  readonly start: number;
  /** The price around which it moves. @default 60000 */
  readonly price?: number;
  /** @default "synthetic, seed <seed>" */
  readonly name?: string;
}

export const syntheticCaution = "synthetic data, not a market";

/**
 * Never ends. The price reverts to a slowly drifting mean; every hour or two a push of a few candles moves it far enough
 * for a mean-reversion strategy to find a signal. Results on it say nothing about a market.
 */
export function syntheticFeed(options: SyntheticOptions): CandleFeed {
  const { seed, name = `synthetic, seed ${seed}` } = options;
  return {
    name,
    caution: syntheticCaution,
    async *candles(signal) {
      for (const candle of syntheticCandles(options)) {
        signal?.throwIfAborted();
        yield candle;
      }
    },
  };
}

/** The usual move of a candle, as a fraction of the price. */
const noise = 0.0006;

function* syntheticCandles({ seed, start, price = 60_000 }: SyntheticOptions): Generator<Candle> {
  const random = seededRandom(seed);
  const deviation = createDeviation(random);
  let mean = 0;
  let close = cents(price);
  for (let time = start;; time += timeframeMs) {
    const open = close;
    mean = 0.999 * mean + 0.15 * normal(random);
    close = cents(price * Math.exp(noise * (mean + deviation())));
    const wick = (): number => price * noise * 0.3 * Math.abs(normal(random));
    const high = cents(Math.max(open, close) + wick());
    const low = cents(Math.min(open, close) - wick());
    const volume = cents(20 * Math.exp(0.4 * normal(random)));
    yield { time, open, high, low, close, volume };
  }
}

/** The distance from the mean in units of `noise`: it shrinks with each candle, and grows with a push now and then. */
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

/** Mulberry32: 32 bits of state, numbers in [0, 1). */
function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed around 0 with deviation 1 (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function cents(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A feed of synthetic candles, made from a seed: for trying strategies and the bot without a market. */
import type { Candle } from "../../signals/candle.ts";
import { type Clock, nextTurn, secondsHint, systemClock } from "../../util/clock.ts";
import { BoundedMap } from "../../util/collections.ts";
import { assertOptions, clockRule, ConfigError, numberRule, type Rules } from "../../util/validate.ts";
import type { CandleFeed, LiveRequest } from "../feed.ts";
import { closeTime, openingTime, timeframeMs } from "../timeframe.ts";
import { MarketTime } from "./market_time.ts";
import { sleepUntil } from "./sleep_until.ts";
import { SyntheticMarket } from "./synthetic_market.ts";

/** Which candles are made, and how fast they come. */
export interface SyntheticFeedOptions {
  /** A whole number; the same seed always gives the same candles, and each symbol has candles of its own. */
  readonly seed: number;
  /** The price around which each symbol moves. Default: 60000. */
  readonly price?: number | undefined;
  /**
   * Makes a demonstration of it: gives one candle after another, so many seconds apart, whatever their times; candles of
   * several symbols and timeframes that close at the same moment come together. 0 is as fast as they are worked on. Default:
   * each candle comes at its close.
   */
  readonly intervalSeconds?: number | undefined;
  /** When a demonstration begins, in milliseconds since 1970: what closed before is history. Default: now. */
  readonly start?: number | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

const rules: Rules<SyntheticFeedOptions> = {
  seed: { ...numberRule("a whole number", Number.isSafeInteger), isRequired: true },
  price: numberRule("a number above 0", (value) => value > 0 && value < Infinity),
  intervalSeconds: numberRule("a number of seconds, 0 or more", (value) => value >= 0 && value < Infinity),
  start: {
    ...numberRule(
      "in milliseconds since 1970",
      (value) => value >= 0 && value < 1e14 && secondsHint(value) === "",
    ),
    hint: secondsHint,
  },
  clock: clockRule,
};

const marketsAtMost = 1000;
/** After so many candles others have their turn. */
const candlesAtOnce = 50;

/**
 * Candles of any symbol and timeframe; those of all timeframes agree with each other. Results on them say nothing about a
 * market.
 * @throws {ConfigError} If an option is unknown or malformed.
 */
export function syntheticFeed(options: SyntheticFeedOptions): CandleFeed {
  assertOptions("make synthetic candles", options, { rules, example: "{ seed: 1 }", Refusal: ConfigError });
  const { seed, price = 60_000, intervalSeconds, clock = systemClock, start = clock.now() } = options;
  if (options.start !== undefined && intervalSeconds === undefined) {
    throw new ConfigError(
      'Cannot make synthetic candles as "start" needs "intervalSeconds": it begins a demonstration.',
    );
  }
  const demonstration = intervalSeconds === undefined
    ? undefined
    : new MarketTime({ clock, start, intervalSeconds });
  const now = (): number => demonstration?.now ?? clock.now();
  const markets = new BoundedMap<string, SyntheticMarket>(marketsAtMost);
  const marketOf = (symbol: string): SyntheticMarket => {
    const market = markets.get(symbol) ?? new SyntheticMarket({ seed, symbol, price });
    markets.set(symbol, market);
    return market;
  };
  return {
    ...{ name: `synthetic, seed ${seed}`, caution: "synthetic data, not a market", now },
    instrument: ({ symbol }) =>
      Promise.resolve({ tickSize: marketOf(symbol).tickSize, sizeStep: "0.0001", currency: "USD" }),
    async history({ symbol, timeframe, count, signal }) {
      const end = openingTime(now(), timeframe);
      const candles: Candle[] = [];
      for (const candle of marketOf(symbol).candles(timeframe, end - count * timeframeMs(timeframe))) {
        if (candle.time >= end) break;
        if (candles.push(candle) % candlesAtOnce === 0) await nextTurn(clock);
        signal.throwIfAborted();
      }
      return candles;
    },
    async *live(request) {
      const { symbol, timeframe, signal } = request;
      const candles = marketOf(symbol).candles(
        timeframe,
        firstOpening(request, now(), demonstration === undefined),
      );
      const close = (candle: Candle): number => closeTime(candle, timeframe);
      if (demonstration !== undefined) return yield* demonstration.pass(candles, close, signal);
      for (const candle of candles) {
        await sleepUntil(close(candle), { clock, now, signal });
        signal.throwIfAborted();
        yield candle;
      }
    },
  };
}

/** Where nothing is known, the newest candle that has closed is the first one; in a demonstration, the next one. */
function firstOpening({ timeframe, after }: LiveRequest, now: number, isRealTime: boolean): number {
  const lengthMs = timeframeMs(timeframe);
  if (after !== -Infinity) return openingTime(after, timeframe) + lengthMs;
  return openingTime(now, timeframe) - (isRealTime ? lengthMs : 0);
}

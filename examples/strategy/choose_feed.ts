/** Chooses the feed that the settings ask for, the end of its history, and its pace. */
import { exchangeFeed } from "./exchange_feed.ts";
import { type CandleFeed, every, type Pace, paced } from "./feed.ts";
import { isOpen, tradingHours } from "./mean_reversion.ts";
import { replayFeed } from "./replay_feed.ts";
import { afterClose } from "./schedule.ts";
import type { Settings } from "./settings.ts";
import { syntheticFeed } from "./synthetic_feed.ts";

export interface ChosenFeed {
  readonly feed: CandleFeed;
  /** Candles closed by then (milliseconds since 1970) are history. */
  readonly liveFrom: number;
  readonly pace: Pace;
}

/** A Monday. All demonstrations show this day, so that they can be compared. */
const demonstrationDay = Date.UTC(2026, 0, 5);
const hourMs = 3_600_000;
const atOnce: Pace = () => Promise.resolve();

export interface ChooseFeedOptions {
  /** Takes one line for the person at the screen. */
  readonly say: (line: string) => void;
  /** When it is now, in milliseconds since 1970. */
  readonly now?: number;
}

/** @throws {UsageError} If the file to replay is no file of candles. */
export function chooseFeed(settings: Settings, { say, now = Date.now() }: ChooseFeedOptions): ChosenFeed {
  const { symbol, exchange, replay, seed, intervalSeconds } = settings;
  const pace = intervalSeconds === undefined ? undefined : withinTradingHours(every(intervalSeconds));
  if (replay !== undefined) {
    return { feed: replayFeed({ file: replay }), liveFrom: -Infinity, pace: pace ?? atOnce };
  }
  if (seed === undefined) {
    const feed = exchangeFeed({ product: symbol, endpoint: exchange, say });
    // Only the exchange's clock tells what is history; trade() asks the feed for its time.
    return { feed, liveFrom: -Infinity, pace: atOnce };
  }
  if (pace) {
    const liveFrom = demonstrationDay + tradingHours.opensAtHour * hourMs;
    return { feed: syntheticFeed({ seed, start: demonstrationDay }), liveFrom, pace };
  }
  const feed = syntheticFeed({ seed, start: yesterday(now), name: `synthetic, seed ${seed}, in real time` });
  // With a clock, so that a signal which a machine's sleep has delayed counts as too old here, too.
  return { feed: { ...feed, now: Date.now }, liveFrom: now, pace: afterClose() };
}

/** Candles outside trading hours come at once: nothing is traded then. */
function withinTradingHours(pace: Pace): Pace {
  return (candle, signal) => isOpen(candle) ? pace(candle, signal) : Promise.resolve();
}

/** The feed with all candles at once up to `last`, the time of the last signal that was sent. */
export function resumeFeed({ feed, liveFrom, pace }: ChosenFeed, last: number): Omit<ChosenFeed, "pace"> {
  const from = Math.max(liveFrom, last);
  return { feed: paced(feed, { liveFrom: from, pace }), liveFrom: from };
}

/** Yesterday's midnight in UTC: a restart on the same day makes the same synthetic candles. */
function yesterday(now: number): number {
  const dayMs = 24 * hourMs;
  return (Math.floor(now / dayMs) - 1) * dayMs;
}

/** Which candles the settings ask for, from when on they count, and how fast they come. */
import type { Settings } from "./arguments.ts";
import { exchangeFeed } from "./exchange_feed.ts";
import { type CandleFeed, every, type Pace, paced } from "./feed.ts";
import { isOpen, tradingHours } from "./mean_reversion.ts";
import { replayFeed } from "./replay.ts";
import { afterClose } from "./schedule.ts";
import { syntheticFeed } from "./synthetic.ts";

export interface Series {
  readonly feed: CandleFeed;
  /** Candles closed by then (milliseconds since 1970) are history. */
  readonly liveFrom: number;
  readonly pace: Pace;
}

/** A Monday. Demonstrations always show this same day, so that they can be compared. */
const demonstrationDay = Date.UTC(2026, 0, 5);
const hourMs = 3_600_000;
const atOnce: Pace = () => Promise.resolve();

export interface SeriesOptions {
  /** Takes one line for the person at the screen. */
  readonly say: (line: string) => void;
  /** When it is now, in milliseconds since 1970. */
  readonly now?: number;
}

/** @throws {UsageError} If the file to replay is no file of candles. */
export function chooseSeries(settings: Settings, { say, now = Date.now() }: SeriesOptions): Series {
  const { symbol, exchange, replay, seed, intervalSeconds } = settings;
  const pace = intervalSeconds === undefined ? undefined : inHours(every(intervalSeconds));
  if (replay !== undefined) {
    return { feed: replayFeed({ file: replay }), liveFrom: -Infinity, pace: pace ?? atOnce };
  }
  if (seed === undefined) {
    const feed = exchangeFeed({ product: symbol, endpoint: exchange, say });
    // What is history only the exchange's clock can tell; trade() asks the feed.
    return { feed, liveFrom: -Infinity, pace: atOnce };
  }
  if (pace) {
    const liveFrom = demonstrationDay + tradingHours.opensAtHour * hourMs;
    return { feed: syntheticFeed({ seed, start: demonstrationDay }), liveFrom, pace };
  }
  const feed = syntheticFeed({ seed, start: yesterday(now), name: `synthetic, seed ${seed}, in real time` });
  // What a machine's sleep has held back is too old here, too.
  return { feed: { ...feed, now: Date.now }, liveFrom: now, pace: afterClose() };
}

/** Nobody wants to sit through the night of a demonstration. */
function inHours(pace: Pace): Pace {
  return (candle, signal) => isOpen(candle) ? pace(candle, signal) : Promise.resolve();
}

/** The series with its history, now including what was signalled up to `last`, delivered at once. */
export function resumed({ feed, liveFrom, pace }: Series, last: number): Omit<Series, "pace"> {
  const from = Math.max(liveFrom, last);
  return { feed: paced(feed, { liveFrom: from, pace }), liveFrom: from };
}

/** Its midnight in UTC, so that a restart on the same day makes up the same candles. */
function yesterday(now: number): number {
  const dayMs = 24 * hourMs;
  return (Math.floor(now / dayMs) - 1) * dayMs;
}

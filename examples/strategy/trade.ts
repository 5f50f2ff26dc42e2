/** The loop: candles in, signals out. */
import { type Candle, type CandleFeed, closeTime, timeframeMs } from "./feed.ts";
import type { FoundSignal, MeanReversion } from "./mean_reversion.ts";

export interface TradeOptions {
  readonly feed: CandleFeed;
  readonly strategy: MeanReversion;
  /**
   * Takes one signal, and the newest candles; resolves to whether it was sent. What goes wrong is its own to tell: a
   * rejection would end the trading.
   */
  readonly deliver: (signal: FoundSignal, candles: readonly Candle[]) => Promise<boolean>;
  /** Candles closed by then (milliseconds since 1970) are history: they move the indicators and signal nothing. */
  readonly liveFrom: number;
  /** Takes a signal that is too old to be sent, as an outage or a machine's sleep has held its candle back. */
  readonly tooOld?: (signal: FoundSignal) => void;
  /** Ends after so many signals that were sent. @default Infinity */
  readonly limit?: number;
  /** Ends the loop; a signal that is being delivered is finished first. */
  readonly signal?: AbortSignal;
}

/** When the next candle has closed, the price is another one. */
const staleAfterMs = timeframeMs;

/** Those that a chart shows, and a day before them, by which the session's VWAP is known. */
const candlesKept = 2 * 86_400_000 / timeframeMs;

/** Trades until the feed ends, the limit is reached or the signal aborts; resolves to the signals sent. */
export async function trade(options: TradeOptions): Promise<number> {
  const { feed, strategy, deliver, tooOld, liveFrom, limit = Infinity, signal } = options;
  const seen: Candle[] = [];
  let count = 0;
  // Until the first candle that is new, all of them are history.
  let isLive = false;
  try {
    for await (const candle of feed.candles(signal)) {
      const found = strategy.update(candle);
      if (candle.closed !== false && seen.push(candle) > candlesKept) seen.shift();
      const isOld = closeTime(candle) <= liveFrom || isStale(candle, feed);
      if (found && isOld && isLive) tooOld?.(found);
      isLive ||= !isOld;
      if (!found || isOld) continue;
      if (await deliver(withCaution(found, feed.caution), [...seen])) count++;
      if (count >= limit) break;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
  return count;
}

/** Found in a candle that an outage, or a machine's sleep, has held back. */
function isStale(candle: Candle, feed: CandleFeed): boolean {
  return feed.now !== undefined && feed.now() - closeTime(candle) > staleAfterMs;
}

function withCaution(signal: FoundSignal, caution: string | undefined): FoundSignal {
  if (caution === undefined) return signal;
  return { ...signal, note: signal.note === undefined ? caution : `${signal.note}; ${caution}` };
}

/** The trading loop: takes candles from a feed, and sends the signals that a strategy finds in them. */
import { type Candle, type CandleFeed, closeTime, timeframeMs } from "./feed.ts";
import type { FoundSignal, MeanReversion } from "./mean_reversion.ts";

export interface TradeOptions {
  readonly feed: CandleFeed;
  readonly strategy: MeanReversion;
  /**
   * Sends one signal with the newest candles; resolves to whether it was sent. It reports errors itself: a rejection
   * would end the trading.
   */
  readonly send: (signal: FoundSignal, candles: readonly Candle[]) => Promise<boolean>;
  /** Candles closed by then (milliseconds since 1970) are history: they move the indicators and signal nothing. */
  readonly liveFrom: number;
  /** Called with a signal that is too old to be sent, as an outage or a machine's sleep has delayed its candle. */
  readonly tooOld?: (signal: FoundSignal) => void;
  /** Ends after so many signals that were sent. @default Infinity */
  readonly limit?: number;
  /** Ends the loop; a signal that is being sent is finished first. */
  readonly signal?: AbortSignal;
}

/** When the next candle has closed, the price is another one. */
const staleAfterMs = timeframeMs;

/** The candles of a chart, and a day before them for the session's VWAP. */
const candlesKept = 2 * 86_400_000 / timeframeMs;

/** Trades until the feed ends, the limit is reached or the signal aborts; resolves to the signals sent. */
export async function trade(options: TradeOptions): Promise<number> {
  const { feed, strategy, send, tooOld, liveFrom, limit = Infinity, signal } = options;
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
      if (await send(withCaution(found, feed.caution), [...seen])) count++;
      if (count >= limit) break;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
  return count;
}

/** Whether an outage, or a machine's sleep, has delayed the candle until its signal is too old. */
function isStale(candle: Candle, feed: CandleFeed): boolean {
  return feed.now !== undefined && feed.now() - closeTime(candle) > staleAfterMs;
}

function withCaution(signal: FoundSignal, caution: string | undefined): FoundSignal {
  if (caution === undefined) return signal;
  return { ...signal, note: signal.note === undefined ? caution : `${signal.note}; ${caution}` };
}

/** The loop: candles in, signals out. */
import { type CandleFeed, closeTime } from "./feed.ts";
import type { FoundSignal, MeanReversion } from "./mean_reversion.ts";

export interface TradeOptions {
  readonly feed: CandleFeed;
  readonly strategy: MeanReversion;
  /** Takes one signal; what goes wrong with it is its own to tell: a rejection would end the trading. */
  readonly deliver: (signal: FoundSignal) => Promise<void>;
  /** Candles closed by then (milliseconds since 1970) are history: they move the indicators and signal nothing. */
  readonly liveFrom: number;
  /** Ends after so many signals. @default Infinity */
  readonly limit?: number;
  /** Ends the loop; a signal that is being delivered is finished first. */
  readonly signal?: AbortSignal;
}

/** Trades until the feed ends, the limit is reached or the signal aborts; resolves to the signals delivered. */
export async function trade(options: TradeOptions): Promise<number> {
  const { feed, strategy, deliver, liveFrom, limit = Infinity, signal } = options;
  let count = 0;
  try {
    for await (const candle of feed.candles(signal)) {
      const found = strategy.update(candle);
      if (!found || closeTime(candle) <= liveFrom) continue;
      await deliver(withCaution(found, feed.caution));
      if (++count >= limit) break;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
  return count;
}

function withCaution(signal: FoundSignal, caution: string | undefined): FoundSignal {
  if (caution === undefined) return signal;
  return { ...signal, note: signal.note === undefined ? caution : `${signal.note}; ${caution}` };
}

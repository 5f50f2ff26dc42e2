/** A feed of live candles from Coinbase Exchange, or from a server with the same API. */
import type { Clock } from "telegram-signals";
import { systemClock } from "telegram-signals/storage";
import { type CandlesResponse, coinbase, fetchCandles, maxRows, type TimeRange } from "./exchange_client.ts";
import { type CandleFeed, timeframeMs } from "./feed.ts";
import { createGapFiller } from "./gap_filler.ts";
import { createRetry } from "./retry.ts";

export interface ExchangeFeedOptions {
  /** The instrument's name at the exchange, such as "BTC-USD". */
  readonly product: string;
  /** Takes one line for the person at the screen. */
  readonly say: (line: string) => void;
  /** @default Coinbase Exchange */
  readonly endpoint?: string;
  readonly clock?: Clock;
  readonly fetch?: typeof fetch;
}

/** An exchange publishes a candle a moment after its close. */
const publishedAfterMs = 2000;
const pollAgainMs = 5000;
/** Now and then an answer is empty although there are candles (coinbase/coinbase-pro-node#348). */
const emptyAnswersBelieved = 3;
const maxSleepMs = 15_000;
const dayMs = 86_400_000;

/**
 * Never ends. It begins with yesterday's midnight in UTC, so that every indicator and the day's VWAP have enough
 * candles. Time is the exchange's, so that a wrong clock of this machine does not matter. Candles that it misses while
 * the machine sleeps or has no network are fetched afterwards.
 */
export function exchangeFeed(options: ExchangeFeedOptions): CandleFeed {
  const { product, endpoint = coinbase, clock = systemClock } = options;
  const market = createMarket(options);
  return {
    name: `${endpoint === coinbase ? "coinbase" : new URL(endpoint).host} ${product}`,
    now: market.now,
    async *candles(signal) {
      const { asOf } = await market.fetch(() => undefined, signal);
      const gapFiller = createGapFiller((Math.floor(asOf / dayMs) - 1) * dayMs);
      for (let empty = 0;;) {
        const from = gapFiller.next;
        await sleepUntil(from + timeframeMs + publishedAfterMs, market.now, clock, signal);
        const answer = await market.fetch(() => rangeFrom(from, market.now()), signal);
        empty = answer.candles.length === 0 ? empty + 1 : 0;
        const isBelieved = empty === 0 || empty >= emptyAnswersBelieved;
        for (const candle of isBelieved ? gapFiller.add(answer) : []) {
          signal?.throwIfAborted();
          yield candle;
        }
        if (gapFiller.next === from) await clock.sleep(pollAgainMs, signal);
      }
    },
  };
}

/** The end is not rounded: no two requests are alike, so that no cache answers one. */
function rangeFrom(from: number, now: number): TimeRange {
  return { from, to: Math.max(from, Math.min(from + (maxRows - 1) * timeframeMs, now)) };
}

interface Market {
  /** The exchange's clock, as of its last answer. */
  now(): number;
  /** `range` is called before every attempt, so that a repeated request asks up to the present. */
  fetch(range: () => TimeRange | undefined, signal: AbortSignal | undefined): Promise<CandlesResponse>;
}

function createMarket(options: ExchangeFeedOptions): Market {
  const { product, say, endpoint = coinbase, clock = systemClock, fetch = globalThis.fetch } = options;
  const exchange = { endpoint, product, clock, fetch };
  const retry = createRetry({ clock, say });
  let aheadMs = 0;
  let isMistaken = false;
  return {
    now: () => clock.now() + aheadMs,
    async fetch(range, signal) {
      const answer = await retry(() => fetchCandles(exchange, range(), signal), signal);
      aheadMs = answer.asOf - clock.now();
      if (answer.mistake !== undefined && !isMistaken) {
        say(`What the exchange sent is not all candles (${answer.mistake}); the rest is used.`);
      }
      isMistaken = answer.mistake !== undefined;
      return answer;
    },
  };
}

/**
 * In short sleeps, as timers stand still while a machine sleeps; and no longer in all than it seemed at first, as a clock
 * may be set back.
 */
async function sleepUntil(
  time: number,
  now: () => number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<void> {
  for (let leftMs = time - now(); leftMs > 0; leftMs = Math.min(leftMs - maxSleepMs, time - now())) {
    await clock.sleep(Math.min(leftMs, maxSleepMs), signal);
  }
}

/** Candles of a market as they close, from Coinbase Exchange or whoever answers as it does. */
import { type Clock, systemClock } from "telegram-signals";
import { type Answer, ask, coinbase, mostRows, type Range } from "./exchange.ts";
import { type CandleFeed, timeframeMs } from "./feed.ts";
import { createPatience } from "./patience.ts";
import { createTape } from "./tape.ts";

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

/** An exchange needs a moment to publish a candle. */
const publishedAfterMs = 2000;
const askAgainMs = 5000;
/** Now and then an answer is empty where there are candles (coinbase/coinbase-pro-node#348). */
const believedEmptyAfter = 3;
const napMs = 15_000;
const dayMs = 86_400_000;

/**
 * Endless; begins with yesterday's midnight in UTC, so that every indicator and the day's VWAP are warm. Time is the
 * exchange's: a machine whose clock is wrong trades right. What it misses, asleep or cut off, it fetches afterwards.
 */
export function exchangeFeed(options: ExchangeFeedOptions): CandleFeed {
  const { product, endpoint = coinbase, clock = systemClock } = options;
  const market = createMarket(options);
  return {
    name: `${endpoint === coinbase ? "coinbase" : new URL(endpoint).host} ${product}`,
    now: market.now,
    async *candles(signal) {
      const { asOf } = await market.ask(() => undefined, signal);
      const tape = createTape((Math.floor(asOf / dayMs) - 1) * dayMs);
      for (let empty = 0;;) {
        const from = tape.next;
        await until(from + timeframeMs + publishedAfterMs, market.now, clock, signal);
        const answer = await market.ask(() => rangeFrom(from, market.now()), signal);
        empty = answer.candles.length === 0 ? empty + 1 : 0;
        const isBelieved = empty === 0 || empty >= believedEmptyAfter;
        for (const candle of isBelieved ? tape.settle(answer) : []) {
          signal?.throwIfAborted();
          yield candle;
        }
        if (tape.next === from) await clock.sleep(askAgainMs, signal);
      }
    },
  };
}

/** The end is no round time: no two requests are alike, so none is answered from a cache. */
function rangeFrom(from: number, now: number): Range {
  return { from, to: Math.max(from, Math.min(from + (mostRows - 1) * timeframeMs, now)) };
}

interface Market {
  /** The exchange's clock, as of its last answer. */
  now(): number;
  /** The range is that of the moment: a question that is asked again must not be an old one. */
  ask(range: () => Range | undefined, signal: AbortSignal | undefined): Promise<Answer>;
}

function createMarket(options: ExchangeFeedOptions): Market {
  const { product, say, endpoint = coinbase, clock = systemClock, fetch = globalThis.fetch } = options;
  const exchange = { endpoint, product, clock, fetch };
  const patiently = createPatience({ clock, say });
  let aheadMs = 0;
  let isMistaken = false;
  return {
    now: () => clock.now() + aheadMs,
    async ask(range, signal) {
      const answer = await patiently(() => ask(exchange, range(), signal), signal);
      aheadMs = answer.asOf - clock.now();
      if (answer.mistake !== undefined && !isMistaken) {
        say(`What the exchange sent is not all candles (${answer.mistake}); the rest is used.`);
      }
      isMistaken = answer.mistake !== undefined;
      return answer;
    },
  };
}

/** In naps, as timers stand still while a machine sleeps; and no longer than it seemed, as a clock may be set back. */
async function until(time: number, now: () => number, clock: Clock, signal?: AbortSignal): Promise<void> {
  for (let leftMs = time - now(); leftMs > 0; leftMs = Math.min(leftMs - napMs, time - now())) {
    await clock.sleep(Math.min(leftMs, napMs), signal);
  }
}

/** A feed of live candles from Coinbase Exchange, or from a server with the same API. */
import { type Clock, systemClock } from "../../util/clock.ts";
import { createTransport } from "../../util/http/transport.ts";
import { assertOptions, clockRule, ConfigError, fetchRule, type Rules } from "../../util/validate.ts";
import type { CandleFeed } from "../feed.ts";
import { coinbaseEndpoint, CoinbaseMarket } from "./coinbase_client.ts";
import { PolledFeed } from "./polled_feed.ts";

/** How Coinbase's candles are fetched. */
export interface CoinbaseFeedOptions {
  /** A server with the same API. Default: `"https://api.exchange.coinbase.com"`. */
  readonly endpoint?: string | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Default: one that heeds HTTPS_PROXY and NO_PROXY. */
  readonly fetch?: typeof fetch | undefined;
}

const isHttp = (value: unknown): boolean =>
  URL.canParse(String(value)) && ["http:", "https:"].includes(new URL(String(value)).protocol);

const rules: Rules<CoinbaseFeedOptions> = {
  endpoint: { isGood: isHttp, rule: `a URL such as "${coinbaseEndpoint}"` },
  clock: clockRule,
  fetch: fetchRule,
};

/**
 * Candles of Coinbase Exchange, of all timeframes; nobody needs a key. A symbol is a product such as `"BTC-USD"`.
 *
 * A candle comes 2 seconds after its close, or once the exchange has it; where nobody trades any more, 3 minutes after its
 * close. Time is the exchange's, so that a wrong clock of this machine does not matter. All requests of a feed together are
 * at most eight a second, and fewer once the exchange refuses one: use one feed for all strategies.
 * @throws {ConfigError} If an option is unknown or malformed.
 */
export function coinbaseFeed(options: CoinbaseFeedOptions = {}): CandleFeed {
  assertOptions("use the Coinbase feed", options, { rules, Refusal: ConfigError });
  const { endpoint = coinbaseEndpoint, clock = systemClock, fetch } = options;
  const market = { endpoint: endpoint.replace(/\/+$/, ""), clock, fetch: createTransport(fetch) };
  return new PolledFeed(new CoinbaseMarket(market));
}

/** A feed of live candles from any exchange that the package ccxt knows. */
import { type Clock, systemClock } from "../../util/clock.ts";
import {
  assertOptions,
  clockRule,
  ConfigError,
  functionRule,
  type Rules,
  shown,
} from "../../util/validate.ts";
import type { CandleFeed } from "../feed.ts";
import { CcxtMarket } from "./ccxt_market.ts";
import { PolledFeed } from "./polled_feed.ts";

/** How ccxt is loaded. */
export interface CcxtFeedOptions {
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Gives the package: `() => import("ccxt")`, for bundlers. Default: it is imported by its name. */
  readonly load?: (() => Promise<object>) | undefined;
}

const rules: Rules<CcxtFeedOptions> = {
  clock: clockRule,
  load: functionRule('a function such as () => import("ccxt")'),
};

/**
 * Candles of an exchange by way of the package ccxt, which you install yourself: `npm install ccxt`. `exchange` is ccxt's id
 * of it, such as `"kraken"`, and a symbol is ccxt's, such as `"BTC/USD"`. Timeframes that the exchange does not have are made
 * of smaller ones. Requests keep to the limit that ccxt knows of the exchange.
 *
 * The package and the exchange are loaded with the first request, so that a feed is made as every other; a mistake in the
 * exchange's id is a `ConfigError` of that request.
 * @throws {ConfigError} If an option is unknown or malformed.
 */
export function ccxtFeed(exchange: string, options: CcxtFeedOptions = {}): CandleFeed {
  if (typeof exchange !== "string" || exchange === "") {
    throw new ConfigError(
      `The exchange must be an id of ccxt such as "kraken": current value is ${shown(exchange)}.`,
    );
  }
  assertOptions("use ccxt", options, { rules, Refusal: ConfigError });
  const { clock = systemClock, load } = options;
  return new PolledFeed(new CcxtMarket({ id: exchange, clock, load }));
}

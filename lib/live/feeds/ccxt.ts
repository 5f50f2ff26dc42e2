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
 * The package is loaded with the first request, so that a feed is made as every other; without it, or with a mistake in the
 * exchange's id, that request is a `ConfigError`. `load()` loads it before, and asks nothing of the exchange.
 * @throws {ConfigError} If an option is unknown or malformed.
 */
export function ccxtFeed(
  exchange: string,
  options: CcxtFeedOptions = {},
): CandleFeed & { load(): Promise<void> } {
  if (typeof exchange !== "string" || exchange === "") {
    throw new ConfigError(
      `The exchange must be an id of ccxt such as "kraken": current value is ${shown(exchange)}.`,
    );
  }
  assertOptions("use ccxt", options, { rules, Refusal: ConfigError });
  const { clock = systemClock, load } = options;
  return new CcxtFeed(new CcxtMarket({ id: exchange, clock, load }));
}

class CcxtFeed extends PolledFeed {
  readonly #ccxt: CcxtMarket;

  constructor(market: CcxtMarket) {
    super(market);
    this.#ccxt = market;
  }

  load(): Promise<void> {
    return this.#ccxt.load();
  }
}

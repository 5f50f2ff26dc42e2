/** The package ccxt: what is used of it, and its loading. It is optional, and loaded with the first request. */
import { safeText } from "../../util/safe_text.ts";
import { ConfigError, nearest, shown } from "../../util/validate.ts";

/** An exchange of ccxt. */
export interface CcxtExchange {
  readonly id: string;
  readonly has: Readonly<Record<string, boolean | string | undefined>>;
  /** By ccxt's names; some have no value. */
  readonly timeframes?: Readonly<Record<string, unknown>> | undefined;
  readonly symbols?: readonly string[] | undefined;
  /** By symbol: `precision.price` and `precision.amount`, which `precisionMode` explains, and `quote`, a currency. */
  readonly markets?: Readonly<Record<string, unknown>> | undefined;
  /** How a precision is to be read: 2 as a number of decimals, 3 as one of significant digits, 4 as a step. */
  readonly precisionMode?: unknown;
  /** Those of the last answer. */
  readonly last_response_headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** What each kind of market offers: `spot.fetchOHLCV.limit` is how many rows an answer has at most. */
  readonly features?: unknown;
  loadMarkets(): Promise<unknown>;
  /** Rows `[time, open, high, low, close, volume]` from `since` on, the newest perhaps still forming. */
  fetchOHLCV(symbol: string, timeframe: string, since: number, limit: number): Promise<unknown>;
  /** The exchange's time in milliseconds since 1970. */
  fetchTime?(): Promise<unknown>;
}

type ExchangeClass = new (options: { readonly enableRateLimit: boolean }) => CcxtExchange;

/** The name is no literal: otherwise Deno would download the package for bots that do not use it. */
const packageName: string = "ccxt";

const importCcxt = async (): Promise<object> => await import(packageName) as object;

/**
 * Loads ccxt, and makes an exchange of it that keeps to its rate limit.
 * @throws {ConfigError} If the package is not installed, or has no such exchange, or that has no candles.
 */
export async function createExchange(
  id: string,
  load: () => Promise<object> = importCcxt,
): Promise<CcxtExchange> {
  const ccxt = await loaded(load);
  const ids = Array.isArray(ccxt["exchanges"]) ? ccxt["exchanges"] as readonly string[] : [];
  if (!ids.includes(id)) {
    const meant = nearest(id, ids);
    const hint = meant === undefined ? "" : ` (did you mean ${JSON.stringify(meant)}?)`;
    throw new ConfigError(
      `The exchange must be one of the ${ids.length} of ccxt, such as "kraken": current value is ${
        shown(id)
      }${hint}.`,
    );
  }
  const exchange = new (ccxt[id] as ExchangeClass)({ enableRateLimit: true });
  if (exchange.has["fetchOHLCV"] !== true) {
    throw new ConfigError(`${id} has no candles in ccxt: use another exchange.`);
  }
  return exchange;
}

/** All is in its default export, and in older versions in the module itself. */
async function loaded(load: () => Promise<object>): Promise<Readonly<Record<string, unknown>>> {
  try {
    const module = await load() as Readonly<Record<string, unknown>>;
    return (module["default"] ?? module) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new ConfigError(
      "The package ccxt cannot be loaded; install it: npm install ccxt (with Deno: deno add npm:ccxt, with Bun: bun add " +
        `ccxt). ${safeText(String((cause as Error | undefined)?.message ?? cause)).split("\n")[0]}`,
      { cause },
    );
  }
}

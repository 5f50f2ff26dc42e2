/** The scheduler's command-line options. */
import { parseArguments, wholeNumber, wrongOption } from "../cli/arguments.ts";
import { coinbase } from "./exchange_client.ts";

export const help = `Mean reversion on five-minute candles; signals go to the bot's subscribers.

  --symbol NAME        the instrument, as the exchange calls it (default: BTC-USD)
  --exchange URL       where its candles come from, live: Coinbase Exchange, or whatever answers as it does
                       (default: https://api.exchange.coinbase.com)

  Without an exchange:
  --replay FILE        candles from a CSV or JSON lines file: time,open,high,low,close,volume
  --seed N             synthetic candles from this seed, as real time goes by
  --interval SECONDS   one candle every so many seconds: synthetic (default seed: 3547), from a fixed day's
                       06:00 UTC on, or through the file, which does not pause otherwise;
                       those outside trading hours come at once

  --no-chart           send signals as text only
  --signals N          end after N signals that were sent (default: go on)
  --account AMOUNT     the account's value, in the currency of the prices (default: 10000)
  --currency NAME      that currency (default: USD)
  --risk-percent P     percent of the account to lose at the stop (default: 1)
  --tick-size STEP     the market's smallest price step (default: 0.01)
  --state FILE         remembers what was sent (default: .signals/<symbol>.jsonl)
  --help

The bot's own settings come from the environment or from .env: TELEGRAM_BOT_TOKEN and so on.`;

export interface Settings {
  readonly symbol: string;
  readonly exchange: string;
  readonly replay?: string;
  /** The seed of synthetic candles; undefined where other candles are wanted. */
  readonly seed?: number;
  readonly intervalSeconds?: number;
  readonly signals: number;
  readonly account: number;
  readonly currency: string;
  readonly riskPercent: number;
  readonly tickSize: string;
  readonly state: string;
  readonly hasCharts: boolean;
}

/** With this seed the first signals come soon after 06:00, long and short: a demonstration need not wait. */
const defaultSeed = "3547";

const text = { type: "string" } as const;
const options = {
  ...{ symbol: text, exchange: text, replay: text, seed: text, interval: text, signals: text, state: text },
  ...{ account: text, currency: text, "risk-percent": text, "tick-size": text },
  help: { type: "boolean" },
  "no-chart": { type: "boolean" },
} as const;

/**
 * The settings, or `undefined` for `--help`.
 * @throws {UsageError} Naming the first argument that is wrong.
 */
export function readSettings(argv: readonly string[]): Settings | undefined {
  const { values } = parseArguments({ args: [...argv], options });
  if (values.help) return undefined;
  const { symbol = "BTC-USD", exchange = coinbase, replay, interval } = values;
  const { currency = "USD", "tick-size": tickSize = "0.01" } = values;
  const { state = `.signals/${symbol.replace(/[^\w.-]+/g, "-")}.jsonl` } = values;
  if (state === "") throw wrongOption("state", "a file", state);
  if (symbol.trim() === "") throw wrongOption("symbol", 'a name such as "BTC-USD"', symbol);
  if (!isAddress(exchange)) {
    throw wrongOption("exchange", "an http or https address without a / at its end", exchange);
  }
  if (!/^\d+(\.\d+)?$/.test(tickSize) || Number(tickSize) === 0) {
    throw wrongOption("tick-size", "plain digits", tickSize);
  }
  const { seed = interval !== undefined && replay === undefined ? defaultSeed : undefined } = values;
  return {
    ...{ symbol, exchange, currency, tickSize, state },
    hasCharts: values["no-chart"] !== true,
    ...(replay === undefined ? {} : { replay }),
    ...(interval === undefined ? {} : { intervalSeconds: positive("interval", interval, 86_400) }),
    ...(seed === undefined ? {} : { seed: wholeNumber("seed", seed, 0) }),
    signals: values.signals === undefined ? Infinity : wholeNumber("signals", values.signals, 1),
    account: positive("account", values.account ?? "10000"),
    riskPercent: positive("risk-percent", values["risk-percent"] ?? "1", 100),
  };
}

function isAddress(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && !value.endsWith("/");
}

function positive(name: string, value: string, limit: number = Number.MAX_VALUE): number {
  const number = value.trim() === "" ? NaN : Number(value);
  if (number > 0 && number <= limit) return number;
  throw wrongOption(
    name,
    limit === Number.MAX_VALUE ? "a number above 0" : `above 0 and at most ${limit}`,
    value,
  );
}

/** What the scheduler can be told on its command line. */
import { parseArgs } from "node:util";
import { UsageError } from "./usage_error.ts";

export const help = `Mean reversion on five-minute candles; signals go to the bot's subscribers.

  --symbol NAME        the instrument (default: BTC-USD)
  --replay FILE        candles from a CSV or JSON lines file: time,open,high,low,close,volume
  --seed N             without --replay: synthetic candles from this seed (default: 3547)
  --interval SECONDS   one candle every so many seconds, from a fixed day's 06:00 UTC on, or through the file;
                       those outside trading hours come at once
                       (default: synthetic candles as real time goes by, files without pausing)
  --signals N          end after N signals (default: go on)
  --account AMOUNT     the account's value, in the currency of the prices (default: 10000)
  --currency NAME      that currency (default: USD)
  --risk-percent P     percent of the account to lose at the stop (default: 1)
  --tick-size STEP     the market's smallest price step (default: 0.01)
  --state FILE         remembers what was sent (default: .signals/<symbol>.json)
  --help

The bot's own settings come from the environment or from .env: TELEGRAM_BOT_TOKEN and so on.`;

export interface Settings {
  readonly symbol: string;
  readonly replay?: string;
  readonly seed: number;
  readonly intervalSeconds?: number;
  readonly signals: number;
  readonly account: number;
  readonly currency: string;
  readonly riskPercent: number;
  readonly tickSize: string;
  readonly state: string;
}

/** One whose first signals come soon after 06:00 and go both ways, for whoever sees this for the first time. */
const defaultSeed = "3547";

const text = { type: "string" } as const;
const options = {
  ...{ symbol: text, replay: text, seed: text, interval: text, signals: text, account: text, currency: text },
  ...{ "risk-percent": text, "tick-size": text, state: text },
  help: { type: "boolean" },
} as const;

/**
 * The settings, or `undefined` if help was asked for.
 * @throws {UsageError} At the first argument that is wrong, in one line.
 */
export function readArguments(argv: readonly string[]): Settings | undefined {
  const values = parsed(argv);
  if (values.help) return undefined;
  const { symbol = "BTC-USD", replay, currency = "USD", "tick-size": tickSize = "0.01" } = values;
  const { state = `.signals/${symbol.replace(/[^\w.-]+/g, "-")}.json` } = values;
  if (symbol.trim() === "") throw wrong("symbol", 'a name such as "BTC-USD"', symbol);
  if (!/^\d+(\.\d+)?$/.test(tickSize) || Number(tickSize) === 0) {
    throw wrong("tick-size", "plain digits", tickSize);
  }
  const interval = values.interval;
  return {
    ...{ symbol, currency, tickSize, state },
    ...(replay === undefined ? {} : { replay }),
    ...(interval === undefined ? {} : { intervalSeconds: positive("interval", interval, 86_400) }),
    seed: whole("seed", values.seed ?? defaultSeed),
    signals: values.signals === undefined ? Infinity : whole("signals", values.signals, 1),
    account: positive("account", values.account ?? "10000"),
    riskPercent: positive("risk-percent", values["risk-percent"] ?? "1", 100),
  };
}

function parsed(
  argv: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof options }>>["values"] {
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (cause) {
    const [sentence] = (cause as Error).message.split(/\.? To specify|\.?\n/);
    throw new UsageError(`${sentence}; --help lists the options`, { cause });
  }
}

function positive(name: string, value: string, limit: number = Number.MAX_VALUE): number {
  const number = value.trim() === "" ? NaN : Number(value);
  if (number > 0 && number <= limit) return number;
  throw wrong(name, limit === Number.MAX_VALUE ? "a number above 0" : `above 0 and at most ${limit}`, value);
}

function whole(name: string, value: string, least: number = 0): number {
  const number = /^\d+$/.test(value) ? Number(value) : NaN;
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw wrong(name, `a whole number from ${least} on`, value);
}

function wrong(name: string, rule: string, value: string): UsageError {
  return new UsageError(
    `Cannot start as --${name} must be ${rule}: current value is ${JSON.stringify(value)}`,
  );
}

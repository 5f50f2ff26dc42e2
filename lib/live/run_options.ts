/** How strategies are run: the options, their checks, and what the log says of them at the start. */
import { Buffer } from "node:buffer";
import type { BroadcastReport } from "../broadcast/report.ts";
import type { TradingSignal } from "../signals/signal.ts";
import { isChatId } from "../telegram/chat_id.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import {
  anything,
  assertOptions,
  type Checks,
  clockRule,
  functionRule,
  loggerRule,
  methodsRule,
  numberRule,
  oneOfRule,
  textRule,
  trueOrFalse,
} from "../util/validate.ts";
import { assertDailySummary, type DailySummaryOptions } from "./daily_summary.ts";
import type { CandleFeed } from "./feed.ts";
import { mostBytesOfNames, namesIn, type SignalPublisher } from "./signal_sender.ts";
import type { Strategy } from "./strategy.ts";
import { assertStrategies } from "./strategy_checks.ts";

/** How strategies are run. */
export interface RunStrategiesOptions {
  /** Sends the signals: a bot, which may not have started yet, or be out of reach for a while. */
  readonly bot: SignalPublisher;
  /** The market. */
  readonly feed: CandleFeed;
  /** The strategies, each with a name of its own. */
  readonly strategies: readonly Strategy[];
  /** Stops them. Default: `stop()` alone does. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Sends to this chat alone, under ids of their own, so that nothing is taken from the others: a dry run. The chat's id, of
   * one that is subscribed. Default: to every subscribed chat.
   */
  readonly onlyTo?: number | undefined;
  /** Draws signals into their candles; see `candles` of `sendSignal()` for the packages that it needs. Default: false. */
  readonly charts?: boolean | undefined;
  /**
   * Does not send a signal that is much as one before: of the same symbol and direction, with an entry that differs by this
   * much at most, in percent, within so many hours. Signals of before the start count as far as the warm-up shows them.
   * Default: each is sent.
   */
  readonly similar?: { readonly percent: number; readonly hours: number } | undefined;
  /**
   * What to do where a process died during a send, so that a chat may have the signal: `"skip"` never sends it twice,
   * `"resend"` leaves nobody out. The same where the ledger does not answer, and a candle closed before the start, so that
   * an earlier process may have sent its signal: `"skip"` waits for the ledger as long as it is fresh. Default: `"skip"`.
   */
  readonly onUnknown?: "skip" | "resend" | undefined;
  /**
   * Sends the subscribers a summary once a day: the signals and what became of them, and of those that were open the day
   * before; what was silent, and why. So that it is the same after a start, that fetches the candles of both days, and calls
   * the strategies with them; what they find in candles of before the start counts as sent. Default: none.
   */
  readonly dailySummary?: DailySummaryOptions | undefined;
  /** Logs what the strategies explain, a line a candle. Default: false. */
  readonly verbose?: boolean | undefined;
  /** Called with each signal or alert that was sent, and its report. */
  readonly onSent?: ((sent: SentFinding) => void) | undefined;
  /** Default: the console. */
  readonly logger?: Logger | undefined;
  /** Default: the machine's clock. */
  readonly clock?: Clock | undefined;
}

/** What was sent, and to whom. */
export interface SentFinding {
  /** The strategy's name. */
  readonly strategy: string;
  /** The instrument. */
  readonly symbol: string;
  /** `undefined` for an alert. */
  readonly tradingSignal: TradingSignal | undefined;
  /** Who has got it. */
  readonly report: BroadcastReport;
  /** Whether an earlier start or another process had begun it, so that the report may be an old one. */
  readonly isRepeated: boolean;
}

const similarChecks: Checks<{ readonly percent: number; readonly hours: number }> = {
  rules: {
    percent: {
      ...numberRule("a number above 0", (value) => value > 0 && value < Infinity),
      isRequired: true,
    },
    hours: { ...numberRule("a number above 0", (value) => value > 0 && value < Infinity), isRequired: true },
  },
  ...{ subject: '"similar"', what: "a name in similar", example: "{ percent: 0.05, hours: 24 }" },
};

const feedChecks: Checks<CandleFeed> = {
  rules: {
    name: { ...textRule("a name for log lines", /\S/), isRequired: true },
    caution: textRule("a text", /\S/),
    ...{ now: functionRule(), instrument: functionRule() },
    history: { ...functionRule(), isRequired: true },
    live: { ...functionRule(), isRequired: true },
  },
  ...{ subject: '"feed"', what: "a part of a feed", isOpen: true },
};

const checks: Checks<RunStrategiesOptions> = {
  rules: {
    bot: { ...methodsRule("a bot", "sendSignal", "broadcast"), isRequired: true },
    feed: { ...methodsRule("a feed { name, history, live }", "history", "live"), isRequired: true },
    strategies: {
      isGood: (value) => Array.isArray(value) && value.length > 0,
      rule: "a list of strategies",
      isRequired: true,
    },
    signal: methodsRule("an AbortSignal", "throwIfAborted"),
    onlyTo: { isGood: isChatId, rule: "a chat's id, a whole number" },
    charts: trueOrFalse,
    similar: anything,
    dailySummary: anything,
    onUnknown: oneOfRule("skip", "resend"),
    verbose: trueOrFalse,
    onSent: functionRule(),
    logger: loggerRule,
    clock: clockRule,
  },
  synonyms: { strategies: ["strategy"], charts: ["chart"] },
};

/** @throws {TypeError | RangeError} If an option or a strategy is none. */
export function assertRunStrategies(options: RunStrategiesOptions): void {
  const action = "run the strategies";
  assertOptions(action, options, checks);
  assertOptions(action, options.feed, feedChecks);
  if (options.similar !== undefined) assertOptions(action, options.similar, similarChecks);
  if (options.dailySummary !== undefined) assertDailySummary(options.dailySummary);
  assertStrategies("run", options.strategies);
  for (const { name, symbols } of options.strategies) {
    for (const symbol of symbols) assertNamesOfId(name, symbol);
  }
}

function assertNamesOfId(name: string, symbol: string): void {
  const isPlain = !/[\p{Cc}\p{Cs}]/u.test(name + symbol);
  if (isPlain && Buffer.byteLength(namesIn(name, symbol)) <= mostBytesOfNames) return;
  const rule = isPlain ? `have ${mostBytesOfNames - 1} bytes together at most` : "have no control characters";
  throw new RangeError(
    `Cannot run the strategies as a name and a symbol must ${rule}: these are ${JSON.stringify(name)} and ${
      JSON.stringify(symbol)
    }`,
  );
}

/** `Running Average cross on BTC-USD, ETH-USD (15m, 1h), with candles from Coinbase.` */
export function introduction({ strategies, feed, onlyTo }: RunStrategiesOptions): string {
  const several = (each: readonly string[], name: string): string => {
    const all = [...new Set(each)];
    return all.length <= 3 ? all.join(", ") : `${all.length} ${name}`;
  };
  const symbols = several(strategies.flatMap((strategy) => strategy.symbols), "symbols");
  const lengths = several(strategies.flatMap((strategy) => strategy.timeframes), "timeframes");
  const { name, caution } = feed;
  return `Running ${
    several(strategies.map((strategy) => strategy.name), "strategies")
  } on ${symbols} (${lengths}), ` +
    `with candles from ${name}${caution === undefined ? "" : ` (${caution})`}` +
    `${onlyTo === undefined ? "" : `; signals go to the chat ${onlyTo} alone`}.`;
}

/** Runs strategies: takes candles from a feed, calls the strategies with them, and sends what they find to the subscribers. */
import { Buffer } from "node:buffer";
import { setMaxListeners } from "node:events";
import type { BroadcastReport } from "../broadcast/report.ts";
import type { Candle } from "../signals/candle.ts";
import type { TradingSignal } from "../signals/signal.ts";
import { attempt } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { consoleLogger, createSafeLogger, type Logger } from "../util/log.ts";
import { throwSafe } from "../util/safe_text.ts";
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
  type Rule,
  trueOrFalse,
} from "../util/validate.ts";
import type { CallNote } from "./call_note.ts";
import { assertDailySummary, DailySummary, type DailySummaryOptions } from "./daily_summary.ts";
import type { CandleFeed } from "./feed.ts";
import type { Found, Series } from "./found.ts";
import { type MarketFacts, MarketSeries, nameOf } from "./market_series.ts";
import type { SeriesDiary } from "./series_diary.ts";
import {
  type Finding,
  lineOf,
  mostBytesOfNames,
  type Sent,
  type SignalBot,
  SignalSender,
} from "./signal_sender.ts";
import { SimilarSignals } from "./similar_signals.ts";
import { longestFreshMs, type Strategy } from "./strategy.ts";
import { assertStrategies } from "./strategy_checks.ts";
import { StrategySeries } from "./strategy_series.ts";
import { closeTime, timeframeMs } from "./timeframe.ts";
import { TroubleLog } from "./trouble_log.ts";

/** How strategies are run. */
export interface RunStrategiesOptions {
  /** Sends the signals: a bot, which may not have started yet, or be out of reach for a while. */
  readonly bot: SignalBot;
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
   * Sends the subscribers a summary once a day: the signals and what became of them, and what was silent, and why. So that
   * it is the same after a start, that fetches the candles of the whole day, and calls the strategies with them. Default:
   * none.
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

const similarRule: Rule = {
  isGood: (value) => {
    const { percent, hours } = value as { readonly percent?: unknown; readonly hours?: unknown };
    return [percent, hours].every((each) => typeof each === "number" && each > 0 && each < Infinity);
  },
  rule: "{ percent, hours }, two numbers above 0",
  isData: true,
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
    onlyTo: numberRule("a chat's id, a whole number", Number.isSafeInteger),
    charts: trueOrFalse,
    similar: similarRule,
    dailySummary: anything,
    onUnknown: oneOfRule("skip", "resend"),
    verbose: trueOrFalse,
    onSent: functionRule(),
    logger: loggerRule,
    clock: clockRule,
  },
  synonyms: { strategies: ["strategy"], charts: ["chart"] },
};

/**
 * Runs strategies until they are stopped, or the feed ends: each signal goes out once under an id of its candle, also if the
 * process is killed and started again, or another process runs the same strategies. A strategy that throws or hangs, a
 * market or a network that is down: each is logged once, stops no other strategy, and is tried again.
 *
 * ```ts
 * const bot = createTelegramBotFromEnv();
 * await bot.startBot({ retry: true });
 * const run = runStrategies({ bot, feed: coinbaseFeed(), strategies: [breakout] });
 * await run.finished;
 * ```
 * @throws {TypeError | RangeError} If an option or a strategy is none.
 */
export function runStrategies(options: RunStrategiesOptions): StrategyRun {
  assertOptions("run the strategies", options, checks);
  if (options.dailySummary !== undefined) assertDailySummary(options.dailySummary);
  assertStrategies("run", options.strategies);
  for (const { strategy, series } of allSeries(options.strategies)) {
    const names = strategy.name + series.symbol;
    const isPlain = !/[\p{Cc}\p{Cs}]/u.test(names);
    if (isPlain && Buffer.byteLength(names) <= mostBytesOfNames) continue;
    const rule = isPlain ? `have ${mostBytesOfNames} bytes together at most` : "have no control characters";
    throw new RangeError(
      `Cannot run the strategies as a name and a symbol must ${rule}: these are ${
        JSON.stringify(strategy.name)
      } ` +
        `and ${JSON.stringify(series.symbol)}`,
    );
  }
  return new StrategyRun(options);
}

interface Member {
  readonly strategy: Strategy;
  readonly series: Series;
}

/** What has a strategy called with a candle. */
interface Player extends Member {
  readonly calls: StrategySeries;
  readonly diary: SeriesDiary | undefined;
}

function allSeries(strategies: readonly Strategy[]): Member[] {
  return strategies.flatMap((strategy) =>
    strategy.symbols.flatMap((symbol) =>
      strategy.timeframes.map((timeframe) => ({ strategy, series: { symbol, timeframe } }))
    )
  );
}

/** `Running Average cross on BTC-USD, ETH-USD (15m, 1h), with candles from Coinbase.` */
function introduction({ strategies, feed, onlyTo }: RunStrategiesOptions): string {
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

/** Those that want the same candles together. */
function bySeries(members: readonly Member[]): Member[][] {
  const groups = new Map<string, Member[]>();
  for (const member of members) {
    const key = JSON.stringify(member.series);
    groups.set(key, [...groups.get(key) ?? [], member]);
  }
  return [...groups.values()];
}

/**
 * A series whose strategies are so many calls behind waits for them. A market that is none waits for each: its time stands
 * still until a signal is sent, so that the next one comes after it.
 */
const callsAtMost = 1000;

/** Strategies that run. */
export class StrategyRun {
  readonly #options: RunStrategiesOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #sender: SignalSender;
  readonly #strategyTroubles: TroubleLog;
  readonly #marketTroubles: TroubleLog;
  readonly #calls = new Set<Promise<void>>();
  readonly #similar: SimilarSignals | undefined;
  readonly #summary: DailySummary | undefined;
  readonly #startedAt: number;
  #failure: unknown;
  #sent = 0;

  /** Resolves when they are stopped or the feed has ended, and nothing is under way; rejects with a mistake in the settings. */
  readonly finished: Promise<void>;

  /** @ignore Made by `runStrategies()`. */
  constructor(options: RunStrategiesOptions) {
    this.#options = options;
    const { bot, feed, strategies, charts = false, onUnknown, onlyTo, similar, dailySummary } = options;
    const { clock = systemClock, logger = consoleLogger } = options;
    this.#clock = clock;
    this.#logger = createSafeLogger(logger);
    const { signal } = this.#stopping;
    setMaxListeners(0, signal);
    this.#strategyTroubles = new TroubleLog(this.#logger, "All strategies work again.");
    this.#marketTroubles = new TroubleLog(this.#logger, `Candles come from ${feed.name} again.`);
    this.#sender = new SignalSender({
      ...{ bot, feed, charts, onUnknown, onlyTo, clock, logger: this.#logger, signal },
      onSent: (finding, sent) => this.#onSent(finding, sent),
    });
    this.#startedAt = this.#now();
    this.#similar = similar && new SimilarSignals(similar);
    this.#summary = dailySummary && new DailySummary({
      ...{ options: dailySummary, strategies, similarHours: similar?.hours ?? 0, clock, signal },
      now: () => this.#now(),
      troubleOf: (series) => this.#marketTroubles.reasonOf(nameOf(series)),
      send: (summary) => this.#sender.sendSummary(summary),
      track: (sending) => this.#track(sending),
    });
    this.#logger.info(introduction(options));
    const stop = (): void => this.#stopping.abort();
    if (options.signal?.aborted) stop();
    options.signal?.addEventListener("abort", stop, { once: true });
    this.finished = this.#run(bySeries(allSeries(strategies)))
      .finally(() => options.signal?.removeEventListener("abort", stop)).catch(throwSafe);
    this.finished.catch(() => {});
  }

  /** How many signals and alerts were sent, those included that an earlier start or another process had begun. */
  get sent(): number {
    return this.#sent;
  }

  /** Calls no strategy any more, and waits for what is being sent. A signal that cannot be sent now is given up. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.finished.catch(() => {});
  }

  /** `stop()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(groups: readonly (readonly Member[])[]): Promise<void> {
    const following = groups.map((members) => this.#follow(members).catch((error) => this.#fail(error)));
    const summing = this.#summary?.follow();
    await Promise.all(following);
    await Promise.allSettled(this.#calls);
    this.#summary?.end();
    await summing;
    await Promise.allSettled(this.#calls);
    await this.#sender.settled();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The market's time. */
  #now(): number {
    const { feed } = this.#options;
    const now = attempt(() => feed.now?.(), undefined);
    return Number.isFinite(now) ? now as number : this.#clock.now();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#stopping.abort();
  }

  /** Has the strategies that want the same candles called with each of them. */
  async #follow(members: readonly Member[]): Promise<void> {
    const { feed, verbose = false } = this.#options;
    const { signal } = this.#stopping;
    const [{ series }] = members as [Member];
    const diary = this.#summary?.open(series, members.map(({ strategy }) => strategy.name));
    const running = members.map((member) => ({
      ...member,
      calls: new StrategySeries({
        ...{ ...member, clock: this.#clock, troubles: this.#strategyTroubles, signal },
        explain: verbose ? (line) => this.#logger.info(line) : undefined,
      }),
    }));
    const market = new MarketSeries({
      ...{ feed, series, clock: this.#clock, logger: this.#logger, troubles: this.#marketTroubles, signal },
      // A start plays the last `warmUp` candles, each of which needs as many.
      count: Math.max(...members.map(({ strategy }) => 2 * strategy.warmUp)) +
        (this.#summary?.candlesOf(series.timeframe) ?? 0),
      onCandle: async (candles, market) => {
        for (const { strategy, calls } of running) {
          if (candles.length < strategy.warmUp) continue;
          this.#play({ strategy, series, calls, diary }, candles, market);
        }
        diary?.take(candles);
        this.#summary?.check();
        const most = feed.caution === undefined ? callsAtMost : 0;
        while (this.#calls.size > most) await Promise.race(this.#calls);
      },
    });
    await market.follow();
  }

  #play(
    { strategy, series, calls, diary }: Player,
    all: readonly Candle[],
    { instrument, isHistory }: MarketFacts,
  ): void {
    const candle = all.at(-1) as Candle;
    const candles = all.slice(-strategy.warmUp);
    const freshMs = strategy.maxAgeMs ?? Math.min(longestFreshMs, timeframeMs(series.timeframe));
    const time = closeTime(candle, series.timeframe);
    const leftMs = time + freshMs - this.#now();
    const isLive = leftMs > 0;
    const expiresAt = this.#clock.now() + leftMs;
    const note: CallNote = { time, isOver: false };
    diary?.add(strategy.name, note);
    const take = async (found: Found | undefined): Promise<void> => {
      const finding = found &&
        { strategy: strategy.name, series, found, time, candles, expiresAt, isHistory };
      [note.isOver, note.found] = [true, found];
      note.unsent = finding && this.#reasonAgainst(finding, isLive);
      this.#summary?.check();
      if (finding && isLive && note.unsent === undefined) note.unsent = await this.#sender.send(finding);
    };
    const found = calls.call({ candle, candles, instrument, isLive, note });
    if (found instanceof Promise) this.#track(found.then(take));
    else if (found === undefined) note.isOver = true;
    else this.#track(take(found));
  }

  /** Why a signal is not sent. One of before the start was sent by an earlier process. */
  #reasonAgainst(finding: Finding, isLive: boolean): string | undefined {
    const { found, time } = finding;
    if (found.kind === "signal" && this.#similar?.has(found.signal, time)) {
      if (isLive) this.#logger.info(`${lineOf(finding)}. Not sent, as one much like it came before.`);
      return "much like an earlier one";
    }
    return isLive || time <= this.#startedAt ? undefined : "too old";
  }

  #track(call: Promise<unknown>): void {
    const ended = call.catch((error) => this.#fail(error)).then(() => {
      this.#calls.delete(ended);
    });
    this.#calls.add(ended);
  }

  #onSent({ strategy, series, found }: Finding, { report, isRepeated }: Sent): unknown {
    this.#sent++;
    const tradingSignal = found.kind === "signal" ? found.signal : undefined;
    return this.#options.onSent?.({ strategy, symbol: series.symbol, tradingSignal, report, isRepeated });
  }
}

/** Runs strategies: takes candles from a feed, calls the strategies with them, and sends what they find to the subscribers. */
import { setMaxListeners } from "node:events";
import type { Candle } from "../signals/candle.ts";
import { attempt } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { createDisplay } from "../util/display.ts";
import { stackOf } from "../util/errors.ts";
import { consoleLogger, createSafeLogger, type Logger } from "../util/log.ts";
import { throwSafe } from "../util/safe_text.ts";
import type { CallNote } from "./call_note.ts";
import { DailySummary } from "./daily_summary.ts";
import type { ShownRun } from "./display.ts";
import type { Found, Series } from "./found.ts";
import { type MarketFacts, MarketSeries, nameOf } from "./market_series.ts";
import { noteRun, stopEarlierRuns } from "./notebook_runs.ts";
import { assertRunStrategies, introduction, type RunStrategiesOptions } from "./run_options.ts";
import type { SeriesDiary } from "./series_diary.ts";
import { type Finding, isMistake, lineOf, type Sent, SignalSender } from "./signal_sender.ts";
import { SimilarSignals } from "./similar_signals.ts";
import { longestFreshMs, type Strategy } from "./strategy.ts";
import { StrategySeries } from "./strategy_series.ts";
import { closeTime, type Timeframe, timeframeMs } from "./timeframe.ts";
import { reasonOf, sentenceOf, TroubleLog } from "./trouble_log.ts";

/**
 * Runs strategies until they are stopped, or the feed ends: each signal goes out once under an id of its candle, also if the
 * process is killed and started again, or another process runs the same strategies. A strategy that throws or hangs, a
 * market or a network that is down: each is logged once, stops no other strategy, and is tried again. A symbol that the
 * market does not have is logged, and not asked for again.
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
  assertRunStrategies(options);
  const { strategies, logger = consoleLogger } = options;
  stopEarlierRuns(strategies.map(({ name }) => name), createSafeLogger(logger));
  const run = new StrategyRun(options);
  noteRun(run, strategies.map(({ name }) => name));
  return run;
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
    [...new Set(strategy.symbols)].flatMap((symbol) =>
      [...new Set(strategy.timeframes)].map((timeframe) => ({ strategy, series: { symbol, timeframe } }))
    )
  );
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

/** Of earlier signals that make one similar, as many hours are fetched at most. */
const similarHoursAtMost = 24;
/** So many candles are played at a start at most, however long a signal is fresh. */
const playedAtMost = 5000;

const freshMsOf = ({ maxAgeMs }: Strategy, timeframe: Timeframe): number =>
  maxAgeMs ?? Math.min(longestFreshMs, timeframeMs(timeframe));

/** One that fails at every second candle does not work in between. */
const calmAfter = 3;

function strategyTroubles(name: string, logger: Logger, clock: Clock): TroubleLog {
  const overText = (failures: number): string =>
    `The strategy ${name} works again${failures > 1 ? `, after ${failures} failures` : ""}.`;
  return new TroubleLog({ logger, clock, overText, calmAfter });
}

/** Strategies that run. In a notebook it shows what they have found and sent, and what fails at present. */
export class StrategyRun {
  readonly #options: RunStrategiesOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #sender: SignalSender;
  /** By the strategies' names. */
  readonly #strategyTroubles: ReadonlyMap<string, TroubleLog>;
  readonly #marketTroubles: TroubleLog;
  /** Candles that come too late. */
  readonly #lateness: TroubleLog;
  /** When the last one came, by strategy and series. */
  readonly #lateAt = new Map<string, number>();
  readonly #calls = new Set<Promise<void>>();
  readonly #similar: SimilarSignals | undefined;
  readonly #summary: DailySummary | undefined;
  readonly #startedAt: number;
  /** Why series have ended that the market does not have. */
  readonly #lost = new Map<string, string>();
  #failure: unknown;
  #found = 0;
  #sent = 0;
  /** How many of them this run has got to somebody. */
  #arrived = 0;
  #isOver = false;

  static {
    createDisplay<StrategyRun>(async () => {
      const { showStrategyRun } = await import("./display.ts");
      return (run) => showStrategyRun(run.#shown());
    })(StrategyRun.prototype);
  }

  /**
   * Resolves when they are stopped or the feed has ended, and nothing is under way; rejects with a mistake in the settings
   * that leaves nothing to run.
   */
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
    this.#strategyTroubles = new Map(
      strategies.map(({ name }) => [name, strategyTroubles(name, this.#logger, clock)]),
    );
    const troubles = (overText: string): TroubleLog =>
      new TroubleLog({ logger: this.#logger, clock, overText: () => overText });
    this.#marketTroubles = troubles(`Candles come from ${feed.name} again.`);
    this.#lateness = troubles("Candles come in time again.");
    this.#sender = new SignalSender({
      ...{ bot, feed, charts, onUnknown, onlyTo, clock, logger: this.#logger, signal },
      onSent: (finding, sent) => this.#onSent(finding, sent),
      onBotStopped: () => {
        if (!signal.aborted) this.#logger.warn("The bot was stopped, and its strategies with it.");
        this.#stopping.abort();
      },
    });
    this.#startedAt = this.#now();
    this.#similar = similar && new SimilarSignals(similar);
    this.#summary = dailySummary && new DailySummary({
      ...{ options: dailySummary, strategies, similarHours: similar?.hours ?? 0, clock, signal },
      now: () => this.#now(),
      troubleOf: (series) => {
        const name = nameOf(series);
        return this.#lost.get(name) ?? this.#marketTroubles.reasonOf(name);
      },
      send: (summary) => this.#sender.sendSummary(summary),
      track: (sending) => this.#track(sending),
    });
    this.#logger.info(introduction(options));
    const stop = (): void => this.#stopping.abort();
    if (options.signal?.aborted) stop();
    options.signal?.addEventListener("abort", stop, { once: true });
    this.finished = this.#run(bySeries(allSeries(strategies)))
      .finally(() => {
        this.#isOver = true;
        options.signal?.removeEventListener("abort", stop);
      }).catch(throwSafe);
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

  #shown(): ShownRun {
    const { strategies, feed } = this.#options;
    const logs = [...this.#strategyTroubles.values(), this.#marketTroubles];
    const failing = this.#isOver ? [] : logs.flatMap((log) => log.failing);
    const hasFailed = this.#failure !== undefined && this.#lost.size === 0;
    const failure = hasFailed ? [["the run", reasonOf(this.#failure)] as const] : [];
    return {
      ...{ strategies, market: feed.name, found: this.#found, sent: this.#arrived },
      state: this.#isOver ? "ended" : this.#stopping.signal.aborted ? "stopping" : "running",
      troubles: [...failure, ...this.#lost, ...failing],
    };
  }

  async #run(groups: readonly (readonly Member[])[]): Promise<void> {
    const mistakes: unknown[] = [];
    const following = groups.map((members) =>
      this.#follow(members).catch((error) => {
        this.#lose(members[0] as Member, error, groups.length > 1);
        mistakes.push(error);
      })
    );
    const summing = this.#summary?.follow();
    await Promise.all(following);
    if (mistakes.length === groups.length) this.#failure ??= mistakes[0];
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

  /** A series that the market does not have, or that ends by a defect, stops no other one. */
  #lose({ series }: Member, error: unknown, hasOthers: boolean): void {
    const name = nameOf(series);
    const reason = reasonOf(error);
    this.#lost.set(name, reason);
    this.#marketTroubles.succeeded(name);
    if (hasOthers) this.#logger.error(`No strategy runs on ${name}: ${sentenceOf(reason)} The others go on.`);
  }

  /** A mistake in the bot's settings, by which no signal can be sent, ends all; a defect costs one signal. */
  #fail(error: unknown): void {
    if (!isMistake(error)) return this.#logger.error(`A signal is lost by a defect: ${stackOf(error)}`);
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
        ...{ ...member, clock: this.#clock, signal },
        troubles: this.#strategyTroubles.get(member.strategy.name) as TroubleLog,
        explain: verbose ? (line) => this.#logger.info(line) : undefined,
      }),
    }));
    const market = new MarketSeries({
      ...{ feed, series, clock: this.#clock, logger: this.#logger, troubles: this.#marketTroubles, signal },
      now: () => this.#now(),
      count: Math.max(...members.map((member) => this.#candlesAtStart(member))),
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
    if (!signal.aborted && feed.caution === undefined) {
      this.#logger.warn(`The candles of ${nameOf(series)} have ended: its strategies are called no more.`);
    }
  }

  /**
   * A start plays the last `warmUp` candles, each of which needs as many; and those whose signals are fresh, or of which
   * signals count that make others similar, or that stand in the summary.
   */
  #candlesAtStart({ strategy, series: { timeframe } }: Member): number {
    const { similar } = this.#options;
    const similarMs = 3_600_000 * Math.min(similar?.hours ?? 0, similarHoursAtMost);
    const playedMs = Math.max(freshMsOf(strategy, timeframe), similarMs);
    const played = Math.min(playedAtMost, Math.ceil(playedMs / timeframeMs(timeframe)));
    return 2 * strategy.warmUp + Math.max(played, this.#summary?.candlesOf(timeframe) ?? 0);
  }

  #play(
    { strategy, series, calls, diary }: Player,
    all: readonly Candle[],
    { instrument, isHistory }: MarketFacts,
  ): void {
    const candle = all.at(-1) as Candle;
    const lastCandles = (): Candle[] => all.slice(-strategy.warmUp);
    const freshMs = freshMsOf(strategy, series.timeframe);
    const time = closeTime(candle, series.timeframe);
    const leftMs = time + freshMs - this.#now();
    const isLive = leftMs > 0;
    if (!isHistory) this.#noteLateness(strategy, series, leftMs);
    const expiresAt = this.#clock.now() + leftMs;
    const note: CallNote = { time, isOver: false };
    diary?.add(strategy.name, note);
    const take = async (found: Found | undefined, candles: readonly Candle[]): Promise<void> => {
      const finding = found &&
        { strategy: strategy.name, series, found, time, candles, expiresAt, isHistory };
      [note.isOver, note.found] = [true, found];
      if (finding && isLive) this.#found++;
      note.unsent = finding && this.#reasonAgainst(finding, isLive);
      this.#summary?.check();
      if (finding && isLive && note.unsent === undefined) note.unsent = await this.#sender.send(finding);
    };
    const found = calls.call({ candle, candles: lastCandles(), instrument, isLive, note });
    if (found === undefined) {
      note.isOver = true;
      return;
    }
    // The strategy may have changed its list.
    const candles = lastCandles();
    this.#track(
      found instanceof Promise ? found.then((value) => take(value, candles)) : take(found, candles),
    );
  }

  /**
   * What comes too late for its signals to be sent is told, as nothing else would say why there are none: not of what comes in
   * a row after an outage.
   */
  #noteLateness(strategy: Strategy, series: Series, leftMs: number): void {
    if (leftMs > 0 && this.#lateAt.size === 0) return;
    const what = JSON.stringify([strategy.name, nameOf(series)]);
    const lastAt = this.#lateAt.get(what);
    const now = this.#clock.now();
    if (leftMs > 0) {
      this.#lateAt.delete(what);
      return this.#lateness.succeeded(what);
    }
    this.#lateAt.set(what, now);
    if (lastAt === undefined || now - lastAt < timeframeMs(series.timeframe) / 2) return;
    const freshMs = freshMsOf(strategy, series.timeframe);
    this.#lateness.failed(
      what,
      "late",
      `Candles of ${nameOf(series)} come too late, by this machine's clock: ${
        Math.ceil((freshMs - leftMs) / 1000)
      } s ` +
        `after their close. ${strategy.name} sends no signal that is older than ${
          freshMs / 1000
        } s (maxAgeMs).`,
    );
  }

  /** Why a signal is not sent. One of before the start was sent by an earlier process. */
  #reasonAgainst(finding: Finding, isLive: boolean): string | undefined {
    const { found, time } = finding;
    const held = found.kind === "signal" ? this.#similar?.hold(found.signal, time, isLive) : undefined;
    if (held !== undefined) {
      if (isLive && held === "first") {
        this.#logger.info(`${lineOf(finding)}. Not sent, as one much like it came before; nor are others.`);
      }
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
    if (report.sent > 0 && !report.wasAlreadySent) this.#arrived++;
    const tradingSignal = found.kind === "signal" ? found.signal : undefined;
    return this.#options.onSent?.({ strategy, symbol: series.symbol, tradingSignal, report, isRepeated });
  }
}

/** A feed that replays the candles of a file. */
import { basename } from "node:path";
import type { Candle } from "../../signals/candle.ts";
import { type Clock, systemClock, toIso } from "../../util/clock.ts";
import { readText } from "../../util/read_text.ts";
import {
  assertOptions,
  clockRule,
  ConfigError,
  numberRule,
  oneOfRule,
  type Rules,
  shown,
  textRule,
} from "../../util/validate.ts";
import type { CandleFeed, CandleRequest, LiveRequest } from "../feed.ts";
import {
  Aggregator,
  closeTime,
  openingTime,
  sourceOf,
  type Timeframe,
  timeframeMs,
  timeframes,
} from "../timeframe.ts";
import { readCandles } from "./candle_lines.ts";
import { MarketTime } from "./market_time.ts";
import { flatCandle } from "./read_candle.ts";

/** Which candles are replayed, and how fast. */
export interface ReplayFeedOptions {
  /** The path of a file with candles; this or `text`. */
  readonly file?: string | undefined;
  /** The same as text. */
  readonly text?: string | undefined;
  /** The instrument: another one is then refused. Default: whichever is asked for. */
  readonly symbol?: string | undefined;
  /** The length of the file's candles. Default: found from their times, where there are two or more. */
  readonly timeframe?: Timeframe | undefined;
  /**
   * Gives the candles one after another, so many seconds apart; candles of several symbols and timeframes that close at the
   * same moment come together. Default: 0, as fast as they are worked on.
   */
  readonly intervalSeconds?: number | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

const rules: Rules<ReplayFeedOptions> = {
  file: textRule('the path of a file such as "candles.csv"', /./),
  text: textRule("the text of such a file"),
  symbol: textRule('an instrument such as "BTC-USD"', /./),
  timeframe: oneOfRule(...timeframes),
  intervalSeconds: numberRule("a number of seconds, 0 or more", (value) => value >= 0 && value < Infinity),
  clock: clockRule,
};

/**
 * Replays candles from CSV (`time,open,high,low,close,volume`, or in the order of a first line that names them) or JSON
 * lines (`{"time": 1767571200000, "open": 59800.1, ...}`). `time` is the candle's opening, in milliseconds since 1970 or as ISO
 * 8601 with a zone. The whole file is checked at once. There is no history: every candle is a live one, and fresh, as the
 * feed's time is the close of the newest candle that it has given. Larger timeframes are made of the file's candles; where
 * the file has none, the price stays.
 * @throws {ConfigError} If the file cannot be read, or a line is no candle: it names file and line.
 */
export function replayFeed(options: ReplayFeedOptions): CandleFeed {
  assertOptions("replay candles", options, {
    rules,
    example: '{ file: "candles.csv" }',
    Refusal: ConfigError,
  });
  const { file, text, symbol, intervalSeconds, clock = systemClock } = options;
  if ((file === undefined) === (text === undefined)) {
    throw new ConfigError('Cannot replay candles as there must be either "file" or "text".');
  }
  const source = file ?? "the text";
  const { candles, own } = readCandles(text ?? read(source), source, options.timeframe);
  const start = candles[0]?.time ?? NaN;
  const time = new MarketTime({ clock, start, intervalSeconds });
  const check = (request: CandleRequest): void => assertAvailable(request, { symbol, own, source });
  return {
    name: `replay of ${file === undefined ? source : basename(file)}, from ${toIso(start)}`,
    caution: `a replay of candles from ${toIso(start).slice(0, 10)} on, not the market now`,
    now: () => time.now,
    async history(request) {
      check(request);
      return await Promise.resolve([]);
    },
    async *live(request) {
      check(request);
      const { timeframe, signal } = request;
      const wanted = candlesOf(candles, own, request);
      yield* time.pass(wanted, (candle) => closeTime(candle, timeframe), signal);
    },
  };
}

/** Candles, and of how many of the file's they are made. */
export interface FileCandles {
  readonly candles: readonly Candle[];
  readonly own: Timeframe;
  readonly count: number;
  /** When those of them open that the file has no candle of: there the price stays. */
  readonly filled: ReadonlySet<number>;
}

/**
 * All candles of a file in a timeframe that can be made of them.
 * @throws {ConfigError} If the file cannot be read, a line is no candle, or the timeframe cannot be made.
 */
export function candlesOfFile(file: string, timeframe: Timeframe): FileCandles {
  const { candles, own } = readCandles(read(file), file);
  assertTimeframe(timeframe, own, file);
  const made = [...candlesOf(candles, own, { timeframe, after: -Infinity })];
  const known = new Set(candles.map(({ time }) => openingTime(time, timeframe)));
  const filled = new Set(made.map(({ time }) => time).filter((time) => !known.has(time)));
  return { candles: made, own, count: candles.length, filled };
}

/** The candles of a timeframe that open after the one that is known. */
function* candlesOf(
  candles: readonly Candle[],
  own: Timeframe,
  { timeframe, after }: Pick<LiveRequest, "timeframe" | "after">,
): Generator<Candle> {
  const aggregator = new Aggregator(own, timeframe);
  for (const candle of filled(candles, timeframeMs(own))) {
    for (const closed of aggregator.add(candle)) if (closed.time > after) yield closed;
  }
}

function* filled(candles: readonly Candle[], lengthMs: number): Generator<Candle> {
  let before: Candle | undefined;
  for (const candle of candles) {
    for (let time = (before?.time ?? Infinity) + lengthMs; time < candle.time; time += lengthMs) {
      yield flatCandle(before as Candle, time);
    }
    yield before = candle;
  }
}

function assertAvailable(
  request: CandleRequest,
  { symbol, own, source }: { symbol: string | undefined; own: Timeframe; source: string },
): void {
  if (symbol !== undefined && request.symbol !== symbol) {
    throw new ConfigError(
      `The symbol must be ${JSON.stringify(symbol)}, which ${source} has: current value is ${
        shown(request.symbol)
      }.`,
    );
  }
  assertTimeframe(request.timeframe, own, source);
}

function assertTimeframe(timeframe: Timeframe, own: Timeframe, source: string): void {
  if (sourceOf(timeframe, [own]) !== undefined) return;
  throw new ConfigError(
    `The timeframe must be one that can be made of the candles of ${source}, which are of ${own}: current value is ` +
      `${shown(timeframe)}.`,
  );
}

function read(file: string): string {
  try {
    return readText(file);
  } catch (cause) {
    throw new ConfigError(`Cannot replay ${file}: ${(cause as Error).message}`, { cause });
  }
}

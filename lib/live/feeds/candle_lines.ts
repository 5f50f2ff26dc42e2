/** Reads candles from a text, a line each: CSV or JSON. All of it is checked before the first is used. */
import type { Candle } from "../../signals/candle.ts";
import { dayMs, toIso } from "../../util/clock.ts";
import { ConfigError, shown } from "../../util/validate.ts";
import { type Timeframe, timeframeMs, timeframes } from "../timeframe.ts";
import { type CandleFields, readCandle } from "./read_candle.ts";

const fields = ["time", "open", "high", "low", "close", "volume"] as const;

interface Line {
  readonly candle: Candle;
  /** Counted from 1. */
  readonly number: number;
}

/**
 * @param source What the text is called in messages.
 * @param timeframe Default: found from the candles' times.
 * @throws {ConfigError} Naming the source, the line, and what is wrong with it.
 */
export function readCandles(
  text: string,
  source: string,
  timeframe?: Timeframe,
): { readonly candles: readonly Candle[]; readonly own: Timeframe } {
  const lines = parse(text, source);
  const own = timeframe ?? foundTimeframe(lines, source);
  assertTimes(lines, own, source);
  assertGaps(lines, own, source);
  return { candles: lines.map(({ candle }) => candle), own };
}

function parse(text: string, source: string): Line[] {
  const lines: Line[] = [];
  let columns: readonly string[] | undefined;
  for (const [index, line] of text.replace(/^\uFEFF/, "").split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    try {
      const header: readonly string[] | undefined = columns === undefined ? headerOf(line) : undefined;
      columns ??= header ?? fields;
      if (header !== undefined) continue;
      const candle = laterThan(lines.at(-1)?.candle, readCandle(toRow(line, columns)));
      lines.push({ candle, number: index + 1 });
    } catch (cause) {
      throw new ConfigError(`${source}, line ${index + 1}: ${(cause as Error).message}`, { cause });
    }
  }
  if (lines.length === 0) throw new ConfigError(`Cannot replay ${source}: it holds no candle.`);
  return lines;
}

/** The names of the columns, if the line has names in place of numbers. */
function headerOf(line: string): string[] | undefined {
  const words = line.split(/[,;\t]/).map((word) => word.trim());
  if (words.length < 2 || !words.every((word) => /^("?[\p{L}_].*)?$/u.test(word))) return undefined;
  const columns = line.toLowerCase().split(",").map((name) => name.trim());
  if (columns.length === fields.length && fields.every((field) => columns.includes(field))) return columns;
  throw new SyntaxError(
    `the first line must name the columns ${fields.join()}, in any order, with commas between, or be left out: ` +
      `it is ${shown(line)}`,
  );
}

function toRow(line: string, columns: readonly string[]): CandleFields {
  if (!line.trimStart().startsWith("{")) return csvRow(line, columns);
  try {
    return JSON.parse(line) as CandleFields;
  } catch (cause) {
    throw new SyntaxError(`this is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function csvRow(line: string, columns: readonly string[]): CandleFields {
  const cells = line.split(",").map((cell) => cell.trim());
  if (cells.length !== columns.length) {
    throw new SyntaxError(
      `a candle has ${columns.length} values (${columns.join()}) with commas between, here are ${cells.length}`,
    );
  }
  return Object.fromEntries(columns.map((field, index) => [field, cells[index]]));
}

function laterThan(before: Candle | undefined, candle: Candle): Candle {
  if (before === undefined || candle.time > before.time) return candle;
  throw new RangeError('"time" must be later than in the line before');
}

/** The longest that all openings are multiples of, and that is not longer than the shortest time between two. */
function foundTimeframe(lines: readonly Line[], source: string): Timeframe {
  const times = lines.map(({ candle }) => candle.time);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? NaN));
  const shortestMs = gaps.reduce((least, gap) => Math.min(least, gap), Infinity);
  const found = timeframes.filter((each) =>
    timeframeMs(each) <= shortestMs && times.every((time) => time % timeframeMs(each) === 0)
  ).at(-1);
  if (found === undefined || lines.length < 2) {
    throw new ConfigError(
      `Cannot replay ${source}: its timeframe is not known from one candle, set it: { timeframe: "5m" }.`,
    );
  }
  assertNoStray(lines, found, source);
  return found;
}

/** From so many of a file's lines on, one that is on a grid of its own is a mistake. */
const mostOfThem = 0.9;

/** One line at 00:03 would make candles of a minute of all those of five. */
function assertNoStray(lines: readonly Line[], found: Timeframe, source: string): void {
  for (const meant of timeframes.filter((each) => timeframeMs(each) > timeframeMs(found)).reverse()) {
    const strays = lines.filter(({ candle }) => candle.time % timeframeMs(meant) !== 0);
    const [stray] = strays;
    if (stray === undefined || strays.length > (1 - mostOfThem) * lines.length) continue;
    throw new ConfigError(
      `${source}, line ${stray.number}: "time" is ${
        toIso(stray.candle.time)
      }, where no candle of ${meant} opens, ` +
        "which the others are: correct or remove the line",
    );
  }
}

function assertTimes(lines: readonly Line[], timeframe: Timeframe, source: string): void {
  const wrong = lines.find(({ candle }) => candle.time % timeframeMs(timeframe) !== 0);
  if (wrong === undefined) return;
  throw new ConfigError(
    `${source}, line ${wrong.number}: "time" must be the opening of a candle of ${timeframe}: current value is ` +
      `${wrong.candle.time}`,
  );
}

/** No holiday and hardly an outage lasts longer; a share may be halted for so long, and has candles before and after. */
const longestPauseMs = 42 * dayMs;
/** So many times the candles on either side are missing in a gap that is a mistake. */
const missingAtMost = 10;

/** A gap is filled with the last price. One line with a wrong year would make half a million candles. */
function assertGaps(lines: readonly Line[], timeframe: Timeframe, source: string): void {
  const timeOf = (index: number): number => lines[index]?.candle.time ?? NaN;
  const gaps = lines.flatMap((_, index) => timeOf(index) - timeOf(index - 1) > longestPauseMs ? [index] : []);
  const edges = [0, ...gaps, lines.length];
  for (const [index, at] of gaps.entries()) {
    const lengthMs = timeOf(at) - timeOf(at - 1);
    const missing = lengthMs / timeframeMs(timeframe) - 1;
    const shorterSide = Math.min(at - (edges[index] ?? 0), (edges[index + 2] ?? 0) - at);
    if (missing <= missingAtMost * shorterSide) continue;
    const [before, after] = [lines[at - 1], lines[at]] as [Line, Line];
    throw new ConfigError(
      `${source}, line ${after.number}: "time" is ${toIso(after.candle.time)}, ${
        Math.floor(lengthMs / dayMs)
      } days after line ` +
        `${before.number} (${
          toIso(before.candle.time)
        }): ${missing} candles of ${timeframe} are missing between them. Correct ` +
        "or remove the wrong line; what is before the gap and what is after it can be files of their own.",
    );
  }
}

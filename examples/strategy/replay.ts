/** Candles out of a file, for going through a day again. */
import { readFileSync } from "node:fs";
import { type Candle, type CandleFeed, timeframeMs } from "./feed.ts";
import { UsageError } from "./usage_error.ts";

const fields = ["time", "open", "high", "low", "close", "volume"] as const;
type Row = Record<string, unknown>;

/**
 * Reads five-minute candles from CSV (`time,open,high,low,close,volume`, with or without that first line) or JSON
 * lines (`{"time": 1767571200000, "open": 59800.1, ...}`). `time` is the candle's opening, in milliseconds since
 * 1970 or as ISO 8601 with a zone. The whole file is checked here, before the first candle is traded on.
 * @throws {UsageError} If the file cannot be read, or a line is no candle: it names file and line.
 */
export function replayFeed({ file }: { readonly file: string }): CandleFeed {
  const candles = parse(read(file), file);
  return {
    name: `replay of ${file}`,
    async *candles(signal) {
      for (const candle of candles) {
        signal?.throwIfAborted();
        yield candle;
      }
    },
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new UsageError(`Cannot replay ${file}: ${(cause as Error).message}`, { cause });
  }
}

function parse(text: string, file: string): Candle[] {
  const candles: Candle[] = [];
  for (const [index, line] of text.replace(/^\uFEFF/, "").split(/\r?\n/).entries()) {
    if (line.trim() === "" || (index === 0 && isHeader(line))) continue;
    try {
      candles.push(toCandle(toRow(line), candles.at(-1)));
    } catch (cause) {
      throw new UsageError(`${file}, line ${index + 1}: ${(cause as Error).message}`, { cause });
    }
  }
  if (candles.length === 0) throw new UsageError(`Cannot replay ${file}: it holds no candle`);
  return candles;
}

function isHeader(line: string): boolean {
  return line.toLowerCase().split(",").map((name) => name.trim()).join() === fields.join();
}

function toRow(line: string): Row {
  if (!line.trimStart().startsWith("{")) return csvRow(line);
  try {
    return JSON.parse(line) as Row;
  } catch (cause) {
    throw new SyntaxError(`this is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function csvRow(line: string): Row {
  const cells = line.split(",").map((cell) => cell.trim());
  if (cells.length !== fields.length) {
    throw new SyntaxError(
      `a candle has ${fields.length} values (${fields.join()}), here are ${cells.length}`,
    );
  }
  return Object.fromEntries(fields.map((field, index) => [field, cells[index]]));
}

function toCandle(row: Row, before: Candle | undefined): Candle {
  const [open, high, low, close] = [
    price(row, "open"),
    price(row, "high"),
    price(row, "low"),
    price(row, "close"),
  ];
  const [time, volume] = [openingTime(row["time"]), number(row, "volume")];
  if (high < Math.max(open, close)) throw new RangeError('"high" must be the highest price of its candle');
  if (low > Math.min(open, close)) throw new RangeError('"low" must be the lowest price of its candle');
  if (volume < 0) throw new RangeError(`"volume" must be 0 or more: current value is ${volume}`);
  if (before && time <= before.time) throw new RangeError('"time" must be later than in the line before');
  return { time, open, high, low, close, volume };
}

function price(row: Row, name: string): number {
  const value = number(row, name);
  if (value > 0) return value;
  throw new RangeError(`"${name}" must be above 0: current value is ${value}`);
}

function number(row: Row, name: string): number {
  const value = row[name];
  // Number("") is 0, which is no price that anyone wrote down.
  const parsed = typeof value === "string" && value !== "" ? Number(value) : value;
  if (typeof parsed === "number" && Number.isFinite(parsed)) return parsed;
  throw new TypeError(`"${name}" must be a number: current value is ${JSON.stringify(value)}`);
}

function openingTime(value: unknown): number {
  const iso = typeof value === "string" && /T.*(Z|[+-]\d\d:\d\d)$/.test(value);
  const time = iso ? Date.parse(value) : number({ time: value }, "time");
  if (Number.isInteger(time) && time >= 1e11 && time % timeframeMs === 0) return time;
  const rule = "the opening of a five-minute candle, in milliseconds since 1970 or as 2026-01-05T06:00:00Z";
  throw new RangeError(`"time" must be ${rule}: current value is ${JSON.stringify(value)}`);
}

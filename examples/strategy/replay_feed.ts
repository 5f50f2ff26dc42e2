/** A feed of candles from a file. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { UsageError } from "../cli/arguments.ts";
import type { Candle, CandleFeed } from "./feed.ts";
import { type CandleFields, parseCandle } from "./parse_candle.ts";

const fields = ["time", "open", "high", "low", "close", "volume"] as const;

/**
 * Reads five-minute candles from CSV (`time,open,high,low,close,volume`, with or without that first line) or JSON
 * lines (`{"time": 1767571200000, "open": 59800.1, ...}`). `time` is the candle's opening, in milliseconds since
 * 1970 or as ISO 8601 with a zone. The whole file is checked here, before the first candle is traded on.
 * @throws {UsageError} If the file cannot be read, or a line is no candle: it names file and line.
 */
export function replayFeed({ file }: { readonly file: string }): CandleFeed {
  const candles = parse(read(file), file);
  return {
    // Independent of the folder: the same file is the same feed wherever it lies.
    name: `replay of ${basename(file)}, from ${new Date(candles[0]?.time ?? 0).toISOString()}`,
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
      candles.push(laterThan(candles.at(-1), parseCandle(toRow(line))));
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

function toRow(line: string): CandleFields {
  if (!line.trimStart().startsWith("{")) return csvRow(line);
  try {
    return JSON.parse(line) as CandleFields;
  } catch (cause) {
    throw new SyntaxError(`this is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function csvRow(line: string): CandleFields {
  const cells = line.split(",").map((cell) => cell.trim());
  if (cells.length !== fields.length) {
    throw new SyntaxError(
      `a candle has ${fields.length} values (${fields.join()}), here are ${cells.length}`,
    );
  }
  return Object.fromEntries(fields.map((field, index) => [field, cells[index]]));
}

function laterThan(before: Candle | undefined, candle: Candle): Candle {
  if (!before || candle.time > before.time) return candle;
  throw new RangeError('"time" must be later than in the line before');
}

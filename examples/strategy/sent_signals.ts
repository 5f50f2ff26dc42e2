/** When the last signal was found, kept in a file: a subscriber who gets a signal twice may trade it twice. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import { UsageError } from "./usage_error.ts";

export interface SentSignals {
  /** The time of the feed's last signal (its candle's close) in milliseconds since 1970, or -Infinity. */
  readonly last: number;
  /**
   * Remembers a signal's time. To be called before it is sent: a crash in between loses the signal and does not
   * repeat it. Rejects if the file cannot be written; then the signal must not be sent.
   */
  record(time: number): Promise<void>;
}

type Times = Readonly<Record<string, unknown>>;

/**
 * Opens the file, which has one entry a feed; `feedName` says which.
 * @throws {UsageError} If it cannot be read or written. Only a file that is absent means that nothing was sent.
 */
export async function openSentSignals(file: string, feedName: string): Promise<SentSignals> {
  const times = await load(file);
  const last = lastOf(times, feedName, file);
  await save(file, times);
  return {
    last,
    async record(time) {
      // Another scheduler may share the file.
      const times = await load(file);
      if (lastOf(times, feedName, file) >= time) {
        throw new UsageError(
          `${file} says that it is sent already; does another scheduler trade "${feedName}"?`,
        );
      }
      await save(file, { ...times, [feedName]: new Date(time).toISOString() });
    },
  };
}

function lastOf(times: Times, feedName: string, file: string): number {
  const last = feedName in times ? Date.parse(String(times[feedName])) : -Infinity;
  if (Number.isNaN(last)) throw damaged(file, `"${feedName}" has no time in it`);
  return last;
}

async function load(file: string): Promise<Times> {
  const text = await readFile(file, "utf8").catch((cause) => {
    if (cause.code === "ENOENT") return "{}";
    throw new UsageError(`Cannot read ${file}: ${cause.message}`, { cause });
  });
  const times = parse(text, file);
  if (typeof times === "object" && times !== null && !Array.isArray(times)) return times as Times;
  throw damaged(file, "it is no object of feeds and times");
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(file, "it is no JSON", cause);
  }
}

function damaged(file: string, why: string, cause?: unknown): UsageError {
  const remedy = "mend it, or delete it and accept that signals may be sent again";
  return new UsageError(`Cannot tell from ${file} which signals were sent, as ${why}: ${remedy}`, { cause });
}

/** A crash leaves the old file or the new one, never half of one. */
async function save(file: string, times: Times): Promise<void> {
  const draft = `${file}.${process.pid}`;
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(draft, `${JSON.stringify(times, null, 2)}\n`, { flush: true });
    await rename(draft, file);
  } catch (cause) {
    throw new UsageError(`Cannot write ${file}: ${(cause as Error).message}`, { cause });
  }
}

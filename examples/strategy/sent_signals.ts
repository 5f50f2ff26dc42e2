/** Which signals were sent, a line each in a file: a subscriber who gets a signal twice may trade it twice. */
import { randomUUID } from "node:crypto";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { UsageError } from "./usage_error.ts";

export interface SentSignals {
  /** The time of the feed's last signal (its candle's close) in milliseconds since 1970, or -Infinity. */
  readonly last: number;
  /**
   * Remembers a signal's time. To be called before it is sent: a crash in between loses the signal and does not
   * repeat it. Rejects if the file cannot be written, or if another scheduler was first; then it must not be sent.
   */
  record(time: number): Promise<SentRecord>;
}

/** A signal that is remembered as sent. */
export interface SentRecord {
  /** Forgets it again. Only for a signal that surely nobody has got: whoever records it next may send it. */
  takeBack(): Promise<void>;
}

/** Lines are only ever added, so whoever shares the file agrees on who was first. */
interface Line {
  readonly feed: string;
  /** ISO 8601. */
  readonly time: string;
  /** Tells the line from another of the same signal. */
  readonly id: string;
  /** Takes the line of the same id back, and does not count itself. */
  readonly takesBack?: true;
}

/**
 * Opens the file, which may hold several feeds; `feedName` says which.
 * @throws {UsageError} If it cannot be read or written. Only a file that is absent means that nothing was sent.
 */
export async function openSentSignals(file: string, feedName: string): Promise<SentSignals> {
  // Written to at once, as it is too late to find that out at the first signal.
  await append(file, "");
  const lines = inForce(await read(file));
  if (!await endsWell(file)) await append(file, "\n");
  const times = lines.filter(({ feed }) => feed === feedName).map(({ time }) => Date.parse(time));
  return {
    last: Math.max(...times),
    async record(time) {
      const line: Line = { feed: feedName, time: new Date(time).toISOString(), id: randomUUID() };
      const takeBack = (): Promise<void> => write(file, { ...line, takesBack: true });
      await write(file, line);
      const lines = inForce(await read(file));
      const first = lines.find(({ feed, time: at }) => feed === feedName && Date.parse(at) >= time);
      if (first?.id === line.id) return { takeBack };
      // It is the other's to remember, or to take back.
      await takeBack();
      throw new UsageError(
        `${file} says that it is sent already; does another scheduler trade "${feedName}"?`,
      );
    },
  };
}

/** Without those that were taken back. */
function inForce(lines: readonly Line[]): Line[] {
  const takenBack = new Set(lines.filter(({ takesBack }) => takesBack).map(({ id }) => id));
  return lines.filter(({ id }) => !takenBack.has(id));
}

async function write(file: string, line: Line): Promise<void> {
  await append(file, `${JSON.stringify(line)}\n`);
}

async function endsWell(file: string): Promise<boolean> {
  const text = await textOf(file);
  return text === "" || text.endsWith("\n");
}

async function read(file: string): Promise<Line[]> {
  const lines = (await textOf(file)).split("\n");
  return lines.flatMap((line, index) => {
    if (line === "" || isTorn(line)) return [];
    const entry = parsed(line);
    if (typeof entry?.feed === "string" && !Number.isNaN(Date.parse(entry.time))) return [entry];
    const remedy = "mend it, or delete it and accept that signals may be sent again";
    throw new UsageError(
      `Cannot tell from ${file} which signals were sent: see line ${index + 1}; ${remedy}`,
    );
  });
}

/** Half a line is what a crash leaves: that signal was not sent. */
function isTorn(line: string): boolean {
  const beginning = '{"feed":';
  return (line.startsWith(beginning) || beginning.startsWith(line)) && parsed(line) === undefined;
}

function parsed(line: string): Line | undefined {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return undefined;
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new UsageError(`Cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}

async function append(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await appendFile(file, text, { flush: true });
  } catch (cause) {
    throw new UsageError(`Cannot write ${file}: ${(cause as Error).message}`, { cause });
  }
}

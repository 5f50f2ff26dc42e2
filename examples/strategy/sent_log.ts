/** A log file of the signals that were sent, a line each: a subscriber who gets a signal twice may trade it twice. */
import { randomUUID } from "node:crypto";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { UsageError } from "../cli/arguments.ts";

export interface SentLog {
  /** The time of the feed's last signal (its candle's close) in milliseconds since 1970, or -Infinity. */
  readonly last: number;
  /**
   * Records a signal's time. To be called before the signal is sent: after a crash in between it is lost, not repeated.
   * Rejects if the file cannot be written, or if another scheduler was first; then the signal must not be sent.
   */
  record(time: number): Promise<SentRecord>;
}

/** A signal that is recorded as sent. */
export interface SentRecord {
  /** Removes the record, so that the signal may be recorded and sent again. Only where certainly nobody has got it. */
  undo(): Promise<void>;
}

/** Lines are only appended, so that all schedulers that share the file agree on which was first. */
interface Line {
  readonly feed: string;
  /** ISO 8601. */
  readonly time: string;
  /** Unique, as two schedulers may record the same signal. */
  readonly id: string;
  /** Undoes the line of the same id. */
  readonly takesBack?: true;
}

/**
 * Opens the file, which may hold several feeds; `feedName` says which.
 * @throws {UsageError} If it cannot be read or written. Only a file that is absent means that nothing was sent.
 */
export async function openSentLog(file: string, feedName: string): Promise<SentLog> {
  // Now, as at the first signal it is too late to find that the file cannot be written.
  await append(file, "");
  const lines = withoutUndone(await read(file));
  if (!await endsWithLineBreak(file)) await append(file, "\n");
  const times = lines.filter(({ feed }) => feed === feedName).map(({ time }) => Date.parse(time));
  return {
    last: Math.max(...times),
    async record(time) {
      const line: Line = { feed: feedName, time: new Date(time).toISOString(), id: randomUUID() };
      const undo = (): Promise<void> => write(file, { ...line, takesBack: true });
      await write(file, line);
      const lines = withoutUndone(await read(file));
      const first = lines.find(({ feed, time: at }) => feed === feedName && Date.parse(at) >= time);
      if (first?.id === line.id) return { undo };
      // The other scheduler has recorded it, and may undo that.
      await undo();
      throw new UsageError(
        `${file} says that it is sent already; does another scheduler trade "${feedName}"?`,
      );
    },
  };
}

/** The lines without those that were undone. */
function withoutUndone(lines: readonly Line[]): Line[] {
  const undone = new Set(lines.filter(({ takesBack }) => takesBack).map(({ id }) => id));
  return lines.filter(({ id }) => !undone.has(id));
}

async function write(file: string, line: Line): Promise<void> {
  await append(file, `${JSON.stringify(line)}\n`);
}

async function endsWithLineBreak(file: string): Promise<boolean> {
  const text = await readText(file);
  return text === "" || text.endsWith("\n");
}

async function read(file: string): Promise<Line[]> {
  const lines = (await readText(file)).split("\n");
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

/** A crash may leave half a line; its signal was not sent. */
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

async function readText(file: string): Promise<string> {
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

/** An append-only file of JSON lines, for data that has to outlive the process. */
import fs, { type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError } from "./validate.ts";

export interface Lines<T> {
  readonly entries: readonly T[];
  /** The number of unreadable lines, without one that was cut off at the end. */
  readonly unreadable: number;
}

/** Lines that go to the disk in one write. */
interface Batch {
  readonly lines: string[];
  readonly written: Promise<void>;
}

export class LineFile {
  readonly path: string;
  readonly #file: FileHandle;
  /** The batch that is written next. */
  #next: Batch | undefined;
  #last: Promise<void> = Promise.resolve();
  /** The size up to which the content is known. */
  #size = 0;

  constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** All entries of the file. `isEntry` may throw for a line that holds something else altogether. */
  async read<T>(isEntry: (value: T) => boolean): Promise<Lines<T>> {
    const bytes = await this.#file.readFile();
    this.#size = bytes.length;
    const lines = bytes.toString("utf8").split("\n");
    const last = lines.pop() ?? "";
    const entries = [...lines, last].map((line) => entryOf(line, isEntry));
    return {
      entries: entries.filter((entry) => entry !== undefined),
      unreadable: lines.filter((line, index) => line !== "" && entries[index] === undefined).length,
    };
  }

  /** Resolves once the entries are on disk; entries that come while the disk is busy are written together. */
  append(entries: readonly unknown[]): Promise<void> {
    const batch = this.#next ??= this.#begin();
    batch.lines.push(...entries.map((entry) => `${JSON.stringify(entry)}\n`));
    return batch.written;
  }

  /** Empties the file, whose entries are kept elsewhere by now; not if another process has added to it. */
  clear(): Promise<void> {
    // Entries that are appended from now on must not go into a write that precedes this one.
    this.#next = undefined;
    return this.#enqueue(async () => {
      const { size } = await this.#file.stat();
      if (size === 0 || size !== this.#size) return;
      await this.#file.truncate(0);
      await this.#file.datasync();
      this.#size = 0;
    });
  }

  async close(): Promise<void> {
    await this.#enqueue(() => this.#file.close());
  }

  #begin(): Batch {
    const lines: string[] = [];
    const written = this.#enqueue(() => {
      if (this.#next === batch) this.#next = undefined;
      return this.#flush(lines);
    });
    const batch = { lines, written };
    return batch;
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => {});
    return done;
  }

  async #flush(lines: readonly string[]): Promise<void> {
    // A line that was cut off is ended: one of this process, whose append has failed and is made again, or of another one.
    try {
      await this.#write(`\n${lines.join("")}`);
    } catch (error) {
      this.#size = (await this.#file.stat()).size;
      throw error;
    }
  }

  async #write(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    await this.#file.appendFile(bytes);
    await this.#file.datasync();
    this.#size += bytes.length;
  }
}

/**
 * Opens the file, which only its owner may read; creates it and its folder if there are none.
 * @param name What the file is, for the error.
 * @throws {ConfigError} If the file cannot be written.
 */
export async function openLineFile(path: string, name: string): Promise<FileHandle> {
  try {
    await fs.mkdir(dirname(path), { recursive: true });
    return await fs.open(path, "a+", 0o600);
  } catch (cause) {
    throw new ConfigError(
      `The ${name} ${JSON.stringify(path)} cannot be written (${(cause as Error).message}): ` +
        `name another one in spoolFile or TELEGRAM_SPOOL_FILE, or allow it.`,
      { cause },
    );
  }
}

function entryOf<T>(line: string, isEntry: (value: T) => boolean): T | undefined {
  try {
    const entry = JSON.parse(line) as T;
    return isEntry(entry) ? entry : undefined;
  } catch {
    return undefined;
  }
}

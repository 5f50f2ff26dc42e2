/** An append-only file of JSON lines: what has to outlive the process. */
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError } from "./validate.ts";

export interface Lines<T> {
  readonly entries: readonly T[];
  /** Lines that cannot be read, other than one that was cut off at the end. */
  readonly unreadable: number;
}

/** What goes to the disk in one write. */
interface Batch {
  readonly lines: string[];
  readonly written: Promise<void>;
}

export class LineFile {
  readonly path: string;
  readonly #file: FileHandle;
  /** What is to be on disk next. */
  #next: Batch | undefined;
  #last: Promise<void> = Promise.resolve();
  #size = 0;
  #isTorn = false;

  constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** All entries that are left from before. `isEntry` may throw where the line says something else altogether. */
  async read<T>(isEntry: (value: T) => boolean): Promise<Lines<T>> {
    const bytes = await this.#file.readFile();
    this.#size = bytes.length;
    const lines = bytes.toString("utf8").split("\n");
    const last = lines.pop() ?? "";
    // What comes next must not be torn along with it.
    if (last !== "") await this.#write("\n");
    const entries = [...lines, last].map((line) => entryOf(line, isEntry));
    return {
      entries: entries.filter((entry) => entry !== undefined),
      unreadable: lines.filter((line, index) => line !== "" && entries[index] === undefined).length,
    };
  }

  /** Resolves once they are on disk; what comes while the disk is busy goes there together. */
  append(entries: readonly unknown[]): Promise<void> {
    const batch = this.#next ??= this.#begin();
    batch.lines.push(...entries.map((entry) => `${JSON.stringify(entry)}\n`));
    return batch.written;
  }

  /** Forgets everything, as it is kept elsewhere; leaves the file alone where another process has added to it. */
  clear(): Promise<void> {
    // What is appended from now on must not be in a write that goes before.
    this.#next = undefined;
    return this.#inTurn(async () => {
      const { size } = await this.#file.stat();
      if (size === 0 || size !== this.#size) return;
      await this.#file.truncate(0);
      await this.#file.datasync();
      this.#size = 0;
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#file.close());
  }

  #begin(): Batch {
    const lines: string[] = [];
    const written = this.#inTurn(() => {
      if (this.#next === batch) this.#next = undefined;
      return this.#flush(lines);
    });
    const batch = { lines, written };
    return batch;
  }

  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => {});
    return done;
  }

  async #flush(lines: readonly string[]): Promise<void> {
    // Lines that a full disk has cut off are ended; whoever could not append them does so again.
    const start = this.#isTorn ? "\n" : "";
    try {
      await this.#write(start + lines.join(""));
      this.#isTorn = false;
    } catch (error) {
      this.#isTorn = true;
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
 * Opens the file, which only its owner may read, in a folder that is made where there is none. `name` says what it is.
 * @throws {ConfigError} If the file cannot be written.
 */
export async function openLineFile(path: string, name: string): Promise<FileHandle> {
  try {
    await mkdir(dirname(path), { recursive: true });
    return await open(path, "a+", 0o600);
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

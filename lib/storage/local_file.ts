/** The file of a local ledger: what it keeps outlives a kill. */
import { LineFile, openLineFile } from "../line_file.ts";
import type { Logger } from "../log.ts";
import { reasonOf } from "../reason.ts";
import { isLine, type Line } from "./local_line.ts";

/**
 * Lines that are on disk before a write resolves. A disk that fails is logged, and does not keep a signal back: what it has
 * not taken is written with the next line that it takes.
 */
export class LocalFile {
  readonly path: string;
  readonly #lines: LineFile;
  readonly #logger: Logger;
  /** Whether the disk has not taken all. */
  #isBehind = false;

  constructor(lines: LineFile, logger: Logger) {
    this.path = lines.path;
    this.#lines = lines;
    this.#logger = logger;
  }

  /** What a process before this one has left. */
  async read(): Promise<readonly Line[]> {
    const { entries, unreadable } = await this.#lines.read(isLine);
    if (unreadable > 0) {
      this.#logger.warn(`${unreadable} lines of the file ${this.path} cannot be read, and are left out.`);
    }
    return entries;
  }

  /** `everything` gives the lines of all that is kept. */
  async write(lines: readonly Line[], everything: () => readonly Line[]): Promise<void> {
    const isWhole = this.#isBehind;
    try {
      await this.#lines.append(isWhole ? [...lines, ...everything()] : lines);
      if (isWhole) this.#isBehind = false;
    } catch (error) {
      if (!this.#isBehind) {
        this.#logger.error(
          `The file ${this.path} cannot be written (${
            reasonOf(error)
          }). Check the disk. Meanwhile broadcasts with a ` +
            `broadcastId are remembered in memory only.`,
        );
      }
      this.#isBehind = true;
    }
  }

  /** Forgets everything; leaves the file alone where another process has added to it. */
  async clear(): Promise<void> {
    await this.#lines.clear();
  }

  async close(): Promise<void> {
    await this.#lines.close();
  }
}

/** @throws {ConfigError} If the file cannot be written. */
export async function openLocalFile(path: string, logger: Logger): Promise<LocalFile> {
  const file = await openLineFile(path, "file of broadcasts");
  return new LocalFile(new LineFile(path, file), logger);
}

/** The file of the local ledger: lines of JSON, which survive a crash of the process. */
import { messageOf } from "../util/errors.ts";
import { type LineFile, openLineFile } from "../util/json_lines_file.ts";
import type { Logger } from "../util/log.ts";
import { isRun, type RunRecord, type RunText, type RunValue } from "./ledger.ts";

export type Line =
  /** The whole run, as it is from now on. */
  | { readonly kind: "run"; readonly run: RunRecord }
  | { readonly kind: "text"; readonly broadcast_id: string; readonly name: RunText; readonly text: string }
  /** The ledger may have the run, too, from now on. */
  | { readonly kind: "shared"; readonly broadcast_id: string }
  /** The ledger has the run, and it is no longer kept here. */
  | { readonly kind: "forgotten"; readonly broadcast_id: string };

function isLine(line: Line): boolean {
  if (line.kind === "run") return isRun(line.run as Record<string, RunValue>);
  if (typeof line.broadcast_id !== "string") return false;
  if (line.kind === "text") return typeof line.name === "string" && typeof line.text === "string";
  return line.kind === "shared" || line.kind === "forgotten";
}

/**
 * Writes lines, which are on disk before a write resolves. A disk that fails is logged, and does not hold back a signal:
 * what it has not taken is written with the next line that it takes.
 */
export class LocalFile {
  readonly path: string;
  readonly #lines: LineFile;
  readonly #logger: Logger;
  /** Whether lines are missing on disk. */
  #isBehind = false;

  constructor(lines: LineFile, logger: Logger) {
    this.path = lines.path;
    this.#lines = lines;
    this.#logger = logger;
  }

  /**
   * The lines that a process before this one has left.
   * @throws {ConfigError} If it is another bot's file, or holds something else.
   */
  async read(): Promise<readonly Line[]> {
    const { entries, unreadable } = await this.#lines.read(isLine);
    if (unreadable > 0) {
      this.#logger.warn(
        `${unreadable} lines of the file ${this.path} cannot be read, and are left out. ` +
          `Before the file is emptied they go to ${this.#lines.asidePath}.`,
      );
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
            messageOf(error)
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

/** @throws {ConfigError} If the file cannot be written, or is a link, somebody else's, or no file. */
export async function openLocalFile(path: string, botId: number, logger: Logger): Promise<LocalFile> {
  return new LocalFile(await openLineFile({ path, name: "file of broadcasts", botId }), logger);
}

/** An append-only file of JSON lines, for data that has to outlive the process. Each line names the bot whose it is. */
import { Buffer } from "node:buffer";
import { constants } from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import { ConfigError } from "./validate.ts";

export interface Lines<T> {
  readonly entries: readonly T[];
  /** The number of unreadable lines, without one that was cut off at the end. */
  readonly unreadable: number;
}

export interface LineFileOptions {
  readonly path: string;
  /** What the file is, for errors, such as `spool file`. */
  readonly name: string;
  /** The bot whose file it is. */
  readonly botId: number;
}

/** Lines that go to the disk in one write. */
interface Batch {
  readonly lines: string[];
  readonly written: Promise<void>;
}

/** What a line of a bot begins with. */
const lineStart = (botId: number): string => `{"bot_id":${botId},`;

export class LineFile {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #options: LineFileOptions;
  /** The batch that is written next. */
  #next: Batch | undefined;
  #last: Promise<void> = Promise.resolve();
  /** The size up to which the content is known. */
  #size = 0;
  /** Lines that could not be read; they are set aside before the file is emptied. */
  #unreadable: readonly Buffer[] = [];

  constructor(file: FileHandle, options: LineFileOptions) {
    this.path = options.path;
    this.#file = file;
    this.#options = options;
  }

  /** The file of the lines that could not be read. */
  get asidePath(): string {
    return `${this.path}.unreadable`;
  }

  /**
   * All entries of the file, which only its owner may read from now on; to be called before anything is appended. `isEntry`
   * may throw for a line that holds something else altogether.
   * @throws {ConfigError} If it is another bot's file, or holds something else: then it stays as it is.
   */
  async read<T>(isEntry: (value: T) => boolean): Promise<Lines<T>> {
    const { botId } = this.#options;
    const bytes = await this.#file.readFile();
    const lines = linesOf(bytes);
    const entries = lines.map((line) => entryOf(line, isEntry));
    const other = entries.find((entry) => entry?.botId !== undefined && entry.botId !== botId);
    if (other !== undefined) throw this.#refusal(`is of the bot ${other.botId}, and this one is ${botId}`);
    const isProven = entries.some((entry) => entry !== undefined);
    const isOwn = isProven || lines.every((line) => isRest(line, botId));
    if (!isOwn) throw this.#refusal("holds something else");
    await makePrivate(this.#file, this.#options);
    this.#size = bytes.length;
    // Of a last line without an end that this bot has begun, nobody was told that it is kept.
    this.#unreadable = lines.filter((line, index) =>
      line.length > 0 && entries[index] === undefined &&
      !(isProven && index === lines.length - 1 && isRest(line, botId) && !line.includes(0))
    );
    return {
      entries: entries.flatMap((entry) => entry === undefined ? [] : [entry.value]),
      unreadable: this.#unreadable.length,
    };
  }

  /** Resolves once the entries are on disk; entries that come while the disk is busy are written together. */
  append(entries: readonly object[]): Promise<void> {
    const batch = this.#next ??= this.#begin();
    const { botId } = this.#options;
    batch.lines.push(...entries.map((entry) => `${JSON.stringify({ bot_id: botId, ...entry })}\n`));
    return batch.written;
  }

  /** Empties the file, whose entries are kept elsewhere by now; not if another process has added to it. */
  clear(): Promise<void> {
    // Entries that are appended from now on must not go into a write that precedes this one.
    this.#next = undefined;
    return this.#enqueue(async () => {
      await this.#setAside();
      // Right before it is emptied, so that nothing is lost that another process adds meanwhile.
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
      this.#size += await appendTo(this.#file, Buffer.from(`\n${lines.join("")}`));
    } catch (error) {
      this.#size = (await this.#file.stat()).size;
      throw error;
    }
  }

  /** Keeps the lines that could not be read, byte by byte, in a file of their own. */
  async #setAside(): Promise<void> {
    if (this.#unreadable.length === 0) return;
    const { name, botId } = this.#options;
    const options = { ...this.#options, path: this.asidePath };
    const aside = await openOwn(options);
    try {
      const heading = Buffer.from(`Lines of the ${name} of the bot ${botId} that cannot be read:\n`);
      const begun = (await aside.readFile()).subarray(0, heading.length);
      // A full disk may have taken a part of it.
      if (!heading.subarray(0, begun.length).equals(begun)) {
        throw refusalOf(options, "holds something else", "move it", ", or name another file");
      }
      await makePrivate(aside, options);
      const lines = this.#unreadable.flatMap((line) => [line, lineEnd]);
      await appendTo(aside, Buffer.concat([heading.subarray(begun.length), ...lines]));
    } finally {
      await aside.close();
    }
    this.#unreadable = [];
  }

  #refusal(why: string): ConfigError {
    return refusalOf(this.#options, why, "name another one");
  }
}

/** Resolves to the number of bytes once they are on disk. */
async function appendTo(file: FileHandle, bytes: Uint8Array): Promise<number> {
  await file.appendFile(bytes);
  await file.datasync();
  return bytes.length;
}

/**
 * Opens the file; creates it and its folder if there are none.
 * @throws {ConfigError} If the file cannot be written, or is a link, somebody else's, or no file.
 */
export async function openLineFile(options: LineFileOptions): Promise<LineFile> {
  return new LineFile(await openOwn(options), options);
}

async function openOwn(options: LineFileOptions): Promise<FileHandle> {
  const { path } = options;
  // Windows has no O_NOFOLLOW, and Deno follows links before it opens a file. A pipe would hold up the opening.
  const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
  let file: FileHandle | undefined;
  try {
    await fs.mkdir(dirname(path), { recursive: true });
    if (await isLink(path)) throw linkRefusal(options);
    file = await fs.open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    await assertOwn(file, options);
    return file;
  } catch (cause) {
    await file?.close();
    if (cause instanceof ConfigError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ELOOP") throw linkRefusal(options);
    throw refusalOf(options, `cannot be written (${message})`, "name another one", ", or allow it", cause);
  }
}

/** Whether the path names a link; there may be nothing as yet. */
function isLink(path: string): Promise<boolean> {
  return fs.lstat(path).then((stats) => stats.isSymbolicLink(), () => false);
}

function linkRefusal(options: LineFileOptions): ConfigError {
  return refusalOf(options, "is a link", "name the file itself");
}

/** In a folder that others can write to, the file may be somebody else's. */
async function assertOwn(file: FileHandle, options: LineFileOptions): Promise<void> {
  const stats = await file.stat();
  if (!stats.isFile()) throw refusalOf(options, "is no plain file", "name another one");
  // A hard link.
  if (stats.nlink > 1) throw refusalOf(options, "has another name, too", "name another one");
  const own = ownUserId();
  if (own !== undefined && stats.uid !== own) throw othersRefusal(stats.uid, options);
}

async function makePrivate(file: FileHandle, options: LineFileOptions): Promise<void> {
  // Windows has no such modes.
  if (process.platform === "win32") return;
  // Only the owner, or root, may change the mode.
  if (!await isDone(file.chmod(0o600))) throw othersRefusal((await file.stat()).uid, options);
  if (((await file.stat()).mode & 0o077) !== 0) {
    throw refusalOf(options, "can be read by others, and chmod has no effect there", "name another one");
  }
}

function othersRefusal(uid: number, options: LineFileOptions): ConfigError {
  const why = `belongs to the user ${uid}, who is not the user of this program`;
  return refusalOf(options, why, "give it to that one, or name another one");
}

/** `undefined` where Deno does not permit to ask. */
function ownUserId(): number | undefined {
  try {
    return process.geteuid?.();
  } catch {
    return undefined;
  }
}

function isDone(action: Promise<void>): Promise<boolean> {
  return action.then(() => true, () => false);
}

function refusalOf(
  { path, name }: LineFileOptions,
  why: string,
  remedy: string,
  more: string = "",
  cause?: unknown,
): ConfigError {
  return new ConfigError(
    `The ${name} ${JSON.stringify(path)} ${why}: ${remedy} in spoolFile or TELEGRAM_SPOOL_FILE${more}.`,
    cause === undefined ? {} : { cause },
  );
}

interface Entry<T> {
  readonly value: T;
  /** Absent in lines of earlier versions. */
  readonly botId: number | undefined;
}

function entryOf<T>(line: Buffer, isEntry: (value: T) => boolean): Entry<T> | undefined {
  try {
    const { bot_id: botId, ...value } = JSON.parse(line.toString()) as { readonly bot_id?: number };
    const isWhole = botId === undefined || Number.isSafeInteger(botId);
    return isWhole && isEntry(value as T) ? { value: value as T, botId } : undefined;
  } catch {
    return undefined;
  }
}

const lineEnd = Buffer.from("\n");

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let start = 0, end; start <= bytes.length; start = end + 1) {
    end = bytes.indexOf(lineEnd, start);
    if (end < 0) end = bytes.length;
    lines.push(bytes.subarray(start, end));
  }
  return lines;
}

/** Whether the line may be what is left of one that the bot has written; what a disk has lost may read as zeros. */
function isRest(line: Buffer, botId: number): boolean {
  const text = line.toString("latin1").replaceAll("\0", "");
  const start = lineStart(botId);
  return start.startsWith(text.slice(0, start.length));
}

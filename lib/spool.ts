/** The queue on disk: what waits for the storage outlives the process. A JSON line for each entry. */
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import type { Entry } from "./entry.ts";
import { ConfigError } from "./options.ts";

export interface SpoolContent {
  readonly entries: readonly Entry[];
  /** Lines that cannot be read, other than one that was cut off at the end. */
  readonly unreadable: number;
}

/** An append-only file. Only its owner may read it: it says who writes to the bot. */
export class Spool {
  readonly path: string;
  readonly #file: FileHandle;
  /** What is to be on disk next. */
  #lines: string[] = [];
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #size = 0;
  #isTorn = false;

  constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** All entries that are left from before. */
  async read(): Promise<SpoolContent> {
    const bytes = await this.#file.readFile();
    this.#size = bytes.length;
    const lines = bytes.toString("utf8").split("\n");
    const last = lines.pop() ?? "";
    // What comes next must not be torn along with it.
    if (last !== "") await this.#write("\n");
    const entries = [...lines, last].map(entryOf);
    return {
      entries: entries.filter((entry) => entry !== undefined),
      unreadable: lines.filter((line, index) => line !== "" && entries[index] === undefined).length,
    };
  }

  /** Resolves once they are on disk; what comes while the disk is busy goes there together. */
  append(entries: readonly Entry[]): Promise<void> {
    this.#lines.push(...entries.map((entry) => `${JSON.stringify(entry)}\n`));
    return this.#next ??= this.#inTurn(() => {
      this.#next = undefined;
      return this.#flush();
    });
  }

  /** Forgets everything, as it is kept elsewhere; leaves the file alone where another process has added to it. */
  clear(): Promise<void> {
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

  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => {});
    return done;
  }

  async #flush(): Promise<void> {
    const lines = this.#lines;
    this.#lines = [];
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

/** @throws {ConfigError} If the file cannot be written. */
export async function openSpool(path: string): Promise<Spool> {
  try {
    await mkdir(dirname(path), { recursive: true });
    return new Spool(path, await open(path, "a+", 0o600));
  } catch (cause) {
    throw new ConfigError(
      `The spool file ${JSON.stringify(path)} cannot be written (${(cause as Error).message}): ` +
        `name another one in spoolFile or TELEGRAM_SPOOL_FILE, or allow it.`,
      { cause },
    );
  }
}

function entryOf(line: string): Entry | undefined {
  try {
    const entry = JSON.parse(line) as Entry;
    return isEntry(entry) ? entry : undefined;
  } catch {
    return undefined;
  }
}

function isEntry(entry: Entry): boolean {
  if (entry.kind === "migration") return [entry.from, entry.to, entry.at].every(Number.isSafeInteger);
  const { kind, at } = entry.event;
  return entry.kind === "event" && Number.isSafeInteger(entry.chatId) && typeof kind === "string" &&
    Number.isFinite(at);
}

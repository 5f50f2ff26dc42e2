/** The write queue on disk, which outlives the process: a JSON line for each write. */
import type { FileHandle } from "node:fs/promises";
import { LineFile, type Lines, openLineFile } from "../util/json_lines_file.ts";
import type { ChatWrite } from "./writer.ts";

/** An append-only file. Only its owner may read it: it says who writes to the bot. */
export class Spool {
  readonly path: string;
  readonly #file: LineFile;

  constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = new LineFile(path, file);
  }

  /** The writes that an earlier process has left. */
  read(): Promise<Lines<ChatWrite>> {
    return this.#file.read(isWrite);
  }

  /** Resolves when they are on disk; writes that arrive while the disk is busy are appended together. */
  append(writes: readonly ChatWrite[]): Promise<void> {
    return this.#file.append(writes);
  }

  /** Empties the file, as the storage has the writes; leaves it alone if another process has appended to it. */
  clear(): Promise<void> {
    return this.#file.clear();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** @throws {ConfigError} If the file cannot be written. */
export async function openSpool(path: string): Promise<Spool> {
  return new Spool(path, await openLineFile(path, "spool file"));
}

function isWrite(write: ChatWrite): boolean {
  if (write.kind === "migration") return [write.from, write.to, write.at].every(Number.isSafeInteger);
  const { kind, at } = write.event;
  return write.kind === "event" && Number.isSafeInteger(write.chatId) && typeof kind === "string" &&
    Number.isFinite(at);
}

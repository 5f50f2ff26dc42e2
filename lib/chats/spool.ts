/** The queue on disk: what waits for the storage outlives the process. A JSON line for each entry. */
import type { FileHandle } from "node:fs/promises";
import type { ChatWrite } from "./writer.ts";
import { LineFile, type Lines, openLineFile } from "../util/json_lines_file.ts";

export type SpoolContent = Lines<ChatWrite>;

/** An append-only file. Only its owner may read it: it says who writes to the bot. */
export class Spool {
  readonly path: string;
  readonly #file: LineFile;

  constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = new LineFile(path, file);
  }

  /** All entries that are left from before. */
  read(): Promise<SpoolContent> {
    return this.#file.read(isEntry);
  }

  /** Resolves once they are on disk; what comes while the disk is busy goes there together. */
  append(chatWrites: readonly ChatWrite[]): Promise<void> {
    return this.#file.append(chatWrites);
  }

  /** Forgets everything, as it is kept elsewhere; leaves the file alone where another process has added to it. */
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

function isEntry(chatWrite: ChatWrite): boolean {
  if (chatWrite.kind === "migration") {
    return [chatWrite.from, chatWrite.to, chatWrite.at].every(Number.isSafeInteger);
  }
  const { kind, at } = chatWrite.event;
  return chatWrite.kind === "event" && Number.isSafeInteger(chatWrite.chatId) && typeof kind === "string" &&
    Number.isFinite(at);
}

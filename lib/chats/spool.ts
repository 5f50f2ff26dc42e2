/** The write queue on disk, which outlives the process: a JSON line for each write. */
import { isChatId, isThreadId } from "../telegram/chat_id.ts";
import { type LineFile, type Lines, openLineFile } from "../util/json_lines_file.ts";
import { isObject } from "../util/validate.ts";
import type { ChatWrite } from "./writer.ts";

/** An append-only file. Only its owner may read it: it says who writes to the bot. */
export class Spool {
  readonly #file: LineFile;

  constructor(file: LineFile) {
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  /** Where lines that cannot be read are kept once the file is cleared. */
  get asidePath(): string {
    return this.#file.asidePath;
  }

  /**
   * The writes that an earlier process has left.
   * @throws {ConfigError} If it is another bot's file, or holds something else.
   */
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

/** @throws {ConfigError} If the file cannot be written, or is a link, somebody else's, or no file. */
export async function openSpool(path: string, botId: number): Promise<Spool> {
  return new Spool(await openLineFile({ path, name: "spool file", botId }));
}

type Checks = Readonly<Record<string, (value: unknown) => boolean>>;

/** Until the year 10000, from which on times are written in another way. */
const isTime = (value: unknown): boolean =>
  typeof value === "number" && value >= 0 && value < 253_402_300_800_000;
const isFlag = (value: unknown): boolean => typeof value === "boolean";
const isId = (value: unknown): boolean => Number.isSafeInteger(value) && value as number >= 0;
const isText = (value: unknown): boolean => typeof value === "string";

/** The kinds of events that wait in the queue: all that updates are, and the removal that a refused send shows. */
const kinds: ReadonlySet<unknown> = new Set(["start", "stop", "message", "removed", "returned"]);
const reasons: ReadonlySet<unknown> = new Set(["blocked", "left", "gone"]);

/** What is known of who writes. */
const userChecks: Checks = {
  ...{ username: isText, first_name: isText, last_name: isText, title: isText, type: isText },
  user_id: isId,
};

/** What an event holds besides, where it does. */
const eventChecks: Checks = {
  updateId: isId,
  userInfo: (value) => isObject(value) && !Array.isArray(value) && holds(value, userChecks, true),
  registers: isFlag,
  isKept: isFlag,
  addedBy: isChatId,
  threadId: isThreadId,
  reason: (value) => reasons.has(value),
};

/** A file may hold anything: what no queue writes is no write. */
function isWrite(write: ChatWrite): boolean {
  if (write.kind === "migration") return isChatId(write.from) && isChatId(write.to) && isTime(write.at);
  if (write.kind !== "event" || !isChatId(write.chatId)) return false;
  const { kind, at } = write.event;
  return kinds.has(kind) && isTime(at) && holds(write.event, eventChecks);
}

/** @param isWhole Whether it holds nothing else. Default: false. */
function holds(object: object, checks: Checks, isWhole: boolean = false): boolean {
  const values = object as Readonly<Record<string, unknown>>;
  return (!isWhole || Object.keys(object).every((name) => name in checks)) &&
    Object.entries(checks).every(([name, isGood]) => values[name] === undefined || isGood(values[name]));
}

/** What a line of a local ledger's file says. */
import { StorageError } from "../chats/storage.ts";
import { messageOf } from "../util/errors.ts";
import { LineFile, openLineFile } from "../util/json_lines_file.ts";
import type { Logger } from "../util/log.ts";
import { isRun, type Ledger, type RunRecord, type RunText, type RunValue } from "./ledger.ts";

export type Line =
  /** The whole run, as it is from now on. */
  | { readonly kind: "run"; readonly run: RunRecord }
  | { readonly kind: "text"; readonly broadcast_id: string; readonly name: RunText; readonly text: string }
  /** The ledger may have the run, too, from now on. */
  | { readonly kind: "shared"; readonly broadcast_id: string }
  /** The ledger has the run, and it is no longer kept here. */
  | { readonly kind: "forgotten"; readonly broadcast_id: string };

export function isLine(line: Line): boolean {
  if (line.kind === "run") return isRun(line.run as Record<string, RunValue>);
  if (typeof line.broadcast_id !== "string") return false;
  if (line.kind === "text") return typeof line.name === "string" && typeof line.text === "string";
  return line.kind === "shared" || line.kind === "forgotten";
}

// Writes a run that was kept elsewhere to the ledger: once, whatever fails meanwhile, and never over another process's.

/** A run that is to be written to a ledger. */
export interface Offer {
  readonly broadcastId: string;
  /** Whether an earlier offer may have been written. */
  readonly wasShared: boolean;
  /** Gives the run as it is to be there, once it is known whether the ledger has it. */
  readonly take: () => RunRecord;
  /** Resolves when it may be written: from then on nobody takes the run over but through the ledger. */
  readonly share: () => Promise<void>;
  readonly texts: ReadonlyMap<RunText, string>;
}

/** Whether the ledger has the run now, or had another process's of that id, which is left as it is. */
export type Verdict = "kept" | "conflict";

/**
 * Writes the run, with its texts. May be repeated after any error: what an earlier offer has written is found out.
 * @throws {StorageError} If the ledger cannot be used.
 */
export async function offerTo(ledger: Ledger, offer: Offer): Promise<Verdict> {
  const { broadcastId, wasShared, take, share } = offer;
  const found = await ledger.get(broadcastId);
  const run = take();
  if (found !== undefined && !isSame(found, run)) return verdictOn(found, run, wasShared);
  if (found?.state === "finished" && found.problem_parts === run.problem_parts) return "kept";
  // The message comes first, so that a process that finds the run finds it, too. Its name is a digest of what it says.
  const offered = {
    ...run,
    message_parts: await writeText(ledger, offer, run.message_name) ?? run.message_parts,
  };
  await share();
  // Another process may still be first, and have problems of that name: ours are written when the run is ours.
  const there = found ?? await ledger.begin({ ...offered, problem_parts: undefined });
  if (!isSame(there, run)) return verdictOn(there, run, wasShared);
  if (found === undefined && run.problem_parts === undefined) return "kept";
  const problem_parts = run.problem_parts && await writeText(ledger, offer, `problems-${run.fence}`);
  if (await ledger.save({ ...offered, problem_parts })) return "kept";
  const now = await ledger.get(broadcastId);
  if (now !== undefined) return verdictOn(now, run, true);
  throw new StorageError("failed", `The ledger has lost the broadcast "${broadcastId}".`);
}

/** The number of its parts; `undefined` where it is not here, as with a message that the ledger has already. */
async function writeText(
  ledger: Ledger,
  { broadcastId, texts }: Offer,
  name: RunText | undefined,
): Promise<number | undefined> {
  const text = name && texts.get(name);
  return name && text !== undefined ? await ledger.writeText(broadcastId, name, text) : undefined;
}

function isSame(one: RunRecord, other: RunRecord): boolean {
  return one.owner === other.owner && one.fence === other.fence;
}

/** A run that was left for others and was taken over from the ledger since counts as handed over. */
function verdictOn(found: RunRecord, run: RunRecord, wasShared: boolean): Verdict {
  if (isSame(found, run)) return "kept";
  const isTakenOver = wasShared && found.fence > run.fence && found.started_at === run.started_at;
  return isTakenOver && run.state === "running" && run.lease_until === 0 ? "kept" : "conflict";
}

// The file of a local ledger: what it keeps outlives a kill.

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

/** @throws {ConfigError} If the file cannot be written. */
export async function openLocalFile(path: string, logger: Logger): Promise<LocalFile> {
  const file = await openLineFile(path, "file of broadcasts");
  return new LocalFile(new LineFile(path, file), logger);
}

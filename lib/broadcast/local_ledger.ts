/**
 * The fallback ledger: keeps runs that begin while the bot's own ledger cannot be used, in memory and on disk, and
 * hands them over to it afterwards.
 */
import { isOutage } from "../chats/storage.ts";
import { deadline } from "../util/async.ts";
import { type Clock, steady } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { Ledger, RunRecord, RunText } from "./ledger.ts";
import { handOver, type HandoverResult } from "./ledger_handover.ts";
import { type Line, type LocalFile, openLocalFile } from "./local_ledger_file.ts";
import { InMemoryLedger } from "./memory_ledger.ts";

/**
 * `here`: only this process knows of the run. `shared`: it goes on here, and the ledger may have it, so that it can only be
 * taken over from there. `leaving`: the ledger may have it, and it does not go on here any more.
 */
type Place = "here" | "shared" | "leaving";

/** A run that the local ledger keeps, with its texts. */
class LocalRun {
  readonly broadcastId: string;
  /** Holds just this run, and its texts. */
  readonly memory: InMemoryLedger = new InMemoryLedger();
  readonly texts: Map<RunText, string> = new Map();
  place: Place = "here";
  /** The bot's own ledger, while what is saved here is written there as well. */
  writeThrough: Ledger | undefined;
  readonly #clock: Clock;
  readonly #elapsed: () => number;
  readonly #since: number;
  #record: RunRecord | undefined;
  /** Until when the lease holds, whatever becomes of the clock. */
  #heldUntil = -Infinity;

  constructor(broadcastId: string, clock: Clock) {
    this.broadcastId = broadcastId;
    this.#clock = clock;
    this.#elapsed = steady(clock);
    this.#since = this.#elapsed();
  }

  /** How long it has been kept here, in milliseconds. */
  get ageMs(): number {
    return this.#elapsed() - this.#since;
  }

  /** As it was written last; `undefined` where there are only texts as yet. */
  get record(): RunRecord | undefined {
    return this.#record;
  }

  /** Whether it is unfinished, and only this process may go on with it. */
  get isOpen(): boolean {
    return this.place === "here" && this.#record?.state === "running";
  }

  /** Whether this process is sending it, by its lease. */
  get isActive(): boolean {
    return this.place !== "leaving" && this.#record?.state === "running" &&
      this.#heldUntil >= this.#elapsed();
  }

  /** Changes the run, and looks at what has become of it. */
  async change<T>(task: (memory: InMemoryLedger) => Promise<T>): Promise<T> {
    const result = await task(this.memory);
    const before = this.#record?.lease_until;
    this.#record = await this.memory.get(this.broadcastId);
    const { lease_until = 0 } = this.#record ?? {};
    if (lease_until !== before) this.#heldUntil = this.#elapsed() + lease_until - this.#clock.now();
    return result;
  }

  async writeText(name: RunText, text: string): Promise<number> {
    this.texts.set(name, text);
    return await this.memory.writeText(this.broadcastId, name, text);
  }

  /** Gives the record for the ledger; from now on the run can only be taken over from there. */
  handOver(): RunRecord {
    this.place = this.isActive ? "shared" : "leaving";
    const record = this.#record as RunRecord;
    const isReleased = this.place === "leaving" && record.state === "running";
    return isReleased ? { ...record, lease_until: 0 } : record;
  }

  /** The lines of a file that restore it. `shared` comes before the run, in case that the end is torn off. */
  lines(): Line[] {
    const { broadcastId: broadcast_id } = this;
    const texts = [...this.texts].map(([name, text]) => ({
      kind: "text" as const,
      broadcast_id,
      name,
      text,
    }));
    return [
      ...texts,
      ...this.place === "here" ? [] : [{ kind: "shared" as const, broadcast_id }],
      ...this.#record === undefined ? [] : [{ kind: "run" as const, run: this.#record }],
    ];
  }

  /** Restores it by one line. The process that wrote the line has ended, so that its lease does not hold any more. */
  async restore(line: Line): Promise<void> {
    if (line.kind === "text") await this.writeText(line.name, line.text);
    if (line.kind === "shared") this.place = "leaving";
    if (line.kind !== "run") return;
    const { run } = line;
    this.#record = run.state === "running" ? { ...run, lease_until: 0 } : run;
  }

  /** To be called after the last line. */
  async restored(): Promise<void> {
    if (this.#record !== undefined) await this.memory.begin(this.#record);
  }
}

export interface LocalLedgerOptions {
  /** Where it is kept on disk, too, by this process alone, and for which bot. Default: in memory only. */
  readonly file?: { readonly path: string; readonly botId: number } | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What `handOver()` did. */
export interface HandedOver {
  /** Ids of the runs that the ledger has now, and that are forgotten here. */
  readonly handedOver: readonly string[];
  /** Ids of which the ledger has another process's run, which is left as it is; they are forgotten here, too. */
  readonly conflicts: readonly string[];
  /** Those that could not be written, and why. After an outage's error none is tried any more. */
  readonly left: readonly { readonly broadcast_id: string; readonly error: Error }[];
}

/** How long each save of a run that goes on here waits for the ledger; then the run goes on without it. */
const writeThroughWithinMs = 1000;
/** A text whose run has not begun by then is dropped: the call that wrote it has failed. */
const beginWithinMs = 60_000;

/** Keeps runs in memory and, where there is a file, on disk before a method resolves. */
export class LocalLedger implements Ledger {
  readonly path: string | undefined;
  /** Ids of the runs that it keeps: those that are not finished, or that the ledger does not have yet. */
  readonly ids: ReadonlySet<string>;
  readonly #ids = new Set<string>();
  readonly #clock: Clock;
  /** It gets a line for each window: an hour of sending is about a megabyte, so that it need not be compacted. */
  readonly #file: LocalFile | undefined;
  readonly #runs = new Map<string, LocalRun>();
  #handingOver: Promise<HandedOver> | undefined;
  #onChange = (): void => {};

  constructor(clock: Clock, file?: LocalFile) {
    this.path = file?.path;
    this.ids = this.#ids;
    this.#clock = clock;
    this.#file = file;
  }

  /** Reads what a process before this one has left. To be called before anything else. */
  async read(): Promise<void> {
    for (const line of await this.#file?.read() ?? []) {
      const id = line.kind === "run" ? line.run.broadcast_id : line.broadcast_id;
      if (line.kind === "forgotten") this.#runs.delete(id);
      else await this.#runOf(id).restore(line);
    }
    for (const [id, run] of this.#runs) {
      if (run.record === undefined) this.#runs.delete(id);
      else {
        this.#ids.add(id);
        await run.restored();
      }
    }
    await this.#tidy();
  }

  /** Has `listener` called when a run has begun or is finished, and at once where one is kept already. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
    if (this.ids.size > 0) listener();
  }

  async get(broadcastId: string): Promise<RunRecord | undefined> {
    return await this.#runs.get(broadcastId)?.memory.get(broadcastId);
  }

  async begin(record: RunRecord): Promise<RunRecord> {
    return await this.#begin(record, "here");
  }

  /**
   * Goes on with a run that the ledger has, and that is run here, as the ledger has failed in the middle of it. If the
   * process ends, it can only be taken over from the ledger, as others may have done so.
   */
  async continueHere(record: RunRecord): Promise<RunRecord> {
    return await this.#begin(record, "shared");
  }

  async claim(record: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    const run = this.#runs.get(record.broadcast_id);
    if (run?.place !== "here") return undefined;
    const claimed = await run.change((memory) => memory.claim(record, owner, leaseUntil));
    if (claimed !== undefined) await this.#write({ kind: "run", run: run.record as RunRecord });
    return claimed;
  }

  async save(record: RunRecord): Promise<boolean> {
    const run = this.#runs.get(record.broadcast_id);
    // A run that is being handed over must not go on here as well.
    if (run === undefined || run.place === "leaving") return false;
    if (!await run.change((memory) => memory.save(record))) return false;
    await this.#write({ kind: "run", run: run.record as RunRecord });
    if (record.state === "running") return await this.#writeThrough(run);
    this.#onChange();
    return true;
  }

  /** Ids of the runs that can be gone on with here. */
  // deno-lint-ignore require-await -- async, as every ledger is
  async open(): Promise<string[]> {
    return [...this.#runs.values()].filter(({ isOpen }) => isOpen).map(({ broadcastId }) => broadcastId);
  }

  async writeText(broadcast_id: string, name: RunText, text: string): Promise<number> {
    const parts = await this.#runOf(broadcast_id).writeText(name, text);
    await this.#write({ kind: "text", broadcast_id, name, text });
    return parts;
  }

  async readText(broadcastId: string, name: RunText, parts: number): Promise<string> {
    const { memory } = this.#runs.get(broadcastId) ?? { memory: new InMemoryLedger() };
    return await memory.readText(broadcastId, name, parts);
  }

  /**
   * Writes to the ledger what is kept here, each run by itself, and forgets what is there then: finished runs, and those
   * that nobody runs here any more, which anyone can take over. A run that goes on here is written there, too, with each
   * save from then on, so that nobody begins it a second time. May be repeated after any error.
   */
  handOver(to: Ledger): Promise<HandedOver> {
    return this.#handingOver ??= this.#handOverAll(to).finally(() => this.#handingOver = undefined);
  }

  /** Closes the file, once everything is on disk. */
  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #handOverAll(to: Ledger): Promise<HandedOver> {
    const [handedOver, conflicts]: [string[], string[]] = [[], []];
    const left: { broadcast_id: string; error: Error }[] = [];
    this.#dropDrafts();
    for (const run of [...this.#runs.values()]) {
      const { broadcastId, record, writeThrough } = run;
      if (record === undefined || (writeThrough !== undefined && run.isActive)) continue;
      try {
        const result = await this.#handOverOne(run, to);
        if (!this.#runs.has(broadcastId)) (result === "kept" ? handedOver : conflicts).push(broadcastId);
      } catch (error) {
        left.push({ broadcast_id: broadcastId, error: error as Error });
        if (isOutage(error)) break;
      }
    }
    await this.#tidy();
    return { handedOver, conflicts, left };
  }

  async #handOverOne(run: LocalRun, to: Ledger): Promise<HandoverResult> {
    const { broadcastId, texts, place } = run;
    const wasShared = place !== "here";
    let isShared = wasShared;
    const take = (): RunRecord => run.handOver();
    const share = async (): Promise<void> => {
      if (!isShared) await this.#write({ kind: "shared", broadcast_id: broadcastId });
      isShared = true;
    };
    try {
      const result = await handOver(to, { broadcastId, wasShared, texts, take, share });
      if (run.place === "leaving" || result === "conflict") await this.#forget(run);
      else {
        // What has been saved since is written there now, and what is saved from now on at once.
        run.writeThrough = to;
        await this.#writeThrough(run);
      }
      return result;
    } catch (error) {
      if (!isShared) run.place = "here";
      throw error;
    }
  }

  /** Gives false where another process has the run there. */
  async #writeThrough(run: LocalRun): Promise<boolean> {
    const { writeThrough, record } = run;
    if (writeThrough === undefined || record?.state !== "running") return true;
    try {
      if (await deadline(writeThrough.save(record), { ms: writeThroughWithinMs, clock: this.#clock })) {
        return true;
      }
    } catch {
      run.writeThrough = undefined;
      return true;
    }
    await this.#forget(run);
    return false;
  }

  async #begin(record: RunRecord, place: "here" | "shared"): Promise<RunRecord> {
    const run = this.#runOf(record.broadcast_id);
    const isNew = run.record === undefined;
    const begun = await run.change((memory) => memory.begin(record));
    this.#ids.add(record.broadcast_id);
    if (isNew) run.place = place;
    await this.#write(...run.lines().filter(({ kind }) => kind !== "text"));
    if (isNew) this.#onChange();
    return begun;
  }

  #runOf(broadcastId: string): LocalRun {
    const run = this.#runs.get(broadcastId) ?? new LocalRun(broadcastId, this.#clock);
    this.#runs.set(broadcastId, run);
    return run;
  }

  async #forget({ broadcastId }: LocalRun): Promise<void> {
    this.#runs.delete(broadcastId);
    this.#ids.delete(broadcastId);
    await this.#write({ kind: "forgotten", broadcast_id: broadcastId });
  }

  #dropDrafts(): void {
    for (const [id, { record, ageMs }] of this.#runs) {
      if (record === undefined && ageMs > beginWithinMs) this.#runs.delete(id);
    }
  }

  /** Empties the file when no run is left. */
  async #tidy(): Promise<void> {
    if (this.#runs.size === 0) await this.#file?.clear();
  }

  async #write(...lines: Line[]): Promise<void> {
    await this.#file?.write(lines, () => [...this.#runs.values()].flatMap((run) => run.lines()));
  }
}

/** @throws {ConfigError} If the file cannot be written, is another bot's, or holds something else. */
export async function openLocalLedger({ file, clock, logger }: LocalLedgerOptions): Promise<LocalLedger> {
  const opened = file && await openLocalFile(file.path, file.botId, logger);
  const ledger = new LocalLedger(clock, opened);
  await ledger.read().catch(async (error) => {
    await opened?.close();
    throw error;
  });
  return ledger;
}

/** A run that a local ledger keeps, with its texts. */
import type { Ledger, RunRecord, RunText } from "./ledger.ts";
import { InMemoryLedger } from "./memory_ledger.ts";
import type { Line } from "./local_line.ts";

/**
 * `here`: nobody else knows of it. `shared`: it is run here, and the ledger may have it, so that it can only be taken over
 * from there. `leaving`: the same, and nobody runs it here any more.
 */
export type Standing = "here" | "shared" | "leaving";

export class LocalRun {
  readonly broadcastId: string;
  /** When something of it came first, in milliseconds since 1970. */
  readonly since: number;
  /** By the contract of ledgers: just this run, and its texts. */
  readonly book: InMemoryLedger = new InMemoryLedger();
  readonly texts: Map<RunText, string> = new Map();
  standing: Standing = "here";
  /** The ledger, while what is saved here is written there as well. */
  through: Ledger | undefined;
  #record: RunRecord | undefined;

  constructor(broadcastId: string, since: number) {
    this.broadcastId = broadcastId;
    this.since = since;
  }

  /** As it was written last; `undefined` where there are only texts as yet. */
  get record(): RunRecord | undefined {
    return this.#record;
  }

  /** Whether nobody but this process may go on with it. */
  get isOpen(): boolean {
    return this.standing === "here" && this.#record?.state === "running";
  }

  /** Whether this process sends to its chats, by its lease. */
  isRunAt(now: number): boolean {
    return this.standing !== "leaving" && this.#record?.state === "running" &&
      this.#record.lease_until >= now;
  }

  /** Carries out one step on the book, and looks at what has become of the run. */
  async step<T>(work: (book: InMemoryLedger) => Promise<T>): Promise<T> {
    const result = await work(this.book);
    this.#record = await this.book.get(this.broadcastId);
    return result;
  }

  async writeText(name: RunText, text: string): Promise<number> {
    this.texts.set(name, text);
    return await this.book.writeText(this.broadcastId, name, text);
  }

  /** Gives it as it is to be at the ledger; from now on it can be taken over from there alone. */
  takeAt(now: number): RunRecord {
    this.standing = this.isRunAt(now) ? "shared" : "leaving";
    const record = this.#record as RunRecord;
    const isLeft = this.standing === "leaving" && record.state === "running";
    return isLeft ? { ...record, lease_until: 0 } : record;
  }

  /** What a file has to say of it. A line that is torn off must not be what bars others. */
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
      ...this.standing === "here" ? [] : [{ kind: "shared" as const, broadcast_id }],
      ...this.#record === undefined ? [] : [{ kind: "run" as const, run: this.#record }],
    ];
  }

  /** What one line says of it. The process that wrote it has ended: its lease bars nobody, and nobody runs it. */
  async restore(line: Line): Promise<void> {
    if (line.kind === "text") await this.writeText(line.name, line.text);
    if (line.kind === "shared") this.standing = "leaving";
    if (line.kind !== "run") return;
    const { run } = line;
    this.#record = run.state === "running" ? { ...run, lease_until: 0 } : run;
  }

  /** To be called after the last line. */
  async restored(): Promise<void> {
    if (this.#record !== undefined) await this.book.begin(this.#record);
  }
}

/** A run that a local ledger keeps, with its texts. */
import { type Clock, steady } from "../clock.ts";
import type { Ledger, RunRecord, RunText } from "./ledger.ts";
import { InMemoryLedger } from "./memory_ledger.ts";
import type { Line } from "./local_line.ts";

/**
 * `here`: only this process knows of the run. `shared`: it goes on here, and the ledger may have it, so that it can only be
 * taken over from there. `leaving`: the ledger may have it, and it does not go on here any more.
 */
export type Standing = "here" | "shared" | "leaving";

export class LocalRun {
  readonly broadcastId: string;
  /** By the contract of ledgers: just this run, and its texts. */
  readonly book: InMemoryLedger = new InMemoryLedger();
  readonly texts: Map<RunText, string> = new Map();
  standing: Standing = "here";
  /** The ledger, while what is saved here is written there as well. */
  through: Ledger | undefined;
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

  /** Since something of it came first, in milliseconds. */
  get ageMs(): number {
    return this.#elapsed() - this.#since;
  }

  /** As it was written last; `undefined` where there are only texts as yet. */
  get record(): RunRecord | undefined {
    return this.#record;
  }

  /** Whether only this process may go on with it. */
  get isOpen(): boolean {
    return this.standing === "here" && this.#record?.state === "running";
  }

  /** Whether this process sends to its chats, by its lease. */
  get isRun(): boolean {
    return this.standing !== "leaving" && this.#record?.state === "running" &&
      this.#heldUntil >= this.#elapsed();
  }

  /** Carries out one step on the book, and looks at what has become of the run. */
  async step<T>(work: (book: InMemoryLedger) => Promise<T>): Promise<T> {
    const result = await work(this.book);
    const before = this.#record?.lease_until;
    this.#record = await this.book.get(this.broadcastId);
    const { lease_until = 0 } = this.#record ?? {};
    if (lease_until !== before) this.#heldUntil = this.#elapsed() + lease_until - this.#clock.now();
    return result;
  }

  async writeText(name: RunText, text: string): Promise<number> {
    this.texts.set(name, text);
    return await this.book.writeText(this.broadcastId, name, text);
  }

  /** Gives the record for the ledger; from now on the run can only be taken over from there. */
  take(): RunRecord {
    this.standing = this.isRun ? "shared" : "leaving";
    const record = this.#record as RunRecord;
    const isLeft = this.standing === "leaving" && record.state === "running";
    return isLeft ? { ...record, lease_until: 0 } : record;
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
      ...this.standing === "here" ? [] : [{ kind: "shared" as const, broadcast_id }],
      ...this.#record === undefined ? [] : [{ kind: "run" as const, run: this.#record }],
    ];
  }

  /** Restores it by one line. The process that wrote the line has ended, so that its lease does not hold any more. */
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

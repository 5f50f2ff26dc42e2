/** The ledger in memory: for bots without DynamoDB, and for tests. */
import { changesOf, type Ledger, partKey, partsOf, type RunRecord, type RunText, textOf } from "./ledger.ts";

/** Remembers broadcasts for as long as the process lives, by the same contract as every ledger. */
export class InMemoryLedger implements Ledger {
  readonly #runs = new Map<string, RunRecord>();
  readonly #parts = new Map<string, string>();

  /** The run, as a copy. */
  // deno-lint-ignore require-await -- async, as every ledger is
  async get(broadcastId: string): Promise<RunRecord | undefined> {
    const run = this.#runs.get(broadcastId);
    return run && structuredClone(run);
  }

  /** Creates the run if there is none, and gives the one that is there. */
  // deno-lint-ignore require-await -- as above
  async begin(run: RunRecord): Promise<RunRecord> {
    const found = this.#runs.get(run.broadcast_id) ?? this.#write(run);
    return structuredClone(found);
  }

  /** Takes over a run that is exactly as it was read. */
  // deno-lint-ignore require-await -- as above
  async claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    const now = this.#runs.get(run.broadcast_id);
    const fence = run.fence + 1;
    if (now !== undefined && now.owner === owner && now.fence === fence) return structuredClone(now);
    if (now === undefined || !isAsRead(now, run)) return undefined;
    return structuredClone(this.#write({ ...now, owner, fence, lease_until: leaseUntil }));
  }

  /** Writes the run, where it is still its owner's. */
  // deno-lint-ignore require-await -- as above
  async save(run: RunRecord): Promise<boolean> {
    const now = this.#runs.get(run.broadcast_id);
    if (now === undefined || now.owner !== run.owner || now.fence !== run.fence) return false;
    if (now.state === "finished" && run.state !== "finished") return false;
    this.#write(run);
    return true;
  }

  /** The ids of the runs that are not finished. */
  // deno-lint-ignore require-await -- as above
  async open(): Promise<string[]> {
    return [...this.#runs.values()].filter((run) => run.state === "running").map((run) => run.broadcast_id);
  }

  /** Keeps a text beside a run. */
  // deno-lint-ignore require-await -- as above
  async writeText(broadcastId: string, name: RunText, text: string): Promise<number> {
    const parts = partsOf(broadcastId, name, text);
    parts.forEach((part, index) => this.#parts.set(keyOf(broadcastId, name, index), part));
    return parts.length;
  }

  /** The text. */
  // deno-lint-ignore require-await -- as above
  async readText(broadcastId: string, name: RunText, parts: number): Promise<string> {
    const found = Array.from(
      { length: parts },
      (_, index) => this.#parts.get(keyOf(broadcastId, name, index)),
    );
    return textOf(broadcastId, name, found);
  }

  /** Nothing is held open. */
  close(): void {}

  #write(run: RunRecord): RunRecord {
    const { set, remove } = changesOf(run);
    const kept = Object.entries(this.#runs.get(run.broadcast_id) ?? {}).filter(([name]) =>
      !remove.includes(name)
    );
    const key = { broadcast_id: run.broadcast_id };
    const written = structuredClone(
      Object.fromEntries([...kept, ...set, ...Object.entries(key)]),
    ) as RunRecord;
    this.#runs.set(run.broadcast_id, written);
    return written;
  }
}

function isAsRead(now: RunRecord, run: RunRecord): boolean {
  return now.state === "running" && now.owner === run.owner && now.fence === run.fence &&
    now.lease_until === run.lease_until;
}

function keyOf(broadcastId: string, name: RunText, index: number): string {
  return `${partKey(name, index)} ${broadcastId}`;
}

/**
 * Bots that break a broadcast's promise by what their ledger does, made of the same parts: the suite has to catch all.
 * `late` writes each window when it has been sent; `again` and `forgets` hide from whoever takes a run over whom the
 * last one left in doubt, so that those get it again, or never; `unfenced` writes what is another's by now.
 */
import process from "node:process";
import type { RunRecord } from "../../mod.ts";
import { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import { obeyParent } from "./broadcaster_commands.ts";

const noWindow = { window_size: 0, pending: [] };

class Late extends DynamoDBLedger {
  #written: RunRecord | undefined;
  #next: RunRecord | undefined;

  override async begin(run: RunRecord): Promise<RunRecord> {
    this.#next = { ...run, ...noWindow, cursor: undefined };
    const begun = await super.begin(this.#next);
    return begun.owner === run.owner ? run : begun;
  }

  override async claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    return this.#next = await super.claim(run, owner, leaseUntil);
  }

  override async save(run: RunRecord): Promise<boolean> {
    if (run.state === "finished") return await super.save(run);
    if (windowOf(run) !== windowOf(this.#next)) [this.#written, this.#next] = [this.#next, run];
    return await super.save({ ...this.#written ?? run, lease_until: run.lease_until });
  }
}

function windowOf(run: RunRecord | undefined): string {
  return JSON.stringify([run?.window_after, run?.cursor, run?.pending]);
}

class Again extends DynamoDBLedger {
  override async claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    const claimed = await super.claim(run, owner, leaseUntil);
    return claimed && { ...claimed, ...noWindow, cursor: claimed.window_after };
  }
}

class Forgets extends DynamoDBLedger {
  override async claim(run: RunRecord, owner: string, leaseUntil: number): Promise<RunRecord | undefined> {
    const claimed = await super.claim(run, owner, leaseUntil);
    return claimed && { ...claimed, ...noWindow, window_after: claimed.cursor };
  }
}

class Unfenced extends DynamoDBLedger {
  override async begin(run: RunRecord): Promise<RunRecord> {
    await super.begin(run);
    return run;
  }

  override async save(run: RunRecord): Promise<boolean> {
    await super.save(run);
    return true;
  }
}

const mutants: Readonly<Record<string, typeof DynamoDBLedger>> = {
  late: Late,
  again: Again,
  forgets: Forgets,
  unfenced: Unfenced,
};

const Mutant = mutants[process.argv[2] ?? ""];
if (Mutant === undefined) throw new RangeError(`There is no "${process.argv[2]}"`);
obeyParent((clock) => new Mutant({ clock }));

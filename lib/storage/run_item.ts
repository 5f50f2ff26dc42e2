/** An item of the ledger's table as a run, and a run's writes as expressions. */
import type { Item } from "./chat_item.ts";
import { type ChatUpdate as Update, Expressions } from "./expressions.ts";
import { changesOf, reservedAttributes, type RunRecord, type RunValue } from "./ledger.ts";
import { StorageError } from "./storage_error.ts";

/**
 * What the item says of its run. What else is in it (a map, say) is none of ours, but an item that is no run is an
 * error: to take it for "no run" would be to send a broadcast twice.
 */
export function runOf(item: Item): RunRecord {
  const run: Record<string, RunValue> = {};
  for (const [name, value] of Object.entries(item)) {
    if (!reservedAttributes.includes(name)) {
      run[name] = packedAttributes.has(name) ? unpacked(value) : valueOf(value);
    }
    if (run[name] === undefined) delete run[name];
  }
  if (isRun(run)) return run;
  const id = String(run["broadcast_id"]);
  throw new StorageError(
    "failed",
    `The ledger's item "run" of the broadcast "${id}" is no run that this version can read. Look at the item, or ` +
      `choose another broadcastId.`,
  );
}

function valueOf(value: Item[string]): RunValue {
  if (value.S !== undefined) return value.S;
  if (value.BOOL !== undefined) return value.BOOL;
  if (value.N !== undefined) return Number(value.N);
  return value.L?.every((each) => each.N !== undefined) ? value.L.map((each) => Number(each.N)) : undefined;
}

/** Lists of chats. */
const packedAttributes: ReadonlySet<string> = new Set(["pending", "unsent", "sampled"]);

/** A full list of numbers would not leave room for the counts in an item of 1 KB: as doubles it is a fifth smaller. */
function packed(numbers: readonly number[]): Uint8Array | readonly number[] {
  // Not every engine takes empty bytes.
  if (numbers.length === 0) return numbers;
  const view = new DataView(new ArrayBuffer(8 * numbers.length));
  numbers.forEach((number, index) => view.setFloat64(8 * index, number));
  return new Uint8Array(view.buffer);
}

function unpacked(value: Item[string]): RunValue {
  if (value.B === undefined) return valueOf(value);
  const view = new DataView(value.B.buffer, value.B.byteOffset, value.B.byteLength);
  return Array.from({ length: Math.floor(value.B.byteLength / 8) }, (_, index) => view.getFloat64(8 * index));
}

/** Whether the attributes are those of a run. */
export function isRun(run: Record<string, RunValue>): run is RunRecord {
  const { broadcast_id, owner, started_at, fence, lease_until, state, on_unknown } = run;
  return [broadcast_id, owner, started_at].every((each) => typeof each === "string") &&
    [fence, lease_until].every((each) => typeof each === "number") &&
    (state === "running" || state === "finished") && (on_unknown === "skip" || on_unknown === "resend");
}

/** When the item was saved last, by its owner's count: milliseconds since 1970 that never go back. */
export function savedAt(item: Item): number {
  return Number(item["saved_at"]?.N ?? 0);
}

/** Creates the run where there is none. */
export function beginUpdate(run: RunRecord): Update {
  const update = new Expressions();
  write(update, run);
  update.requireAbsent("broadcast_id");
  return update.build();
}

/** Changes the owner of a run that is as it was read. A new owner counts its saves from its own clock. */
export function claimUpdate(run: RunRecord, owner: string, leaseUntil: number): Update {
  const update = new Expressions();
  update.set(["owner"], owner);
  update.set(["fence"], run.fence + 1);
  update.set(["lease_until"], leaseUntil);
  update.remove("saved_at");
  requireOwned(update, run);
  update.requireValue("lease_until", { N: String(run.lease_until) });
  update.requireValue("state", { S: "running" });
  return { ...update.build(), ReturnValues: "ALL_NEW" };
}

/** Writes the whole run where it is its owner's still, and nothing later of the owner's is there. */
export function saveUpdate(run: RunRecord, savedAt: number): Update {
  const update = new Expressions();
  write(update, run);
  update.set(["saved_at"], savedAt);
  requireOwned(update, run);
  // Only its owner can have finished it with this fence, and may say so again.
  if (run.state === "running") update.requireValue("state", { S: "running" });
  update.requireBelowIfAny("saved_at", "<", savedAt);
  return { ...update.build(), ReturnValues: "NONE" };
}

/** Keeps a part of a text, whatever was there. */
export function partUpdate(text: string): Update {
  const update = new Expressions();
  update.set(["text"], text);
  const { ConditionExpression: _none, ReturnValuesOnConditionCheckFailure: _never, ...rest } = update.build();
  return { ...rest, ReturnValues: "NONE" };
}

function requireOwned(update: Expressions, run: RunRecord): void {
  update.requireValue("owner", { S: run.owner });
  update.requireValue("fence", { N: String(run.fence) });
}

/** The attribute `open` keeps a run in the index of that name for as long as it is not finished. */
function write(update: Expressions, run: RunRecord): void {
  const { set, remove } = changesOf(run);
  for (const [name, value] of set) {
    update.set([name], packedAttributes.has(name) ? packed(value as number[]) : value);
  }
  for (const name of remove) update.remove(name);
  if (run.state === "running") update.set(["open"], "open");
  else update.remove("open");
}

/** Hands a run of the local ledger over to the bot's own: once, whatever fails meanwhile, and never over another process's. */
import { StorageError } from "../chats/storage.ts";
import type { Ledger, RunRecord, RunText } from "./ledger.ts";

/** A run that is to be handed over. */
export interface Handover {
  readonly broadcastId: string;
  /** Whether an earlier attempt may have been written. */
  readonly wasShared: boolean;
  /** Gives the run as it is to be written; called once it is known whether the ledger has it. */
  readonly take: () => RunRecord;
  /** Called before the run is written: from then on it can only be taken over from the ledger. */
  readonly share: () => Promise<void>;
  readonly texts: ReadonlyMap<RunText, string>;
}

/** `kept`: the ledger has the run now. `conflict`: it has another process's run of that id, which is left as it is. */
export type HandoverResult = "kept" | "conflict";

/**
 * Writes the run, with its texts. May be repeated after any error: what an earlier attempt has written is found out.
 * @throws {StorageError} If the ledger cannot be used.
 */
export async function handOver(ledger: Ledger, handover: Handover): Promise<HandoverResult> {
  const { broadcastId, wasShared, take, share } = handover;
  const found = await ledger.get(broadcastId);
  const run = take();
  if (found !== undefined && !isSame(found, run)) return resultFor(found, run, wasShared);
  if (found?.state === "finished" && found.problem_parts === run.problem_parts) return "kept";
  // The message comes first, so that a process that finds the run finds it, too. Its name is a digest of what it says.
  const complete = {
    ...run,
    message_parts: await writeText(ledger, handover, run.message_name) ?? run.message_parts,
  };
  await share();
  // Another process may still be first, and have problems of that name: ours are written when the run is ours.
  const there = found ?? await ledger.begin({ ...complete, problem_parts: undefined });
  if (!isSame(there, run)) return resultFor(there, run, wasShared);
  if (found === undefined && run.problem_parts === undefined) return "kept";
  const problem_parts = run.problem_parts && await writeText(ledger, handover, `problems-${run.fence}`);
  if (await ledger.save({ ...complete, problem_parts })) return "kept";
  const now = await ledger.get(broadcastId);
  if (now !== undefined) return resultFor(now, run, true);
  throw new StorageError("failed", `The ledger has lost the broadcast "${broadcastId}".`);
}

/** The number of its parts; `undefined` where it is not here, as with a message that the ledger has already. */
async function writeText(
  ledger: Ledger,
  { broadcastId, texts }: Handover,
  name: RunText | undefined,
): Promise<number | undefined> {
  const text = name && texts.get(name);
  return name && text !== undefined ? await ledger.writeText(broadcastId, name, text) : undefined;
}

function isSame(one: RunRecord, other: RunRecord): boolean {
  return one.owner === other.owner && one.fence === other.fence;
}

/** A run that was left for others and was taken over from the ledger since counts as handed over. */
function resultFor(found: RunRecord, run: RunRecord, wasShared: boolean): HandoverResult {
  if (isSame(found, run)) return "kept";
  const isTakenOver = wasShared && found.fence > run.fence && found.started_at === run.started_at;
  return isTakenOver && run.state === "running" && run.lease_until === 0 ? "kept" : "conflict";
}

/** How a run is taken over from a process that has died. Pure. */
import type { BroadcastOptions } from "./broadcast_options.ts";
import type { Kept, Plan } from "./conduct.ts";
import { keptState } from "./kept_report.ts";
import type { RunRecord } from "./storage/ledger.ts";
import { stillInDoubt, Tally } from "./tally.ts";

/** What the ledger keeps of a broadcast's options, as attributes of the run. */
export function optionsKept(
  { options, expiresAt }: Plan,
): Record<string, string | number | boolean | undefined> {
  const { priority, allowPaidBroadcast, starBudget, perChat, filter } = options;
  return {
    priority,
    allow_paid_broadcast: allowPaidBroadcast,
    star_budget: starBudget,
    expires_at: expiresAt === Infinity ? undefined : expiresAt,
    has_functions: perChat !== undefined || filter !== undefined || undefined,
  };
}

/** The options of the first call, with what a later one can bring alone. */
export function keptOptions(
  run: RunRecord,
  caller: BroadcastOptions = {},
): Pick<Plan, "options" | "expiresAt" | "startedAt"> {
  const { signal, perChat, filter, onProgress } = caller;
  const functions = run["has_functions"] === true ? { perChat, filter } : {};
  const options: BroadcastOptions = {
    ...{ signal, onProgress, ...functions },
    broadcastId: run.broadcast_id,
    onUnknown: run.on_unknown,
    priority: run["priority"] as BroadcastOptions["priority"],
    allowPaidBroadcast: run["allow_paid_broadcast"] === true,
    starBudget: run["star_budget"] as number | undefined,
  };
  const expiresAt = Number(run["expires_at"] ?? Infinity);
  return { options, expiresAt, startedAt: Date.parse(run.started_at) };
}

/** Why the run cannot be finished with what the ledger has and the caller brings; `undefined` where it can. */
export function whyNotAlone(run: RunRecord, caller: BroadcastOptions | undefined): string | undefined {
  const { broadcast_id: id } = run;
  const bringsFunctions = caller?.perChat !== undefined || caller?.filter !== undefined;
  if (run["has_functions"] === true && !bringsFunctions) {
    return `The broadcast "${id}" was begun with perChat or filter, which no ledger can keep: ` +
      `call broadcast() with the same broadcastId and the same functions to finish it.`;
  }
  if (run.message_name !== undefined || caller !== undefined) return undefined;
  return `The photo of the broadcast "${id}" had not been uploaded: ` +
    `call broadcast() with the same broadcastId and the same message to finish it.`;
}

/** Who was under way when the run was written last, and so may have the message. */
function inDoubt(
  { window_after = -Infinity, cursor = -Infinity, pending = [] }: RunRecord,
): (id: number) => boolean {
  const named = new Set(pending);
  return (id) => (id > window_after && id <= cursor) || named.has(id);
}

/**
 * Whom to send to, and in which order. Those in doubt are counted as unknown; or they come first, in the window that is
 * written already, and get it again.
 */
export function whereToGoOn(
  run: RunRecord,
  ids: readonly number[],
): Pick<Kept, "tally" | "ids" | "end" | "inDoubt"> {
  const tally = new Tally(keptState(run));
  const { cursor = -Infinity, pending = [] } = run;
  const doubtful = ids.filter(inDoubt(run));
  const unsent = new Set(run["unsent"] as readonly number[] | undefined);
  const left = [...ids.filter((id) => unsent.has(id)), ...ids.filter((id) => id > cursor)];
  const isResent = run.on_unknown === "resend";
  if (!isResent) {
    for (const id of doubtful) tally.settle(id, stillInDoubt, 0);
    // Who was in doubt and is gone by now was a recipient all the same.
    tally.counts.unknown += Math.max(0, numberOf(run["window_size"]) + pending.length - doubtful.length);
  }
  const toSend = isResent ? [...doubtful, ...left] : left;
  tally.skip(Math.max(0, numberOf(run["recipients"]) - tally.done - toSend.length), "unsubscribed");
  const again = isResent ? doubtful : [];
  return { tally, ids: toSend, end: again.length, inDoubt: new Set(again) };
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

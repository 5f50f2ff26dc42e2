/** How a run is taken over from a process that has died. Pure. */
import { Audience } from "./audience.ts";
import type { BroadcastOptions } from "./broadcast_options.ts";
import type { Kept, Plan } from "./conduct.ts";
import { keptState } from "./kept_report.ts";
import { cursorPosition, inWindow } from "./run_cursor.ts";
import type { SendOrder } from "./send_order.ts";
import type { RunRecord } from "./storage/ledger.ts";
import { stillInDoubt, Tally } from "./tally.ts";

/** What the ledger keeps of a broadcast's options, as attributes of the run. */
export function optionsKept(
  { options, expiresAt, whenUnreadable, whenLedgerDown }: Plan,
): Record<string, string | number | boolean | undefined> {
  const { priority, allowPaidBroadcast, starBudget, perChat, filter, order } = options;
  return {
    priority,
    when_unreadable: whenUnreadable,
    when_ledger_down: whenLedgerDown,
    allow_paid_broadcast: allowPaidBroadcast,
    star_budget: starBudget,
    expires_at: expiresAt === Infinity ? undefined : expiresAt,
    has_functions: perChat !== undefined || filter !== undefined || typeof order === "function" || undefined,
  };
}

/** The options of the first call, with what only a later call can bring. */
export function keptOptions(
  run: RunRecord,
  caller: BroadcastOptions = {},
): Pick<Plan, "options" | "expiresAt" | "startedAt" | "whenUnreadable" | "whenLedgerDown"> {
  const { signal, perChat, filter, onProgress, massDeactivation } = caller;
  const order = typeof caller.order === "function" ? caller.order : undefined;
  const functions = run["has_functions"] === true ? { perChat, filter, order } : {};
  const options: BroadcastOptions = {
    ...{ signal, onProgress, massDeactivation, ...functions },
    broadcastId: run.broadcast_id,
    onUnknown: run.on_unknown,
    priority: run["priority"] as BroadcastOptions["priority"],
    allowPaidBroadcast: run["allow_paid_broadcast"] === true,
    starBudget: run["star_budget"] as number | undefined,
  };
  return {
    options,
    whenUnreadable: run["when_unreadable"] === "send" ? "send" : "throw",
    whenLedgerDown: run["when_ledger_down"] === "send" ? "send" : "wait",
    expiresAt: Number(run["expires_at"] ?? Infinity),
    startedAt: Date.parse(run.started_at),
  };
}

/** Why the run cannot be finished with what the ledger has and the caller brings; `undefined` where it can. */
export function whyNotAlone(run: RunRecord, caller: BroadcastOptions | undefined): string | undefined {
  const { broadcast_id: id } = run;
  const bringsFunctions = caller?.perChat !== undefined || caller?.filter !== undefined ||
    typeof caller?.order === "function";
  if (run["has_functions"] === true && !bringsFunctions) {
    return `The broadcast "${id}" was begun with perChat, filter or order, which no ledger can keep: ` +
      `call broadcast() with the same broadcastId and the same functions to finish it.`;
  }
  if (typeof run["halted_by"] === "string" && caller === undefined) {
    return `The broadcast "${id}" was ended, and is not finished by itself: ${run["halted_by"]}. ` +
      `Call broadcast() with the same broadcastId to go on with it.`;
  }
  if (run.message_name !== undefined || caller !== undefined) return undefined;
  return `The photo of the broadcast "${id}" had not been uploaded: ` +
    `call broadcast() with the same broadcastId and the same message to finish it.`;
}

/** Whether no chat can have the message yet, so that a later call may bring another one. */
export function isUntouched(run: RunRecord): boolean {
  return typeof run["halted_by"] === "string" && run.cursor === undefined && !run.pending?.length;
}

/** Gives whether a chat was under way when the run was written last, and so may have the message. */
function inDoubt(run: RunRecord, order: SendOrder): (id: number) => boolean {
  const named = new Set(run.pending);
  const isInWindow = inWindow(order, run);
  return (id) => named.has(id) || isInWindow(id);
}

/** Where a run goes on: with whom, and what has been counted. */
export interface Resumption extends Pick<Kept, "tally" | "window" | "inDoubt"> {
  readonly audience: Audience;
}

/**
 * Gives the chats to send to. Those in doubt are counted as unknown; or they come first, in the window that is written
 * already, and get the message again. @param ids Ascending.
 */
export function whereToGoOn(run: RunRecord, ids: Float64Array, order: SendOrder): Resumption {
  const tally = new Tally(keptState(run));
  const { pending = [] } = run;
  const doubtful = Array.from(ids.filter(inDoubt(run, order)));
  const named = (name: string): readonly number[] => run[name] as readonly number[] | undefined ?? [];
  const unsent = new Set(named("unsent"));
  const isResent = run.on_unknown === "resend";
  if (!isResent) {
    for (const id of doubtful) tally.settle(id, stillInDoubt, 0);
    // A chat that was in doubt and is no longer on the list was a recipient all the same.
    tally.counts.unknown += Math.max(0, numberOf(run["window_size"]) + pending.length - doubtful.length);
  }
  const again = isResent ? doubtful : [];
  const audience = new Audience({
    ids,
    order,
    first: Array.from(ids.filter((id) => unsent.has(id))),
    after: cursorPosition(order, run, "cursor"),
    except: named("sampled"),
  });
  const left = again.length + audience.left;
  tally.skip(Math.max(0, numberOf(run["recipients"]) - tally.done - left), "unsubscribed");
  return { tally, audience, window: again, inDoubt: new Set(again) };
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

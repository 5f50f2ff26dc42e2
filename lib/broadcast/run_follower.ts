/**
 * Follows a broadcast with an id that another process, or an earlier call, has begun: waits for its report, and takes the
 * run over if the process that sends it has died, as its lease shows.
 */
import type { ChatRegistry } from "../chats/registry.ts";
import { StorageError } from "../chats/storage.ts";
import { isSupergroupId } from "../telegram/chat_id.ts";
import { type Clock, monotonic, steady, uuid } from "../util/clock.ts";
import { leaseMs, renewLeaseEveryMs } from "./checkpoint.ts";
import { PauseControl } from "./broadcast_run.ts";
import { textDigestOf } from "./comparison.ts";
import {
  assertOwn,
  cursorPosition,
  inWindow,
  isByValue,
  type Ledger,
  parsedText,
  type RunRecord,
  startKept,
  withTurns,
} from "./ledger.ts";
import type { LedgerFailover } from "./ledger_failover.ts";
import { assertMessage, type BroadcastMessage, type BroadcastOptions } from "./options.ts";
import { neverRead, openRecipients } from "./recipients.ts";
import { BroadcastCounters, type BroadcastReport, inDoubtResult } from "./report.ts";
import { countersFromRecord, isUntouched, numberOf, reportFromRecord } from "./report_record.ts";
import type { BroadcastDeps, BroadcastRequest, OpenRecipients, ResumePoint } from "./request.ts";
import { continueHereWith, createRun, optionsToRecord, runBroadcast, waitOf } from "./run.ts";
import { includesSorted, isBefore, positionOf, RecipientQueue, type SendOrder } from "./send_order.ts";

export interface RunFollowerOptions {
  readonly deps: BroadcastDeps;
  readonly ledgers: () => LedgerFailover;
  /** Has the bot wait for what is being sent. */
  readonly track: <T>(task: Promise<T>) => Promise<T>;
  /** Ends the waits for other processes. */
  readonly stopping: AbortSignal;
}

/** A run's report, and whether it was finished here; how it was found last, and in which ledger. */
export interface FollowResult {
  readonly report: BroadcastReport;
  readonly isOurs: boolean;
  readonly run: RunRecord;
  readonly ledger: Ledger;
}

const pollMs = 1000;

export class RunFollower {
  readonly #options: RunFollowerOptions;

  constructor(options: RunFollowerOptions) {
    this.#options = options;
  }

  /** Waits for the process that sends the run; finishes it where that process has died. */
  async follow(id: string, request?: BroadcastRequest): Promise<FollowResult> {
    const monitor = new LeaseMonitor(this.#options.deps.clock);
    for (;;) {
      request?.options.signal?.throwIfAborted();
      // Asked anew each time: a run of an outage moves to the bot's own ledger.
      const ledgers = this.#options.ledgers();
      const { ledger, found: run } = await ledgers.for(id, waitOf(request));
      if (run === undefined) throw new StorageError("failed", `The ledger has lost the broadcast "${id}".`);
      assertOwn(run, this.#options.deps.botId);
      request?.control.beginning.resolve({
        ...{ broadcastId: id, isRepeated: true, isDurable: ledgers.isDurable(ledger, run) },
      });
      if (run.state === "finished") {
        return { report: await reportFromRecord(run, ledger), isOurs: false, run, ledger };
      }
      const report = monitor.hasLapsed(run) && this.#canResume(run)
        ? await this.#options.track(this.#takeOver(ledger, run, request))
        : undefined;
      if (report !== undefined) return { report, isOurs: true, run, ledger };
      await this.rest(request?.options.signal);
    }
  }

  /** Not without the list of chats, except to report a run that is too late for all chats. */
  #canResume(run: RunRecord): boolean {
    const { registry, clock } = this.#options.deps;
    return !registry.isUnread || run["when_unreadable"] !== "send" ||
      clock.now() >= (numberIn(run["expires_at"]) ?? Infinity);
  }

  /** Waits before the run is looked at again; rejects where the bot is stopped meanwhile. */
  async rest(signal?: AbortSignal): Promise<void> {
    const { clock } = this.#options.deps;
    const stopping = this.#options.stopping;
    await clock.sleep(
      pollMs * (0.5 + clock.random()),
      signal ? AbortSignal.any([stopping, signal]) : stopping,
    );
  }

  async #takeOver(
    ledger: Ledger,
    run: RunRecord,
    caller?: BroadcastRequest,
  ): Promise<BroadcastReport | undefined> {
    const { deps } = this.#options;
    const { registry, clock, logger } = deps;
    const reason = cannotResumeReason(run, caller?.options);
    if (reason !== undefined) throw new Error(reason);
    const request = await requestOf(ledger, run, caller, monotonic(clock));
    // Without the list of chats no run can be finished.
    if (registry.isUnread && request.whenUnreadable === "throw") throw neverRead(registry);
    const isOrdered = isByValue(run);
    const recipients = await this.#openAgain(request, isOrdered === true);
    if (recipients === undefined) return undefined;
    try {
      const claimed = await ledger.claim(run, uuid(clock), clock.now() + leaseMs);
      if (claimed === undefined) return undefined;
      const values = isOrdered === false ? undefined : recipients.filter?.values;
      const order: SendOrder = { start: startKept(claimed), values };
      const moved = await withMoves(claimed, recipients.ids, registry);
      const record = withTurns(await withPassedMoves(moved, recipients.ids, registry, order), order);
      const { queue, counters, ...rest } = resumptionOf(record, recipients, order);
      const left = rest.window.length + queue.left;
      logger.info(
        `The broadcast "${run.broadcast_id}" goes on where another process has left it: ${left} chats are left.`,
      );
      const isNew = caller !== undefined && isUntouched(run);
      const continueHere = continueHereWith(this.#options.ledgers(), request);
      const resumed = isNew ? renewed(record, request) : record;
      const context = createRun(request, deps, recipients, queue, counters);
      return await runBroadcast(context, { ...rest, ledger, record: resumed, continueHere });
    } finally {
      recipients.close();
    }
  }

  /**
   * A run of another process goes on with the table's list, where that can be read; else with the one in memory. Where a
   * function of the caller's has made its order, it waits for the list: `undefined` where that cannot be read now.
   */
  async #openAgain(request: BroadcastRequest, isOrdered: boolean): Promise<OpenRecipients | undefined> {
    const { deps } = this.#options;
    if (request.whenUnreadable === "throw" || deps.registry.isUnread) {
      return await openRecipients(request, deps);
    }
    try {
      return await openRecipients({ ...request, whenUnreadable: "throw" }, deps);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return isOrdered ? undefined : await openRecipients(request, deps);
    }
  }
}

/** A process that lives renews its lease within this time. */
const renewedWithinMs = 1.5 * renewLeaseEveryMs;

/**
 * Judges by the lease of one run, looked at again and again, whether its process has died. The clocks of two machines
 * differ, and a clock may be set: so a lease that seems to have lapsed counts only if nobody renews it, and one that
 * nobody renews does not count, however far ahead it is.
 */
class LeaseMonitor {
  readonly #clock: Clock;
  readonly #elapsed: () => number;
  #lease: string | undefined;
  /** When this lease was seen first. */
  #seenAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#elapsed = steady(clock);
  }

  /** To be asked at each look, with the run as it is now. */
  hasLapsed({ owner, fence, lease_until }: RunRecord): boolean {
    // The process has handed the run over.
    if (lease_until === 0) return true;
    const lease = JSON.stringify([owner, fence, lease_until]);
    if (lease !== this.#lease) this.#seenAt = this.#elapsed();
    this.#lease = lease;
    const unrenewedMs = this.#elapsed() - this.#seenAt;
    return unrenewedMs >= (lease_until < this.#clock.now() ? renewedWithinMs : leaseMs);
  }
}

/** The request of the first call; for a run whose message no chat has yet, that of this call. */
async function requestOf(
  ledger: Ledger,
  run: RunRecord,
  caller: BroadcastRequest | undefined,
  now: () => number,
): Promise<BroadcastRequest> {
  if (caller !== undefined && isUntouched(run)) return caller;
  const { broadcast_id: id, message_name, message_parts = 0 } = run;
  const message = message_name === undefined
    ? caller?.message
    : parsedText(id, message_name, await ledger.readText(id, message_name, message_parts), isMessage);
  if (message === undefined) throw new Error("unreachable: a run that is finished alone has its message");
  return {
    message,
    now,
    control: caller?.control ?? new PauseControl(),
    ...optionsFromRecord(run, caller?.options),
  };
}

function isMessage(value: BroadcastMessage): boolean {
  assertMessage(value);
  return true;
}

/** A run that is called for again, perhaps with another message and other options. */
function renewed(record: RunRecord, request: BroadcastRequest): RunRecord {
  const started_at = new Date(request.startedAt).toISOString();
  return {
    ...record,
    ...optionsToRecord(request),
    ...{ started_at, text_digest: textDigestOf(request) },
    message_name: undefined,
    message_parts: undefined,
  };
}

/** The options of the first call, and those of this call that no ledger can keep. */
function optionsFromRecord(
  run: RunRecord,
  caller: BroadcastOptions = {},
): Pick<BroadcastRequest, "options" | "expiresAt" | "startedAt" | "whenUnreadable" | "whenLedgerDown"> {
  const { signal, perChat, filter, onProgress, massDeactivation } = caller;
  const order = typeof caller.order === "function" ? caller.order : undefined;
  const functions = run["has_functions"] === true ? { perChat, filter, order } : {};
  const options: BroadcastOptions = {
    ...{ signal, onProgress, massDeactivation, ...functions },
    broadcastId: run.broadcast_id,
    onUnknown: run.on_unknown,
    priority: run["priority"] === "urgent" ? "urgent" : "bulk",
    disableNotification: run["disable_notification"] === true,
    allowPaidBroadcast: run["allow_paid_broadcast"] === true,
    starBudget: numberIn(run["star_budget"]),
  };
  return {
    options,
    whenUnreadable: run["when_unreadable"] === "send" ? "send" : "throw",
    whenLedgerDown: run["when_ledger_down"] === "send" ? "send" : "wait",
    expiresAt: numberIn(run["expires_at"]) ?? Infinity,
    startedAt: Date.parse(run.started_at),
  };
}

/** Why the run cannot be finished with what the ledger has and the caller gives; `undefined` where it can. */
function cannotResumeReason(run: RunRecord, caller: BroadcastOptions | undefined): string | undefined {
  const { broadcast_id: id } = run;
  const givesFunctions = caller?.perChat !== undefined || caller?.filter !== undefined ||
    typeof caller?.order === "function";
  if (run["has_functions"] === true && !givesFunctions) {
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

/** Gives whether a chat was under way when the run was written last, and so may have the message. */
function inDoubt(run: RunRecord, order: SendOrder): (id: number) => boolean {
  const pending = new Set(run.pending);
  // Chats that were drawn out of their turn are pending until they have an outcome, wherever the window is.
  const sampled = new Set(run["sampled"] as readonly number[] | undefined);
  // Chats that joined the list late surely do not have the message, even those with a place in the window.
  const unsent = new Set(run["unsent"] as readonly number[] | undefined);
  const passed = passedIn(run);
  const wasKnown = passed && new Set(passed);
  const isInWindow = inWindow(order, run);
  return (id) =>
    pending.has(id) ||
    (isInWindow(id) && !sampled.has(id) && !unsent.has(id) && wasKnown?.has(id) !== false);
}

/**
 * The chats up to the cursor that the process knew which has died; `undefined` where it knew all. A process of an earlier
 * version moves the cursor alone: then it is not known.
 */
function passedIn(run: RunRecord): readonly number[] | undefined {
  const passed = run["passed"] as readonly number[] | undefined;
  return passed?.at(-1) === run.cursor ? passed : undefined;
}

/** Groups that are read at most, to find out which supergroups they have become. */
const movesAtMost = 100;

/** The run with the supergroups that its groups have become, where it names these, and they are not on the list any more. */
async function withMoves(run: RunRecord, ids: Float64Array, registry: ChatRegistry): Promise<RunRecord> {
  const lists = { unsent: run["unsent"] as readonly number[] | undefined, pending: run.pending };
  const named = new Set([...lists.unsent ?? [], ...lists.pending ?? []]);
  const gone = [...named].filter((id) => id < 0 && !includesSorted(ids, id)).slice(0, movesAtMost);
  const moves = new Map<number, number>();
  await Promise.all(gone.map(async (id) => {
    const to = (await registry.getChat(id).catch(() => {}))?.migrated_to;
    if (to !== undefined) moves.set(id, to);
  }));
  const moved = (chatIds: readonly number[] | undefined) => chatIds?.map((id) => moves.get(id) ?? id);
  return moves.size === 0 ? run : { ...run, unsent: moved(lists.unsent), pending: moved(lists.pending) };
}

/**
 * The run that leaves out supergroups ahead in the order whose groups, which are not on the list any more, have had their
 * turns; such a supergroup is in doubt where its group is.
 */
async function withPassedMoves(
  run: RunRecord,
  ids: Float64Array,
  registry: ChatRegistry,
  order: SendOrder,
): Promise<RunRecord> {
  const end = cursorPosition(order, run, "cursor");
  if (end === undefined) return run;
  const isPassed = (id: number): boolean => !isBefore(end, positionOf(order, id));
  const ahead = Array.from(ids.filter((id) => isSupergroupId(id) && !isPassed(id)));
  const chats = await Promise.all(
    ahead.slice(0, movesAtMost).map((id) => registry.getChat(id).catch(() => {})),
  );
  const passed = passedIn(run);
  const isInDoubt = inDoubt(run, order);
  const [inTurn, doubtful]: [number[], number[]] = [[], []];
  for (const { chat_id, migrated_from: from } of chats.filter((chat) => chat !== undefined)) {
    if (from === undefined || !isPassed(from) || passed?.includes(from) === false) continue;
    (isInDoubt(from) ? doubtful : inTurn).push(chat_id);
  }
  if (inTurn.length + doubtful.length === 0) return run;
  const { pending = [] } = run;
  return {
    ...run,
    window_size: numberOf(run["window_size"]) - doubtful.length,
    pending: [...pending, ...doubtful],
    sampled: [...run["sampled"] as readonly number[] | undefined ?? [], ...inTurn],
  };
}

/** Where a run goes on: with which chats, and what has been counted. */
interface Resumption extends Pick<ResumePoint, "window" | "inDoubt" | "expected"> {
  readonly counters: BroadcastCounters;
  readonly queue: RecipientQueue;
}

/**
 * Gives the chats to send to. Those in doubt are counted as unknown; or they come first, in the window that is written
 * already, and get the message again. @param ids Ascending.
 */
function resumptionOf(run: RunRecord, { ids, isRead }: OpenRecipients, order: SendOrder): Resumption {
  const counters = new BroadcastCounters(countersFromRecord(run));
  const { pending = [] } = run;
  const isInDoubt = inDoubt(run, order);
  const doubtfulIds = Array.from(ids.filter(isInDoubt));
  const isListed = (id: number): boolean => includesSorted(ids, id);
  const named = (name: string): readonly number[] => run[name] as readonly number[] | undefined ?? [];
  const isResent = run.on_unknown === "resend";
  if (!isResent) {
    for (const id of doubtfulIds) counters.record(id, inDoubtResult, 0);
    // A chat that was in doubt and is no longer on the list was a recipient all the same.
    counters.counts.unknown += Math.max(
      0,
      numberOf(run["window_size"]) + pending.length - doubtfulIds.length,
    );
  }
  const again = isResent ? doubtfulIds : [];
  const known = passedIn(run);
  const queue = new RecipientQueue({
    ...{ ids, order, isRead },
    // Those in doubt may be missing on a list that is old.
    first: [...named("unsent"), ...isResent ? pending.filter((id) => !isListed(id)) : []],
    after: cursorPosition(order, run, "cursor"),
    ...isResent
      ? {
        knownTo: known === undefined ? run.window_after : numberIn(run["passed_after"]),
        passed: [...(known ?? []).filter((id) => isListed(id) || !isInDoubt(id)), ...doubtfulIds],
      }
      : {
        knownTo: known === undefined ? run.cursor : numberIn(run["passed_after"]),
        passed: known && [...known, ...pending],
      },
    except: named("sampled"),
  });
  const expected = numberOf(run["recipients"]);
  const left = again.length + queue.left;
  if (isRead) counters.skip(Math.max(0, expected - counters.done - left), "unsubscribed");
  return { counters, queue, window: again, inDoubt: new Set(again), expected: isRead ? 0 : expected };
}

function numberIn(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

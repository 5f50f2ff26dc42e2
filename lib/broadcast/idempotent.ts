/** How a run is taken over from a process that has died. Pure. */
import { createHash, randomUUID } from "node:crypto";
import { isOutage, StorageError } from "../chats/storage.ts";
import { monotonic } from "../util/clock.ts";
import { countsFromRecord, LeaseMonitor, leaseMs, priceOf, reportFromRecord } from "./checkpoint.ts";
import { type ResumePoint, runBroadcast, windowSizeAt } from "./conduct.ts";
import { PauseControl } from "./handle.ts";
import type { Ledger, RunRecord } from "./ledger.ts";
import type { Chosen, LedgerFailover } from "./ledger_failover.ts";
import type { BroadcastMessage, BroadcastOptions } from "./options.ts";
import { OutgoingMessage, type StoredMessage } from "./outgoing.ts";
import { neverRead, type OpenRecipients, openRecipients, startOf } from "./recipients.ts";
import { BroadcastCounters, type BroadcastReport, inDoubtResult } from "./report.ts";
import type { BroadcastDeps, BroadcastRequest } from "./request.ts";
import {
  cursorIn,
  cursorPosition,
  inWindow,
  orderKept,
  RecipientQueue,
  type SendOrder,
  startKept,
} from "./send_order.ts";

/** What the ledger keeps of a broadcast's options, as attributes of the run. */
export function optionsToRecord(
  { options, expiresAt, whenUnreadable, whenLedgerDown }: BroadcastRequest,
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
export function optionsFromRecord(
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
export function cannotResumeReason(run: RunRecord, caller: BroadcastOptions | undefined): string | undefined {
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
export interface Resumption extends Pick<ResumePoint, "counters" | "window" | "inDoubt"> {
  readonly queue: RecipientQueue;
}

/**
 * Gives the chats to send to. Those in doubt are counted as unknown; or they come first, in the window that is written
 * already, and get the message again. @param ids Ascending.
 */
export function resumptionOf(run: RunRecord, ids: Float64Array, order: SendOrder): Resumption {
  const counters = new BroadcastCounters(countsFromRecord(run));
  const { pending = [] } = run;
  const doubtful = Array.from(ids.filter(inDoubt(run, order)));
  const named = (name: string): readonly number[] => run[name] as readonly number[] | undefined ?? [];
  const unsent = new Set(named("unsent"));
  const isResent = run.on_unknown === "resend";
  if (!isResent) {
    for (const id of doubtful) counters.record(id, inDoubtResult, 0);
    // A chat that was in doubt and is no longer on the list was a recipient all the same.
    counters.counts.unknown += Math.max(0, numberOf(run["window_size"]) + pending.length - doubtful.length);
  }
  const again = isResent ? doubtful : [];
  const queue = new RecipientQueue({
    ids,
    order,
    first: Array.from(ids.filter((id) => unsent.has(id))),
    after: cursorPosition(order, run, "cursor"),
    except: named("sampled"),
  });
  const left = again.length + queue.left;
  counters.skip(Math.max(0, numberOf(run["recipients"]) - counters.done - left), "unsubscribed");
  return { counters, queue, window: again, inDoubt: new Set(again) };
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

// Broadcasts with an id: begun by one process, followed by the others, and finished by one of them if it dies.

export interface OnceOptions {
  readonly deps: BroadcastDeps;
  readonly ledgers: () => LedgerFailover;
  /** Has the bot wait for what is being sent. */
  readonly track: <T>(task: Promise<T>) => Promise<T>;
  /** Ends what only waits for others. */
  readonly stopping: AbortSignal;
}

/** A run's report, and whether it was finished here. */
export interface FollowResult {
  readonly report: BroadcastReport;
  readonly isOurs: boolean;
}

/** The order and the first window of a run. */
interface Beginning {
  readonly order: SendOrder;
  readonly window: readonly number[];
  readonly recipients: number;
}

/** The record that was to be written, the one that is there now, and the ledger that has it. */
interface Begun {
  readonly record: RunRecord;
  readonly begun: RunRecord;
  readonly book: Ledger;
}

const pollMs = 1000;

export class IdempotentBroadcasts {
  readonly #options: OnceOptions;

  constructor(options: OnceOptions) {
    this.#options = options;
  }

  /** Begins the run, or follows the process that has begun it. */
  async send(id: string, request: BroadcastRequest): Promise<BroadcastReport> {
    const { ledger, found } = await this.#choose(id, request);
    if (found?.state === "finished") {
      this.#options.deps.logger.info(`The broadcast "${id}" has been sent before; nothing is sent now.`);
    }
    return found === undefined && await this.#options.track(this.#begin(ledger, id, request)) ||
      (await this.follow(id, request)).report;
  }

  #choose(id: string, request: BroadcastRequest | undefined): Promise<Chosen> {
    const { whenLedgerDown = "wait", expiresAt = Infinity, options: { signal } = {} } = request ?? {};
    const leftMs = (): number => request === undefined ? Infinity : expiresAt - request.now();
    return this.#options.ledgers().for(id, { whenLedgerDown, leftMs, signal });
  }

  /** `undefined` where another process was first, or has taken it over. */
  async #begin(ledger: Ledger, id: string, request: BroadcastRequest): Promise<BroadcastReport | undefined> {
    const { deps } = this.#options;
    const opened = await openRecipients(request, deps);
    try {
      const { ids, recipientFilter: { values } } = opened;
      const order: SendOrder = { start: startOf(request, ids, numbersFrom(id)), values };
      const queue = new RecipientQueue({ ids, order });
      const recipients = queue.left;
      const window = queue.take(windowSizeAt(deps.messagesPerSecond));
      // The first chat is read while the run is written to the ledger.
      opened.check.lookAhead(window.slice(0, 1));
      const parts = { order, window, recipients };
      const { record, begun, book } = await this.#beginIn(ledger, id, request, parts);
      if (begun.owner !== record.owner) return undefined;
      const kept = this.#kept(request, { ledger: book, record, counters: new BroadcastCounters(), window });
      return await runBroadcast(request, queue, opened, deps, kept);
    } finally {
      opened.close();
    }
  }

  /** Begins the run in the ledger; where that has just failed, in the local one. */
  async #beginIn(ledger: Ledger, id: string, request: BroadcastRequest, parts: Beginning): Promise<Begun> {
    const ledgers = this.#options.ledgers();
    const record = this.#recordOf(id, request, parts);
    try {
      const whole = { ...record, ...await this.#keepMessage(ledger, id, request) };
      const begun = await ledger.begin(whole);
      ledgers.remember(id);
      return { record: whole, begun, book: ledger };
    } catch (error) {
      if (request.whenLedgerDown === "wait" || !isOutage(error)) throw error;
      const book = await ledgers.continueHere(record, error as Error);
      return { record, begun: record, book };
    }
  }

  async #keepMessage(ledger: Ledger, id: string, request: BroadcastRequest): Promise<Partial<StoredMessage>> {
    const { options: { perChat, filter, order } } = request;
    const hasFunctions = perChat !== undefined || filter !== undefined || typeof order === "function";
    return hasFunctions ? {} : await new OutgoingMessage(request.message).persist(ledger, id) ?? {};
  }

  /** Adds the way to the local ledger, for a ledger that fails in the middle. */
  #kept({ whenLedgerDown }: BroadcastRequest, kept: ResumePoint): ResumePoint {
    if (whenLedgerDown === "wait") return kept;
    return { ...kept, continueHere: (run, error) => this.#options.ledgers().continueHere(run, error) };
  }

  #recordOf(id: string, request: BroadcastRequest, { order, window, recipients }: Beginning): RunRecord {
    const { options: { onUnknown = "skip", allowPaidBroadcast } } = request;
    const outgoing = new OutgoingMessage(request.message);
    const last = window.at(-1);
    return {
      broadcast_id: id,
      state: "running",
      owner: randomUUID(),
      fence: 1,
      lease_until: this.#options.deps.clock.now() + leaseMs,
      started_at: new Date(request.startedAt).toISOString(),
      on_unknown: onUnknown,
      recipients,
      ...last === undefined ? {} : cursorIn(order, last),
      window_size: window.length,
      ...orderKept(order),
      ...optionsToRecord(request),
      ...new BroadcastCounters().state,
      paid: allowPaidBroadcast ? priceOf(window.length, outgoing) : 0,
    };
  }

  /** Waits for the process that runs it; finishes it where that process has died. */
  async follow(id: string, request?: BroadcastRequest): Promise<FollowResult> {
    const watch = new LeaseMonitor(this.#options.deps.clock);
    for (;;) {
      request?.options.signal?.throwIfAborted();
      // Asked anew each time: a run of an outage moves to the bot's own ledger.
      const { ledger, found: run } = await this.#choose(id, request);
      if (run === undefined) throw new StorageError("failed", `The ledger has lost the broadcast "${id}".`);
      if (run.state === "finished") return { report: await reportFromRecord(run, ledger), isOurs: false };
      const report = watch.hasLapsed(run) && this.#canGoOn(run)
        ? await this.#options.track(this.#takeOver(ledger, run, request))
        : undefined;
      if (report !== undefined) return { report, isOurs: true };
      await this.rest(request?.options.signal);
    }
  }

  /** Whether a run can be gone on with: not without the list of chats, but once it is too late for all. */
  #canGoOn(run: RunRecord): boolean {
    const { registry, clock } = this.#options.deps;
    return !registry.isUnread || run["when_unreadable"] !== "send" ||
      clock.now() >= Number(run["expires_at"] ?? Infinity);
  }

  /** Waits for a moment before the next look; rejects where the bot is stopped meanwhile. */
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
    const request = await planOf(ledger, run, caller, monotonic(clock));
    // Without the list of chats no run can be finished.
    if (registry.isUnread && request.whenUnreadable === "throw") throw neverRead();
    const opened = await this.#openAgain(request);
    try {
      const record = await ledger.claim(run, randomUUID(), clock.now() + leaseMs);
      if (record === undefined) return undefined;
      const { recipientFilter: { values } } = opened;
      const order: SendOrder = { start: startKept(record), values };
      const { queue, ...start } = resumptionOf(record, opened.ids, order);
      const left = start.window.length + queue.left;
      logger.info(
        `The broadcast "${run.broadcast_id}" goes on where another process has left it: ${left} chats are left.`,
      );
      const isNew = caller !== undefined && isUntouched(run);
      const kept = this.#kept(request, {
        ledger,
        record: isNew ? renewed(record, request) : record,
        ...start,
      });
      return await runBroadcast(request, queue, opened, deps, kept);
    } finally {
      opened.close();
    }
  }

  /** A run of another process goes on with the table's list, where that can be read; else with the one in memory. */
  async #openAgain(request: BroadcastRequest): Promise<OpenRecipients> {
    const { deps } = this.#options;
    if (request.whenUnreadable === "throw" || deps.registry.isUnread) {
      return await openRecipients(request, deps);
    }
    try {
      return await openRecipients({ ...request, whenUnreadable: "throw" }, deps);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return await openRecipients(request, deps);
    }
  }
}

/** The plan of the first call; for a run whose message no chat has yet, the plan of this call. */
async function planOf(
  ledger: Ledger,
  run: RunRecord,
  caller: BroadcastRequest | undefined,
  now: () => number,
): Promise<BroadcastRequest> {
  if (caller !== undefined && isUntouched(run)) return caller;
  const { broadcast_id: id, message_name, message_parts = 0 } = run;
  const message = message_name === undefined ? caller?.message : JSON.parse(
    await ledger.readText(id, message_name, message_parts),
  ) as BroadcastMessage;
  if (message === undefined) throw new Error("unreachable: a run that is finished alone has its message");
  return {
    message,
    now,
    control: caller?.control ?? new PauseControl(),
    ...optionsFromRecord(run, caller?.options),
  };
}

/** A run that is called for again, perhaps with another message and other options. */
function renewed(record: RunRecord, request: BroadcastRequest): RunRecord {
  return { ...record, ...optionsToRecord(request), message_name: undefined, message_parts: undefined };
}

/** Gives numbers in [0, 1) that depend on the text alone. */
function numbersFrom(text: string): () => number {
  const digest = createHash("sha256").update(text).digest();
  let offset = 0;
  return () => digest.readUInt32BE(4 * (offset++ % 8)) / 2 ** 32;
}

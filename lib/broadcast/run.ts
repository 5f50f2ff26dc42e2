/** One run of a broadcast: written to the ledger where it has an id, sent to its recipients, and reported. */
import { createHash } from "node:crypto";
import { isOutage } from "../chats/storage.ts";
import { sleepInNaps, uuid } from "../util/clock.ts";
import { isInterrupt, messageOf } from "../util/errors.ts";
import { leaseMs, RunCheckpoint } from "./checkpoint.ts";
import { textDigestOf } from "./comparison.ts";
import { Deliverer } from "./delivery.ts";
import { cursorIn, type Ledger, orderKept, type RunRecord } from "./ledger.ts";
import type { LedgerFailover, LedgerWait } from "./ledger_failover.ts";
import { OutgoingMessage } from "./outgoing_message.ts";
import { neverRead, openRecipients, startOf } from "./recipients.ts";
import { BroadcastCounters, BroadcastReport, inDoubtResult, RunEnd } from "./report.ts";
import type { BroadcastDeps, BroadcastRequest, OpenRecipients, ResumePoint, RunContext } from "./request.ts";
import { SendLoop, windowSizeAt } from "./send_loop.ts";
import { RecipientQueue } from "./send_order.ts";

/** Sends a broadcast without an id. */
export async function runPlain(request: BroadcastRequest, deps: BroadcastDeps): Promise<BroadcastReport> {
  const recipients = await openRecipients(request, deps);
  try {
    const { ids, filter } = recipients;
    const order = { start: startOf(request, ids, () => deps.clock.random()), values: filter?.values };
    const queue = new RecipientQueue({ ids, order });
    request.control.beginning.resolve({ broadcastId: undefined, isRepeated: false, isDurable: false });
    const report = await runBroadcast(createRun(request, deps, recipients, queue));
    if (report === undefined) throw new Error("unreachable: without a ledger nobody takes a run over");
    return report;
  } finally {
    recipients.close();
  }
}

/**
 * Begins a broadcast with an id in the ledger, and sends it; in the local ledger, where the other one has just failed.
 * `undefined` where another process was first, or has taken it over.
 */
export async function beginRun(
  id: string,
  request: BroadcastRequest,
  deps: BroadcastDeps,
  ledger: Ledger,
  ledgers: LedgerFailover,
): Promise<BroadcastReport | undefined> {
  const recipients = await openRecipients(request, deps);
  try {
    const { ids, filter, check } = recipients;
    const order = { start: startOf(request, ids, numbersFrom(id)), values: filter?.values };
    const queue = new RecipientQueue({ ids, order, isRead: recipients.isRead });
    const total = queue.left;
    const run = createRun(request, deps, recipients, queue);
    // A window that waits for its turn would be in doubt for nothing if the process ended meanwhile.
    const window = deps.turns.take(run.turn) ? queue.take(windowSizeAt(deps.messagesPerSecond)) : [];
    // The first chat is read while the run is written to the ledger.
    check.lookAhead(window.slice(0, 1));
    const begun = await beginIn(ledger, recordOf(id, run, window, total), run, ledgers);
    if (begun === undefined) return undefined;
    const isDurable = ledgers.isDurable(begun.ledger, begun.record);
    request.control.beginning.resolve({ broadcastId: id, isRepeated: false, isDurable });
    return await runBroadcast(run, { ...begun, window, continueHere: continueHereWith(ledgers, request) });
  } finally {
    recipients.close();
  }
}

/** Writes the run to the ledger; `undefined` where another process was first. */
async function beginIn(
  ledger: Ledger,
  record: RunRecord,
  { request, message }: RunContext,
  ledgers: LedgerFailover,
): Promise<Pick<ResumePoint, "ledger" | "record"> | undefined> {
  const id = record.broadcast_id;
  try {
    const stored = record["has_functions"] === true ? undefined : await message.persist(ledger, id);
    const withMessage = { ...record, ...stored };
    const begun = await ledger.begin(withMessage);
    ledgers.remember(id);
    return begun.owner === record.owner ? { ledger, record: withMessage } : undefined;
  } catch (error) {
    if (request.whenLedgerDown === "wait" || !isOutage(error)) throw error;
    return { ledger: await ledgers.continueHere(record, error as Error), record };
  }
}

function recordOf(id: string, run: RunContext, window: readonly number[], recipients: number): RunRecord {
  const { request, deps: { clock, botId }, queue, message, counters } = run;
  const { order } = queue;
  const { onUnknown = "skip", allowPaidBroadcast } = request.options;
  const last = window.at(-1);
  return {
    broadcast_id: id,
    bot_id: botId,
    state: "running",
    owner: uuid(clock),
    fence: 1,
    lease_until: clock.now() + leaseMs,
    started_at: new Date(request.startedAt).toISOString(),
    on_unknown: onUnknown,
    recipients,
    ...last === undefined ? {} : cursorIn(order, last),
    passed: queue.passedUpTo(last),
    window_size: window.length,
    ...orderKept(order),
    ...optionsToRecord(request),
    // Where the message is not kept: with functions of the caller's, or until its photo is uploaded.
    text_digest: textDigestOf(request),
    ...counters.state,
    paid: allowPaidBroadcast ? message.priceFor(window.length) : 0,
  };
}

/** The options that the ledger keeps, as attributes of the run; `optionsFromRecord` reads them. */
export function optionsToRecord(
  { options, expiresAt, whenUnreadable, whenLedgerDown }: BroadcastRequest,
): Record<string, string | number | boolean | undefined> {
  const { priority, disableNotification, allowPaidBroadcast, starBudget, perChat, filter, order } = options;
  return {
    priority,
    when_unreadable: whenUnreadable,
    when_ledger_down: whenLedgerDown,
    disable_notification: disableNotification,
    allow_paid_broadcast: allowPaidBroadcast,
    star_budget: starBudget,
    expires_at: expiresAt === Infinity ? undefined : expiresAt,
    has_functions: perChat !== undefined || filter !== undefined || typeof order === "function" || undefined,
  };
}

/** Gives numbers in [0, 1) that depend on the text alone. */
function numbersFrom(text: string): () => number {
  const digest = createHash("sha256").update(text).digest();
  let offset = 0;
  return () => digest.readUInt32BE(4 * (offset++ % 8)) / 2 ** 32;
}

/** How the request waits for the ledger; without one, for as long as the bot runs. */
export function waitOf(request: BroadcastRequest | undefined): LedgerWait {
  const { whenLedgerDown = "wait", expiresAt = Infinity, options: { signal } = {} } = request ?? {};
  const leftMs = (): number => request === undefined ? Infinity : expiresAt - request.now();
  return { whenLedgerDown, leftMs, signal };
}

/** The way to the local ledger, for a ledger that fails in the middle of a run. */
export function continueHereWith(
  ledgers: LedgerFailover,
  { whenLedgerDown }: BroadcastRequest,
): ResumePoint["continueHere"] {
  return whenLedgerDown === "wait" ? undefined : (run, error) => ledgers.continueHere(run, error);
}

export function createRun(
  request: BroadcastRequest,
  deps: BroadcastDeps,
  recipients: OpenRecipients,
  queue: RecipientQueue,
  counters: BroadcastCounters = new BroadcastCounters(),
): RunContext {
  const { message, options: { perChat, filter, priority = "bulk", disableNotification } } = request;
  const texts = perChat &&
    { textFor: perChat, take: (chatId: number) => recipients.filter?.take(chatId) };
  const outgoing = new OutgoingMessage(message, deps, { texts, disableNotification });
  const { left } = queue;
  // Whom a filter includes is known only of those whose turn has come.
  const turn = deps.turns.begin({
    priority,
    number: request.control.number,
    recipients: () => filter === undefined ? left : counters.counts.sent,
    ended: recipients.closed,
  });
  return { request, deps, recipients, queue, message: outgoing, counters, turn, end: new RunEnd() };
}

/** Sends to the recipients in the queue. `undefined` where another process has taken the run over. */
export async function runBroadcast(
  run: RunContext,
  resumePoint?: ResumePoint,
): Promise<BroadcastReport | undefined> {
  const { request: { options }, deps: { rateLimiter, caughtUp }, recipients, queue, end } = run;
  const { window = [], inDoubt = new Set<number>(), expected = 0 } = resumePoint ?? {};
  if (options.allowPaidBroadcast === true) rateLimiter.limitUnpaid();
  const checkpoint = resumePoint && new RunCheckpoint(run, resumePoint);
  const deliverer = new Deliverer(run, checkpoint, () => loop.launch());
  const loop = new SendLoop(run, deliverer, checkpoint, window, inDoubt);
  const unbind = bindEnd(run, checkpoint !== undefined);
  recipients.follow({
    onChange(ids) {
      queue.update(ids, recipients.check.hasReadList);
      loop.launch();
    },
    onFailure: (error) => end.end("stopped", messageOf(error)),
  });
  await checkpoint?.reserveWindow();
  await caughtUp?.(end.signal);
  await loop.finish();
  unbind();
  recipients.close();
  await deliverer.close();
  return await conclude(run, loop, checkpoint, { inDoubt, expected });
}

/** Ends the run when its time is over, its caller says so, or the bot ends. Gives what undoes that. */
function bindEnd({ request, deps, message, end }: RunContext, isKept: boolean): () => void {
  const { options, expiresAt, now } = request;
  const { clock, leaving, closed } = deps;
  const unbinding = new AbortController();
  const { signal } = unbinding;
  const onAbort = (aborter: AbortSignal | undefined, react: () => void): void => {
    if (aborter?.aborted) react();
    aborter?.addEventListener("abort", react, { signal });
  };
  onAbort(options.signal, () => {
    const interrupt = options.signal?.reason;
    if (!isInterrupt(interrupt)) return end.end("stopped", "the caller ended it");
    end.end(isKept ? "interrupted" : "stopped", messageOf(interrupt));
  });
  onAbort(leaving, () => end.end(isKept ? "handedOver" : "stopped", "the bot was stopped"));
  onAbort(closed, () => message.abandon());
  const expire = async (): Promise<void> => {
    await sleepInNaps(clock, expiresAt - now(), { signal });
    end.end("expired");
  };
  if (expiresAt < Infinity) void expire().catch(() => {});
  return () => unbinding.abort();
}

/** Counts the recipients that are left, writes the end to the ledger, and makes the report. */
async function conclude(
  run: RunContext,
  loop: SendLoop,
  checkpoint: RunCheckpoint | undefined,
  { inDoubt, expected }: Required<Pick<ResumePoint, "inDoubt">> & { readonly expected: number },
): Promise<BroadcastReport | undefined> {
  const { recipients: { filter, isUnread, refusal }, queue, counters, end } = run;
  const failure = filter?.failure;
  const hasReachedNobody = counters.counts.sent + counters.counts.unknown === 0;
  // No chat was written to, and it is not known which chats should have been.
  const isVain = hasReachedNobody && (failure !== undefined || (isUnread && counters.done === 0));
  const isUnfinished = isVain || end.leavesRest || end.kind === "refused";
  if (isUnfinished) await checkpoint?.release(loop);
  if (checkpoint?.isLost) return undefined;
  if (isVain) throw failure ?? refusal ?? neverRead(run.deps.registry);
  const doubtfulIds = end.leavesRest ? [] : loop.rest.filter((id) => inDoubt.has(id));
  const left = loop.rest.length + loop.unsent.length + queue.left - doubtfulIds.length;
  for (const id of doubtfulIds) counters.record(id, inDoubtResult, 0);
  counters.skip(left, end.kind === "expired" ? "expired" : "stopped");
  if (!isUnfinished) counters.skip(Math.max(0, expected - counters.done), "unsubscribed");
  const report = reportOf(run, loop.progress.elapsedMs, checkpoint !== undefined);
  if (!isUnfinished) await checkpoint?.finish(report);
  if (checkpoint?.isLost) return undefined;
  loop.progress.tell();
  return report;
}

function reportOf(
  { request, recipients: { isUnread, fromMemory }, counters, end }: RunContext,
  durationMs: number,
  isKept: boolean,
): BroadcastReport {
  const { counts, skips, floods, migrations, topics, errors, latencyMs } = counters;
  const whyStopped: Partial<Record<NonNullable<RunEnd["kind"]>, string>> = {
    handedOver: `${end.reason}; resumeBroadcasts(), or the next start, goes on`,
    ...isKept && { refused: `${end.reason}. It can be called for again under its broadcastId` },
  };
  return new BroadcastReport({
    broadcastId: request.options.broadcastId,
    startedAt: new Date(request.startedAt).toISOString(),
    wasAlreadySent: false,
    differs: false,
    recipients: counters.done,
    ...counts,
    ...{ skips, floods, migrations, topics, errors, durationMs, latencyMs },
    stopped: (end.kind && whyStopped[end.kind]) ?? end.reason ??
      (isUnread ? "the list of chats has never been read" : undefined),
    recipientsFrom: fromMemory === undefined ? "table" : "memory",
    recipientsAsOf: fromMemory?.asOf === undefined ? undefined : new Date(fromMemory.asOf).toISOString(),
  });
}

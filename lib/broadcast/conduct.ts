/** One broadcast from its first message to its report. */
import { setMaxListeners } from "node:events";
import { sleepInNaps } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { RunCheckpoint } from "./checkpoint.ts";
import { Deliverer, ownFloodAtMostMs } from "./delivery.ts";
import type { BroadcastProgress, Paces } from "./handle.ts";
import type { Ledger, RunRecord } from "./ledger.ts";
import type { BroadcastOptions } from "./options.ts";
import { createStarBudget, OutgoingMessage, type StarBudget } from "./outgoing.ts";
import { neverRead, type OpenRecipients } from "./recipients.ts";
import { BroadcastCounters, BroadcastReport, inDoubtResult } from "./report.ts";
import type { BroadcastDeps, BroadcastRequest } from "./request.ts";
import { BroadcastRunner, RunEnd } from "./run.ts";
import { createPermissionCheck, MassDeactivationGuard } from "./safeguards.ts";
import type { RecipientQueue } from "./send_order.ts";

/** A run that a ledger keeps, and where it is taken up. */
export interface ResumePoint {
  readonly ledger: Ledger;
  readonly record: RunRecord;
  readonly counters: BroadcastCounters;
  /** The chats of the window that is written already. */
  readonly window: readonly number[];
  /** Those of them that may have the message already, and are to get it again. */
  readonly inDoubt?: ReadonlySet<number>;
  /** Gives another ledger to go on with where this one fails. Default: it is waited for. */
  readonly continueHere?: (run: RunRecord, error: Error) => Promise<Ledger>;
}

/** The parts that a run is made of. */
interface Parts {
  readonly outgoing: OutgoingMessage;
  readonly counters: BroadcastCounters;
  readonly ending: RunEnd;
  readonly checkpoint: RunCheckpoint | undefined;
  readonly guard: MassDeactivationGuard;
  readonly budget: StarBudget;
  readonly paces: () => Paces;
}

/** Chats' own texts that are made at the same time, and chats that are read. */
const readAtOnce = 16;
const [windowAtLeast, windowSeconds] = [100, 2];
/** Why a chat is skipped that might have got the message. */
const overReasons: readonly string[] = ["expired", "stopped"];

/** How many chats are in doubt after a crash, at most. */
export function windowSizeAt(messagesPerSecond: number): number {
  return Math.max(windowAtLeast, Math.ceil(windowSeconds * messagesPerSecond));
}

/** `undefined` where another process has taken the run over. */
export async function runBroadcast(
  request: BroadcastRequest,
  queue: RecipientQueue,
  opened: OpenRecipients,
  deps: BroadcastDeps,
  kept?: ResumePoint,
): Promise<BroadcastReport | undefined> {
  const { counters = new BroadcastCounters(), window = [], inDoubt = new Set<number>() } = kept ?? {};
  const ending = createEnding();
  const outgoing = contentOf(request, opened);
  const isPaid = request.options.allowPaidBroadcast === true;
  if (isPaid) deps.rateLimiter.limitUnpaid();
  const windowSize = windowSizeAt(deps.messagesPerSecond);
  const checkpoint = kept && new RunCheckpoint({
    ...kept,
    ...deps,
    ...{ order: queue.order, windowSize, isPaid, outgoing, ending },
    recipients: () => run.recipients,
  });
  const guard = new MassDeactivationGuard(
    () => queue.people,
    (words) => ending.end("refused", words),
    request.options.massDeactivation === "proceed",
  );
  const { starBudget = Infinity } = request.options;
  const budget = createStarBudget(isPaid, starBudget, counters, () => checkpoint?.paidAtMost ?? Infinity);
  const { rateLimiter } = deps;
  const paces = (): Paces => ({
    free: rateLimiter.messagesPerSecond,
    paid: rateLimiter.paidPerSecond,
    paidLeft: budget.left,
  });
  const parts: Parts = { outgoing, counters, ending, checkpoint, guard, budget, paces };
  const deliverer = courierOf(request, queue, opened, deps, { ...parts, launch: () => run.launch() });
  const run = createRun({ request, queue, opened, deps, parts, window, inDoubt, deliverer });
  const unwatch = watch(request, deps, ending, {
    isKept: kept !== undefined,
    abandon: () => deliverer.abandon(),
  });
  follow(opened, { queue, run, ending });
  await checkpoint?.reserve();
  await run.finish();
  unwatch();
  opened.close();
  await guard.close();
  return await conclude(request, queue, opened, { ...parts, run, inDoubt });
}

function createRun({ request, queue, opened: { check }, deps, parts, window, inDoubt, deliverer }: {
  readonly request: BroadcastRequest;
  readonly queue: RecipientQueue;
  readonly opened: OpenRecipients;
  readonly deps: BroadcastDeps;
  readonly parts: Parts;
  readonly window: readonly number[];
  readonly inDoubt: ReadonlySet<number>;
  readonly deliverer: Deliverer;
}): BroadcastRunner {
  const { rateLimiter, messagesPerSecond, broadcastAccess, clock, logger } = deps;
  const { outgoing, counters, ending, checkpoint, paces } = parts;
  const onProgress = guarded(request.options.onProgress, logger);
  const tellDeadline = createDeadlineTeller(request, deps, paces);
  return new BroadcastRunner({
    ...{ queue, window, windowSize: windowSizeAt(messagesPerSecond) },
    isOpen: () => check.isReading,
    isUnclear: () => rateLimiter.isUnclear,
    async deliver(chatId, onTurn, isDrawn) {
      const result = await deliverer.deliver(chatId, onTurn, isDrawn);
      const isOver = result.outcome === "skipped" && overReasons.includes(result.why) &&
        ending.kind !== "left";
      return isOver && inDoubt.has(chatId) ? inDoubtResult : result;
    },
    aheadAtMost: () => outgoing.isPerChat || check.readsEach || broadcastAccess?.authorizes ? readAtOnce : 1,
    isUpload: () => outgoing.isUpload,
    pauseMs: () => rateLimiter.pauseMs,
    holdMs: (chatId) => rateLimiter.holdMs(chatId),
    paces,
    onAllHeld(ms, chats) {
      // A longer one was told when the first chat met it.
      if (ms > ownFloodAtMostMs) return;
      const who = chats === 1
        ? "The last chat of the broadcast has"
        : `The last ${chats} chats of the broadcast have`;
      logger.info(`${who} to wait for ${Math.ceil(ms / 1000)} s, as Telegram asks.`);
    },
    onProgress(progress) {
      tellDeadline(progress);
      onProgress(progress);
    },
    ...{ counters, checkpoint, control: request.control, messagesPerSecond, clock, ending },
    ...{ startedAt: request.startedAt, expiresAt: request.expiresAt, now: request.now },
  });
}

/** Takes over the list when it has been read anew. */
function follow(
  opened: OpenRecipients,
  { queue, run, ending }: {
    readonly queue: RecipientQueue;
    readonly run: BroadcastRunner;
    readonly ending: RunEnd;
  },
): void {
  opened.follow({
    onChange(ids) {
      queue.update(ids);
      run.launch();
    },
    onFailure: (error) => ending.end("stopped", messageOf(error)),
  });
}

/** Says how many cannot be reached in time: at the start, and where it turns out to be many more, by a twentieth at least. */
function createDeadlineTeller(
  { expiresAt, now, options }: BroadcastRequest,
  { logger }: BroadcastDeps,
  paces: () => Paces,
): (progress: BroadcastProgress) => void {
  let told: number | undefined;
  return ({ recipients, willExpire, isWaiting, waitingMs }) => {
    const isMore = willExpire >= 2 * (told ?? 0) && willExpire - (told ?? 0) >= recipients / 20;
    const isNews = told === undefined ? willExpire > 0 : isMore && willExpire > 0;
    told ??= 0;
    if (!isNews || options.signal?.aborted) return;
    told = willExpire;
    const leftMs = expiresAt - now();
    if (leftMs <= 0) {
      return logger.warn(`The message has expired before ${willExpire} of ${recipients} chats.`);
    }
    const { free, paid, paidLeft } = paces();
    const cause = isWaiting
      ? `Telegram asks to wait for ${Math.ceil(waitingMs / 1000)} s, so`
      : `At ${Math.round((paidLeft > 0 ? paid : free) * 10) / 10} messages a second`;
    logger.warn(
      `${cause} ${willExpire} of ${recipients} chats cannot be reached within the ${
        leftMs < 10_000 ? (leftMs / 1000).toFixed(1) : Math.round(leftMs / 1000)
      } s until the message expires.`,
    );
  };
}

function createEnding(): RunEnd {
  const ending = new RunEnd();
  setMaxListeners(0, ending.signal);
  return ending;
}

function contentOf(
  { message, options: { perChat } }: BroadcastRequest,
  { recipientFilter }: OpenRecipients,
): OutgoingMessage {
  if (perChat === undefined) return new OutgoingMessage(message);
  return new OutgoingMessage(message, { textFor: perChat, take: (chatId) => recipientFilter.take(chatId) });
}

function courierOf(
  { options, control, expiresAt, now }: BroadcastRequest,
  queue: RecipientQueue,
  { check, recipientFilter }: OpenRecipients,
  deps: BroadcastDeps,
  { outgoing, counters, ending, checkpoint, guard, budget, launch }: Parts & { readonly launch: () => void },
): Deliverer {
  const { onUnknown = "skip", priority = "bulk" } = options;
  return new Deliverer({
    ...deps,
    ...{ outgoing, counters, control, guard, onUnknown, budget },
    priority,
    isRecipient: (chatId) => queue.has(chatId),
    standingOf: (chatId) => check.standingOf(chatId),
    isMeant: (chatId, standing) => recipientFilter.isMeant(chatId, standing),
    checkPermission: createPermissionCheck({ ...deps, signal: ending.signal }),
    onUnclearFlood: launch,
    signal: ending.signal,
    hold: () => checkpoint?.hold(),
    checkTime: () => now() >= expiresAt ? ending.end("expired") : undefined,
    whyEnded: () => ending.kind === "expired" ? "expired" : "stopped",
  });
}

/** Ends the run when its time is over, its caller says so, or the bot ends. Gives what stops watching. */
function watch(
  { options, expiresAt, now }: BroadcastRequest,
  { clock, leaving, closed }: BroadcastDeps,
  ending: RunEnd,
  { isKept, abandon }: { readonly isKept: boolean; readonly abandon: () => void },
): () => void {
  const watching = new AbortController();
  const { signal } = watching;
  const onAbort = (aborter: AbortSignal | undefined, end: () => void): void => {
    if (aborter?.aborted) end();
    aborter?.addEventListener("abort", end, { signal });
  };
  onAbort(options.signal, () => ending.end("stopped", "the caller ended it"));
  onAbort(leaving, () => ending.end(isKept ? "left" : "stopped", "the bot was stopped"));
  onAbort(closed, abandon);
  const expire = async (): Promise<void> => {
    await sleepInNaps(clock, expiresAt - now(), { signal });
    ending.end("expired");
  };
  if (expiresAt < Infinity) void expire().catch(() => {});
  return () => watching.abort();
}

/** A mistake in a progress display is no reason to end a broadcast. */
function guarded(
  onProgress: BroadcastOptions["onProgress"],
  logger: Logger,
): (progress: BroadcastProgress) => void {
  let isTold = false;
  const tell = (error: unknown): void => {
    if (!isTold) logger.warn(`onProgress failed: ${messageOf(error)}`);
    isTold = true;
  };
  // It may be async, whatever its type says.
  const show = async (progress: BroadcastProgress): Promise<void> => await onProgress?.(progress);
  return (progress) => void show(progress).catch(tell);
}

interface Course extends Parts {
  readonly run: BroadcastRunner;
  readonly inDoubt: ReadonlySet<number>;
}

async function conclude(
  { options: { broadcastId } }: BroadcastRequest,
  queue: RecipientQueue,
  opened: OpenRecipients,
  { run, counters, checkpoint, ending, inDoubt }: Course,
): Promise<BroadcastReport | undefined> {
  const { recipientFilter: { failure }, isUnread, refusal } = opened;
  const nobody = counters.counts.sent + counters.counts.unknown === 0;
  // No chat was written to, and it is not known which chats should have been.
  const isVain = nobody && (failure !== undefined || (isUnread && counters.done === 0));
  const isOpen = isVain || ending.kind === "left" || ending.kind === "refused";
  if (isOpen) await checkpoint?.leave(run, ending);
  if (checkpoint?.isLost) return undefined;
  if (isVain) throw failure ?? refusal ?? neverRead();
  const doubtful = ending.kind === "left" ? [] : run.rest.filter((id) => inDoubt.has(id));
  const left = run.rest.length + run.unsent.length + queue.left - doubtful.length;
  for (const id of doubtful) counters.record(id, inDoubtResult, 0);
  counters.skip(left, ending.kind === "expired" ? "expired" : "stopped");
  const report = reportOf(broadcastId, opened, {
    run,
    counters,
    stopped: whyStopped(ending, opened, checkpoint),
  });
  if (!isOpen) await checkpoint?.finish(report);
  if (checkpoint?.isLost) return undefined;
  run.tell();
  return report;
}

function whyStopped(
  { kind, words }: RunEnd,
  { isUnread }: OpenRecipients,
  checkpoint: RunCheckpoint | undefined,
): string | undefined {
  if (kind === "left") return `${words}; resumeBroadcasts(), or the next start, goes on`;
  if (kind === "refused" && checkpoint !== undefined) {
    return `${words}. It can be called for again under its broadcastId`;
  }
  return words ?? (isUnread ? "the list of chats has never been read" : undefined);
}

function reportOf(
  broadcastId: string | undefined,
  { fromMemory }: OpenRecipients,
  { run, counters, stopped }: {
    readonly run: BroadcastRunner;
    readonly counters: BroadcastCounters;
    readonly stopped: string | undefined;
  },
): BroadcastReport {
  const { counts, skips, floods, migrations, topics, errors, latencyMs } = counters;
  return new BroadcastReport({
    broadcastId,
    recipients: counters.done,
    ...counts,
    ...{ skips, floods, migrations, topics, errors, stopped },
    recipientsFrom: fromMemory === undefined ? "table" : "memory",
    recipientsAsOf: fromMemory?.asOf === undefined ? undefined : new Date(fromMemory.asOf).toISOString(),
    durationMs: run.elapsedMs,
    latencyMs,
  });
}

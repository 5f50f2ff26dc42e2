/** One broadcast from its first message to its report. */
import { setMaxListeners } from "node:events";
import { sleepInNaps } from "../util/clock.ts";
import { reasonOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { LedgerJournal } from "./checkpoint.ts";
import { Courier, ownFloodAtMostMs } from "./delivery.ts";
import type { BroadcastProgress, Paces } from "./handle.ts";
import type { Ledger, RunRecord } from "./ledger.ts";
import type { BroadcastOptions } from "./options.ts";
import { Content, createPurse, type Purse } from "./outgoing.ts";
import { neverRead, type OpenRecipients } from "./recipients.ts";
import { BroadcastReport, stillInDoubt, Tally } from "./report.ts";
import type { Company, Plan } from "./request.ts";
import { Ending, Run } from "./run.ts";
import { createPermissionCheck, GoneGuard } from "./safeguards.ts";
import type { Audience } from "./send_order.ts";

/** A run that a ledger keeps, and where it is taken up. */
export interface Kept {
  readonly ledger: Ledger;
  readonly record: RunRecord;
  readonly tally: Tally;
  /** The chats of the window that is written already. */
  readonly window: readonly number[];
  /** Those of them that may have the message already, and are to get it again. */
  readonly inDoubt?: ReadonlySet<number>;
  /** Gives another ledger to go on with where this one fails. Default: it is waited for. */
  readonly continueHere?: (run: RunRecord, error: Error) => Promise<Ledger>;
}

/** The parts that a run is made of. */
interface Parts {
  readonly content: Content;
  readonly tally: Tally;
  readonly ending: Ending;
  readonly journal: LedgerJournal | undefined;
  readonly guard: GoneGuard;
  readonly purse: Purse;
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
export async function conduct(
  plan: Plan,
  audience: Audience,
  opened: OpenRecipients,
  company: Company,
  kept?: Kept,
): Promise<BroadcastReport | undefined> {
  const { tally = new Tally(), window = [], inDoubt = new Set<number>() } = kept ?? {};
  const ending = createEnding();
  const content = contentOf(plan, opened);
  const isPaid = plan.options.allowPaidBroadcast === true;
  if (isPaid) company.gate.keepFree();
  const windowSize = windowSizeAt(company.messagesPerSecond);
  const journal = kept && new LedgerJournal({
    ...kept,
    ...company,
    ...{ order: audience.order, windowSize, isPaid, content, ending },
    recipients: () => run.recipients,
  });
  const guard = new GoneGuard(
    () => audience.people,
    (words) => ending.end("refused", words),
    plan.options.massDeactivation === "proceed",
  );
  const { starBudget = Infinity } = plan.options;
  const purse = createPurse(isPaid, starBudget, tally, () => journal?.paidAtMost ?? Infinity);
  const { gate } = company;
  const paces = (): Paces => ({
    free: gate.messagesPerSecond,
    paid: gate.paidPerSecond,
    paidLeft: purse.left,
  });
  const parts: Parts = { content, tally, ending, journal, guard, purse, paces };
  const courier = courierOf(plan, audience, opened, company, { ...parts, launch: () => run.launch() });
  const run = createRun({ plan, audience, opened, company, parts, window, inDoubt, courier });
  const unwatch = watch(plan, company, ending, {
    isKept: kept !== undefined,
    abandon: () => courier.abandon(),
  });
  follow(opened, { audience, run, ending });
  await journal?.reserve();
  await run.finish();
  unwatch();
  opened.close();
  await guard.close();
  return await conclude(plan, audience, opened, { ...parts, run, inDoubt });
}

function createRun({ plan, audience, opened: { check }, company, parts, window, inDoubt, courier }: {
  readonly plan: Plan;
  readonly audience: Audience;
  readonly opened: OpenRecipients;
  readonly company: Company;
  readonly parts: Parts;
  readonly window: readonly number[];
  readonly inDoubt: ReadonlySet<number>;
  readonly courier: Courier;
}): Run {
  const { gate, messagesPerSecond, permission, clock, logger } = company;
  const { content, tally, ending, journal, paces } = parts;
  const onProgress = guarded(plan.options.onProgress, logger);
  const tellDeadline = createDeadlineTeller(plan, company, paces);
  return new Run({
    ...{ audience, window, windowSize: windowSizeAt(messagesPerSecond) },
    isOpen: () => check.isReading,
    isUnclear: () => gate.isUnclear,
    async deliver(chatId, onTurn, isDrawn) {
      const settlement = await courier.deliver(chatId, onTurn, isDrawn);
      const isOver = settlement.outcome === "skipped" && overReasons.includes(settlement.why) &&
        ending.kind !== "left";
      return isOver && inDoubt.has(chatId) ? stillInDoubt : settlement;
    },
    aheadAtMost: () => content.isPerChat || check.readsEach || permission?.authorizes ? readAtOnce : 1,
    isUpload: () => content.isUpload,
    pauseMs: () => gate.pauseMs,
    holdMs: (chatId) => gate.holdMs(chatId),
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
    ...{ tally, journal, control: plan.control, messagesPerSecond, clock, ending },
    ...{ startedAt: plan.startedAt, expiresAt: plan.expiresAt, now: plan.now },
  });
}

/** Takes over the list when it has been read anew. */
function follow(
  opened: OpenRecipients,
  { audience, run, ending }: { readonly audience: Audience; readonly run: Run; readonly ending: Ending },
): void {
  opened.follow({
    onChange(ids) {
      audience.update(ids);
      run.launch();
    },
    onFailure: (error) => ending.end("stopped", reasonOf(error)),
  });
}

/** Says how many cannot be reached in time: at the start, and where it turns out to be many more, by a twentieth at least. */
function createDeadlineTeller(
  { expiresAt, now, options }: Plan,
  { logger }: Company,
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

function createEnding(): Ending {
  const ending = new Ending();
  setMaxListeners(0, ending.signal);
  return ending;
}

function contentOf({ message, options: { perChat } }: Plan, { selection }: OpenRecipients): Content {
  if (perChat === undefined) return new Content(message);
  return new Content(message, { textFor: perChat, take: (chatId) => selection.take(chatId) });
}

function courierOf(
  { options, control, expiresAt, now }: Plan,
  audience: Audience,
  { check, selection }: OpenRecipients,
  company: Company,
  { content, tally, ending, journal, guard, purse, launch }: Parts & { readonly launch: () => void },
): Courier {
  const { onUnknown = "skip", priority = "bulk" } = options;
  return new Courier({
    ...company,
    ...{ content, tally, control, guard, onUnknown, purse },
    lane: priority,
    isRecipient: (chatId) => audience.has(chatId),
    standingOf: (chatId) => check.standingOf(chatId),
    isMeant: (chatId, standing) => selection.isMeant(chatId, standing),
    checkPermission: createPermissionCheck({ ...company, signal: ending.signal }),
    onUnclearFlood: launch,
    signal: ending.signal,
    hold: () => journal?.hold(),
    checkTime: () => now() >= expiresAt ? ending.end("expired") : undefined,
    whyEnded: () => ending.kind === "expired" ? "expired" : "stopped",
  });
}

/** Ends the run when its time is over, its caller says so, or the bot ends. Gives what stops watching. */
function watch(
  { options, expiresAt, now }: Plan,
  { clock, leaving, closed }: Company,
  ending: Ending,
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
    if (!isTold) logger.warn(`onProgress failed: ${reasonOf(error)}`);
    isTold = true;
  };
  // It may be async, whatever its type says.
  const show = async (progress: BroadcastProgress): Promise<void> => await onProgress?.(progress);
  return (progress) => void show(progress).catch(tell);
}

interface Course extends Parts {
  readonly run: Run;
  readonly inDoubt: ReadonlySet<number>;
}

async function conclude(
  { options: { broadcastId } }: Plan,
  audience: Audience,
  opened: OpenRecipients,
  { run, tally, journal, ending, inDoubt }: Course,
): Promise<BroadcastReport | undefined> {
  const { selection: { failure }, isUnread, refusal } = opened;
  const nobody = tally.counts.sent + tally.counts.unknown === 0;
  // No chat was written to, and it is not known which chats should have been.
  const isVain = nobody && (failure !== undefined || (isUnread && tally.done === 0));
  const isOpen = isVain || ending.kind === "left" || ending.kind === "refused";
  if (isOpen) await journal?.leave(run, ending);
  if (journal?.isLost) return undefined;
  if (isVain) throw failure ?? refusal ?? neverRead();
  const doubtful = ending.kind === "left" ? [] : run.rest.filter((id) => inDoubt.has(id));
  const left = run.rest.length + run.unsent.length + audience.left - doubtful.length;
  for (const id of doubtful) tally.settle(id, stillInDoubt, 0);
  tally.skip(left, ending.kind === "expired" ? "expired" : "stopped");
  const report = reportOf(broadcastId, opened, { run, tally, stopped: whyStopped(ending, opened, journal) });
  if (!isOpen) await journal?.finish(report);
  if (journal?.isLost) return undefined;
  run.tell();
  return report;
}

function whyStopped(
  { kind, words }: Ending,
  { isUnread }: OpenRecipients,
  journal: LedgerJournal | undefined,
): string | undefined {
  if (kind === "left") return `${words}; resumeBroadcasts(), or the next start, goes on`;
  if (kind === "refused" && journal !== undefined) {
    return `${words}. It can be called for again under its broadcastId`;
  }
  return words ?? (isUnread ? "the list of chats has never been read" : undefined);
}

function reportOf(
  broadcastId: string | undefined,
  { fromMemory }: OpenRecipients,
  { run, tally, stopped }: { readonly run: Run; readonly tally: Tally; readonly stopped: string | undefined },
): BroadcastReport {
  const { counts, skips, floods, migrations, topics, errors, latencyMs } = tally;
  return new BroadcastReport({
    broadcastId,
    recipients: tally.done,
    ...counts,
    ...{ skips, floods, migrations, topics, errors, stopped },
    recipientsFrom: fromMemory === undefined ? "table" : "memory",
    recipientsAsOf: fromMemory?.asOf === undefined ? undefined : new Date(fromMemory.asOf).toISOString(),
    durationMs: run.elapsedMs,
    latencyMs,
  });
}

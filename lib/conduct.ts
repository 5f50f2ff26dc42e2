/** One broadcast from its first message to its report. */
import { setMaxListeners } from "node:events";
import { Ending, Run } from "./broadcast.ts";
import type { IllustratedMessage } from "./broadcast_message.ts";
import type { BroadcastOptions } from "./broadcast_options.ts";
import type { BroadcastProgress, Control } from "./broadcast_run.ts";
import { Content } from "./content.ts";
import { Courier, type Surroundings } from "./delivery.ts";
import { LedgerJournal } from "./journal.ts";
import type { Logger } from "./log.ts";
import { createPurse } from "./purse.ts";
import { reasonOf } from "./reason.ts";
import { includesSorted, type Recipients } from "./recipients.ts";
import { BroadcastReport } from "./report.ts";
import type { Ledger, RunRecord } from "./storage/ledger.ts";
import { type Settlement, stillInDoubt, Tally } from "./tally.ts";

/** A broadcast as it was called for. */
export interface Plan {
  readonly message: IllustratedMessage;
  readonly options: BroadcastOptions;
  readonly startedAt: number;
  /** Milliseconds since 1970, or `Infinity`. */
  readonly expiresAt: number;
  readonly control: Control;
}

export interface Company extends Surroundings {
  readonly messagesPerSecond: number;
  readonly logger: Logger;
  /** Aborts when the bot ends: nothing more is begun. */
  readonly leaving: AbortSignal;
  /** Aborts a while later: nothing is waited for any more. */
  readonly closed: AbortSignal;
}

/** A run that a ledger keeps, and where it is taken up. */
export interface Kept {
  readonly ledger: Ledger;
  readonly record: RunRecord;
  readonly tally: Tally;
  /** Whom this process sends to, in the order in which it does. */
  readonly ids: readonly number[];
  /** How many of them are in the window that is written already. */
  readonly end: number;
  /** Those of them who may have the message already, and are to get it again. */
  readonly inDoubt?: ReadonlySet<number>;
}

/** Chats' own texts that are made at the same time. */
const textsAtOnce = 16;
const [windowAtLeast, windowSeconds] = [100, 2];
const dayMs = 86_400_000;

/** How many chats are in doubt after a crash, at most. */
export function windowSizeAt(messagesPerSecond: number): number {
  return Math.max(windowAtLeast, Math.ceil(windowSeconds * messagesPerSecond));
}

/** `undefined` where another process has taken the run over. */
export async function conduct(
  plan: Plan,
  recipients: Recipients,
  company: Company,
  kept?: Kept,
): Promise<BroadcastReport | undefined> {
  const { clock, gate, messagesPerSecond, logger, leaving } = company;
  const { ids = recipients.ids, tally = new Tally(), inDoubt = new Set<number>() } = kept ?? {};
  const ending = createEnding();
  const content = contentOf(plan, recipients);
  const isPaid = plan.options.allowPaidBroadcast === true;
  if (isPaid) gate.keepFree();
  const windowSize = windowSizeAt(messagesPerSecond);
  const journal = kept &&
    new LedgerJournal({
      ...kept,
      recipients: ids,
      windowSize,
      isPaid,
      content,
      ending,
      clock,
      logger,
      leaving,
    });
  const courier = courierOf(plan, recipients, company, { content, tally, ending, journal });
  const run = new Run({
    recipients: ids,
    async deliver(chatId, onTurn) {
      const settlement = await courier.deliver(chatId, onTurn);
      return inDoubt.has(chatId) && isOver(settlement, ending) ? stillInDoubt : settlement;
    },
    aheadAtMost: content.isPerChat ? textsAtOnce : 1,
    isUpload: () => content.isUpload,
    pauseMs: () => gate.pauseMs,
    onProgress: guarded(plan.options.onProgress, logger),
    ...{ tally, journal, control: plan.control, messagesPerSecond, startedAt: plan.startedAt, clock, ending },
  });
  const unwatch = watch(plan, company, ending, {
    isKept: kept !== undefined,
    abandon: () => courier.abandon(),
  });
  await journal?.reserve();
  await run.finish();
  unwatch();
  return await conclude(plan, ids, { run, tally, journal, ending, inDoubt });
}

/** Whether it was not sent because the run is over for good. */
function isOver(settlement: Settlement, { kind }: Ending): boolean {
  return settlement.outcome === "skipped" && settlement.why !== "unsubscribed" && kind !== "left";
}

function createEnding(): Ending {
  const ending = new Ending();
  setMaxListeners(0, ending.signal);
  return ending;
}

function contentOf({ message, options: { perChat } }: Plan, { chats }: Recipients): Content {
  if (perChat === undefined || chats === undefined) return new Content(message);
  return new Content(message, {
    textFor: perChat,
    take(chatId) {
      const chat = chats.get(chatId);
      chats.delete(chatId);
      return chat;
    },
  });
}

interface Parts {
  readonly content: Content;
  readonly tally: Tally;
  readonly ending: Ending;
  readonly journal: LedgerJournal | undefined;
}

function courierOf(
  { options, control, expiresAt }: Plan,
  { ids }: Recipients,
  company: Company,
  { content, tally, ending, journal }: Parts,
): Courier {
  const { allowPaidBroadcast = false, starBudget = Infinity, onUnknown = "skip", priority = "bulk" } =
    options;
  return new Courier({
    ...company,
    content,
    tally,
    control,
    lane: priority,
    onUnknown,
    purse: createPurse(allowPaidBroadcast, starBudget, tally, () => journal?.paidAtMost ?? Infinity),
    isRecipient: (chatId) => includesSorted(ids, chatId),
    signal: ending.signal,
    checkTime: () => company.clock.now() >= expiresAt ? ending.end("expired") : undefined,
    whyEnded: () => ending.kind === "expired" ? "expired" : "stopped",
  });
}

/** Ends the run when its time is over, its caller says so, or the bot ends. Gives what stops watching. */
function watch(
  { options, expiresAt }: Plan,
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
    for (let leftMs = expiresAt - clock.now(); leftMs > 0; leftMs = expiresAt - clock.now()) {
      await clock.sleep(Math.min(leftMs, dayMs), signal);
    }
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

interface Course {
  readonly run: Run;
  readonly tally: Tally;
  readonly journal: LedgerJournal | undefined;
  readonly ending: Ending;
  readonly inDoubt: ReadonlySet<number>;
}

async function conclude(
  { options: { broadcastId } }: Plan,
  ids: readonly number[],
  { run, tally, journal, ending, inDoubt }: Course,
): Promise<BroadcastReport | undefined> {
  const isLeft = ending.kind === "left";
  if (isLeft) await journal?.leave(run.next, run.unsent);
  if (journal?.isLost) return undefined;
  const left = [...ids.slice(run.next), ...run.unsent];
  const doubtful = isLeft ? [] : left.filter((id) => inDoubt.has(id));
  for (const id of doubtful) tally.settle(id, stillInDoubt, 0);
  tally.skip(left.length - doubtful.length, ending.kind === "expired" ? "expired" : "stopped");
  const { counts, skips, floods, migrations, errors, latencyMs } = tally;
  const report = new BroadcastReport({
    broadcastId,
    recipients: tally.done,
    ...counts,
    skips,
    floods,
    migrations,
    errors,
    stopped: isLeft ? `${ending.words}; resumeBroadcasts(), or the next start, goes on` : ending.words,
    durationMs: run.elapsedMs,
    latencyMs,
  });
  if (!isLeft) await journal?.finish(report);
  if (journal?.isLost) return undefined;
  run.tell();
  return report;
}

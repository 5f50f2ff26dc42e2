/** What notebooks show of a broadcast: while it runs, and its report. */
import type { MimeBundle } from "../util/display.ts";
import { messageOf } from "../util/errors.ts";
import {
  bundle,
  count,
  type Fact,
  factsTable,
  heading,
  legend,
  type SafeHtml,
  seconds,
  type Share,
  shareBar,
  small,
  table,
} from "../util/html.ts";

interface Counts {
  readonly sent: number;
  readonly deactivated: number;
  readonly skipped: number;
  readonly failed: number;
  readonly unknown: number;
}

/** A report, as far as it is shown. */
export interface ShownReport extends Counts {
  readonly broadcastId: string | undefined;
  readonly recipients: number;
  readonly floods: number;
  readonly messagesPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly max: number } | undefined;
  readonly errors: readonly {
    readonly chat_id: number;
    readonly outcome: string;
    readonly message: string;
  }[];
  readonly topics: readonly {
    readonly chat_id: number;
    readonly thread_id: number;
    readonly reason: string;
  }[];
}

/** A broadcast's progress, as far as it is shown. */
export interface ShownProgress extends Counts {
  readonly recipients: number;
  readonly done: number;
  readonly elapsedMs: number;
  readonly remainingMs: number | undefined;
  readonly isPaused: boolean;
  readonly isWaiting: boolean;
  readonly waitingMs: number;
}

const problemsAtMost = 5;

/** A report: its line, the shares of its counts, and the first problems. */
export function showReport(report: ShownReport): MimeBundle {
  const { errors, topics, latencyMs } = report;
  const shares = sharesOf(report);
  const facts: Fact[] = [
    ["Chats a second", String(report.messagesPerSecond)],
    ...latencyMs === undefined ? [] : [["Half had it within", seconds(latencyMs.p50)] as const],
    ...latencyMs === undefined ? [] : [["All had it within", seconds(latencyMs.max)] as const],
    ...report.floods > 0 ? [["Floods waited out", count(report.floods)] as const] : [],
  ];
  const whys = errors.map(({ chat_id, outcome, message }) => [String(chat_id), outcome, message]);
  const moves = topics.map(({ chat_id, thread_id, reason }) => [String(chat_id), String(thread_id), reason]);
  return bundle(String(report), [...countsOf(shares), ...facts], [
    heading(String(report), report.broadcastId ?? ""),
    shareBar(shares, report.recipients),
    legend(shares),
    factsTable(facts),
    ...firstOf(["chat_id", "outcome", "why"], whys),
    ...firstOf(["chat_id", "topic that went to General", "which is"], moves),
  ]);
}

function firstOf(columns: readonly string[], rows: readonly (readonly string[])[]): SafeHtml[] {
  if (rows.length === 0) return [];
  const more = rows.length > problemsAtMost ? `… and ${rows.length - problemsAtMost} more` : "";
  return [table(columns, rows.slice(0, problemsAtMost)), small(more)];
}

/** A run: its report, or the error that has ended it; under way, how far it has come. */
export function showRun(
  progress: ShownProgress,
  outcome: { readonly report: ShownReport } | { readonly error: unknown } | undefined,
): MimeBundle {
  if (outcome === undefined) return showProgress(progress, "It goes on by itself; await it for its report.");
  if ("report" in outcome) return showReport(outcome.report);
  const why = messageOf(outcome.error);
  const what = progress.done === 0 ? "Nothing was sent." : "Nothing more is sent.";
  return bundle(`${what} ${why}`, [], [heading(what, why)]);
}

/** How far a broadcast has come. @param more What else there is to say. Default: nothing. */
export function showProgress(progress: ShownProgress, more: string = ""): MimeBundle {
  const { recipients, elapsedMs } = progress;
  const line = [extentOf(progress), seconds(elapsedMs), ...stateOf(progress)].join(" · ");
  const shares = sharesOf(progress);
  const plain = more === "" ? line : `${line}. ${more}`;
  return bundle(plain, countsOf(shares), [
    heading(line),
    shareBar(shares, recipients),
    legend(shares),
    small(more),
  ]);
}

/** At the end, who has it: those that were skipped are accounted for, too. */
function extentOf({ recipients, done, sent }: ShownProgress): string {
  if (recipients === 0) return "The chats are being read";
  if (done >= recipients) return `Sent to ${count(sent)} of ${count(recipients)} chats`;
  const percent = Math.floor(done / recipients * 100);
  return `${count(done)} of ${count(recipients)} chats, ${percent} %`;
}

function stateOf(
  { recipients, done, remainingMs, isPaused, isWaiting, waitingMs }: ShownProgress,
): string[] {
  if (recipients > 0 && done >= recipients) return ["ended"];
  if (isPaused) return ["paused"];
  if (isWaiting) return [`waiting for ${seconds(waitingMs)}, as Telegram asks`];
  return remainingMs === undefined ? [] : [`about ${seconds(remainingMs)} to go`];
}

/** Colours that are told apart on white and on black. */
const colours: Readonly<Record<keyof Counts, string>> = {
  sent: "#2e9e6b",
  deactivated: "#8a919e",
  skipped: "#c79a1e",
  failed: "#d9534f",
  unknown: "#8f6fd6",
};

/** How the recipients were counted; the rest of them is still to come. */
function sharesOf(counts: Counts): Share[] {
  return (Object.keys(colours) as (keyof Counts)[])
    .filter((name) => name === "sent" || counts[name] > 0)
    .map((name) => ({ name, count: counts[name], colour: colours[name] }));
}

function countsOf(shares: readonly Share[]): Fact[] {
  return shares.map(({ name, count: value }) => [name, count(value)]);
}

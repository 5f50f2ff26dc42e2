/** The report of a finished run, as attributes of its item in the ledger, and the counts of one that goes on. */
import { type Ledger, parsedText, type RunRecord } from "./ledger.ts";
import { BroadcastCounters, BroadcastReport, type CountersState, type Percentiles } from "./report.ts";

/** What a report says beyond what was counted, as attributes of the run; `reportFromRecord` reads them. */
export function summaryOf(report: BroadcastReport): Record<string, string | number | undefined> {
  const { stopped, durationMs, latencyMs, recipientsFrom, recipientsAsOf } = report;
  const { p50, p95, p99, max } = latencyMs ?? {};
  return {
    stopped_by: stopped?.slice(0, 200),
    duration_ms: durationMs,
    recipients_from: recipientsFrom === "memory" ? "memory" : undefined,
    recipients_as_of: recipientsAsOf,
    p50_ms: p50,
    p95_ms: p95,
    p99_ms: p99,
    max_ms: max,
  };
}

type Problems = Partial<Pick<BroadcastReport, "errors" | "migrations" | "topics">>;

function areProblems({ errors = [], migrations = [], topics = [] }: Problems): boolean {
  return [errors, migrations, topics].every(Array.isArray);
}

/** The report of a finished run. */
export async function reportFromRecord(run: RunRecord, ledger: Ledger): Promise<BroadcastReport> {
  const { broadcast_id, fence, problem_parts } = run;
  const name = `problems-${fence}` as const;
  const kept = problem_parts ? await ledger.readText(broadcast_id, name, problem_parts) : "{}";
  const { errors = [], migrations = [], topics = [] } = parsedText(broadcast_id, name, kept, areProblems);
  const { sent, deactivated, skipped, failed, unknown, floods, ...state } = countersFromRecord(run);
  const { unsubscribed, disallowed, expired, stopped } = state;
  const [p50, p95, p99, max] = [run["p50_ms"], run["p95_ms"], run["p99_ms"], run["max_ms"]].map(numberOf);
  return new BroadcastReport({
    ...{ broadcastId: broadcast_id, startedAt: run.started_at, wasAlreadySent: false, differs: undefined },
    recipients: sent + deactivated + skipped + failed + unknown,
    ...{ sent, deactivated, skipped, failed, unknown, floods, errors, migrations, topics },
    skips: { unsubscribed, disallowed, expired, stopped },
    stopped: textIn(run["stopped_by"]),
    recipientsFrom: run["recipients_from"] === "memory" ? "memory" : "table",
    recipientsAsOf: textIn(run["recipients_as_of"]),
    durationMs: numberOf(run["duration_ms"]),
    latencyMs: run["p50_ms"] === undefined ? undefined : { p50, p95, p99, max } as Percentiles,
  });
}

/** What had been counted when the run was written last. */
export function countersFromRecord(run: RunRecord): CountersState {
  const names = Object.keys(new BroadcastCounters().state) as (keyof CountersState)[];
  return Object.fromEntries(names.map((name) => [name, numberOf(run[name])])) as CountersState;
}

function textIn(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** Whether no chat can have the message yet, so that a later call may give another one. */
export function isUntouched(run: RunRecord): boolean {
  return typeof run["halted_by"] === "string" && run.cursor === undefined && !run.pending?.length;
}

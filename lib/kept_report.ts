/** A report as the ledger keeps it, in a run's attributes. */
import { BroadcastReport, type Percentiles } from "./report.ts";
import type { Ledger, RunRecord } from "./storage/ledger.ts";
import { Tally, type TallyState } from "./tally.ts";

/** What a report says beyond what was counted, as attributes of the run. */
export function summaryOf(report: BroadcastReport): Partial<RunRecord> {
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

/** The report of a finished run. */
export async function keptReport(run: RunRecord, ledger: Ledger): Promise<BroadcastReport> {
  const { broadcast_id, fence, problem_parts } = run;
  const kept = problem_parts && await ledger.readText(broadcast_id, `problems-${fence}`, problem_parts);
  const { errors = [], migrations = [], topics = [] } = kept ? JSON.parse(kept) : {};
  const { sent, deactivated, skipped, failed, unknown, floods, ...state } = keptState(run);
  const { unsubscribed, disallowed, expired, stopped } = state;
  const [p50, p95, p99, max] = [run["p50_ms"], run["p95_ms"], run["p99_ms"], run["max_ms"]].map(Number);
  return new BroadcastReport({
    broadcastId: broadcast_id,
    recipients: sent + deactivated + skipped + failed + unknown,
    ...{ sent, deactivated, skipped, failed, unknown, floods, errors, migrations, topics },
    skips: { unsubscribed, disallowed, expired, stopped },
    stopped: run["stopped_by"] as string | undefined,
    recipientsFrom: run["recipients_from"] === "memory" ? "memory" : "table",
    recipientsAsOf: run["recipients_as_of"] as string | undefined,
    durationMs: Number(run["duration_ms"] ?? 0),
    latencyMs: run["p50_ms"] === undefined ? undefined : { p50, p95, p99, max } as Percentiles,
  });
}

/** What had been counted when the run was written last. */
export function keptState(run: RunRecord): TallyState {
  const names = Object.keys(new Tally().state) as (keyof TallyState)[];
  return Object.fromEntries(names.map((name) => [name, Number(run[name] ?? 0)])) as TallyState;
}

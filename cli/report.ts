/** Prints the report of a broadcast. */
import type { BroadcastReport } from "telegram-signals";
import { printJson, safeLines } from "./safe_print.ts";
import { interrupted } from "./stop_on_signals.ts";

/**
 * On standard output: a line, and one for each chat that was not reached; or JSON. Gives the exit status: 0 where this
 * message was sent, now or before.
 */
export function printReport(report: BroadcastReport, asJson: boolean): number {
  if (asJson) printJson(report);
  else console.log(safeLines(textOf(report)));
  return report.stopped === undefined && report.sent > 0 && !report.differs ? 0 : 1;
}

function textOf(report: BroadcastReport): string {
  const problems = report.errors.map(({ chat_id, outcome, message }) =>
    `  ${chat_id} ${outcome}: ${message}`
  );
  const canGoOn = report.stopped === interrupted && report.broadcastId !== undefined;
  const more = canGoOn
    ? [`The same call with --id ${JSON.stringify(report.broadcastId)} sends it to the others.`]
    : [];
  return [String(report), ...more, ...problems].join("\n");
}

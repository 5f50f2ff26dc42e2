/** What the runs found, for people to read, and as failures. */
import { textTable } from "../support/table.ts";
import type { KillReport } from "./kills.ts";
import type { OutageReport } from "./outage_run.ts";

/** @throws {Error} With everything that was wrong. */
export function assertSound(title: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`${title}:\n${problems.join("\n")}`);
}

export function killLine(title: string, report: KillReport): string {
  const { kills, updates, chats, signals, silences, losses } = report;
  const { registrations, stops, messages, repeated } = losses;
  return `${title}: ${kills} kills, ${updates} updates of ${chats} chats; ${registrations} registrations lost, ` +
    `${stops} stops forgotten, ${messages} messages not counted, ${repeated} counted twice; ` +
    `${signals} signals arrived, ${silences} were not to`;
}

export function outageTable(reports: readonly OutageReport[]): string {
  const rows = reports.map(({ title, updates, queued, replayed, lost }) =>
    [title, updates, queued, replayed, lost].map(String)
  );
  return textTable([["outage", "updates", "queued", "replayed", "lost"], ...rows]);
}

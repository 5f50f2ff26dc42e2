/** What the runs found: a line or a table for people to read, and an error. */
import { textTable } from "../support/table.ts";
import type { HistoryReport } from "./adversaries.ts";
import type { BroadcastCounters } from "./broadcast_run.ts";
import type { InstancesReport } from "./instances.ts";
import type { KillReport } from "./kills.ts";
import type { OutageReport } from "./outages.ts";
import type { SchedulerKillReport } from "./scheduler_kills.ts";
import type { SignalOutagesReport } from "./signal_outages.ts";

/** @throws {Error} With everything that was wrong. */
export function assertSound(title: string, problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`${title}:\n${problems.join("\n")}`);
}

export function killLine(title: string, report: KillReport): string {
  const { kills, updates, chats, signals, excluded, losses } = report;
  const { registrations, stops, messages, repeated } = losses;
  return `${title}: ${kills} kills, ${updates} updates of ${chats} chats; ${registrations} registrations lost, ` +
    `${stops} stops forgotten, ${messages} messages not counted, ${repeated} counted twice; ` +
    `${signals} signals arrived, ${excluded} were not to`;
}

export function outageTable(reports: readonly OutageReport[]): string {
  const rows = reports.map(({ title, updates, queued, replayed, lost }) =>
    [title, updates, queued, replayed, lost].map(String)
  );
  return textTable([["outage", "updates", "queued", "replayed", "lost"], ...rows]);
}

export function broadcastKillLine(title: string, report: BroadcastCounters): string {
  const { kills, killed, broadcasts, recipients, arrived, unknown, lost, doubled, missed } = report;
  const kinds = Object.entries(kills).map(([point, count]) => `${count} ${point}`).join(", ");
  return `${title}: ${killed} kills (${kinds}), ${lost} answers lost; ${broadcasts} broadcasts to ${recipients} chats, ` +
    `${arrived} messages; ${doubled} chats got one twice, ${missed} none; ${unknown} counted as unknown`;
}

export function schedulerKillLine(title: string, report: SchedulerKillReport): string {
  const { kills, sent, late, takenOver, messages, inDoubt, missed, doubled } = report;
  const killed = Object.values(kills).reduce((sum, count) => sum + count, 0);
  const moments = Object.entries(kills).map(([moment, count]) => `${count} ${moment}`).join(", ");
  return `${title}: ${killed} kills (${moments}); ${sent} signals sent, ${takenOver} of them taken over, ${late} too late; ` +
    `${messages} messages, ${inDoubt} counted as unknown; ${missed} chats missed one, ${doubled} got one twice`;
}

export function concurrentLine(title: string, report: BroadcastCounters): string {
  const { broadcasts, arrived, doubled, missed, unknown } = report;
  return `${title}: ${broadcasts} broadcasts, ${arrived} messages; ${doubled} chats got one twice, ${missed} none; ` +
    `${unknown} counted as unknown`;
}

export function ledgerOutageLine(title: string, report: BroadcastCounters): string {
  const { arrived, arrivedBefore, arrivedMeanwhile, doubled, missed } = report;
  const after = arrived - arrivedBefore - arrivedMeanwhile;
  return `${title}: ${arrivedBefore} messages before, ${arrivedMeanwhile} meanwhile, ${after} after; ` +
    `${doubled} chats got it twice, ${missed} did not`;
}

export function expiryLine(title: string, { killed, arrived, expired, unknown }: BroadcastCounters): string {
  return `${title}: ${killed} kills, ${arrived} messages in time; ${expired} chats too late, ` +
    `${unknown} counted as unknown`;
}

export function outageKillLine(report: BroadcastCounters): string {
  const { broadcasts: kills, arrived, arrivedBefore, unknown, problems } = report;
  return `${kills} bots killed in an outage: ${arrivedBefore} messages before, ${
    arrived - arrivedBefore
  } after, ${unknown} in doubt; ${problems.length} problems`;
}

export function signalOutagesLine(
  title: string,
  { times, sent, arrivedBefore, fromMemory, kinds, problems }: SignalOutagesReport,
): string {
  const how = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`).join(", ");
  return `${title}: ${times} times (${how}), ${sent} messages, ${arrivedBefore} of them before it; ` +
    `${fromMemory} went by the list in memory; ${problems.length} problems`;
}

export function instancesLine({ late, problems: _, ...counts }: InstancesReport): string {
  const { histories, fromMemory, refused, sent, confirmed, lateFromMemory } = counts;
  return `${histories} histories, ${confirmed} /stops confirmed, ${sent} messages: ${late.length} after a confirmed ` +
    `/stop; ${fromMemory} went by the list in memory (${lateFromMemory} after one), ${refused} to nobody`;
}

/** `history 5: 120 actions of adversaries, …` */
export function historyLine(report: HistoryReport): string {
  const { seed, actions, lastMs, ownMs, others, leavers, inTime } = report;
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  return `history ${seed}: ${actions} actions of adversaries, ${others} messages to them meanwhile; ` +
    `all have it after ${seconds(lastMs)} s (the pace's own time: ${seconds(ownMs)} s); ` +
    `${inTime} of ${leavers} who left had it before`;
}

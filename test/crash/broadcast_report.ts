/** What the broadcasts came to, a line for each scenario. */
import type { BroadcastKillReport } from "./broadcast_kills.ts";
import type { ExpiryReport } from "./broadcast_expiry.ts";
import type { LedgerOutageReport } from "./broadcast_outages.ts";
import type { RivalReport } from "./broadcast_rivals.ts";

export function broadcastKillLine(title: string, report: BroadcastKillReport): string {
  const { kills, broadcasts, recipients, arrived, unknown, lost, doubled, missed } = report;
  const all = Object.values(kills).reduce((sum, count) => sum + count);
  const kinds = Object.entries(kills).map(([moment, count]) => `${count} ${moment}`).join(", ");
  return `${title}: ${all} kills (${kinds}), ${lost} answers lost; ${broadcasts} broadcasts to ${recipients} chats, ` +
    `${arrived} messages; ${doubled} chats got one twice, ${missed} none; ${unknown} counted as unknown`;
}

export function rivalLine(title: string, report: RivalReport): string {
  const { broadcasts, arrived, doubled, missed, unknown } = report;
  return `${title}: ${broadcasts} broadcasts, ${arrived} messages; ${doubled} chats got one twice, ${missed} none; ` +
    `${unknown} counted as unknown`;
}

export function ledgerOutageLine(title: string, report: LedgerOutageReport): string {
  const { arrivedBefore, arrivedMeanwhile, arrivedAfter, doubled, missed } = report;
  return `${title}: ${arrivedBefore} messages before, ${arrivedMeanwhile} meanwhile, ${arrivedAfter} after; ` +
    `${doubled} chats got it twice, ${missed} did not`;
}

export function expiryLine(title: string, { kills, arrived, expired, unknown }: ExpiryReport): string {
  return `${title}: ${kills} kills, ${arrived} messages in time; ${expired} chats too late, ` +
    `${unknown} counted as unknown`;
}

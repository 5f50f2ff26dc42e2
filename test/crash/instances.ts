/** Many histories of two bots on one table, one after another. */
import { instanceHistoryOf } from "./instance_history.ts";
import { type Careless, playInstances } from "./instance_play.ts";

export interface InstancesOptions {
  readonly seed: number;
  readonly histories: number;
  readonly careless?: Careless;
  /** Whether the first message that is late ends it. */
  readonly endsAtFirst?: boolean;
}

export interface InstancesReport {
  readonly histories: number;
  /** Those in which DynamoDB was too slow for a signal, so that it went by the list in memory. */
  readonly fromMemory: number;
  /** Those in which the list could not be read, so that nobody was written to. */
  readonly refused: number;
  readonly sent: number;
  /** How many /stops of active chats were confirmed. */
  readonly confirmed: number;
  /** Messages after a confirmed /stop where the report says that the table was read, and where it says that it was not. */
  readonly late: readonly string[];
  readonly lateFromMemory: number;
  readonly problems: readonly string[];
}

export async function runInstances(
  { seed, histories, careless, endsAtFirst = false }: InstancesOptions,
): Promise<InstancesReport> {
  const sum = { histories: 0, fromMemory: 0, refused: 0, sent: 0, confirmed: 0, lateFromMemory: 0 };
  const late: string[] = [];
  const problems: string[] = [];
  while (sum.histories < histories && !(endsAtFirst && late.length > 0)) {
    const verdict = await playInstances(instanceHistoryOf(seed + sum.histories), careless);
    const isFromMemory = verdict.report?.recipientsFrom === "memory";
    sum.histories++;
    sum.sent += verdict.sent;
    sum.confirmed += verdict.confirmed;
    if (verdict.refusal !== undefined) sum.refused++;
    if (isFromMemory) sum.fromMemory++;
    if (isFromMemory) sum.lateFromMemory += verdict.late.length;
    else late.push(...verdict.late);
    problems.push(...verdict.problems);
  }
  return { ...sum, late, problems };
}

export function instancesLine({ late, problems: _, ...counts }: InstancesReport): string {
  const { histories, fromMemory, refused, sent, confirmed, lateFromMemory } = counts;
  return `${histories} histories, ${confirmed} /stops confirmed, ${sent} messages: ${late.length} after a confirmed ` +
    `/stop; ${fromMemory} went by the list in memory (${lateFromMemory} after one), ${refused} to nobody`;
}

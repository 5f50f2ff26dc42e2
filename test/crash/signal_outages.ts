/** Many outages of DynamoDB around a signal, several side by side, each in a town of its own. */
import { createSemaphore } from "../../lib/util/async.ts";
import { gatherAudience } from "./audience.ts";
import { type OutageTime, runSignalOutage } from "./signal_outage.ts";

export interface SignalOutagesOptions {
  readonly seed: number;
  readonly when: OutageTime;
  readonly hasId: boolean;
  readonly times: number;
  /** How many are played at the same time. */
  readonly atOnce?: number;
}

export interface SignalOutagesReport {
  readonly times: number;
  readonly sent: number;
  /** Messages that had arrived when the outages began. */
  readonly arrivedBefore: number;
  /** Signals that went by the list in memory. */
  readonly fromMemory: number;
  readonly kinds: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

const chats = 150;

export async function runSignalOutages(
  { seed, when, hasId, times, atOnce = 2 }: SignalOutagesOptions,
): Promise<SignalOutagesReport> {
  const sum = { times: 0, sent: 0, arrivedBefore: 0, fromMemory: 0 };
  const kinds: Record<string, number> = {};
  const problems: string[] = [];
  const limit = createSemaphore(atOnce);
  await Promise.all(Array.from({ length: times }, (_, index) =>
    limit(async () => {
      const audience = await gatherAudience({ seed: seed + index, chats, clockFactor: 1 });
      try {
        const result = await runSignalOutage(audience, { seed: seed + index, when, hasId });
        sum.times++;
        sum.sent += result.report.sent;
        sum.arrivedBefore += result.arrivedBefore;
        if (result.report.recipientsFrom === "memory") sum.fromMemory++;
        kinds[result.kind] = (kinds[result.kind] ?? 0) + 1;
        problems.push(...result.problems);
      } finally {
        await audience.close();
      }
    })));
  return { ...sum, kinds, problems };
}

export function signalOutageTitle({ when, hasId }: Pick<SignalOutagesOptions, "when" | "hasId">): string {
  return `DynamoDB goes away ${when} a signal ${hasId ? "with an id" : "without one"}`;
}

export function signalOutagesLine(
  title: string,
  { times, sent, arrivedBefore, fromMemory, kinds, problems }: SignalOutagesReport,
): string {
  const how = Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`).join(", ");
  return `${title}: ${times} times (${how}), ${sent} messages, ${arrivedBefore} of them before it; ` +
    `${fromMemory} went by the list in memory; ${problems.length} problems`;
}

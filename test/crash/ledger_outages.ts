/** DynamoDB fails in the middle of a broadcast: the broadcast waits, and goes on afterwards. */
import { pause } from "../support/bot.ts";
import { problemsOf } from "./broadcast_oracle.ts";
import { type BroadcastCounters, runBroadcasts, type ScenarioOptions } from "./broadcast_run.ts";
import { BroadcasterProcess } from "./broadcaster_process.ts";
import { actAt, restOf } from "./kill_points.ts";
import { type DynamoDBFault, faults } from "./outages.ts";

export const ledgerOutages: Readonly<Record<string, DynamoDBFault>> = {
  "down": faults.down,
  "hanging": faults.hanging,
  "throttled": faults.throttled,
  "every answer lost": faults.answersLost,
  "errors of its own (500)": faults.failing,
};

export interface LedgerOutageOptions extends ScenarioOptions {
  readonly lastsMs: number;
}

export function runLedgerOutage(
  fault: DynamoDBFault,
  options: LedgerOutageOptions,
): Promise<BroadcastCounters> {
  const { seed, lastsMs, chats = 500, mutant } = options;
  return runBroadcasts({ seed, chats, clockFactor: 5 }, async (run) => {
    const { counters, subscribers } = run;
    const problems: string[] = [];
    await run.broadcast({ onUnknown: "skip", messagesPerSecond: 50 }, async (broadcast) => {
      await using bot = new BroadcasterProcess(subscribers, broadcast.options, { mutant });
      await bot.printed("READY");
      const sending = bot.send(broadcast.id, "broadcast");
      const isInMiddle = await actAt("in the first half", restOf(subscribers, broadcast), sending, () => {});
      counters.arrivedBefore = broadcast.arrived;
      fault(subscribers.gate);
      await pause(lastsMs);
      subscribers.gate.clear();
      counters.arrivedMeanwhile = broadcast.arrived - counters.arrivedBefore;
      const answer = await sending;
      broadcast.report = answer?.report;
      if (answer?.error !== undefined) problems.push(answer.error);
      if (!isInMiddle) problems.push("it had ended before the outage");
      if (broadcast.missed.length > 0) problems.push(`${broadcast.missed.length} chats did not get it`);
    }, (broadcast) => [...problems, ...problemsOf(broadcast, chats)]);
  });
}

/** How a broadcast goes, counted while it runs. */
import { Histogram, type Percentiles } from "./histogram.ts";
import type {
  BroadcastCounts,
  BroadcastMigration,
  BroadcastProblem,
  BroadcastSkips,
  BroadcastTopic,
} from "./report.ts";

/** What became of one recipient. */
export type Settlement =
  | { readonly outcome: "sent" }
  | { readonly outcome: "skipped"; readonly why: keyof BroadcastSkips }
  /** It was no recipient: the table says that it is not subscribed, or the filter does not mean it. */
  | { readonly outcome: "withdrawn" }
  | Failure;

export interface Failure {
  readonly outcome: BroadcastProblem["outcome"];
  readonly message: string;
  /** Every chat would be refused likewise: nothing more is to be sent; `refused` where that is the message's fault. */
  readonly stops?: "stopped" | "refused";
  /** Words that may speak of the chat or of the message, for comparing them with other chats'. */
  readonly refusal?: string;
}

/** Of a message in several parts only the first ones have arrived. */
export function torn(settlement: Settlement, sent: number, parts: number): Settlement {
  if (!("message" in settlement)) {
    return { outcome: "failed", message: `${sent} of ${parts} parts were sent before it ended` };
  }
  return { ...settlement, message: `${settlement.message} (part ${sent + 1} of ${parts})` };
}

/** A chat that a dead process was sending to, where the message is not sent again. */
export const stillInDoubt: Failure = {
  outcome: "unknown",
  message:
    "the process that was sending to it died, or lost its ledger, before it was clear whether it arrived",
};

/** What has been counted, as a ledger keeps it. */
export type TallyState = Readonly<BroadcastCounts & BroadcastSkips> & {
  readonly floods: number;
  readonly paid: number;
};

const problemsAtMost = 100;

export class Tally {
  readonly counts: BroadcastCounts = { sent: 0, deactivated: 0, skipped: 0, failed: 0, unknown: 0 };
  readonly skips: BroadcastSkips = { unsubscribed: 0, disallowed: 0, expired: 0, stopped: 0 };
  readonly migrations: BroadcastMigration[] = [];
  readonly topics: BroadcastTopic[] = [];
  readonly errors: BroadcastProblem[] = [];
  readonly #latencies = new Histogram();
  /** Flood answers. */
  floods = 0;
  /** Messages that Telegram may charge for. */
  paid = 0;

  /** Goes on counting where another process has stopped. */
  constructor(state?: TallyState) {
    if (state === undefined) return;
    const { sent, deactivated, skipped, failed, unknown } = state;
    const { unsubscribed, disallowed, expired, stopped } = state;
    Object.assign(this.counts, { sent, deactivated, skipped, failed, unknown });
    Object.assign(this.skips, { unsubscribed, disallowed, expired, stopped });
    this.floods = state.floods;
    this.paid = state.paid;
  }

  get state(): TallyState {
    return { ...this.counts, ...this.skips, floods: this.floods, paid: this.paid };
  }

  /** Recipients that are accounted for. */
  get done(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count);
  }

  get latencyMs(): Percentiles | undefined {
    return this.#latencies.percentiles;
  }

  /** `elapsedMs` is from the broadcast's beginning. */
  settle(
    chatId: number,
    settlement: Exclude<Settlement, { readonly outcome: "withdrawn" }>,
    elapsedMs: number,
  ): void {
    this.counts[settlement.outcome]++;
    if (settlement.outcome === "sent") this.#latencies.add(elapsedMs);
    else if (settlement.outcome === "skipped") this.skips[settlement.why]++;
    else if (this.errors.length < problemsAtMost) {
      const { outcome, message } = settlement;
      this.errors.push({ chat_id: chatId, outcome, message });
    }
  }

  /** Counts a chat anew that was `counted` before its outcome was clear. */
  recount(
    chatId: number,
    counted: "deactivated" | "failed",
    { outcome, message }: { readonly outcome: "deactivated" | "failed"; readonly message: string },
  ): void {
    this.counts[counted]--;
    this.counts[outcome]++;
    const index = this.errors.findIndex(({ chat_id }) => chat_id === chatId);
    if (index >= 0) this.errors[index] = { chat_id: chatId, outcome, message };
  }

  noteTopic(topic: BroadcastTopic): void {
    if (this.topics.length < problemsAtMost) this.topics.push(topic);
  }

  skip(count: number, why: keyof BroadcastSkips): void {
    this.counts.skipped += count;
    this.skips[why] += count;
  }
}

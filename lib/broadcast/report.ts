/** What a broadcast does, counted while it runs, why it ends, and the report. */
import { setMaxListeners } from "node:events";
import { utcText } from "../util/clock.ts";
import { createDisplay } from "../util/display.ts";

/** How long it took to reach chats. */
export interface Percentiles {
  /** Half of them took no longer, in milliseconds. */
  readonly p50: number;
  /** 95 of a hundred took no longer. */
  readonly p95: number;
  /** 99 of a hundred took no longer. */
  readonly p99: number;
  /** None took longer. */
  readonly max: number;
}

const step = Math.log(1.01);
/** The last step counts eleven days, and whatever takes longer. */
const steps = Math.ceil(Math.log(1e9) / step);

/** Counts durations in steps of one per cent: a million of them need no more room than ten. */
export class Histogram {
  readonly #counts = new Uint32Array(steps + 1);
  #total = 0;
  #max = 0;

  add(ms: number): void {
    const place = Math.min(steps, Math.max(0, Math.round(Math.log(Math.max(ms, 1)) / step)));
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#total++;
    this.#max = Math.max(this.#max, ms);
  }

  /** Within one per cent; `undefined` where nothing was counted. */
  get percentiles(): Percentiles | undefined {
    if (this.#total === 0) return undefined;
    const max = Math.round(this.#max);
    const at = (share: number): number => Math.min(this.#at(share), max);
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max };
  }

  #at(share: number): number {
    let left = Math.ceil(this.#total * share);
    const place = this.#counts.findIndex((count) => (left -= count) <= 0);
    return Math.round(Math.exp(place * step));
  }
}

/** A chat that was not reached, and why. */
export interface BroadcastProblem {
  /** The chat that was not reached. */
  readonly chat_id: number;
  /** How it was counted. */
  readonly outcome: "deactivated" | "failed" | "unknown";
  /** Telegram's words, or the error's; without secrets. */
  readonly message: string;
}

/** A group that turned out to be a supergroup. */
export interface BroadcastMigration {
  /** The group's id. */
  readonly from: number;
  /** The supergroup's id. */
  readonly to: number;
}

/** A topic that did not take the message, which then went to the chat's General topic. */
export interface BroadcastTopic {
  /** The forum, or the person whose chat with the bot has topics. */
  readonly chat_id: number;
  /** The topic's `message_thread_id`, which the chat keeps. */
  readonly thread_id: number;
  /** `"missing"`: Telegram has not found it, as it was deleted or for other reasons. */
  readonly reason: "closed" | "missing";
  /** Telegram's words. */
  readonly message: string;
}

/** Every recipient is counted in exactly one of sent, deactivated, skipped, failed and unknown. */
export interface BroadcastCounts {
  /** Telegram has taken it. */
  sent: number;
  /** Refused for good (blocked, removed, deleted): deactivated, with the reason. */
  deactivated: number;
  /** Not written to: it unsubscribed meanwhile or is not allowed any more, its time was over, or the broadcast was stopped. */
  skipped: number;
  /** Refused or not sent; the chat stays subscribed. */
  failed: number;
  /** No answer came, or the process died meanwhile: the message may have arrived, and is not sent again. */
  unknown: number;
}

/** Why chats were skipped; the sum is `skipped`. */
export interface BroadcastSkips {
  /** It said /stop, or was removed, before its turn came. */
  unsubscribed: number;
  /** It may not use the bot any more, as `allowedUsers` or `authorize` says. It stays as it is, and gets what comes once it may. */
  disallowed: number;
  /** It could only have been reached too late. */
  expired: number;
  /** The broadcast was stopped before. */
  stopped: number;
}

const displayReport = createDisplay<BroadcastReport>(async () => (await import("./display.ts")).showReport);

/** What a broadcast did. Prints as one line, and serialises as it is. */
export class BroadcastReport implements Readonly<BroadcastCounts> {
  /** The key under which it was sent once, if one was given. */
  readonly broadcastId: string | undefined;
  /** When it was called for, in ISO 8601; under one `broadcastId`, for the first time. */
  readonly startedAt: string;
  /** Whether it had been sent before this call, which has sent nothing. */
  readonly wasAlreadySent: boolean;
  /**
   * Whether this call has given another text than the one that was sent under the `broadcastId`; then its own was not sent.
   * `undefined` where that is not known: for texts of each chat's own, and for some photos.
   */
  readonly differs: boolean | undefined;
  /** Chats that it was meant for: the sum of the five counts. */
  readonly recipients: number;
  /** Telegram has taken it. */
  readonly sent: number;
  /** Refused for good (blocked, removed, deleted): deactivated, with the reason. */
  readonly deactivated: number;
  /** Not written to; `skips` says why. */
  readonly skipped: number;
  /** Refused or not sent; the chat stays subscribed. */
  readonly failed: number;
  /** No answer came, or the process died meanwhile: the message may have arrived, and is not sent again. */
  readonly unknown: number;
  /** Why chats were skipped. */
  readonly skips: Readonly<BroadcastSkips>;
  /** Flood answers (429) that were waited out. */
  readonly floods: number;
  /** Groups that turned out to be supergroups: re-keyed, and counted by what became of the message there. */
  readonly migrations: readonly BroadcastMigration[];
  /**
   * The first hundred topics that did not take it. It went to their chats' General topic once, and is counted by what became
   * of it there.
   */
  readonly topics: readonly BroadcastTopic[];
  /** The first hundred chats that were not reached, and why. */
  readonly errors: readonly BroadcastProblem[];
  /** Why the broadcast was stopped before its end, if it was. */
  readonly stopped: string | undefined;
  /** `"table"`: each subscription was seen there; `"memory"`: the table could not be read, so the list in memory was used. */
  readonly recipientsFrom: "table" | "memory";
  /** When the list in memory was read, in ISO 8601; `undefined` where it was not used, or was never read. */
  readonly recipientsAsOf: string | undefined;
  /** From the call to the last answer, in milliseconds. */
  readonly durationMs: number;
  /** When chats had it, in milliseconds from the call on, within a per cent; absent where none was sent. */
  readonly latencyMs: Percentiles | undefined;
  /** Chats that were sent it, each second. */
  readonly messagesPerSecond: number;

  static {
    displayReport(BroadcastReport.prototype);
  }

  /** @ignore Reports are made by broadcasts. */
  constructor(facts: Omit<BroadcastReport, "toString" | "messagesPerSecond">) {
    this.broadcastId = facts.broadcastId;
    this.startedAt = facts.startedAt;
    this.wasAlreadySent = facts.wasAlreadySent;
    this.differs = facts.differs;
    this.recipients = facts.recipients;
    this.sent = facts.sent;
    this.deactivated = facts.deactivated;
    this.skipped = facts.skipped;
    this.failed = facts.failed;
    this.unknown = facts.unknown;
    this.skips = facts.skips;
    this.floods = facts.floods;
    this.migrations = facts.migrations;
    this.topics = facts.topics;
    this.errors = facts.errors;
    this.stopped = facts.stopped;
    this.recipientsFrom = facts.recipientsFrom;
    this.recipientsAsOf = facts.recipientsAsOf;
    this.durationMs = facts.durationMs;
    this.latencyMs = facts.latencyMs;
    this.messagesPerSecond = Math.round(facts.sent * 10_000 / Math.max(facts.durationMs, 1)) / 10;
  }

  /**
   * One line: `Sent to 5 of 8 chats in 0.3 s; 1 deactivated, 2 skipped (2 expired).` Where it had been sent before:
   * `Nothing was sent now: it was sent at 2026-11-23 16:05:00 UTC, to 5 of 8 chats in 0.3 s. That text was another one.`
   */
  toString(): string {
    const others = (["deactivated", "skipped", "failed", "unknown"] as const)
      .filter((name) => this[name] > 0)
      .map((name) => `${this[name]} ${name}${name === "skipped" ? this.#why() : ""}`);
    if (this.migrations.length > 0) others.push(`${this.migrations.length} migrated`);
    const { length: topics } = this.topics;
    if (topics > 0) others.push(`${topics} ${topics === 1 ? "topic" : "topics"} closed or missing`);
    const seconds = (this.durationMs / 1000).toFixed(1);
    const rest = others.length === 0 ? "" : `; ${others.join(", ")}`;
    const stopped = this.stopped === undefined ? "" : ` Stopped: ${this.stopped}.`;
    const chats = this.recipients === 1 ? "chat" : "chats";
    const from = this.recipientsFrom === "table" ? "" : " (from memory)";
    const how = `to ${this.sent} of ${this.recipients} ${chats}${from} in ${seconds} s${rest}.${stopped}`;
    const isForNobody = this.recipients === 0 && this.stopped === undefined;
    const other = this.differs
      ? " That text was another one."
      : isForNobody
      ? " No subscribed chat was meant."
      : "";
    return this.wasAlreadySent
      ? `Nothing was sent now: it was sent at ${utcText(new Date(this.startedAt))}, ${how}${other}`
      : `Sent ${how}${other}`;
  }

  /** Only what surprises: that a stopped broadcast skips is said anyway. */
  #why(): string {
    const why = (["expired", "disallowed"] as const).filter((name) => this.skips[name] > 0);
    return why.length === 0 ? "" : ` (${why.map((name) => `${this.skips[name]} ${name}`).join(", ")})`;
  }
}

/** What became of one recipient. */
export type DeliveryResult =
  & (
    | { readonly outcome: "sent" }
    | { readonly outcome: "skipped"; readonly why: keyof BroadcastSkips }
    /** It is no recipient: the table says that it is not subscribed, or the filter leaves it out. */
    | { readonly outcome: "withdrawn" }
    | Failure
  )
  /** The supergroup that the group has become meanwhile. */
  & { readonly movedTo?: number };

export interface Failure {
  readonly outcome: BroadcastProblem["outcome"];
  readonly message: string;
  /** Set where every chat would be refused likewise, so that nothing more is sent; `refused`: it is the message's fault. */
  readonly stops?: "stopped" | "refused";
  /** A description that may concern the chat or the message, to be compared with other chats' refusals. */
  readonly refusal?: string;
}

/** How a chat is counted that cannot be reached. */
export interface Verdict {
  readonly outcome: "deactivated" | "failed";
  readonly message: string;
}

/** The result of a message of which only the first parts have arrived. */
export function partlySent(result: DeliveryResult, sent: number, parts: number): DeliveryResult {
  if (!("message" in result)) {
    return { outcome: "failed", message: `${sent} of ${parts} parts were sent before it ended` };
  }
  return { ...result, message: `${result.message} (part ${sent + 1} of ${parts})` };
}

/** A chat that a dead process was sending to, where the message is not sent again. */
export const inDoubtResult: Failure = {
  outcome: "unknown",
  message:
    "the process that was sending to it died, or lost its ledger, before it was clear whether it arrived",
};

/** What has been counted, as a ledger keeps it. */
export type CountersState = Readonly<BroadcastCounts & BroadcastSkips> & {
  readonly floods: number;
  readonly paid: number;
};

const problemsAtMost = 100;

export class BroadcastCounters {
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
  constructor(state?: CountersState) {
    if (state === undefined) return;
    const { sent, deactivated, skipped, failed, unknown } = state;
    const { unsubscribed, disallowed, expired, stopped } = state;
    Object.assign(this.counts, { sent, deactivated, skipped, failed, unknown });
    Object.assign(this.skips, { unsubscribed, disallowed, expired, stopped });
    this.floods = state.floods;
    this.paid = state.paid;
  }

  get state(): CountersState {
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
  record(
    chatId: number,
    result: Exclude<DeliveryResult, { readonly outcome: "withdrawn" }>,
    elapsedMs: number,
  ): void {
    this.counts[result.outcome]++;
    if (result.outcome === "sent") this.#latencies.add(elapsedMs);
    else if (result.outcome === "skipped") this.skips[result.why]++;
    else if (this.errors.length < problemsAtMost) {
      const { outcome, message } = result;
      this.errors.push({ chat_id: chatId, outcome, message });
    }
  }

  /** Counts a chat anew that was `counted` before its outcome was clear. */
  recount(
    chatId: number,
    counted: "deactivated" | "failed",
    { outcome, message }: Verdict,
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

/** Why a run ends early. `refused` and `interrupted`: it stays open, and can be called for again. */
export type EndKind = "expired" | "stopped" | "handedOver" | "interrupted" | "refused";

/** The early end of a run: set once; its signal ends everything that waits. */
export class RunEnd {
  readonly #controller = new AbortController();
  #kind: EndKind | undefined;
  #reason: string | undefined;

  constructor() {
    setMaxListeners(0, this.signal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get kind(): EndKind | undefined {
    return this.#kind;
  }

  /** Whether somebody goes on with the chats that are left, by and by. */
  get leavesRest(): boolean {
    return this.#kind === "handedOver" || this.#kind === "interrupted";
  }

  /** For the report; `undefined` where the message expired. */
  get reason(): string | undefined {
    return this.#reason;
  }

  end(kind: EndKind, reason?: string): void {
    if (this.#kind !== undefined) return;
    this.#kind = kind;
    this.#reason = reason;
    this.#controller.abort(new Error(reason ?? "The message has expired."));
  }
}

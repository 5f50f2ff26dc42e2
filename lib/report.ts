/** What a broadcast did, chat by chat counted once. */

export interface BroadcastProblem {
  /** The chat that was not reached. */
  readonly chat_id: number;
  /** How it was counted. */
  readonly outcome: "deactivated" | "failed" | "unknown";
  /** Telegram's words, or the error's; without secrets. */
  readonly message: string;
}

/** Every recipient is counted in exactly one of sent, deactivated, skipped, failed and unknown. */
export interface BroadcastCounts {
  /** Telegram has taken it. */
  sent: number;
  /** Refused for good (blocked, removed, deleted): deactivated, with the reason. */
  deactivated: number;
  /** Not written to: it unsubscribed meanwhile, or the broadcast was stopped before. */
  skipped: number;
  /** Refused or not sent; the chat stays subscribed. */
  failed: number;
  /** No answer came: the message may have arrived, and is not sent again. */
  unknown: number;
}

/** What a broadcast did. Prints as one line, and serialises as it is. */
export class BroadcastReport implements Readonly<BroadcastCounts> {
  /** Active chats when the broadcast began: the sum of the five counts. */
  readonly recipients: number;
  /** Telegram has taken it. */
  readonly sent: number;
  /** Refused for good (blocked, removed, deleted): deactivated, with the reason. */
  readonly deactivated: number;
  /** Not written to: it unsubscribed meanwhile, or the broadcast was stopped before. */
  readonly skipped: number;
  /** Refused or not sent; the chat stays subscribed. */
  readonly failed: number;
  /** No answer came: the message may have arrived, and is not sent again. */
  readonly unknown: number;
  /** Groups that turned out to be supergroups: re-keyed, and counted by what became of the message there. */
  readonly migrations: readonly { readonly from: number; readonly to: number }[];
  /** The first hundred chats that were not reached, and why. */
  readonly errors: readonly BroadcastProblem[];
  /** Why the broadcast was stopped before its end, if it was. */
  readonly stopped: string | undefined;
  /** From the first read to the last answer, in milliseconds. */
  readonly durationMs: number;

  /** @ignore Reports are made by broadcasts. */
  constructor(facts: Omit<BroadcastReport, "toString">) {
    this.recipients = facts.recipients;
    this.sent = facts.sent;
    this.deactivated = facts.deactivated;
    this.skipped = facts.skipped;
    this.failed = facts.failed;
    this.unknown = facts.unknown;
    this.migrations = facts.migrations;
    this.errors = facts.errors;
    this.stopped = facts.stopped;
    this.durationMs = facts.durationMs;
  }

  /** One line: `Sent to 5 of 6 chats in 0.3 s; 1 deactivated.` */
  toString(): string {
    const others = (["deactivated", "skipped", "failed", "unknown"] as const)
      .filter((name) => this[name] > 0)
      .map((name) => `${this[name]} ${name}`);
    if (this.migrations.length > 0) others.push(`${this.migrations.length} migrated`);
    const seconds = (this.durationMs / 1000).toFixed(1);
    const rest = others.length === 0 ? "" : `; ${others.join(", ")}`;
    const stopped = this.stopped === undefined ? "" : ` Stopped: ${this.stopped}.`;
    const chats = this.recipients === 1 ? "chat" : "chats";
    return `Sent to ${this.sent} of ${this.recipients} ${chats} in ${seconds} s${rest}.${stopped}`;
  }
}

/** Broadcasts with an id: begun by one process, followed by the others, and finished by one of them if it dies. */
import { randomUUID } from "node:crypto";
import type { BroadcastMessage } from "./broadcast_message.ts";
import { Control } from "./broadcast_run.ts";
import { type Company, conduct, type Plan, windowSizeAt } from "./conduct.ts";
import { Content } from "./content.ts";
import { leaseMs, priceOf } from "./journal.ts";
import { keptReport } from "./kept_report.ts";
import { recipientsOf } from "./recipients.ts";
import type { BroadcastReport } from "./report.ts";
import type { Ledger, RunRecord } from "./storage/ledger.ts";
import { StorageError } from "./storage/storage_error.ts";
import { keptOptions, optionsKept, whereToGoOn, whyNotAlone } from "./taking_over.ts";
import { Tally } from "./tally.ts";

export interface OnceOptions {
  readonly company: Company;
  readonly ledger: () => Ledger;
  /** Has the bot wait for what is being sent. */
  readonly track: <T>(task: Promise<T>) => Promise<T>;
  /** Ends what only waits for others. */
  readonly stopping: AbortSignal;
}

/** A run's report, and whether it was finished here. */
export interface Followed {
  readonly report: BroadcastReport;
  readonly isOurs: boolean;
}

const pollMs = 1000;

export class Once {
  readonly #options: OnceOptions;
  /** Whether runs that are left unfinished can be found, as they have to be after a crash. */
  #isSearchable = false;

  constructor(options: OnceOptions) {
    this.#options = options;
  }

  /** Begins it, or follows whoever has. */
  async send(id: string, plan: Plan): Promise<BroadcastReport> {
    const found = await this.#options.ledger().get(id);
    return found === undefined && await this.#options.track(this.#begin(id, plan)) ||
      (await this.follow(id, plan)).report;
  }

  /** `undefined` where another process was first, or has taken it over. */
  async #begin(id: string, plan: Plan): Promise<BroadcastReport | undefined> {
    const { roster, clock, messagesPerSecond } = this.#options.company;
    if (roster.isUnread) throw chatsUnread();
    if (!this.#isSearchable) await this.#options.ledger().open();
    this.#isSearchable = true;
    const recipients = await recipientsOf(this.#options.company, plan.options);
    const { ids } = recipients;
    const end = Math.min(ids.length, windowSizeAt(messagesPerSecond));
    const hasFunctions = plan.options.perChat !== undefined || plan.options.filter !== undefined;
    const content = new Content(plan.message);
    const message = hasFunctions ? undefined : await content.keepIn(this.#options.ledger(), id);
    const record: RunRecord = {
      broadcast_id: id,
      state: "running",
      owner: randomUUID(),
      fence: 1,
      lease_until: clock.now() + leaseMs,
      started_at: new Date(plan.startedAt).toISOString(),
      on_unknown: plan.options.onUnknown ?? "skip",
      ...message,
      recipients: ids.length,
      cursor: ids[end - 1],
      window_size: end,
      ...optionsKept(plan),
      ...new Tally().state,
      paid: plan.options.allowPaidBroadcast ? priceOf(end, content) : 0,
    };
    const begun = await this.#options.ledger().begin(record);
    if (begun.owner !== record.owner) return undefined;
    const kept = { ledger: this.#options.ledger(), record, tally: new Tally(), ids, end };
    return await conduct(plan, recipients, this.#options.company, kept);
  }

  /** Waits for whoever runs it; finishes it where that one has died. */
  async follow(id: string, plan?: Plan): Promise<Followed> {
    const { clock } = this.#options.company;
    for (;;) {
      plan?.options.signal?.throwIfAborted();
      const run = await this.#options.ledger().get(id);
      if (run === undefined) throw new StorageError("failed", `The ledger has lost the broadcast "${id}".`);
      if (run.state === "finished") {
        return { report: await keptReport(run, this.#options.ledger()), isOurs: false };
      }
      const report = run.lease_until < clock.now()
        ? await this.#options.track(this.#takeOver(run, plan))
        : undefined;
      if (report !== undefined) return { report, isOurs: true };
      await this.rest(plan?.options.signal);
    }
  }

  /** A moment, before one looks again; rejects where the bot is stopped meanwhile. */
  async rest(signal?: AbortSignal): Promise<void> {
    const { clock } = this.#options.company;
    const stopping = this.#options.stopping;
    await clock.sleep(
      pollMs * (0.5 + clock.random()),
      signal ? AbortSignal.any([stopping, signal]) : stopping,
    );
  }

  async #takeOver(run: RunRecord, caller?: Plan): Promise<BroadcastReport | undefined> {
    const { roster, clock, logger } = this.#options.company;
    if (roster.isUnread) throw chatsUnread();
    const reason = whyNotAlone(run, caller?.options);
    if (reason !== undefined) throw new Error(reason);
    const { broadcast_id: id, message_name, message_parts = 0 } = run;
    const message = message_name === undefined ? caller?.message : JSON.parse(
      await this.#options.ledger().readText(id, message_name, message_parts),
    ) as BroadcastMessage;
    if (message === undefined) throw new Error("unreachable: a run that is finished alone has its message");
    const { options, expiresAt, startedAt } = keptOptions(run, caller?.options);
    const recipients = await recipientsOf(this.#options.company, options);
    const record = await this.#options.ledger().claim(run, randomUUID(), clock.now() + leaseMs);
    if (record === undefined) return undefined;
    const start = whereToGoOn(record, recipients.ids);
    logger.info(
      `The broadcast "${id}" goes on where another process has left it: ${start.ids.length} chats are left.`,
    );
    const plan = { message, options, startedAt, expiresAt, control: caller?.control ?? new Control() };
    return await conduct(plan, recipients, this.#options.company, {
      ledger: this.#options.ledger(),
      record,
      ...start,
    });
  }
}

function chatsUnread(): StorageError {
  const message =
    "The list of chats could not be read yet, so a broadcast with a broadcastId would not reach them all.";
  return new StorageError("unreachable", `${message} Try again when DynamoDB is back.`);
}

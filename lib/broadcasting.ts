/** A bot's broadcasts: each begun, joined, or finished in the place of a process that has died. */
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import type { BroadcastMessage } from "./broadcast_message.ts";
import { type BroadcastOptions, expiryOf } from "./broadcast_options.ts";
import { Control } from "./broadcast_run.ts";
import { type Company, conduct, type Plan, windowSizeAt } from "./conduct.ts";
import { Content } from "./content.ts";
import { keptReport, leaseMs } from "./journal.ts";
import { waitFor } from "./patience.ts";
import { recipientsOf } from "./recipients.ts";
import type { BroadcastReport } from "./report.ts";
import type { Ledger, RunRecord } from "./storage/ledger.ts";
import { StorageError } from "./storage/storage_error.ts";
import { Tally } from "./tally.ts";
import { keptOptions, optionsKept, whereToGoOn, whyNotAlone } from "./taking_over.ts";

export interface BroadcastingOptions extends Omit<Company, "leaving"> {
  /** Opened when it is first needed. */
  readonly ledger: () => Ledger;
}

/** What `resumeBroadcasts()` did. */
export interface ResumedBroadcasts {
  /** Reports of those that were finished here. */
  readonly resumed: readonly BroadcastReport[];
  /** Those that were not, and why: most need what no ledger can keep, and so another call of `broadcast`. */
  readonly left: readonly { readonly broadcast_id: string; readonly reason: string }[];
}

const pollMs = 1000;
const [finishWithinMs, leaveWithinMs] = [30_000, 5000];

export class Broadcasting {
  readonly #company: Company;
  readonly #openLedger: () => Ledger;
  readonly #running = new Map<string, Promise<BroadcastReport>>();
  readonly #resuming = new Map<string, Promise<BroadcastReport | undefined>>();
  readonly #all = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();
  readonly #leaving = new AbortController();
  #ledger: Ledger | undefined;

  constructor({ ledger, ...company }: BroadcastingOptions) {
    this.#company = { ...company, leaving: this.#leaving.signal };
    this.#openLedger = ledger;
    setMaxListeners(0, this.#stopping.signal, this.#leaving.signal);
  }

  /** Waits for what is being sent, for a while; then has it leave. */
  async close(): Promise<void> {
    const { clock } = this.#company;
    this.#stopping.abort(new Error("The bot was stopped."));
    await waitFor(Promise.allSettled(this.#all), finishWithinMs, clock);
    this.#leaving.abort();
    await waitFor(Promise.allSettled(this.#all), leaveWithinMs, clock);
    this.#ledger?.close();
  }

  /**
   * Sends the message to all active chats, as the storage has them now. `madeAt` is when its age begins.
   * @throws {StorageError} If the chats, or the ledger, could not be read or written: then nobody is written to.
   */
  async send(
    message: BroadcastMessage,
    options: BroadcastOptions,
    madeAt: number,
    control: Control,
  ): Promise<BroadcastReport> {
    options.signal?.throwIfAborted();
    const startedAt = this.#company.clock.now();
    const plan = { message, options, startedAt, expiresAt: expiryOf(options, madeAt), control };
    const { broadcastId } = options;
    if (broadcastId === undefined) return await this.#track(this.#sendPlain(plan));
    return await (this.#running.get(broadcastId) ?? this.#sendOnce(broadcastId, plan));
  }

  /** Finishes the runs that a process has left unfinished, once their leases have lapsed. */
  async resume(): Promise<ResumedBroadcasts> {
    const ids = await this.#unfinished();
    const resumed: BroadcastReport[] = [];
    const left: { broadcast_id: string; reason: string }[] = [];
    await Promise.all(ids.map(async (broadcast_id) => {
      try {
        const report = await this.#resumeOne(broadcast_id);
        if (report !== undefined) resumed.push(report);
      } catch (error) {
        left.push({ broadcast_id, reason: (error as Error).message });
      }
    }));
    return { resumed, left };
  }

  /** As a start does it: what is found is told, and what goes wrong. */
  async resumeQuietly(): Promise<void> {
    const { logger } = this.#company;
    try {
      const { resumed, left } = await this.resume();
      for (const report of resumed) {
        logger.info(`The broadcast "${report.broadcastId}" is finished. ${report}`);
      }
      for (const { reason } of left) if (!this.#stopping.signal.aborted) logger.warn(reason);
    } catch (error) {
      if (!this.#stopping.signal.aborted) {
        logger.warn(`Whether a broadcast was left unfinished could not be read. ${(error as Error).message}`);
      }
    }
  }

  /** `undefined` where it was not finished by resuming it here. */
  #resumeOne(id: string): Promise<BroadcastReport | undefined> {
    const resuming = this.#resuming.get(id);
    if (resuming !== undefined) return resuming;
    if (this.#running.has(id)) return Promise.resolve(undefined);
    const following = this.#follow(id);
    const resumed = following.then(({ report, isOurs }) => isOurs ? report : undefined)
      .finally(() => this.#resuming.delete(id));
    this.#resuming.set(id, resumed);
    this.#run(id, following.then(({ report }) => report)).catch(() => {});
    return resumed;
  }

  /** Where the policy says nothing of a ledger there is none. */
  async #unfinished(): Promise<readonly string[]> {
    if (this.#company.roster.isUnread) return [];
    return await this.#book.open().catch((error) => {
      if (error instanceof StorageError && error.reason === "denied") return [];
      throw error;
    });
  }

  get #book(): Ledger {
    return this.#ledger ??= this.#openLedger();
  }

  async #sendPlain(plan: Plan): Promise<BroadcastReport> {
    const recipients = await recipientsOf(this.#company.roster, plan.options);
    const report = await conduct(plan, recipients, this.#company);
    if (report === undefined) throw new Error("unreachable: without a ledger nobody takes a run over");
    return report;
  }

  #sendOnce(id: string, plan: Plan): Promise<BroadcastReport> {
    return this.#run(id, this.#once(id, plan));
  }

  /** Whoever asks for it meanwhile gets the same. */
  async #run(id: string, sending: Promise<BroadcastReport>): Promise<BroadcastReport> {
    this.#running.set(id, sending);
    try {
      return await sending;
    } finally {
      this.#running.delete(id);
    }
  }

  async #track<T>(task: Promise<T>): Promise<T> {
    this.#all.add(task);
    try {
      return await task;
    } finally {
      this.#all.delete(task);
    }
  }

  async #once(id: string, plan: Plan): Promise<BroadcastReport> {
    const found = await this.#book.get(id);
    return found === undefined && await this.#track(this.#begin(id, plan)) ||
      (await this.#follow(id, plan)).report;
  }

  /** `undefined` where another process was first, or has taken it over. */
  async #begin(id: string, plan: Plan): Promise<BroadcastReport | undefined> {
    const { roster, clock, messagesPerSecond } = this.#company;
    if (roster.isUnread) throw chatsUnread();
    const recipients = await recipientsOf(roster, plan.options);
    const { ids } = recipients;
    const end = Math.min(ids.length, windowSizeAt(messagesPerSecond));
    const hasFunctions = plan.options.perChat !== undefined || plan.options.filter !== undefined;
    const message = hasFunctions ? undefined : await new Content(plan.message).keepIn(this.#book, id);
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
    };
    const begun = await this.#book.begin(record);
    if (begun.owner !== record.owner) return undefined;
    const kept = { ledger: this.#book, record, tally: new Tally(), ids, end };
    return await conduct(plan, recipients, this.#company, kept);
  }

  /** Waits for whoever runs it; finishes it where that one has died. */
  async #follow(id: string, plan?: Plan): Promise<{ report: BroadcastReport; isOurs: boolean }> {
    const { clock } = this.#company;
    for (;;) {
      plan?.options.signal?.throwIfAborted();
      const run = await this.#book.get(id);
      if (run === undefined) throw new StorageError("failed", `The ledger has lost the broadcast "${id}".`);
      if (run.state === "finished") return { report: await keptReport(run, this.#book), isOurs: false };
      const report = run.lease_until < clock.now() ? await this.#track(this.#takeOver(run, plan)) : undefined;
      if (report !== undefined) return { report, isOurs: true };
      await this.#rest(plan?.options.signal);
    }
  }

  async #rest(signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#company;
    const stopping = this.#stopping.signal;
    await clock.sleep(
      pollMs * (0.5 + clock.random()),
      signal ? AbortSignal.any([stopping, signal]) : stopping,
    );
  }

  async #takeOver(run: RunRecord, caller?: Plan): Promise<BroadcastReport | undefined> {
    const { roster, clock, logger } = this.#company;
    if (roster.isUnread) throw chatsUnread();
    const reason = whyNotAlone(run, caller?.options);
    if (reason !== undefined) throw new Error(reason);
    const { broadcast_id: id, message_name, message_parts = 0 } = run;
    const message = message_name === undefined
      ? caller?.message
      : JSON.parse(await this.#book.readText(id, message_name, message_parts)) as BroadcastMessage;
    if (message === undefined) throw new Error("unreachable: a run that is finished alone has its message");
    const { options, expiresAt, startedAt } = keptOptions(run, caller?.options);
    const recipients = await recipientsOf(roster, options);
    const record = await this.#book.claim(run, randomUUID(), clock.now() + leaseMs);
    if (record === undefined) return undefined;
    const start = whereToGoOn(record, recipients.ids);
    logger.info(
      `The broadcast "${id}" goes on where another process has left it: ${start.ids.length} chats are left.`,
    );
    const plan = { message, options, startedAt, expiresAt, control: caller?.control ?? new Control() };
    return await conduct(plan, recipients, this.#company, { ledger: this.#book, record, ...start });
  }
}

function chatsUnread(): StorageError {
  const message =
    "The list of chats could not be read yet, so a broadcast with a broadcastId would not reach them all.";
  return new StorageError("unreachable", `${message} Try again when DynamoDB is back.`);
}

/** A report as the ledger keeps it, in a run's attributes. */
import { isOutage } from "../chats/storage.ts";
import { type Clock, monotonic, steady } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import type { Ledger, RunRecord } from "./ledger.ts";
import type { OutgoingMessage, StoredMessage } from "./outgoing.ts";
import { BroadcastCounters, BroadcastReport, type CountersState, type Percentiles } from "./report.ts";
import type { BroadcastRunner, Journal, RunEnd } from "./run.ts";
import { cursorIn, cursorPosition, inWindow, isBefore, positionOf, type SendOrder } from "./send_order.ts";

/** What a report says beyond what was counted, as attributes of the run. */
export function summaryOf(report: BroadcastReport): Partial<RunRecord> {
  const { stopped, durationMs, latencyMs, recipientsFrom, recipientsAsOf } = report;
  const { p50, p95, p99, max } = latencyMs ?? {};
  return {
    stopped_by: stopped?.slice(0, 200),
    duration_ms: durationMs,
    recipients_from: recipientsFrom === "memory" ? "memory" : undefined,
    recipients_as_of: recipientsAsOf,
    p50_ms: p50,
    p95_ms: p95,
    p99_ms: p99,
    max_ms: max,
  };
}

/** The report of a finished run. */
export async function reportFromRecord(run: RunRecord, ledger: Ledger): Promise<BroadcastReport> {
  const { broadcast_id, fence, problem_parts } = run;
  const kept = problem_parts && await ledger.readText(broadcast_id, `problems-${fence}`, problem_parts);
  const { errors = [], migrations = [], topics = [] } = kept ? JSON.parse(kept) : {};
  const { sent, deactivated, skipped, failed, unknown, floods, ...state } = countsFromRecord(run);
  const { unsubscribed, disallowed, expired, stopped } = state;
  const [p50, p95, p99, max] = [run["p50_ms"], run["p95_ms"], run["p99_ms"], run["max_ms"]].map(Number);
  return new BroadcastReport({
    broadcastId: broadcast_id,
    recipients: sent + deactivated + skipped + failed + unknown,
    ...{ sent, deactivated, skipped, failed, unknown, floods, errors, migrations, topics },
    skips: { unsubscribed, disallowed, expired, stopped },
    stopped: run["stopped_by"] as string | undefined,
    recipientsFrom: run["recipients_from"] === "memory" ? "memory" : "table",
    recipientsAsOf: run["recipients_as_of"] as string | undefined,
    durationMs: Number(run["duration_ms"] ?? 0),
    latencyMs: run["p50_ms"] === undefined ? undefined : { p50, p95, p99, max } as Percentiles,
  });
}

/** What had been counted when the run was written last. */
export function countsFromRecord(run: RunRecord): CountersState {
  const names = Object.keys(new BroadcastCounters().state) as (keyof CountersState)[];
  return Object.fromEntries(names.map((name) => [name, Number(run[name] ?? 0)])) as CountersState;
}

// A run in the ledger: its windows written ahead, its lease kept, its end told.

export interface JournalOptions {
  readonly ledger: Ledger;
  /** Gives another ledger to go on with where this one fails. Default: it is waited for. */
  readonly continueHere?: ((run: RunRecord, error: Error) => Promise<Ledger>) | undefined;
  /** As it was begun or taken over. */
  readonly record: RunRecord;
  readonly order: SendOrder;
  /** How many recipients there are, as far as they are known. */
  readonly recipients: () => number;
  /** The chats of the window that is written already. */
  readonly window: readonly number[];
  readonly windowSize: number;
  readonly counters: BroadcastCounters;
  /** Whether Telegram may charge for it. */
  readonly isPaid: boolean;
  readonly outgoing: OutgoingMessage;
  readonly ending: RunEnd;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the bot ends: nothing is waited out any more. */
  readonly leaving: AbortSignal;
}

/** A process that has not renewed its lease for so long is taken for dead. */
export const leaseMs = 15_000;
export const heartbeatMs = 5000;
/** How long an outage of the ledger is waited out; after that the run is left for the next process to finish. */
const giveUpMs = 5 * 60_000;
const leaveWithinMs = 3000;
const [firstRestMs, longestRestMs] = [250, 5000];

export class RunCheckpoint implements Journal {
  readonly #options: JournalOptions;
  readonly #elapsed: () => number;
  /** A lease lapses while the machine sleeps, too. */
  readonly #now: () => number;
  readonly #closing = new AbortController();
  #ledger: Ledger;
  #record: RunRecord;
  #saving: Promise<unknown> = Promise.resolve();
  #savedAt: number;
  /** Until when no other process takes the run over. */
  #heldUntil: number;
  #holding: Promise<boolean> | undefined;
  /** Whether the present window is this process's own, so that it knows how far it has come in it. */
  #isOwnWindow: boolean;
  #isLost = false;
  /** Whether the ledger has the message, and its photo if there is one. */
  #isMessageKept: boolean;
  /** How many messages the ledger knows that may have been paid for by now, the present window's included. */
  #paidAtMost: number;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#ledger = options.ledger;
    this.#record = options.record;
    this.#isOwnWindow = options.record.fence === 1;
    this.#elapsed = steady(options.clock);
    this.#now = monotonic(options.clock);
    this.#savedAt = this.#elapsed();
    this.#heldUntil = this.#now() + options.record.lease_until - options.clock.now();
    this.#isMessageKept = options.record.message_name !== undefined && !options.outgoing.isUpload;
    this.#paidAtMost = Number(options.record["paid"] ?? 0);
    void this.#keepLease();
  }

  /** Whether another process has taken the run over. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** No more is paid for than the ledger knows of, so that no budget is spent twice. */
  get paidAtMost(): number {
    return this.#paidAtMost;
  }

  /**
   * To be asked right before each message. Where the lease has lapsed, as in a machine's sleep, another process may have
   * taken the run over: it is renewed first. Resolves to false where the run has ended; `undefined` where nothing is to be
   * waited for.
   */
  hold(): Promise<boolean> | undefined {
    if (this.#now() < this.#heldUntil) return undefined;
    return this.#holding ??= this.#save({}, giveUpMs).finally(() => this.#holding = undefined);
  }

  /** Sets aside what a window may cost that another process has written. */
  async reserve(): Promise<void> {
    const { isPaid, outgoing, counters, window } = this.#options;
    if (!isPaid || this.#isOwnWindow || window.length === 0) return;
    const paid = counters.paid + priceOf(window.length, outgoing);
    if (await this.#save({ paid }, giveUpMs)) this.#paidAtMost = paid;
  }

  async advance(window: readonly number[], underWay: readonly number[]): Promise<boolean> {
    const { counters, isPaid, outgoing, recipients } = this.#options;
    const counts = counters.state;
    // What the window may cost is set aside with it.
    const paid = counts.paid + (isPaid ? priceOf(window.length, outgoing) : 0);
    const changes = {
      ...{ ...counts, paid, recipients: recipients(), halted_by: undefined },
      ...this.#windowOf(window, underWay),
      ...await this.#message(),
    };
    if (!await this.#save(changes, giveUpMs)) return false;
    this.#isOwnWindow = true;
    this.#paidAtMost = paid;
    return true;
  }

  async nameEarly(chatIds: readonly number[]): Promise<boolean> {
    const { isPaid, outgoing, order } = this.#options;
    const paid = this.#paidAtMost + (isPaid ? priceOf(chatIds.length, outgoing) : 0);
    const sampled = [...this.#record["sampled"] as readonly number[] ?? [], ...chatIds];
    const pending = [...new Set([...this.#record.pending ?? [], ...chatIds])];
    // Who is named is counted there.
    const ofWindow = chatIds.filter(inWindow(order, this.#record)).length;
    const window_size = Number(this.#record["window_size"] ?? 0) - ofWindow;
    if (!await this.#save({ paid, sampled, pending, window_size }, giveUpMs)) return false;
    this.#paidAtMost = paid;
    return true;
  }

  /** Writes that the run is over. Gives false where another process has taken it over. */
  async finish(report: BroadcastReport): Promise<boolean> {
    const { counters } = this.#options;
    this.#closing.abort();
    const { broadcast_id, fence } = this.#record;
    const { errors, migrations, topics } = report;
    const problems = { errors, migrations, topics };
    const hasProblems = errors.length + migrations.length + topics.length > 0;
    return await this.#persist(giveUpMs, async () => {
      const problem_parts = hasProblems
        ? await this.#ledger.writeText(broadcast_id, `problems-${fence}`, JSON.stringify(problems))
        : undefined;
      return { ...counters.state, ...summaryOf(report), problem_parts, pending: [], state: "finished" };
    });
  }

  /**
   * Leaves the rest to the next process. Nothing is known of a window that another process has written: it stays in doubt.
   * A run that was refused before any chat had the message begins anew when it is called for again.
   */
  async leave(
    run: Pick<BroadcastRunner, "lastBegun" | "rest" | "unsent">,
    { kind, words }: RunEnd,
  ): Promise<void> {
    const { counters } = this.#options;
    this.#closing.abort();
    const halted_by = kind === "left" ? undefined : words?.slice(0, 500) ?? "nobody could be written to";
    const { sent, unknown } = counters.counts;
    const changes = halted_by !== undefined && sent + unknown === 0 && !this.#mayHaveArrived
      ? { ...new BroadcastCounters().state, ...notBegun }
      : { ...counters.state, ...this.#windowLeft(run) };
    const known = this.#isOwnWindow ? changes : {};
    await this.#persist(leaveWithinMs, () => Promise.resolve({ ...known, halted_by }), 0);
  }

  /** Whether chats are in doubt that were under way in a process that has died. */
  get #mayHaveArrived(): boolean {
    return !this.#isOwnWindow;
  }

  #windowLeft({ lastBegun, rest, unsent }: Pick<BroadcastRunner, "lastBegun" | "rest" | "unsent">): Changes {
    const { order } = this.#options;
    const after = cursorPosition(order, this.#record, "window_after");
    const begun = lastBegun === undefined ? undefined : positionOf(order, lastBegun);
    const isAhead = begun !== undefined && (after === undefined || isBefore(after, begun));
    const cursor = isAhead && lastBegun !== undefined
      ? cursorIn(order, lastBegun)
      : { cursor: this.#record.window_after, cursor_value: this.#record["window_after_value"] };
    const end = isAhead ? begun : after;
    // Chats that were named, and that the run has not begun with.
    const passedOver = end === undefined ? [] : rest.filter((id) => !isBefore(end, positionOf(order, id)));
    return {
      ...cursor,
      window_after: cursor.cursor,
      window_after_value: cursor.cursor_value as number | undefined,
      window_size: 0,
      pending: [],
      unsent: [...unsent, ...passedOver],
    };
  }

  /** Names the chats that are not behind the last cursor, as the window's bounds do not include them. */
  #windowOf(chats: readonly number[], underWay: readonly number[]): Changes {
    const { order } = this.#options;
    const { cursor, cursor_value } = this.#record as { cursor?: number; cursor_value?: number };
    const after = cursorPosition(order, this.#record, "cursor");
    const isNamed = (id: number): boolean => after !== undefined && !isBefore(after, positionOf(order, id));
    const named = chats.filter(isNamed);
    const last = chats.filter((id) => !isNamed(id)).at(-1);
    return {
      window_after: cursor,
      window_after_value: cursor_value,
      ...(last === undefined ? { cursor, cursor_value } : cursorIn(order, last)),
      window_size: chats.length - named.length,
      pending: [...underWay, ...named],
      unsent: undefined,
    };
  }

  /** The message, once it can be kept as a whole: a photo has to be uploaded first. */
  async #message(): Promise<Partial<StoredMessage>> {
    const { outgoing } = this.#options;
    if (this.#isMessageKept || outgoing.isUpload) return {};
    // What fails has another chance with the next window.
    const kept = await outgoing.persist(this.#ledger, this.#record.broadcast_id).catch(() => {});
    this.#isMessageKept = kept !== undefined;
    return kept ?? {};
  }

  #save(changes: Changes, withinMs: number): Promise<boolean> {
    return this.#persist(withinMs, () => Promise.resolve(changes));
  }

  /** One after another: writes the run, changed, and with a new lease; tries again for a while where that fails. */
  async #persist(withinMs: number, changes: () => Promise<Changes>, lease = leaseMs): Promise<boolean> {
    const saving = this.#saving.then(() => this.#tryUntil(withinMs, changes, lease));
    this.#saving = saving;
    return await saving;
  }

  async #tryUntil(withinMs: number, changes: () => Promise<Changes>, lease: number): Promise<boolean> {
    const { clock, logger, ending, leaving } = this.#options;
    const since = this.#elapsed();
    for (let restMs = firstRestMs;; restMs = Math.min(longestRestMs, 2 * restMs)) {
      try {
        return await this.#write(await changes(), lease);
      } catch (error) {
        const { message } = error as Error;
        if (await this.#continueElsewhere(error as Error)) continue;
        if (restMs === firstRestMs) logger.warn(`${this.#name} waits for its ledger. ${message}`);
        const limitMs = leaving.aborted ? Math.min(withinMs, leaveWithinMs) : withinMs;
        if (this.#elapsed() - since > limitMs) {
          ending.end("left", `its ledger cannot be written: ${message}`);
          return false;
        }
        await (leaving.aborted ? clock.sleep(restMs) : clock.sleep(restMs, leaving).catch(() => {}));
      }
    }
  }

  async #write(changes: Changes, lease: number): Promise<boolean> {
    const { clock, ending } = this.#options;
    if (this.#isLost) return false;
    const heldUntil = this.#now() + lease;
    const record = { ...this.#record, ...changes, lease_until: lease === 0 ? 0 : clock.now() + lease };
    if (await this.#ledger.save(record)) {
      this.#record = record;
      this.#savedAt = this.#elapsed();
      this.#heldUntil = heldUntil;
      return true;
    }
    this.#isLost = true;
    ending.end("left", "another process has taken it over");
    return false;
  }

  /** Gives whether another ledger takes this one's place. */
  async #continueElsewhere(error: Error): Promise<boolean> {
    const { continueHere, ledger } = this.#options;
    if (continueHere === undefined || this.#ledger !== ledger || !isOutage(error)) return false;
    this.#ledger = await continueHere(this.#record, error);
    // The message is not in this one.
    this.#isMessageKept = false;
    return this.#ledger !== ledger;
  }

  get #name(): string {
    return `The broadcast "${this.#record.broadcast_id}"`;
  }

  /** A window may take long, as in a flood's pause: the lease is renewed all the same. */
  async #keepLease(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted && !this.#isLost) {
      await clock.sleep(heartbeatMs, signal).catch(() => {});
      if (signal.aborted || this.#elapsed() - this.#savedAt < heartbeatMs) continue;
      // What fails here is tried again in a moment.
      await (this.#saving = this.#saving.then(() => this.#write({}, leaseMs).catch(() => {})));
    }
  }
}

type Changes = Partial<RunRecord>;

/** A run whose message no chat has yet. */
const notBegun: Changes = {
  ...{ cursor: undefined, cursor_value: undefined, window_after: undefined, window_after_value: undefined },
  ...{ window_size: 0, pending: [], unsent: undefined, sampled: undefined },
};

/** How many messages so many chats are sent, as far as that is known beforehand. */
export function priceOf(chats: number, outgoing: OutgoingMessage): number {
  return chats * outgoing.length;
}

// Whether the process that runs a broadcast has died, as another one sees it.

/** A process that lives renews its lease within this time. */
const lifeSignMs = 1.5 * heartbeatMs;

/**
 * Looks at one run, again and again. The clocks of two machines differ, and a clock may be set: so a lease that seems to
 * have lapsed counts only if nobody renews it, and one that nobody renews does not count, however far ahead it is.
 */
export class LeaseMonitor {
  readonly #clock: Clock;
  readonly #elapsed: () => number;
  #sign: string | undefined;
  #seenAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#elapsed = steady(clock);
  }

  /** To be asked at each look, with the run as it is now. */
  hasLapsed({ owner, fence, lease_until }: RunRecord): boolean {
    // It was left.
    if (lease_until === 0) return true;
    const sign = JSON.stringify([owner, fence, lease_until]);
    if (sign !== this.#sign) this.#seenAt = this.#elapsed();
    this.#sign = sign;
    const silentMs = this.#elapsed() - this.#seenAt;
    return silentMs >= (lease_until < this.#clock.now() ? lifeSignMs : leaseMs);
  }
}

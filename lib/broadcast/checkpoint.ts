/**
 * Keeps a run in the ledger while it is sent. Checkpoints: each window of chats is written before the first of them is
 * sent to, so that the process that goes on with the run knows which chats may have the message. The lease, which says
 * that this process is alive, is renewed with every write, and every five seconds; a lease that has lapsed is renewed
 * before the next message.
 */
import { isOutage } from "../chats/storage.ts";
import { backoffMs } from "../util/async.ts";
import { monotonic, steady } from "../util/clock.ts";
import { cursorIn, cursorPosition, type Ledger, type RunRecord } from "./ledger.ts";
import type { StoredMessage } from "./outgoing_message.ts";
import { BroadcastCounters, type BroadcastReport } from "./report.ts";
import { summaryOf } from "./report_record.ts";
import type { ResumePoint, RunContext, WindowState } from "./request.ts";
import { isBefore, positionOf } from "./send_order.ts";

/** A process that has not renewed its lease for so long is taken for dead; one that lives renews it more often. */
export const leaseMs = 15_000;
export const renewLeaseEveryMs = 5000;
/** How long an outage of the ledger is waited out; after that the run is left for the next process to finish. */
const giveUpMs = 5 * 60_000;
const leaveWithinMs = 3000;
const backoff = { firstMs: 250, longestMs: 5000 };

/** Recipients named in the run's item, which DynamoDB limits to 400 KB, as their place in the order is passed. */
const passedAtMost = 10_000;

type Changes = Partial<RunRecord>;

/** A place in the order, as the run's attributes have it. */
interface Cursor {
  readonly cursor: number | undefined;
  readonly cursor_value: number | undefined;
}

/** A run whose message no chat has yet. */
const notBegun: Changes = {
  ...{ cursor: undefined, cursor_value: undefined, window_after: undefined, window_after_value: undefined },
  ...{ window_size: 0, pending: [], unsent: undefined, sampled: undefined },
  ...{ passed: undefined, passed_after: undefined },
};

export class RunCheckpoint {
  readonly #run: RunContext;
  readonly #resumePoint: ResumePoint;
  readonly #isPaid: boolean;
  readonly #elapsed: () => number;
  /** A lease lapses while the machine sleeps, too. */
  readonly #now: () => number;
  readonly #closing = new AbortController();
  #ledger: Ledger;
  #record: RunRecord;
  #saving: Promise<unknown> = Promise.resolve();
  #savedAt: number;
  /** Until when no other process takes the run over. */
  #leaseUntil: number;
  #renewing: Promise<boolean> | undefined;
  /** Whether this process has written the present window, so that it knows who is left of it. */
  #isOwnWindow: boolean;
  #isInOrder: boolean;
  #isLost = false;
  /** Whether the ledger has the message, and its photo if there is one. */
  #isMessageKept: boolean;
  /** How many messages the ledger knows that may have been paid for by now, the present window's included. */
  #paidAtMost: number;

  constructor(run: RunContext, resumePoint: ResumePoint) {
    const { ledger, record } = resumePoint;
    const { clock } = run.deps;
    this.#run = run;
    this.#resumePoint = resumePoint;
    this.#isPaid = run.request.options.allowPaidBroadcast === true;
    this.#ledger = ledger;
    this.#record = record;
    this.#isOwnWindow = this.#isInOrder = record.fence === 1;
    this.#elapsed = steady(clock);
    this.#now = monotonic(clock);
    this.#savedAt = this.#elapsed();
    this.#leaseUntil = this.#now() + record.lease_until - clock.now();
    this.#isMessageKept = record.message_name !== undefined && !run.message.isUpload;
    this.#paidAtMost = Number(record["paid"] ?? 0);
    void this.#renewLease();
  }

  /** Whether the lease is lost: another process has taken the run over. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Whether the chats of the present window are in the order; those of one that is taken over are in any. */
  get isInOrder(): boolean {
    return this.#isInOrder;
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
  ensureLease(): Promise<boolean> | undefined {
    if (this.#now() < this.#leaseUntil) return undefined;
    return this.#renewing ??= this.#save({}, giveUpMs).finally(() => this.#renewing = undefined);
  }

  /** Sets aside what a window may cost that another process has written. */
  async reserveWindow(): Promise<void> {
    const { message, counters } = this.#run;
    const { window } = this.#resumePoint;
    if (!this.#isPaid || this.#isOwnWindow || window.length === 0) return;
    const paid = counters.paid + message.priceFor(window.length);
    if (await this.#save({ paid }, giveUpMs)) this.#paidAtMost = paid;
  }

  /**
   * Writes a window before it is sent to, with the chats of earlier ones that have no outcome. False, and the run ends, where
   * that fails.
   * @param recipients How many there are, as far as they are known.
   */
  async advance(
    window: readonly number[],
    { underWay, unsent }: WindowState,
    recipients: number,
  ): Promise<boolean> {
    const { counters, message } = this.#run;
    const counts = counters.state;
    // What the window may cost is set aside with it.
    const paid = counts.paid + (this.#isPaid ? message.priceFor(window.length) : 0);
    const bounds = this.#windowOf(window, underWay);
    const changes = {
      ...{
        ...counts,
        paid,
        recipients: Math.max(recipients, this.#resumePoint.expected ?? 0),
        halted_by: undefined,
      },
      ...bounds,
      unsent: this.#unsentWith(unsent, bounds),
      ...this.#othersPassed(bounds, bounds.window_after),
      ...await this.#message(),
    };
    if (!await this.#save(changes, giveUpMs)) return false;
    this.#isOwnWindow = this.#isInOrder = true;
    this.#paidAtMost = paid;
    return true;
  }

  /**
   * Writes what is left of the window, and who is under way, before one of these is sent to that the ledger does not have so.
   * @param drawn Those of them that are sent to out of their turn.
   * @param isCut Whether the last chats of the window are to come with the next one, as these take their place.
   */
  async rewrite(state: WindowState, drawn: readonly number[] = [], isCut: boolean = false): Promise<boolean> {
    const { message, counters, queue: { order } } = this.#run;
    const { underWay, unsent } = state;
    const paid = this.#paidAtMost + (this.#isPaid ? message.priceFor(drawn.length) : 0);
    const { named, bound, size } = this.#boundsOf(state);
    const last = state.rest.filter((id) => !named.includes(id)).at(-1);
    const cut = last === undefined ? bound : cursorIn(order, last);
    const end = isCut ? cut : this.#cursor;
    const changes = {
      ...end,
      ...{ ...counters.state, paid, window_size: size },
      ...{ window_after: bound.cursor, window_after_value: bound.cursor_value },
      pending: [...underWay, ...named],
      unsent: this.#unsentWith(unsent, end),
      ...this.#othersPassed(end, bound.cursor, drawn),
    };
    if (!await this.#save(changes, giveUpMs)) return false;
    this.#isOwnWindow = true;
    this.#paidAtMost = paid;
    return true;
  }

  /** Writes that the run is over. Gives false where another process has taken it over. */
  async finish(report: BroadcastReport): Promise<boolean> {
    const { counters } = this.#run;
    this.#closing.abort();
    const { broadcast_id, fence } = this.#record;
    const { errors, migrations, topics } = report;
    const problems = { errors, migrations, topics };
    const hasProblems = errors.length + migrations.length + topics.length > 0;
    return await this.#persist(giveUpMs, async () => {
      const problem_parts = hasProblems
        ? await this.#ledger.writeText(broadcast_id, `problems-${fence}`, JSON.stringify(problems))
        : undefined;
      return {
        ...counters.state,
        ...summaryOf(report),
        problem_parts,
        pending: [],
        ...{ unsent: undefined, passed: undefined, passed_after: undefined },
        state: "finished",
      };
    });
  }

  /**
   * Leaves the rest to the next process. Nothing is known of a window that another process has written: it stays in doubt.
   * A run that was refused before any chat had the message begins anew when it is called for again.
   */
  async release(state: WindowState): Promise<void> {
    const { counters, end: { kind, reason } } = this.#run;
    this.#closing.abort();
    const halted_by = kind === "handedOver"
      ? undefined
      : reason?.slice(0, 500) ?? "nobody could be written to";
    const { sent, unknown } = counters.counts;
    const changes = halted_by !== undefined && sent + unknown === 0
      ? { ...new BroadcastCounters().state, ...notBegun }
      : { ...counters.state, ...this.#windowLeft(state) };
    const known = this.#isOwnWindow ? changes : {};
    await this.#persist(leaveWithinMs, () => Promise.resolve({ ...known, halted_by }), 0);
  }

  #windowLeft(state: WindowState): Changes {
    const { bound, named } = this.#boundsOf(state);
    const { inDoubt = new Set<number>() } = this.#resumePoint;
    const left = [...this.#unsentWith(state.unsent, bound), ...named];
    return {
      ...bound,
      window_after: bound.cursor,
      window_after_value: bound.cursor_value,
      window_size: 0,
      pending: left.filter((id) => inDoubt.has(id)),
      unsent: left.filter((id) => !inDoubt.has(id)),
      ...this.#othersPassed(bound, bound.cursor),
    };
  }

  /**
   * Which chats the order leaves out, as they are sent to out of their turn or under another id; and which ones were known
   * when their places were passed.
   */
  #othersPassed({ cursor }: Cursor, windowAfter: number | undefined, drawn: readonly number[] = []): Changes {
    const { queue, deps: { registry } } = this.#run;
    const written = this.#record["sampled"] as readonly number[] | undefined ?? [];
    const moved = queue.groupsUpTo(windowAfter).flatMap((id) => registry.movedTo(id) ?? []);
    const sampled = new Set([...written, ...queue.moved, ...moved, ...drawn]);
    const passed = queue.passedUpTo(cursor);
    return {
      sampled: sampled.size > 0 ? [...sampled] : undefined,
      passed,
      passed_after: passed && queue.knownTo,
    };
  }

  /**
   * What is left of the window: behind which chat it begins, how many chats it has, and those of `rest` that are before it
   * and have to be named; of one that is not in the order all are.
   */
  #boundsOf(
    { lastBegun, rest }: WindowState,
  ): { readonly bound: Cursor; readonly size: number; readonly named: readonly number[] } {
    const { order } = this.#run.queue;
    if (!this.#isInOrder) return { bound: this.#cursor, size: 0, named: rest };
    const after = this.#windowAfter;
    const isAhead = lastBegun !== undefined && !this.#isPassedBy(after)(lastBegun);
    const bound = isAhead ? cursorIn(order, lastBegun) : after;
    const named = rest.filter(this.#isPassedBy(bound));
    return { bound, size: rest.length - named.length, named };
  }

  get #windowAfter(): Cursor {
    return {
      cursor: this.#record.window_after,
      cursor_value: this.#record["window_after_value"] as number | undefined,
    };
  }

  get #cursor(): Cursor {
    return {
      cursor: this.#record.cursor,
      cursor_value: this.#record["cursor_value"] as number | undefined,
    };
  }

  /** Adds those that are still to be taken although the order goes on behind them. */
  #unsentWith(unsent: readonly number[], bound: Cursor): number[] {
    const passed = this.#run.queue.first.filter(this.#isPassedBy(bound));
    return [...unsent, ...passed.slice(0, passedAtMost)];
  }

  /** Tells of a chat whether the order goes on behind it, or leaves it out as it was drawn: so that it has to be named. */
  #isPassedBy(cursor: Cursor): (chatId: number) => boolean {
    const { order } = this.#run.queue;
    const end = cursorPosition(order, { ...this.#record, ...cursor }, "cursor");
    const sampled = new Set(this.#record["sampled"] as readonly number[] | undefined);
    return (chatId) =>
      sampled.has(chatId) || (end !== undefined && !isBefore(end, positionOf(order, chatId)));
  }

  /** The window's attributes. `pending` lists the chats up to the last cursor, which the window's bounds leave out. */
  #windowOf(chats: readonly number[], underWay: readonly number[]): Changes & Cursor {
    const { order } = this.#run.queue;
    const { cursor, cursor_value } = this.#cursor;
    const isNamed = this.#isPassedBy(this.#cursor);
    const named = chats.filter(isNamed);
    const last = chats.filter((id) => !isNamed(id)).at(-1);
    return {
      window_after: cursor,
      window_after_value: cursor_value,
      ...(last === undefined ? { cursor, cursor_value } : cursorIn(order, last)),
      window_size: chats.length - named.length,
      pending: [...underWay, ...named],
    };
  }

  /** The message, once it can be kept as a whole: a photo has to be uploaded first. */
  async #message(): Promise<Partial<StoredMessage>> {
    const { message } = this.#run;
    if (this.#isMessageKept || message.isUpload) return {};
    // Where that fails, it is tried again with the next window.
    const kept = await message.persist(this.#ledger, this.#record.broadcast_id).catch(() => {});
    this.#isMessageKept = kept !== undefined;
    return kept ?? {};
  }

  #save(changes: Changes, withinMs: number): Promise<boolean> {
    return this.#persist(withinMs, () => Promise.resolve(changes));
  }

  /** One after another: writes the run, changed, and with a new lease; tries again for a while where that fails. */
  async #persist(withinMs: number, changes: () => Promise<Changes>, lease = leaseMs): Promise<boolean> {
    const saving = this.#saving.then(() => this.#writeUntil(withinMs, changes, lease));
    this.#saving = saving;
    return await saving;
  }

  async #writeUntil(withinMs: number, changes: () => Promise<Changes>, lease: number): Promise<boolean> {
    const { deps: { clock, logger, leaving }, end } = this.#run;
    const since = this.#elapsed();
    for (let attempt = 0;; attempt++) {
      try {
        return await this.#write(await changes(), lease);
      } catch (error) {
        const { message } = error as Error;
        if (await this.#continueElsewhere(error as Error)) continue;
        if (attempt === 0) logger.warn(`${this.#name} waits for its ledger. ${message}`);
        const limitMs = leaving.aborted ? Math.min(withinMs, leaveWithinMs) : withinMs;
        if (this.#elapsed() - since > limitMs) {
          end.end("handedOver", `its ledger cannot be written: ${message}`);
          return false;
        }
        const waitMs = backoffMs(attempt, backoff);
        await (leaving.aborted ? clock.sleep(waitMs) : clock.sleep(waitMs, leaving).catch(() => {}));
      }
    }
  }

  async #write(changes: Changes, lease: number): Promise<boolean> {
    const { deps: { clock }, end } = this.#run;
    if (this.#isLost) return false;
    const heldUntil = this.#now() + lease;
    const record = { ...this.#record, ...changes, lease_until: lease === 0 ? 0 : clock.now() + lease };
    if (await this.#ledger.save(record)) {
      this.#record = record;
      this.#savedAt = this.#elapsed();
      this.#leaseUntil = heldUntil;
      return true;
    }
    this.#isLost = true;
    end.end("handedOver", "another process has taken it over");
    return false;
  }

  /** Gives whether another ledger takes this one's place. */
  async #continueElsewhere(error: Error): Promise<boolean> {
    const { continueHere, ledger } = this.#resumePoint;
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
  async #renewLease(): Promise<void> {
    const { clock } = this.#run.deps;
    const { signal } = this.#closing;
    while (!signal.aborted && !this.#isLost) {
      const dueInMs = renewLeaseEveryMs - (this.#elapsed() - this.#savedAt);
      await clock.sleep(dueInMs > 0 ? dueInMs : renewLeaseEveryMs, signal).catch(() => {});
      if (signal.aborted || this.#elapsed() - this.#savedAt < renewLeaseEveryMs) continue;
      // What fails here is tried again in a moment.
      await (this.#saving = this.#saving.then(() => this.#write({}, leaseMs).catch(() => {})));
    }
  }
}

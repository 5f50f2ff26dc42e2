/**
 * Chooses a broadcast's ledger: the bot's own or, while that cannot be used, the local one, whose runs are handed over to
 * the bot's own when it can be used again.
 */
import { isOutage, StorageError } from "../chats/storage.ts";
import { backoffMs, deadline, DeadlineError, settleWithin } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { BoundedSet } from "../util/collections.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { Ledger, RunRecord } from "./ledger.ts";
import type { HandedOver, LocalLedger } from "./local_ledger.ts";
import { InMemoryLedger } from "./memory_ledger.ts";

export interface LedgerFailoverOptions {
  /** The bot's own. */
  readonly ledger: () => Ledger;
  readonly local: LocalLedger;
  /** Resolves where the table of chats answers: then a ledger that has not answered yet is slow, and not down. */
  readonly askChats?: (() => Promise<unknown>) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends what goes on in the background, and every wait. */
  readonly signal: AbortSignal;
}

/** How long a broadcast waits for the ledger. */
export interface LedgerWait {
  /** Sends without it, or waits until it can be used. */
  readonly whenLedgerDown: "send" | "wait";
  /** Milliseconds until the message expires, or `Infinity`: a wait ends then. */
  readonly leftMs: () => number;
  /** Ends a wait. */
  readonly signal?: AbortSignal | undefined;
}

/** The ledger that has the run, or is to have it; and the run. */
export interface ChosenLedger {
  readonly ledger: Ledger;
  /** The run, as it was read just now; `undefined` where it is yet to begin. */
  readonly found: RunRecord | undefined;
}

/** How long a signal waits for the ledger: its first message is to leave within a second. */
const sendWithinMs = 800;
/** A slow ledger, while the table of chats answers, gets longer: to send without it might send twice. */
const slowWithinMs = 5000;
/** A ledger of the user's own may hang; ours has limits of its own. */
const answerWithinMs = 10_000;
const askBackoff = { firstMs: 1500, longestMs: 7500, factor: 1.5, jitter: 2 / 3 };
const handOverBackoff = { firstMs: 6250, longestMs: 37_500, factor: 1.5, jitter: 0.4 };
const closeWithinMs = 3000;
/** How many ids are remembered whose run the ledger is known to have. */
const knownAtMost = 10_000;
/** Failures that do not end by themselves, so that waiting does not help. */
const lasting: readonly string[] = ["denied", "credentials", "table", "region"];

export class LedgerFailover {
  readonly #options: LedgerFailoverOptions;
  /** Ids whose run the bot's own ledger is known to have. */
  readonly #known = new BoundedSet<string>(knownAtMost);
  /** Whether runs that are left unfinished can be found, as they have to be after a crash. */
  #isSearchable = false;
  #isDown = false;
  #isHandingOver = false;
  #handedOver = 0;
  #wake = new AbortController();
  readonly #logged = new Set<string>();
  #ledger: Ledger | undefined;

  constructor(options: LedgerFailoverOptions) {
    this.#options = options;
    options.local.onChange(() => this.#onChange());
  }

  /**
   * Ids of the runs that are not finished: those on disk, and those in the bot's own ledger. Where that cannot be read,
   * those on disk can be gone on with all the same.
   */
  async open(): Promise<string[]> {
    const kept = await this.#options.local.open();
    const own = await this.#own.open().catch((error) => {
      if (kept.length === 0) throw error;
      return [];
    });
    return [...new Set([...kept, ...own])];
  }

  /** Goes on locally with a run that the bot's own ledger has, and that it does not take any more. */
  async continueHere(run: RunRecord, error: Error): Promise<Ledger> {
    this.#logDown(error);
    await this.#options.local.continueHere(run);
    return this.#options.local;
  }

  /**
   * Gives the local ledger where it has the run; else the bot's own, if that answers; else the local one, or the bot's own
   * after a wait. To be called again for each look at the run, as a run moves from the local ledger to the bot's own.
   * @throws {StorageError} If the ledger cannot be used, and the run must not or need not be sent without it.
   */
  async for(broadcastId: string, wait: LedgerWait): Promise<ChosenLedger> {
    const { local, clock } = this.#options;
    const isWaiting = wait.whenLedgerDown === "wait" || this.#known.has(broadcastId);
    for (let attempt = 0;; attempt++) {
      if (local.ids.has(broadcastId)) return { ledger: local, found: await local.get(broadcastId) };
      try {
        const found = await this.#askWithin(
          isWaiting ? answerWithinMs : sendWithinMs,
          broadcastId,
          wait.signal,
        );
        if (!local.ids.has(broadcastId)) return { ledger: this.#own, found };
      } catch (error) {
        if (!isOutage(error)) throw error;
        if (!isWaiting) return this.#useLocal(error as StorageError);
        const { reason } = error as StorageError;
        if (lasting.includes(reason) || wait.leftMs() <= 0) throw error;
        if (attempt === 0) this.#options.logger.warn(ledgerWaitText(broadcastId, error as Error));
        const waitMs = backoffMs(attempt, askBackoff, clock.random());
        await clock.sleep(Math.min(waitMs, wait.leftMs()), this.#endOf(wait.signal));
      }
    }
  }

  /** Whether the run is finished even if this process dies now. */
  isDurable(ledger: Ledger, run: RunRecord): boolean {
    const { local } = this.#options;
    const isKept = ledger === local ? local.path !== undefined : !(ledger instanceof InMemoryLedger);
    const isResumable = run.message_name !== undefined && run["halted_by"] === undefined;
    return isKept && (run.state === "finished" || isResumable);
  }

  /** Remembers that the bot's own ledger has the run: it is never begun without that ledger any more. */
  remember(broadcastId: string): void {
    this.#known.add(broadcastId);
  }

  /** Hands over what is left, for a few seconds, and logs what could not be. */
  async close(): Promise<void> {
    const { local, clock, logger } = this.#options;
    if (local.ids.size > 0) await settleWithin(this.#handOver(), closeWithinMs, clock);
    const { ids, path } = local;
    if (ids.size > 0) logger[path === undefined ? "error" : "warn"](ledgerLeftText([...ids], path));
    await local.close();
    this.#ledger?.close();
  }

  get #own(): Ledger {
    return this.#ledger ??= this.#options.ledger();
  }

  #useLocal(error: StorageError): ChosenLedger {
    this.#logDown(error);
    return { ledger: this.#options.local, found: undefined };
  }

  /** The request goes on where it takes longer; its answer tells whether the ledger is back. */
  async #askWithin(ms: number, broadcastId: string, signal?: AbortSignal): Promise<RunRecord | undefined> {
    const asking = this.#ask(broadcastId);
    // After the bot's end the ledger may still say what became of a run that another process has finished.
    const end = this.#options.signal.aborted ? signal : this.#endOf(signal);
    if (await this.#isAnswered(asking, ms, end)) return await asking;
    asking.then(() => this.#wake.abort(), () => {});
    throw new StorageError(
      "unreachable",
      `The ledger of broadcasts has not answered within ${
        ms / 1000
      } s. Check the network, and DynamoDB's state.`,
    );
  }

  /** False where the ledger has been waited for long enough: longer if it is slow, while the table of chats answers. */
  async #isAnswered(asking: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<boolean> {
    const { askChats, clock } = this.#options;
    const settled = asking.then(() => true, () => true);
    const isSettledWithin = (waitMs: number): Promise<boolean> =>
      deadline(settled, { ms: waitMs, clock, signal }).catch((error) => {
        if (error instanceof DeadlineError) return false;
        throw error;
      });
    if (await isSettledWithin(ms / 2)) return true;
    let isNear = false;
    askChats?.().then(() => isNear = true, () => {});
    return await isSettledWithin(ms / 2) || (isNear && await isSettledWithin(slowWithinMs));
  }

  async #ask(broadcastId: string): Promise<RunRecord | undefined> {
    const ledger = this.#own;
    const [found, open] = await Promise.allSettled([
      ledger.get(broadcastId),
      this.#isSearchable ? undefined : ledger.open(),
    ]);
    if (found.status === "rejected") throw found.reason;
    if (found.value !== undefined) {
      this.remember(broadcastId);
      return found.value;
    }
    if (open.status === "rejected") throw open.reason;
    this.#isSearchable = true;
    if (this.#options.local.ids.size === 0) this.#logBack();
    return undefined;
  }

  /** Aborts with the bot's end, or with `signal`. */
  #endOf(signal: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([this.#options.signal, ...signal === undefined ? [] : [signal]]);
  }

  #onChange(): void {
    this.#wake.abort();
    if (!this.#isHandingOver) void this.#keepHandingOver();
  }

  /** Hands over until no run is left. */
  async #keepHandingOver(): Promise<void> {
    const { local, clock, signal } = this.#options;
    this.#isHandingOver = true;
    for (let attempt = 0; local.ids.size > 0 && !signal.aborted;) {
      this.#wake = new AbortController();
      const waitMs = backoffMs(attempt, handOverBackoff, clock.random());
      await clock.sleep(waitMs, this.#endOf(this.#wake.signal)).catch(() => {});
      if (signal.aborted) break;
      attempt = await this.#handOver() ? 0 : attempt + 1;
    }
    this.#isHandingOver = false;
  }

  async #handOver(): Promise<boolean> {
    const { local, logger } = this.#options;
    try {
      const result = await local.handOver(this.#own);
      this.#logHandedOver(result);
      return result.left.length === 0;
    } catch (error) {
      logger.warn(`Broadcasts could not be written to the ledger. ${messageOf(error)}`);
      return false;
    }
  }

  #logHandedOver({ handedOver, conflicts, left }: HandedOver): void {
    const { local, logger } = this.#options;
    for (const id of [...handedOver, ...conflicts]) {
      this.remember(id);
      this.#logged.delete(id);
    }
    for (const id of conflicts) logger.error(conflictText(id));
    this.#handedOver += handedOver.length;
    for (const { broadcast_id, error } of left) {
      if (isOutage(error)) this.#logDown(error);
      else if (!this.#logged.has(broadcast_id)) {
        logger.error(
          `The broadcast "${broadcast_id}" could not be written to the ledger. ${messageOf(error)}`,
        );
        this.#logged.add(broadcast_id);
      }
    }
    if (local.ids.size === 0) this.#logBack();
  }

  #logDown(error: Error): void {
    const { local, logger } = this.#options;
    if (!this.#isDown) logger.error(ledgerDownText(error, local.path));
    this.#isDown = true;
  }

  #logBack(): void {
    if (this.#isDown || this.#handedOver > 0) this.#options.logger.info(ledgerBackText(this.#handedOver));
    this.#isDown = false;
    this.#handedOver = 0;
  }
}

/** Logged once: the cause, and what it means for broadcasts. */
function ledgerDownText({ message }: Error, path: string | undefined): string {
  const where = path === undefined
    ? "in memory until then (with TELEGRAM_SPOOL_FILE also on disk)"
    : `in memory and in the file ${path} until then`;
  return `${message}\nBroadcasts with a broadcastId are sent all the same: what has been sent is remembered ${where}, and ` +
    `written to the ledger when that can be used again. If another process sends the same broadcastId in this outage, ` +
    `chats get it twice.`;
}

function ledgerBackText(handedOver: number): string {
  if (handedOver === 0) return "The ledger of broadcasts can be used again.";
  const kept = handedOver === 1
    ? "1 broadcast that was sent without it is"
    : `${handedOver} broadcasts that were sent without it are`;
  return `The ledger of broadcasts can be used again: ${kept} in it now.`;
}

function conflictText(broadcastId: string): string {
  return `The broadcast "${broadcastId}" was sent by two processes, as the ledger could not be used: some chats may have ` +
    `it twice. The ledger keeps the other process's run, and its report.`;
}

function ledgerWaitText(broadcastId: string, { message }: Error): string {
  return `The broadcast "${broadcastId}" waits until the ledger can be used. ${message}`;
}

/** Logged at the bot's end: what becomes of ids that the ledger does not have. */
function ledgerLeftText(ids: readonly string[], path: string | undefined): string {
  const many = ids.length === 1 ? "1 broadcast" : `${ids.length} broadcasts`;
  if (path !== undefined) {
    return `The ledger of broadcasts could not be used until the end: ${many} in the file ${path} will be written to it ` +
      `after the next start.`;
  }
  const shown = ids.slice(0, 20).map((id) => JSON.stringify(id)).join(", ");
  return `The ledger of broadcasts could not be used until the end, and what is in memory ends with the bot: it will not ` +
    `know of ${many} (${shown}${
      ids.length > 20 ? ", …" : ""
    }), so that another call with such an id sends it again. ` +
    `TELEGRAM_SPOOL_FILE keeps them on disk.`;
}

/** Chooses a broadcast's ledger: the bot's own or, while that cannot be used, a local one, which is handed over later. */
import type { Clock } from "./clock.ts";
import {
  conflictText,
  ledgerBackText,
  ledgerDownText,
  ledgerLeftText,
  ledgerWaitText,
} from "./ledger_texts.ts";
import type { Logger } from "./log.ts";
import { waitFor } from "./patience.ts";
import { reasonOf } from "./reason.ts";
import { isOutage } from "./recovery.ts";
import type { Ledger, RunRecord } from "./storage/ledger.ts";
import type { HandedOver, LocalLedger } from "./storage/local_ledger.ts";
import { StorageError } from "./storage/storage_error.ts";

export interface LedgerChoiceOptions {
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
export interface Patient {
  /** Sends without it, or waits until it can be used. */
  readonly whenLedgerDown: "send" | "wait";
  /** Milliseconds until nobody is to get it any more, or `Infinity`: a wait ends then. */
  readonly leftMs: () => number;
  /** Ends a wait. */
  readonly signal?: AbortSignal | undefined;
}

/** The ledger that has the run, or is to have it. */
export interface Chosen {
  readonly ledger: Ledger;
  /** The run, as it was read just now; `undefined` where it is yet to begin. */
  readonly found: RunRecord | undefined;
}

/** How long a signal waits for the ledger: its first message is to leave within a second. */
const sendWithinMs = 800;
/** One that is slow, while the table of chats answers, gets longer: to send without it might send twice. */
const slowWithinMs = 5000;
/** A ledger of the user's own may hang; ours has limits of its own. */
const answerWithinMs = 10_000;
const [firstWaitMs, longestWaitMs] = [1000, 5000];
const [firstRestMs, longestRestMs] = [5000, 30_000];
const closeWithinMs = 3000;
/** How many ids are remembered whose run the ledger is known to have. */
const knownAtMost = 10_000;
/** Failures that do not end by themselves, so that waiting does not help. */
const lasting: readonly string[] = ["denied", "credentials", "table", "region"];

export class LedgerChoice {
  readonly #options: LedgerChoiceOptions;
  readonly #known = new Set<string>();
  /** Whether runs that are left unfinished can be found, as they have to be after a crash. */
  #isSearchable = false;
  #isDown = false;
  #isAtWork = false;
  #handedOver = 0;
  #wake = new AbortController();
  readonly #told = new Set<string>();
  #ledger: Ledger | undefined;

  constructor(options: LedgerChoiceOptions) {
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
    this.#tellDown(error);
    await this.#options.local.continueHere(run);
    return this.#options.local;
  }

  /**
   * Gives the local ledger where it has the run; else the bot's own, if that answers; else the local one, or the bot's own
   * after a wait. To be called again for each look at the run, as a run moves from the local ledger to the bot's own.
   * @throws {StorageError} If the ledger cannot be used, and the run must not or need not be sent without it.
   */
  async for(broadcastId: string, patient: Patient): Promise<Chosen> {
    const { local, clock } = this.#options;
    const isWaiting = patient.whenLedgerDown === "wait" || this.#known.has(broadcastId);
    for (let restMs = firstWaitMs;; restMs = Math.min(longestWaitMs, 1.5 * restMs)) {
      if (local.has(broadcastId)) return { ledger: local, found: await local.get(broadcastId) };
      try {
        const found = await this.#askWithin(
          isWaiting ? answerWithinMs : sendWithinMs,
          broadcastId,
          patient.signal,
        );
        if (!local.has(broadcastId)) return { ledger: this.#own, found };
      } catch (error) {
        if (!isOutage(error)) throw error;
        if (!isWaiting) return this.#withoutIt(error as StorageError);
        const { reason } = error as StorageError;
        if (lasting.includes(reason) || patient.leftMs() <= 0) throw error;
        if (restMs === firstWaitMs) this.#options.logger.warn(ledgerWaitText(broadcastId, error as Error));
        await this.#rest(Math.min(restMs * (0.5 + clock.random()), patient.leftMs()), patient.signal);
      }
    }
  }

  /** Remembers that the bot's own ledger has the run: it is never begun without that ledger any more. */
  remember(broadcastId: string): void {
    this.#known.add(broadcastId);
    for (const oldest of this.#known) {
      if (this.#known.size <= knownAtMost) break;
      this.#known.delete(oldest);
    }
  }

  /** Hands over what is left, for a while, and logs what could not be. */
  async close(): Promise<void> {
    const { local, clock, logger } = this.#options;
    if (local.ids.length > 0) await waitFor(this.#handOver(), closeWithinMs, clock);
    const { ids, path } = local;
    if (ids.length > 0) logger[path === undefined ? "error" : "warn"](ledgerLeftText(ids, path));
    await local.close();
    this.#ledger?.close();
  }

  get #own(): Ledger {
    return this.#ledger ??= this.#options.ledger();
  }

  #withoutIt(error: StorageError): Chosen {
    this.#tellDown(error);
    return { ledger: this.#options.local, found: undefined };
  }

  /** The request goes on where it takes longer; its answer tells whether the ledger is back. */
  async #askWithin(ms: number, broadcastId: string, signal?: AbortSignal): Promise<RunRecord | undefined> {
    const asking = this.#ask(broadcastId);
    const answered = new AbortController();
    const late = this.#patience(ms, signal, answered.signal).then(() => {
      asking.then(() => this.#wake.abort(), () => {});
      throw new StorageError(
        "unreachable",
        `The ledger of broadcasts has not answered within ${
          ms / 1000
        } s. Check the network, and DynamoDB's state.`,
      );
    });
    try {
      return await Promise.race([asking, late]);
    } finally {
      late.catch(() => {});
      answered.abort();
    }
  }

  /** Resolves when the ledger has been waited for long enough. */
  async #patience(ms: number, ...signals: (AbortSignal | undefined)[]): Promise<void> {
    const { askChats } = this.#options;
    await this.#rest(ms / 2, ...signals);
    let isNear = false;
    askChats?.().then(() => isNear = true, () => {});
    await this.#rest(ms / 2, ...signals);
    if (isNear) await this.#rest(slowWithinMs, ...signals);
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
    if (this.#options.local.ids.length === 0) this.#tellBack();
    return undefined;
  }

  async #rest(ms: number, ...signals: (AbortSignal | undefined)[]): Promise<void> {
    const { clock, signal } = this.#options;
    await clock.sleep(ms, AbortSignal.any([signal, ...signals.filter((each) => each !== undefined)]));
  }

  #onChange(): void {
    this.#wake.abort();
    if (!this.#isAtWork) void this.#work();
  }

  /** Hands over, for as long as there is anything. */
  async #work(): Promise<void> {
    const { local, clock, signal } = this.#options;
    this.#isAtWork = true;
    for (let restMs = firstRestMs; local.ids.length > 0 && !signal.aborted;) {
      this.#wake = new AbortController();
      await this.#rest(restMs * (0.75 + clock.random() / 2), this.#wake.signal).catch(() => {});
      if (signal.aborted) break;
      const isDone = await this.#handOver();
      restMs = isDone ? firstRestMs : Math.min(longestRestMs, 1.5 * restMs);
    }
    this.#isAtWork = false;
  }

  async #handOver(): Promise<boolean> {
    const { local, logger } = this.#options;
    try {
      const result = await local.handOver(this.#own);
      this.#tell(result);
      return result.left.length === 0;
    } catch (error) {
      logger.warn(`Broadcasts could not be written to the ledger. ${reasonOf(error)}`);
      return false;
    }
  }

  #tell({ handedOver, conflicts, left }: HandedOver): void {
    const { local, logger } = this.#options;
    for (const id of [...handedOver, ...conflicts]) {
      this.remember(id);
      this.#told.delete(id);
    }
    for (const id of conflicts) logger.error(conflictText(id));
    this.#handedOver += handedOver.length;
    for (const { broadcast_id, error } of left) {
      if (isOutage(error)) this.#tellDown(error);
      else if (!this.#told.has(broadcast_id)) {
        logger.error(
          `The broadcast "${broadcast_id}" could not be written to the ledger. ${reasonOf(error)}`,
        );
        this.#told.add(broadcast_id);
      }
    }
    if (local.ids.length === 0) this.#tellBack();
  }

  #tellDown(error: Error): void {
    const { local, logger } = this.#options;
    if (!this.#isDown) logger.error(ledgerDownText(error, local.path));
    this.#isDown = true;
  }

  #tellBack(): void {
    if (this.#isDown || this.#handedOver > 0) this.#options.logger.info(ledgerBackText(this.#handedOver));
    this.#isDown = false;
    this.#handedOver = 0;
  }
}

/** A bot's broadcasts: what is under way, what is joined, and how all of it ends with the bot. */
import { setMaxListeners } from "node:events";
import type { MessageRenderer } from "../chats/messages.ts";
import { StorageError } from "../chats/storage_error.ts";
import { resolveChartOptions } from "../signals/chart/options.ts";
import type { ChartRenderer } from "../signals/chart_loader.ts";
import { signalTime, type TradingSignal, validateSignal } from "../signals/signal.ts";
import { settleWithin } from "../util/async.ts";
import { type Clock, monotonic } from "../util/clock.ts";
import type { Logger } from "../util/log.ts";
import { unknownNames } from "../util/validate.ts";
import { runBroadcast } from "./conduct.ts";
import { type BroadcastRun, createRunHandle, type PauseControl } from "./handle.ts";
import { type FollowResult, IdempotentBroadcasts } from "./idempotent.ts";
import type { LedgerFailover } from "./ledger_failover.ts";
import {
  assertBroadcast,
  broadcastChecks,
  type BroadcastMessage,
  type BroadcastOptions,
  expiryOf,
  messageNames,
  signalChecks,
  type SignalOptions,
} from "./options.ts";
import { openRecipients, startOf } from "./recipients.ts";
import type { BroadcastReport } from "./report.ts";
import type { BroadcastDeps, BroadcastRequest } from "./request.ts";
import { RecipientQueue } from "./send_order.ts";

export interface BroadcasterOptions extends Omit<BroadcastDeps, "leaving" | "closed" | "onUnclear"> {
  /** Opened when it is first needed; `signal` ends what it does in the background. */
  readonly ledgers: (signal: AbortSignal) => LedgerFailover;
}

/** What `resumeBroadcasts()` did. */
export interface ResumedBroadcasts {
  /** Reports of those that were finished here. */
  readonly resumed: readonly BroadcastReport[];
  /** Those that were not, and why. Most need what no ledger can keep: call `broadcast` with their `broadcastId`. */
  readonly left: readonly { readonly broadcast_id: string; readonly reason: string }[];
}

const [finishWithinMs, leaveWithinMs] = [30_000, 5000];
const unclearAtMost = 1000;

export class Broadcaster {
  readonly #deps: BroadcastDeps;
  readonly #openLedgers: (signal: AbortSignal) => LedgerFailover;
  readonly #running = new Map<string, Promise<BroadcastReport>>();
  readonly #resuming = new Map<string, Promise<FollowResult>>();
  readonly #all = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();
  readonly #leaving = new AbortController();
  readonly #closed = new AbortController();
  readonly #once: IdempotentBroadcasts;
  #ledgers: LedgerFailover | undefined;

  constructor({ ledgers, ...deps }: BroadcasterOptions) {
    const { logger } = deps;
    this.#deps = {
      ...deps,
      onUnclear: createUnclearLog(logger),
      leaving: this.#leaving.signal,
      closed: this.#closed.signal,
    };
    this.#openLedgers = ledgers;
    this.#once = new IdempotentBroadcasts({
      deps: this.#deps,
      ledgers: () => this.#choice,
      track: (task) => this.#track(task),
      stopping: this.#stopping.signal,
    });
    setMaxListeners(0, this.#stopping.signal, this.#leaving.signal, this.#closed.signal);
  }

  /** Waits for what is being sent, for a while; then has it leave. */
  async close(): Promise<void> {
    const { clock } = this.#deps;
    this.#stopping.abort(stopped());
    await settleWithin(Promise.allSettled(this.#all), finishWithinMs, clock);
    this.#leaving.abort(stopped());
    await settleWithin(Promise.allSettled(this.#all), leaveWithinMs, clock);
    this.#closed.abort(stopped());
    await settleWithin(Promise.allSettled(this.#all), leaveWithinMs, clock);
    // The file of the local one is open even where nobody has asked for a ledger.
    await this.#choice.close();
  }

  /**
   * Sends the message to all active chats. Its age counts from `madeAt`.
   * @throws {StorageError} If the chats, or the ledger, could not be read or written, and have to be: then nobody is
   * written to.
   */
  async send(
    message: BroadcastMessage,
    options: BroadcastOptions,
    madeAt: number,
    control: PauseControl,
  ): Promise<BroadcastReport> {
    options.signal?.throwIfAborted();
    // Node warns of what it takes for a leak, where one signal ends many broadcasts.
    if (options.signal !== undefined) setMaxListeners(0, options.signal);
    const { clock } = this.#deps;
    const [startedAt, now] = [clock.now(), monotonic(clock)];
    const { broadcastId, whenUnreadable = "throw", whenLedgerDown = "wait" } = options;
    const expiresAt = expiryOf(options, madeAt);
    const request = { message, options, whenUnreadable, whenLedgerDown, startedAt, expiresAt, now, control };
    if (broadcastId === undefined) return await this.#track(this.#sendPlain(request));
    // What cannot be finished without this call is left for it.
    await this.#resuming.get(broadcastId)?.catch(() => {});
    return await (this.#running.get(broadcastId) ??
      this.#run(broadcastId, this.#once.send(broadcastId, request)));
  }

  /** Finishes the runs that a process has left unfinished, once their leases have lapsed. */
  async resume(): Promise<ResumedBroadcasts> {
    // Without the list of chats no run can be finished.
    while (this.#deps.registry.isUnread) await this.#once.rest();
    const ids = await this.#choice.open();
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

  /** Does so at a start: logs what was found, and what went wrong. */
  async resumeQuietly(): Promise<void> {
    const { logger } = this.#deps;
    try {
      const { resumed, left } = await this.resume();
      for (const report of resumed) {
        logger.info(`The broadcast "${report.broadcastId}" is finished. ${report}`);
      }
      for (const { reason } of left) if (!this.#stopping.signal.aborted) logger.warn(reason);
    } catch (error) {
      // Where the policy says nothing of a ledger there is none.
      const hasNone = error instanceof StorageError && error.reason === "denied";
      if (!hasNone && !this.#stopping.signal.aborted) {
        logger.warn(`Whether a broadcast was left unfinished could not be read. ${(error as Error).message}`);
      }
    }
  }

  /** `undefined` where it was not finished by resuming it here. */
  async #resumeOne(id: string): Promise<BroadcastReport | undefined> {
    if (this.#running.has(id)) return undefined;
    const resuming = this.#resuming.get(id) ?? this.#once.follow(id);
    this.#resuming.set(id, resuming);
    try {
      const { report, isOurs } = await resuming;
      return isOurs ? report : undefined;
    } finally {
      this.#resuming.delete(id);
    }
  }

  get #choice(): LedgerFailover {
    return this.#ledgers ??= this.#openLedgers(this.#closed.signal);
  }

  async #sendPlain(request: BroadcastRequest): Promise<BroadcastReport> {
    const deps = this.#deps;
    const { clock } = deps;
    const opened = await openRecipients(request, deps);
    try {
      const { ids, recipientFilter: { values } } = opened;
      const order = { start: startOf(request, ids, () => clock.random()), values };
      const report = await runBroadcast(request, new RecipientQueue({ ids, order }), opened, deps);
      if (report === undefined) throw new Error("unreachable: without a ledger nobody takes a run over");
      return report;
    } finally {
      opened.close();
    }
  }

  /** Every call with the id gets the same promise meanwhile. */
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
}

/** Logs each refusal in unknown words once, and what it is taken for. */
function createUnclearLog(logger: Logger): BroadcastDeps["onUnclear"] {
  const told = new Set<string>();
  return (words, message) => {
    if (told.has(words) || told.size >= unclearAtMost) return;
    told.add(words);
    logger.warn(
      `A chat refuses a message in words that are not known; it counts as failed there and stays subscribed. ${message}`,
    );
  };
}

function stopped(): Error {
  return new Error("The bot was stopped.");
}

// What is sent to everyone: a signal as its ticket, or any message.

export interface SendingOptions {
  readonly renderMessage: MessageRenderer;
  readonly charting: ChartRenderer;
  readonly clock: Clock;
  /** Ready to send; rejects where nothing can be sent. */
  readonly broadcaster: () => Promise<Broadcaster>;
}

export class Sending {
  readonly #options: SendingOptions;

  constructor(options: SendingOptions) {
    this.#options = options;
  }

  /** Rejects with a TypeError or RangeError, before anyone is written to, for a signal or an option that is none. */
  signal(signal: TradingSignal, options: SignalOptions): BroadcastRun {
    const { renderMessage: words, charting, clock } = this.#options;
    const { candles, theme, bands, ...rest } = options ?? {};
    const broadcast = {
      ...rest,
      priority: rest.priority ?? "urgent",
      whenUnreadable: rest.whenUnreadable ?? "send",
      whenLedgerDown: rest.whenLedgerDown ?? "send",
    };
    return createRunHandle(async (control) => {
      validateSignal(signal);
      const time = signalTime(signal, clock.now());
      const ticket = words("signal", { signal, time });
      assertBroadcast(ticket, options ?? {}, signalChecks);
      if (theme !== undefined || bands !== undefined) resolveChartOptions({ theme, bands });
      const chart = { signal: { ...signal, time }, theme, bands, abortSignal: broadcast.signal };
      const photo = candles === undefined ? undefined : await charting({ ...chart, candles });
      const message = photo === undefined ? ticket : { ...ticket, photo, isPhotoOptional: true };
      return await this.#send(message, broadcast, time.getTime(), control);
    });
  }

  /** The same for any message. */
  message(message: string | BroadcastMessage, options: BroadcastOptions): BroadcastRun {
    const outgoing = typeof message === "string" ? { text: message } : plain(message);
    const now = this.#options.clock.now();
    return createRunHandle(async (control) => {
      assertBroadcast(outgoing, options, broadcastChecks, unknownNames(message, messageNames));
      return await this.#send(outgoing, options, now, control);
    });
  }

  async #send(
    message: BroadcastMessage,
    options: BroadcastOptions,
    madeAt: number,
    control: PauseControl,
  ): Promise<BroadcastReport> {
    const broadcaster = await this.#options.broadcaster();
    return await broadcaster.send(message, options, madeAt, control);
  }
}

/** Its parts may be getters of a class, as formatting libraries have them: these are lost where an object is copied. */
function plain(message: BroadcastMessage): BroadcastMessage {
  if (typeof message !== "object" || message === null) return message;
  const { text, entities, photo } = message;
  return { text, ...entities === undefined ? {} : { entities }, ...photo === undefined ? {} : { photo } };
}

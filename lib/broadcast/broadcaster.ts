/**
 * The folder `broadcast`: one message to many chats. It decides who gets a message, sends it at the bot's pace, counts what
 * became of it for each chat, and keeps a broadcast with an id in a ledger, so that it is sent once even if processes crash.
 *
 * A `Broadcaster` is one bot's broadcasts; `startSignal()` and `startBroadcast()` in `options.ts` check what they are given
 * and send it by one. Other folders may also take the types of a caller (`options.ts`, `broadcast_run.ts`, `report.ts`),
 * the port `Ledger` and the ledgers (`ledger.ts`, `memory_ledger.ts`, `local_ledger.ts`, `ledger_failover.ts`), and
 * `BroadcastDeps` of `request.ts`. The rest is the folder's own.
 */
import { setMaxListeners } from "node:events";
import { StorageError } from "../chats/storage.ts";
import { settleWithin } from "../util/async.ts";
import { monotonic, parseTime } from "../util/clock.ts";
import { botStopped, interruptReason, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { namesIn, type RunName } from "./beginning.ts";
import type { PauseControl } from "./broadcast_run.ts";
import type { LedgerFailover } from "./ledger_failover.ts";
import { type BroadcastOptions, expiryOf, type IllustratedMessage } from "./options.ts";
import type { BroadcastReport } from "./report.ts";
import type { BroadcastDeps, BroadcastRequest } from "./request.ts";
import { beginRun, runPlain, waitOf } from "./run.ts";
import { comparedWith, comparedWithKept } from "./comparison.ts";
import { type FollowResult, RunFollower } from "./run_follower.ts";
import { Turns } from "./turns.ts";

export interface BroadcasterOptions
  extends Omit<BroadcastDeps, "leaving" | "closed" | "onUnclear" | "turns"> {
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

/** A broadcast with an id, as this process sends or follows it. */
interface Running {
  readonly request: BroadcastRequest;
  readonly report: Promise<BroadcastReport>;
}

const [finishWithinMs, leaveWithinMs] = [30_000, 5000];
const unclearAtMost = 1000;

export class Broadcaster {
  readonly #deps: BroadcastDeps;
  readonly #openLedgers: (signal: AbortSignal) => LedgerFailover;
  readonly #running = new Map<string, Running>();
  readonly #resuming = new Map<string, Promise<FollowResult>>();
  /** All that the end of the bot waits for. */
  readonly #tasks = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();
  readonly #leaving = new AbortController();
  readonly #closed = new AbortController();
  readonly #follower: RunFollower;
  #ledgers: LedgerFailover | undefined;

  constructor({ ledgers, ...deps }: BroadcasterOptions) {
    const { logger } = deps;
    this.#deps = {
      ...deps,
      turns: new Turns(deps),
      onUnclear: createUnclearLog(logger),
      leaving: this.#leaving.signal,
      closed: this.#closed.signal,
    };
    this.#openLedgers = ledgers;
    this.#follower = new RunFollower({
      deps: this.#deps,
      ledgers: () => this.#openedLedgers,
      track: (task) => this.#track(task),
      stopping: this.#stopping.signal,
    });
    setMaxListeners(0, this.#stopping.signal, this.#leaving.signal, this.#closed.signal);
  }

  /** Waits half a minute for what is being sent; then hands it over, or ends it. */
  async close(): Promise<void> {
    const { clock } = this.#deps;
    this.#stopping.abort(botStopped());
    await settleWithin(Promise.allSettled(this.#tasks), finishWithinMs, clock);
    this.#leaving.abort(botStopped());
    await settleWithin(Promise.allSettled(this.#tasks), leaveWithinMs, clock);
    this.#closed.abort(botStopped());
    await settleWithin(Promise.allSettled(this.#tasks), leaveWithinMs, clock);
    // The local ledger's file is open even where no broadcast has needed a ledger.
    await this.#openedLedgers.close();
  }

  /**
   * Sends the message to all active chats. Its age counts from `madeAt`.
   * @throws {StorageError} If the chats, or the ledger, could not be read or written, and have to be: then nobody is
   * written to.
   */
  async send(
    message: IllustratedMessage,
    options: BroadcastOptions,
    madeAt: number,
    control: PauseControl,
  ): Promise<BroadcastReport> {
    options.signal?.throwIfAborted();
    // Node warns of what it takes for a leak, where one signal ends many broadcasts.
    if (options.signal !== undefined) setMaxListeners(0, options.signal);
    const { clock } = this.#deps;
    const [startedAt, now] = [clock.now(), monotonic(clock)];
    const { broadcastId, uniqueForMs, whenUnreadable = "throw", whenLedgerDown = "wait" } = options;
    const expiresAt = expiryOf(options, madeAt);
    const request: BroadcastRequest = {
      message,
      options,
      whenUnreadable,
      whenLedgerDown,
      startedAt,
      expiresAt,
      now,
      control,
    };
    if (broadcastId === undefined) return await this.#track(runPlain(request, this.#deps));
    if (uniqueForMs === undefined) {
      return await this.#run([{ id: broadcastId, countsFrom: -Infinity }], request);
    }
    const { names, waitMs } = namesIn(broadcastId, uniqueForMs, startedAt);
    const [{ id }] = names as [RunName];
    return await this.#run(names, { ...request, options: { ...options, broadcastId: id } }, waitMs);
  }

  async #run(names: readonly RunName[], request: BroadcastRequest, waitMs = 0): Promise<BroadcastReport> {
    // A run that cannot be resumed without this call is left for it.
    for (const { id } of names) await this.#resuming.get(id)?.catch(() => {});
    const running = names.map(({ id, countsFrom }) => ({ run: this.#running.get(id), countsFrom }))
      .find(({ run, countsFrom }) => run !== undefined && run.request.startedAt > countsFrom)?.run;
    if (running === undefined) return await this.#share(names, request, waitMs);
    request.control.beginning.resolve(
      running.request.control.beginning.promise.then((begun) => ({ ...begun, isRepeated: true })),
    );
    return this.#noted(comparedWith(await running.report, running.request, request));
  }

  /** Finishes the runs that a process has left unfinished, once their leases have lapsed. */
  async resume(): Promise<ResumedBroadcasts> {
    // Without the list of chats no run can be finished.
    while (this.#deps.registry.isUnread) await this.#follower.rest();
    const ids = await this.#openedLedgers.open();
    const resumed: BroadcastReport[] = [];
    const left: { broadcast_id: string; reason: string }[] = [];
    await Promise.all(ids.map(async (broadcast_id) => {
      try {
        const report = await this.#resumeOne(broadcast_id);
        if (report !== undefined) resumed.push(report);
      } catch (error) {
        left.push({ broadcast_id, reason: messageOf(error) });
      }
    }));
    return { resumed, left };
  }

  /** The same at a start: logs what was found, and what went wrong. */
  async resumeQuietly(): Promise<void> {
    const { logger } = this.#deps;
    try {
      const { resumed, left } = await this.resume();
      for (const report of resumed) {
        logger.info(`The broadcast "${report.broadcastId}" is finished. ${report}`);
      }
      for (const { reason } of left) {
        // Who has interrupted it knows.
        const isNews = !reason.includes(interruptReason);
        if (isNews && !this.#stopping.signal.aborted) logger.warn(reason);
      }
    } catch (error) {
      // Where the IAM policy does not allow it, the bot has no ledger.
      const hasNone = error instanceof StorageError && error.reason === "denied";
      if (!hasNone && !this.#stopping.signal.aborted) {
        logger.warn(`Whether a broadcast was left unfinished could not be read. ${(error as Error).message}`);
      }
    }
  }

  /** `undefined` where it was not finished by resuming it here. */
  async #resumeOne(id: string): Promise<BroadcastReport | undefined> {
    if (this.#running.has(id)) return undefined;
    const resuming = this.#resuming.get(id) ?? this.#follower.follow(id);
    this.#resuming.set(id, resuming);
    try {
      const { report, isOurs } = await resuming;
      return isOurs ? report : undefined;
    } finally {
      this.#resuming.delete(id);
    }
  }

  get #openedLedgers(): LedgerFailover {
    return this.#ledgers ??= this.#openLedgers(this.#closed.signal);
  }

  /** Begins the run, or follows the process that has begun it: so a broadcast with an id is sent once. */
  async #sendOnce(
    names: readonly RunName[],
    request: BroadcastRequest,
    waitMs: number,
  ): Promise<BroadcastReport> {
    const { clock } = this.#deps;
    if (waitMs > 0) await clock.sleep(waitMs, this.#stopping.signal);
    const ledgers = this.#openedLedgers;
    const looks = await Promise.all(names.map(async ({ id, countsFrom }) => {
      const { ledger, found } = await ledgers.for(id, waitOf(request));
      const counts = found !== undefined && (parseTime(found.started_at) ?? 0) > countsFrom;
      return { id, ledger, found: counts ? found : undefined };
    }));
    const [own] = looks as [typeof looks[number]];
    const { id, found } = looks.find(({ found }) => found !== undefined) ?? own;
    if (found === undefined) {
      const report = await this.#track(beginRun(id, request, this.#deps, own.ledger, ledgers));
      if (report !== undefined) return report;
    }
    const followed = await this.#follower.follow(id, request);
    return this.#noted(await comparedWithKept(followed, request, found?.state === "finished"));
  }

  /** Every call with its id gets the same report meanwhile. */
  async #share(
    names: readonly RunName[],
    request: BroadcastRequest,
    waitMs: number,
  ): Promise<BroadcastReport> {
    const { options: { broadcastId = "" } } = request;
    const report = this.#sendOnce(names, request, waitMs);
    this.#running.set(broadcastId, { request, report });
    try {
      return await report;
    } finally {
      this.#running.delete(broadcastId);
    }
  }

  /** The log says where a text is not sent, as another one was. */
  #noted(report: BroadcastReport): BroadcastReport {
    const { broadcastId, differs } = report;
    if (differs) {
      this.#deps.logger.warn(
        `The broadcast "${broadcastId}" was begun with another text: this one is not sent.`,
      );
    }
    return report;
  }

  async #track<T>(task: Promise<T>): Promise<T> {
    this.#tasks.add(task);
    try {
      return await task;
    } finally {
      this.#tasks.delete(task);
    }
  }
}

/** Logs each refusal of an unknown description once, and what it is taken for. */
function createUnclearLog(logger: Logger): BroadcastDeps["onUnclear"] {
  const logged = new Set<string>();
  return (description, message) => {
    if (logged.has(description) || logged.size >= unclearAtMost) return;
    logged.add(description);
    logger.warn(
      `A chat refuses a message in words that are not known; it counts as failed there and stays subscribed. ${message}`,
    );
  };
}

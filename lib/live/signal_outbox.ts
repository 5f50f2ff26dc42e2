/** Sends what came from other programs, and tries again until it is too old: what has the same id together. */
import type { BroadcastBeginning } from "../broadcast/beginning.ts";
import type { BroadcastRun } from "../broadcast/broadcast_run.ts";
import type { BroadcastReport } from "../broadcast/report.ts";
import { StorageError } from "../chats/storage.ts";
import { TelegramError } from "../telegram/errors.ts";
import { retry } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { Found } from "./found.ts";
import type { Posted } from "./signal_body.ts";
import { type SignalPublisher, tradeOf } from "./signal_sender.ts";
import { TroubleLog } from "./trouble_log.ts";

export interface SignalOutboxOptions {
  readonly bot: SignalPublisher;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A signal under way. */
export interface Sending {
  /** Rejects only where it is given up before. */
  readonly begun: Promise<BroadcastBeginning>;
  readonly done: Promise<BroadcastReport>;
  /** What is sent. */
  readonly found: Found;
}

const retries = { firstMs: 1000, longestMs: 30_000, jitter: 0.25 };

export class SignalOutbox {
  readonly #options: SignalOutboxOptions;
  readonly #troubles: TroubleLog;
  readonly #underWay = new Map<string, Sending>();

  constructor(options: SignalOutboxOptions) {
    this.#options = options;
    const { logger, clock } = options;
    this.#troubles = new TroubleLog({ logger, clock, overText: () => "Signals can be sent again." });
  }

  /** What is under way with the id, if anything is. */
  get(id: string): Sending | undefined {
    return this.#underWay.get(id);
  }

  /** @param isTriedAgain Whether it is tried until it is too old where it cannot be sent now; else once. */
  send(posted: Posted, isTriedAgain: boolean): Sending {
    const { id } = posted;
    let tell: (beginning: BroadcastBeginning) => void = () => {};
    const first = new Promise<BroadcastBeginning>((resolve) => tell = resolve);
    const done = this.#deliver(posted, isTriedAgain, tell).finally(() => this.#underWay.delete(id));
    const begun = Promise.race([first, done.then(() => first)]);
    // Nobody may wait for them any more.
    for (const promise of [begun, done]) promise.catch(() => {});
    const sending = { begun, done, found: posted.found };
    this.#underWay.set(id, sending);
    return sending;
  }

  async #deliver(
    posted: Posted,
    isTriedAgain: boolean,
    onBegun: (beginning: BroadcastBeginning) => void,
  ): Promise<BroadcastReport> {
    const { bot, clock, logger } = this.#options;
    const { id, expiresAt } = posted;
    let beginning: BroadcastBeginning | undefined;
    let failure: unknown;
    try {
      const report = await retry(async () => {
        if (failure !== undefined && clock.now() >= expiresAt) throw failure;
        // sendSignal() itself would wait for Telegram.
        if (!isTriedAgain) await bot.initialize?.();
        const run = this.#start(posted);
        run.begun.then((begun) => onBegun(beginning ??= begun), () => {});
        return await run;
      }, {
        ...{ ...retries, clock },
        isRetryable: (error) => isTriedAgain && isPassing(error) && clock.now() < expiresAt,
        onRetry: (error) => {
          failure = error;
          const reason = messageOf(error);
          this.#troubles.failed(id, reason, `${lineOf(posted)}. It is not sent yet: ${reason}`);
        },
      });
      if (beginning?.isRepeated !== true) logger.info(`${lineOf(posted)}. ${report}`);
      return report;
    } catch (error) {
      if (!isMistake(error)) logger.error(`${lineOf(posted)}. Not sent: ${messageOf(error)}`);
      throw error;
    } finally {
      this.#troubles.succeeded(id);
    }
  }

  #start({ found, id: broadcastId, uniqueForMs, expiresAt }: Posted): BroadcastRun {
    const { bot } = this.#options;
    const options = { broadcastId, uniqueForMs, expiresAt };
    if (found.kind === "signal") return bot.sendSignal(found.signal, options);
    const urgent = { priority: "urgent", whenUnreadable: "send", whenLedgerDown: "send" } as const;
    return bot.broadcast(found.message, { ...options, ...urgent });
  }
}

/** Whether the sender has made it, so that sending it again does not help. */
export function isMistake(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError;
}

/** Whether it may end by itself. */
function isPassing(error: unknown): boolean {
  return error instanceof StorageError || (error instanceof TelegramError && error.reason !== "token");
}

function lineOf({ found, id }: Posted): string {
  return `${found.kind === "signal" ? tradeOf(found.signal) : "Alert"} (${id})`;
}

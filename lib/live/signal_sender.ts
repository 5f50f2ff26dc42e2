/** Sends what strategies find: each once, whatever dies, and nothing that is too old. */
import { createHash } from "node:crypto";
import type { BroadcastRun } from "../broadcast/broadcast_run.ts";
import type { BroadcastMessage, BroadcastOptions, SignalOptions } from "../broadcast/options.ts";
import type { BroadcastReport } from "../broadcast/report.ts";
import type { Chat } from "../chats/events.ts";
import type { Candle } from "../signals/candle.ts";
import { priceText, type TradingSignal } from "../signals/signal.ts";
import { abortable, attempt, backoffMs } from "../util/async.ts";
import { type Clock, minuteOf, toIso } from "../util/clock.ts";
import { isBotStopped, isInterrupt, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { CandleFeed } from "./feed.ts";
import type { Found, Series } from "./found.ts";
import { reasonOf, sentenceOf, TroubleLog } from "./trouble_log.ts";

/** What is used of a bot: `SignalBot` has it. */
export interface SignalPublisher {
  /** Sends a signal to every active chat. */
  sendSignal(signal: TradingSignal, options: SignalOptions): BroadcastRun;
  /** Connects; rejects where it cannot. Called before a signal that nobody can wait for, as on AWS Lambda. */
  initialize?(): Promise<unknown>;
  /** Sends a message to every active chat. */
  broadcast(message: BroadcastMessage, options: BroadcastOptions): BroadcastRun;
}

/** That it was sent. */
export interface Sent {
  readonly report: BroadcastReport;
  /** Whether it was begun before, by an earlier start or another process. */
  readonly isRepeated: boolean;
}

/** What a strategy has found at the close of a candle. */
export interface Finding {
  readonly strategy: string;
  readonly series: Series;
  readonly found: Found;
  /** When the candle closed, in milliseconds since 1970. */
  readonly time: number;
  /** The candles it was found in, for a chart. */
  readonly candles: readonly Candle[];
  /** Whether the candle closed before the start. */
  readonly isHistory: boolean;
  /** From then on it is too old to be sent, by this machine's clock. */
  readonly expiresAt: number;
}

export interface SignalSenderOptions {
  readonly bot: SignalPublisher;
  readonly charts: boolean;
  readonly onUnknown: "skip" | "resend" | undefined;
  /** The chat that is written to; every subscribed one without it. */
  readonly onlyTo: number | undefined;
  readonly feed: Pick<CandleFeed, "name" | "caution">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onSent: (finding: Finding, sent: Sent) => unknown;
  /** Called where the bot was stopped: it never sends again. */
  readonly onBotStopped: () => void;
  /** Ends the waits for a bot that cannot send now. */
  readonly signal: AbortSignal;
}

/** Why something was not sent. */
export type Unsent = "stopped" | "too old" | "refused" | "interrupted";

/** What is sent of a day. */
export interface Summary {
  readonly id: string;
  /** For the log. */
  readonly title: string;
  /** Called for each attempt. */
  readonly message: () => BroadcastMessage;
  /** From then on it is too old to be sent, by this machine's clock. */
  readonly expiresAt: number;
}

/** What is tried under an id until it is sent, or too old. */
interface Delivery {
  readonly id: string;
  /** What it is, for the log. */
  readonly line: string;
  readonly expiresAt: number;
  readonly start: (id: string) => BroadcastRun;
  readonly onSent: (sent: Sent) => unknown;
  /** Called where Telegram has refused it and nobody has it: gives what it leaves out when it is tried again, if anything. */
  readonly simplify?: () => string | undefined;
}

/** Between the last message and the report. */
const reportWithinMs = 1000;
/** A stop waits so long for messages that are under way. */
const stopWithinMs = 5000;
const retries = { firstMs: 1000, longestMs: 30_000, jitter: 0.25 };

export class SignalSender {
  readonly #options: SignalSenderOptions;
  readonly #troubles: TroubleLog;
  readonly #underWay = new Set<Promise<unknown>>();
  /** Whether the last one has reached nobody, as the only chat is not subscribed. */
  #isAlone = false;
  /** Tells the ids of signals that are no real ones from those that are. */
  readonly #idSuffix: string;

  constructor(options: SignalSenderOptions) {
    const { feed, onlyTo } = options;
    this.#options = options;
    this.#idSuffix = [
      feed.caution === undefined ? "" : ` ${hash(feed.name)}`,
      onlyTo === undefined ? "" : ` ${hash(String(onlyTo))}`,
    ].join("");
    const { logger, clock } = options;
    this.#troubles = new TroubleLog({ logger, clock, overText: () => "Signals can be sent again." });
  }

  /**
   * Sends it, and tries again until it is too old: with the id it is sent once, however often it is tried. Gives why it was
   * not sent; `undefined` where it was. Rejects with a mistake in the settings, which no retry mends.
   */
  async send(finding: Finding): Promise<Unsent | undefined> {
    let { found } = finding;
    return await this.#track(this.#deliver({
      ...{ id: idOf(finding), line: lineOf(finding), expiresAt: finding.expiresAt },
      start: (id) => this.#start({ ...finding, found }, id),
      onSent: (sent) => this.#options.onSent(finding, sent),
      simplify: () => {
        if (found.kind !== "alert") return undefined;
        const { photo, ...message } = found.message;
        if (photo === undefined || message.text.trim() === "") return undefined;
        found = { kind: "alert", message };
        return "its photo";
      },
    }));
  }

  /** The same for a day's summary. */
  async sendSummary({ id, title, expiresAt, message }: Summary): Promise<Unsent | undefined> {
    const { bot, signal } = this.#options;
    return await this.#track(this.#deliver({
      ...{ id, line: title, expiresAt, onSent: () => {} },
      start: (broadcastId) => {
        signal.throwIfAborted();
        const options = { ...this.#optionsOf(broadcastId, expiresAt), priority: "bulk" } as const;
        return bot.broadcast(this.#withCaution(message()), options);
      },
    }));
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #track<T>(sending: Promise<T>): Promise<T> {
    this.#underWay.add(sending);
    return await sending.finally(() => this.#underWay.delete(sending));
  }

  async #deliver(delivery: Delivery): Promise<Unsent | undefined> {
    const { line, expiresAt, start, onSent, simplify } = delivery;
    const { clock, logger, signal } = this.#options;
    const id = delivery.id + this.#idSuffix;
    for (let attempt = 0; clock.now() < expiresAt; attempt++) {
      try {
        const run = start(id);
        const sent = await this.#end(run);
        this.#troubles.succeeded(id);
        if (sent === undefined) {
          const { sent: reached } = run.progress;
          const have = reached === 1 ? "1 chat has" : `${reached} chats have`;
          logger.warn(
            `${line}. The strategies stop: ${have} it by now, and the bot sends to the others as long as it runs.`,
          );
          return "stopped";
        }
        const { stopped, sent: reached, unknown } = sent.report;
        const without = stopped !== undefined && reached + unknown === 0 ? simplify?.() : undefined;
        if (without !== undefined) {
          logger.warn(`${line}. It is sent without ${without}: ${stopped}`);
          continue;
        }
        const isJoined = sent.isRepeated && !sent.report.wasAlreadySent;
        const joined = isJoined ? "It had been begun before; its report: " : "";
        logger[stopped === undefined ? "info" : "warn"](`${line}. ${joined}${sent.report}`);
        this.#noteOnly(sent);
        this.#tell(() => onSent(sent));
        return undefined;
      } catch (error) {
        if (isMistake(error)) throw error;
        if (isInterrupt(error)) {
          this.#troubles.succeeded(id);
          const what = sentenceOf(messageOf(error.report ?? error));
          logger.warn(`${line}. ${what} Its cell, run again while it is fresh, sends it to the others.`);
          return "interrupted";
        }
        if (isRefused(error)) {
          this.#troubles.succeeded(id);
          logger.error(`${line}. Not sent: ${messageOf(error)}`);
          return "refused";
        }
        // A bot that was stopped never sends again.
        if (isBotStopped(error)) this.#options.onBotStopped();
        if (signal.aborted) break;
        const reason = reasonOf(error);
        this.#troubles.failed(id, reason, `${line}. It is not sent yet: ${sentenceOf(reason)}`);
        const waitMs = Math.min(
          backoffMs(attempt, retries, clock.random()),
          Math.max(0, expiresAt - clock.now()),
        );
        await clock.sleep(waitMs, signal).catch(() => {});
      }
    }
    this.#troubles.givenUp(id);
    const why = signal.aborted ? "as the strategies were stopped" : "as it is too old by now";
    logger.warn(`${line}. Not sent, ${why}.`);
    return signal.aborted ? "stopped" : "too old";
  }

  /** Says once that nobody gets anything, where the only chat is not subscribed. */
  #noteOnly({ report: { recipients } }: Sent): void {
    const { onlyTo, logger } = this.#options;
    if (onlyTo !== undefined && recipients === 0 && !this.#isAlone) {
      logger.warn(
        `The chat ${onlyTo} is not subscribed: nobody gets anything until it sends /start to the bot.`,
      );
    }
    this.#isAlone = recipients === 0;
  }

  /** What the caller does with a report is no matter of the signal's. */
  #tell(task: () => unknown): void {
    const fail = (error: unknown): void =>
      this.#options.logger.error(`onSent has failed: ${messageOf(error)}`);
    try {
      Promise.resolve(task()).catch(fail);
    } catch (error) {
      fail(error);
    }
  }

  /**
   * `undefined` if the strategies are stopped meanwhile, and all chats that are known have their message: then nobody waits for
   * the list of the others, for the ledger, or for another process that sends it. Nor does anybody wait for long where
   * Telegram does not answer, or asks to wait. The bot's end is that of such a run.
   */
  async #end(run: BroadcastRun): Promise<Sent | undefined> {
    const { clock, signal } = this.#options;
    const end = Promise.all([run, run.begun]).then(([report, { isRepeated }]) => ({ report, isRepeated }));
    end.catch(() => {});
    try {
      return await abortable(end, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    const stoppedAt = clock.now();
    while (run.progress.done < run.progress.recipients && clock.now() - stoppedAt < stopWithinMs) {
      await Promise.race([end, clock.sleep(50)]);
    }
    return await Promise.race([end, clock.sleep(reportWithinMs).then(() => undefined)]);
  }

  #start({ found, candles, isHistory, expiresAt }: Finding, broadcastId: string): BroadcastRun {
    const { bot, charts, onUnknown, feed: { caution } } = this.#options;
    // Only the ledger knows whether an earlier process has sent what was found before the start.
    const whenLedgerDown = isHistory && onUnknown !== "resend" ? "wait" as const : "send" as const;
    const options = { ...this.#optionsOf(broadcastId, expiresAt), whenLedgerDown };
    if (found.kind === "alert") {
      return bot.broadcast(this.#withCaution(found.message), { ...options, priority: "urgent" });
    }
    const note = [found.signal.note, caution].filter((each) => each !== undefined).join("; ");
    const signal = note === "" ? found.signal : { ...found.signal, note };
    return bot.sendSignal(signal, charts && candles.length > 1 ? { ...options, candles } : options);
  }

  #optionsOf(broadcastId: string, expiresAt: number): BroadcastOptions {
    const { onUnknown, onlyTo } = this.#options;
    const isMeant = ({ chat_id }: Chat): boolean => chat_id === onlyTo;
    return { broadcastId, expiresAt, onUnknown, ...onlyTo !== undefined && { filter: isMeant } };
  }

  #withCaution(message: BroadcastMessage): BroadcastMessage {
    const { caution } = this.#options.feed;
    return caution === undefined ? message : { ...message, text: `${message.text}\n\n${caution}` };
  }
}

/** The same for the same candle, whoever finds it. */
function idOf({ strategy, series, time }: Finding): string {
  return `${namesIn(strategy, series.symbol)} ${series.timeframe} ${toIso(time)}`;
}

/** The names in an id. A symbol's blanks are written so that it is known where it begins. */
export function namesIn(strategy: string, symbol: string): string {
  return `${strategy} ${symbol.replace(/[%\s]/g, encodeURIComponent)}`;
}

/** An id has 128 bytes at most, of which a timeframe, a time and two suffixes need up to 47. */
export const mostBytesOfNames = 81;

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

/** A mistake in the settings, which no retry mends. By their names, as another copy of this package may have thrown them. */
export function isMistake(error: unknown): boolean {
  const { name, reason } = partsOf(error);
  return name === "ConfigError" || (name === "TelegramError" && reason === "token");
}

/** What a strategy has found is no message, such as a ticket that is too long. */
function isRefused(error: unknown): boolean {
  const { name } = partsOf(error);
  return name === "TypeError" || name === "RangeError";
}

/** Anything may be thrown, also what cannot be read. */
function partsOf(error: unknown): ErrorParts {
  const thrown = error as ErrorParts | undefined;
  return attempt<ErrorParts>(() => ({ name: thrown?.name, reason: thrown?.reason }), {});
}

interface ErrorParts {
  readonly name?: unknown;
  readonly reason?: unknown;
}

/** `LONG BTC-USD at 67250.5, stop 66980, target 67800 (Mean reversion, 5m, 2026-01-05 06:15 UTC)` */
export function lineOf({ strategy, series, found, time }: Finding): string {
  const when = `${minuteOf(time)} UTC`;
  const from = `(${strategy}, ${series.timeframe}, ${when})`;
  if (found.kind === "alert") return `Alert of ${series.symbol} ${from}`;
  return `${tradeOf(found.signal)} ${from}`;
}

/** `LONG BTC-USD at 67250.5, stop 66980, target 67800` */
export function tradeOf(signal: TradingSignal): string {
  const { direction, symbol, size } = signal;
  const [entry, stop, target] = (["entry", "stop", "target"] as const).map((name) => priceText(signal, name));
  const what = [direction.toUpperCase(), size, symbol].filter((each) => each !== undefined).join(" ");
  return `${what} at ${entry}, stop ${stop}, target ${target}`;
}

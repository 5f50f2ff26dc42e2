/** Sends what strategies find: each once, whatever dies, and nothing that is too old. */
import { createHash } from "node:crypto";
import type { BroadcastRun } from "../broadcast/broadcast_run.ts";
import type { BroadcastMessage, BroadcastOptions, SignalOptions } from "../broadcast/options.ts";
import type { BroadcastReport } from "../broadcast/report.ts";
import type { Chat } from "../chats/events.ts";
import type { Candle } from "../signals/candle.ts";
import { priceText, type TradingSignal } from "../signals/signal.ts";
import { abortable, backoffMs } from "../util/async.ts";
import type { Clock } from "../util/clock.ts";
import { toIso } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import type { CandleFeed } from "./feed.ts";
import type { Found, Series } from "./found.ts";
import { TroubleLog } from "./trouble_log.ts";

/** What is used of a bot: `MeanReversionTelegramBot` has it. */
export interface SignalBot {
  /** Sends a signal to every active chat. */
  sendSignal(signal: TradingSignal, options: SignalOptions): BroadcastRun;
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
  readonly bot: SignalBot;
  readonly charts: boolean;
  readonly onUnknown: "skip" | "resend" | undefined;
  /** The chat that is written to; every subscribed one without it. */
  readonly onlyTo: number | undefined;
  readonly feed: Pick<CandleFeed, "name" | "caution">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onSent: (finding: Finding, sent: Sent) => void;
  /** Ends the waits for a bot that cannot send now. */
  readonly signal: AbortSignal;
}

/** Between the last message and the report. */
const reportWithinMs = 1000;
const retries = { firstMs: 1000, longestMs: 30_000, jitter: 0.25 };

export class SignalSender {
  readonly #options: SignalSenderOptions;
  readonly #troubles: TroubleLog;
  readonly #underWay = new Set<Promise<void>>();
  /** Tells the ids of signals that are no real ones from those that are. */
  readonly #idSuffix: string;

  constructor(options: SignalSenderOptions) {
    const { feed, onlyTo } = options;
    this.#options = options;
    this.#idSuffix = [
      feed.caution === undefined ? "" : ` ${hash(feed.name)}`,
      onlyTo === undefined ? "" : ` ${hash(String(onlyTo))}`,
    ].join("");
    this.#troubles = new TroubleLog(options.logger, "Signals can be sent again.");
  }

  /**
   * Sends it, and tries again until it is too old: with the id it is sent once, however often it is tried.
   * Rejects with a mistake in the settings, which no retry mends.
   */
  async send(finding: Finding): Promise<void> {
    const sending = this.#send(finding);
    this.#underWay.add(sending);
    await sending.finally(() => this.#underWay.delete(sending));
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #send(finding: Finding): Promise<void> {
    const { clock, logger, onSent, signal } = this.#options;
    const id = idOf(finding) + this.#idSuffix;
    for (let attempt = 0; clock.now() < finding.expiresAt; attempt++) {
      try {
        const run = this.#run(finding, id);
        const sent = await this.#end(run);
        this.#troubles.succeeded(id);
        if (sent === undefined) {
          const { sent: reached } = run.progress;
          const chats = reached === 1 ? "1 chat" : `${reached} chats`;
          return logger.warn(`${lineOf(finding)}. Stopped when ${chats} had it.`);
        }
        logger.info(`${lineOf(finding)}. ${sent.isRepeated ? "It was begun before. " : ""}${sent.report}`);
        return onSent(finding, sent);
      } catch (error) {
        if (isMistake(error)) throw error;
        if (signal.aborted) break;
        const reason = messageOf(error);
        this.#troubles.failed(id, reason, `${lineOf(finding)}. It is not sent yet: ${reason}`);
        const waitMs = Math.min(
          backoffMs(attempt, retries, clock.random()),
          Math.max(0, finding.expiresAt - clock.now()),
        );
        await clock.sleep(waitMs, signal).catch(() => {});
      }
    }
    this.#troubles.succeeded(id);
    const why = signal.aborted ? "as the strategies were stopped" : "as it is too old by now";
    logger.warn(`${lineOf(finding)}. Not sent, ${why}.`);
  }

  /**
   * `undefined` if the strategies are stopped meanwhile, and all chats that are known have their message: then nobody waits for
   * the list of the others, or for another process that sends it. The bot's end is that of such a run.
   */
  async #end(run: BroadcastRun): Promise<Sent | undefined> {
    const { clock, signal } = this.#options;
    const end = Promise.all([run, run.begun]).then(([report, { isRepeated }]) => ({ report, isRepeated }));
    try {
      return await abortable(end, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    while (run.progress.done < run.progress.recipients) await Promise.race([end, clock.sleep(50)]);
    return await Promise.race([end, clock.sleep(reportWithinMs).then(() => undefined)]);
  }

  #run({ found, candles, isHistory, expiresAt }: Finding, broadcastId: string): BroadcastRun {
    const { bot, charts, onUnknown, onlyTo, feed: { caution } } = this.#options;
    const isMeant = ({ chat_id }: Chat): boolean => chat_id === onlyTo;
    // Only the ledger knows whether an earlier process has sent what was found before the start.
    const whenLedgerDown = isHistory ? "wait" as const : "send" as const;
    const options = {
      broadcastId,
      expiresAt,
      onUnknown,
      whenLedgerDown,
      ...onlyTo !== undefined && { filter: isMeant },
    };
    if (found.kind === "alert") {
      const text = caution === undefined ? found.message.text : `${found.message.text}\n\n${caution}`;
      return bot.broadcast({ ...found.message, text }, { ...options, priority: "urgent" });
    }
    const note = [found.signal.note, caution].filter((each) => each !== undefined).join("; ");
    const signal = note === "" ? found.signal : { ...found.signal, note };
    return bot.sendSignal(signal, charts && candles.length > 1 ? { ...options, candles } : options);
  }
}

/** The same for the same candle, whoever finds it. */
function idOf({ strategy, series, time }: Finding): string {
  return `${strategy} ${series.symbol} ${series.timeframe} ${toIso(time)}`;
}

/** An id has 128 bytes at most, of which a timeframe, a time and two suffixes need up to 48. */
export const mostBytesOfNames = 80;

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

/** A retry does not mend these. By their names, as another copy of this package may have thrown them. */
function isMistake(error: unknown): boolean {
  const { name, reason } = error as { readonly name?: unknown; readonly reason?: unknown };
  return ["ConfigError", "TypeError", "RangeError"].includes(String(name)) ||
    (name === "TelegramError" && reason === "token");
}

/** `LONG BTC-USD at 67250.5, stop 66980, target 67800 (Mean reversion, 5m, 2026-01-05 06:15 UTC)` */
export function lineOf({ strategy, series, found, time }: Finding): string {
  const when = `${toIso(time).slice(0, 16).replace("T", " ")} UTC`;
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

/** Starts the bot and sends signals through it, while trading goes on even if Telegram is out of reach. */
import { setTimeout } from "node:timers/promises";
import type { Candle, SignalOptions, TradingSignal } from "telegram-signals";
import { showProgress } from "../cli/progress.ts";

/** What is used of a broadcast's report; it prints as a line. */
export interface SignalReport {
  readonly sent: number;
  readonly failed: number;
  readonly unknown: number;
  readonly skips: { readonly expired: number; readonly stopped: number };
  toString(): string;
}

/** What is used of a broadcast that is under way. */
export interface SignalRun extends Promise<SignalReport> {
  /** As far as recipients are known: where the list of chats has not been read, it waits with all of them done. */
  readonly progress: { readonly recipients: number; readonly done: number };
}

/** What is used of the bot. */
export interface SignalBot {
  initialize(): Promise<unknown>;
  startBot(): Promise<unknown>;
  readonly finished: Promise<unknown>;
  sendSignal(signal: TradingSignal, options: SignalOptions): SignalRun;
  stopBot(): Promise<unknown>;
}

export interface NotifierOptions {
  readonly createBot: () => SignalBot;
  /** Errors that no retry mends, such as a refused token: `start` rejects with them. */
  readonly isFatal: (error: unknown) => boolean;
  /** Errors of `sendSignal` that come before anybody is written to. */
  readonly isBeforeSending: (error: unknown) => boolean;
  /** Whether signals are sent with their charts. */
  readonly hasCharts: boolean;
  /** Takes one line for the person at the screen. */
  readonly say: (line: string) => void;
  /** The wait after a start that failed, in milliseconds; each next one is twice as long, up to half a minute. Default: 1000. */
  readonly retryAfterMs?: number;
  /** Aborts when the scheduler is to end: no signal waits for the list of chats any more; one that is sent is finished. */
  readonly stopping?: AbortSignal;
}

/** What became of a signal. */
export interface SignalOutcome {
  /**
   * `"unsent"`: certainly no subscriber has got it; `"unknown"`: a subscriber may have got it. `"sent"`, too, where nobody
   * is subscribed.
   */
  readonly kind: "sent" | "unsent" | "unknown";
  /** The outcome as a line of text. */
  readonly line: string;
}

export interface Notifier {
  /** Starts the bot, or says why that must wait, and tries again until it is up; rejects only with what is fatal. */
  start(): Promise<void>;
  /**
   * Sends a signal that was found in these candles, once the bot is up. Never rejects.
   * From `expiresAt` on (milliseconds since 1970) nobody gets it any more.
   */
  send(
    signal: TradingSignal,
    options: { readonly candles: readonly Candle[]; readonly expiresAt: number },
  ): Promise<SignalOutcome>;
  stop(): Promise<void>;
}

const longestWaitMs = 30_000;
const maxSleepMs = 5000;

export function createNotifier(options: NotifierOptions): Notifier {
  const { isBeforeSending, hasCharts, stopping } = options;
  const starter = new Starter(options);
  return {
    start: () => starter.start(),
    async send(signal, { candles, expiresAt }) {
      let running: SignalBot;
      try {
        running = await starter.bot(expiresAt);
      } catch (error) {
        return unsent(error);
      }
      using onProgress = showProgress();
      const abandoned = new AbortController();
      const chart = hasCharts ? { candles } : {};
      try {
        const run = running.sendSignal(signal, {
          ...chart,
          onProgress,
          expiresAt,
          signal: abandoned.signal,
        });
        using _ = onAbort(stopping, () => void abandon(run, abandoned));
        return outcomeOf(await run);
      } catch (error) {
        return abandoned.signal.aborted || isBeforeSending(error) ? unsent(error) : uncertain(error);
      }
    },
    async stop() {
      await starter.stop();
    },
  };
}

/** Starts a bot, again and again where it has to be. */
class Starter {
  readonly #options: NotifierOptions;
  readonly #ending = new AbortController();
  #running: SignalBot | undefined;
  /** Starts that follow one that failed. */
  #trying: Promise<void> | undefined;
  #error: unknown;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { createBot, isFatal, say } = this.#options;
    try {
      this.#running = await started(createBot(), say);
    } catch (error) {
      if (isFatal(error)) throw error;
      say(`${reason(error).replace(/\.$/, "")}. The bot tries again until it is up.`);
      this.#error = error;
      this.#trying = this.#tryOn();
    }
  }

  /** The bot, once it is up; rejects with why it is not where that has to wait beyond a time. */
  async bot(until: number): Promise<SignalBot> {
    const { createBot, say, stopping } = this.#options;
    if (this.#trying !== undefined) {
      const ending = new AbortController();
      using _ = onAbort(stopping, () => ending.abort());
      await Promise.race([this.#trying, sleepUntil(until, ending.signal)]);
      ending.abort();
      if (this.#running === undefined) throw this.#error;
    }
    return this.#running ??= await started(createBot(), say);
  }

  async stop(): Promise<void> {
    const { say } = this.#options;
    this.#ending.abort();
    await this.#trying;
    await this.#running?.stopBot().catch((error) => say(`The bot did not stop cleanly: ${reason(error)}`));
  }

  /** Never rejects. */
  async #tryOn(): Promise<void> {
    const { createBot, isFatal, retryAfterMs = 1000, say } = this.#options;
    const { signal } = this.#ending;
    for (let waitMs = retryAfterMs; !signal.aborted; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      await setTimeout(waitMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        this.#running = await started(createBot(), say);
        return;
      } catch (error) {
        this.#error = error;
        if (isFatal(error)) return say(`${reason(error)} The bot does not start.`);
      }
    }
  }
}

/** In short sleeps, as timers stand still while a machine sleeps. Never rejects. */
async function sleepUntil(time: number, signal: AbortSignal): Promise<void> {
  for (let leftMs; (leftMs = time - Date.now()) > 0 && !signal.aborted;) {
    await setTimeout(Math.min(leftMs, maxSleepMs), undefined, { signal }).catch(() => {});
  }
}

/** Ends the run as soon as it only waits for the list of chats. */
async function abandon(run: SignalRun, abandoned: AbortController): Promise<void> {
  while (hasPendingChats(run)) await setTimeout(50, undefined, { ref: false });
  abandoned.abort(new Error("stopped meanwhile"));
}

/** Whether chats are still to be written to; a run that waits for the list of chats has none. */
function hasPendingChats({ progress: { recipients, done } }: SignalRun): boolean {
  return done < recipients;
}

/** Calls back when the signal aborts, or has aborted already, until it is disposed of. */
function onAbort(signal: AbortSignal | undefined, callback: () => void): Disposable {
  if (signal?.aborted) callback();
  signal?.addEventListener("abort", callback);
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", callback) };
}

function outcomeOf(report: SignalReport): SignalOutcome {
  const { sent, failed, unknown, skips } = report;
  if (sent > 0) return { kind: "sent", line: String(report) };
  if (unknown > 0) return { kind: "unknown", line: String(report) };
  // Chats that have blocked the bot or said /stop are no longer subscribed.
  const missed = failed + skips.expired + skips.stopped;
  return missed === 0
    ? { kind: "sent", line: String(report) }
    : { kind: "unsent", line: `Not sent. ${report}` };
}

function unsent(error: unknown): SignalOutcome {
  return { kind: "unsent", line: `Not sent: ${reason(error)}` };
}

function uncertain(error: unknown): SignalOutcome {
  const line = `Failed: ${
    reason(error).replace(/\.$/, "")
  }. Somebody may have got it, so it is not sent again.`;
  return { kind: "unknown", line };
}

async function started(bot: SignalBot, say: (line: string) => void): Promise<SignalBot> {
  try {
    // The bot logs its name and how many chats it has loaded.
    await bot.initialize();
    await bot.startBot();
  } catch (error) {
    // A half-started bot must not go on beside the next attempt; the first error is the one to report.
    await bot.stopBot().catch(() => {});
    throw error;
  }
  bot.finished.catch((error) =>
    say(`No longer listening to Telegram (${reason(error)}); signals are still sent.`)
  );
  return bot;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

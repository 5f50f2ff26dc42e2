/** The bot as a scheduler needs it: trading goes on, whatever becomes of Telegram. */
import type { Candle, SignalOptions, TradingSignal } from "../../mod.ts";
import { showProgress } from "../progress.ts";

/** What is used of the bot. */
export interface SignalBot {
  initialize(): Promise<unknown>;
  startBot(): Promise<unknown>;
  readonly finished: Promise<unknown>;
  sendSignal(signal: TradingSignal, options: SignalOptions): Promise<unknown>;
  stopBot(): Promise<unknown>;
}

export interface NotifierOptions {
  readonly createBot: () => SignalBot;
  /** Errors that no retry mends, such as a refused token: `start` rejects with them. */
  readonly isFatal: (error: unknown) => boolean;
  /** Whether signals are sent with their charts. */
  readonly hasCharts: boolean;
  /** Takes one line for the person at the screen. */
  readonly say: (line: string) => void;
}

export interface Notifier {
  /** Starts the bot, or says why that must wait; rejects only with what is fatal. */
  start(): Promise<void>;
  /**
   * Sends a signal that was found in these candles, first starting a bot that could not start before; resolves to what
   * became of it, in a line.
   */
  send(signal: TradingSignal, candles: readonly Candle[]): Promise<string>;
  stop(): Promise<void>;
}

export function createNotifier({ createBot, isFatal, hasCharts, say }: NotifierOptions): Notifier {
  let running: SignalBot | undefined;
  return {
    async start() {
      try {
        running = await started(createBot(), say);
      } catch (error) {
        if (isFatal(error)) throw error;
        say(`${reason(error).replace(/\.$/, "")}. The bot tries again with the next signal.`);
      }
    },
    async send(signal, candles) {
      try {
        running ??= await started(createBot(), say);
        using onProgress = showProgress();
        return String(await running.sendSignal(signal, hasCharts ? { onProgress, candles } : { onProgress }));
      } catch (error) {
        return `Not sent: ${reason(error)}`;
      }
    },
    async stop() {
      await running?.stopBot().catch((error) => say(`The bot did not stop cleanly: ${reason(error)}`));
    },
  };
}

async function started(bot: SignalBot, say: (line: string) => void): Promise<SignalBot> {
  try {
    // The bot itself says who it is and how many chats it has loaded from where.
    await bot.initialize();
    await bot.startBot();
  } catch (error) {
    // What had begun must not go on beside the next attempt; the first error is the one to tell.
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

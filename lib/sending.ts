/** What is sent to everyone: a signal as its ticket, or any message. */
import { type BroadcastMessage, messageNames } from "./broadcast_message.ts";
import { assertBroadcast, broadcastNames, type BroadcastOptions } from "./broadcast_options.ts";
import { type BroadcastRun, type Control, startRun } from "./broadcast_run.ts";
import type { Broadcasting } from "./broadcasting.ts";
import { assertChartOptions } from "./chart_options.ts";
import type { Charting } from "./charting.ts";
import type { Clock } from "./clock.ts";
import { type Names, unknownNames } from "./option_names.ts";
import { botNames } from "./options.ts";
import type { BroadcastReport } from "./report.ts";
import { signalTime, type TradingSignal, validateSignal } from "./signal.ts";
import { signalOnlyNames, type SignalOptions } from "./signal_options.ts";
import type { Words } from "./words.ts";

export interface SendingOptions {
  readonly words: Words;
  readonly charting: Charting;
  readonly clock: Clock;
  /** Ready to send; rejects where nothing can be sent. */
  readonly broadcasting: () => Promise<Broadcasting>;
}

const partNames: Names = {
  known: messageNames,
  what: "a part of a message",
  elsewhere: { "the options, which are the next argument": broadcastNames },
};
const optionNames: Names = {
  known: broadcastNames,
  elsewhere: {
    "the message": messageNames,
    "the options of sendSignal()": signalOnlyNames,
    "the options of the bot, or of subscriptions()": botNames.known,
  },
};
const signalOptionNames: Names = { ...optionNames, known: [...signalOnlyNames, ...broadcastNames] };

export class Sending {
  readonly #options: SendingOptions;

  constructor(options: SendingOptions) {
    this.#options = options;
  }

  /** Rejects with a TypeError or RangeError, before anyone is written to, for a signal or an option that is none. */
  signal(signal: TradingSignal, options: SignalOptions): BroadcastRun {
    const { words, charting, clock } = this.#options;
    const { candles, theme, bands, ...rest } = options ?? {};
    const broadcast = {
      ...rest,
      priority: rest.priority ?? "urgent",
      whenUnreadable: rest.whenUnreadable ?? "send",
      whenLedgerDown: rest.whenLedgerDown ?? "send",
    };
    return startRun(async (control) => {
      validateSignal(signal);
      const time = signalTime(signal, clock.now());
      const ticket = words("signal", { signal, time });
      assertBroadcast(ticket, broadcast, unknownNames(options, signalOptionNames));
      assertChartOptions({ theme, bands });
      const chart = { signal: { ...signal, time }, theme, bands, leaving: broadcast.signal };
      const photo = candles === undefined ? undefined : await charting({ ...chart, candles });
      const message = photo === undefined ? ticket : { ...ticket, photo, isPhotoOptional: true };
      return await this.#send(message, broadcast, time.getTime(), control);
    });
  }

  /** The same for any message. */
  message(message: string | BroadcastMessage, options: BroadcastOptions): BroadcastRun {
    const content = typeof message === "string" ? { text: message } : plain(message);
    const now = this.#options.clock.now();
    return startRun(async (control) => {
      const unknown = [...unknownNames(message, partNames), ...unknownNames(options, optionNames)];
      assertBroadcast(content, options, unknown);
      return await this.#send(content, options, now, control);
    });
  }

  async #send(
    message: BroadcastMessage,
    options: BroadcastOptions,
    madeAt: number,
    control: Control,
  ): Promise<BroadcastReport> {
    const broadcasting = await this.#options.broadcasting();
    return await broadcasting.send(message, options, madeAt, control);
  }
}

/** Its parts may be getters of a class, as formatting libraries have them: these are lost where an object is copied. */
function plain(message: BroadcastMessage): BroadcastMessage {
  if (typeof message !== "object" || message === null) return message;
  const { text, entities, photo } = message;
  return { text, ...entities === undefined ? {} : { entities }, ...photo === undefined ? {} : { photo } };
}

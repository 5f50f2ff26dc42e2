/** Sends a signal once: records it in the sent log, sends it, and prints a line about it. */
import { type Candle, timeframeMs } from "./feed.ts";
import type { FoundSignal } from "./mean_reversion.ts";
import type { Notifier, SignalOutcome } from "./notifier.ts";
import type { SentLog, SentRecord } from "./sent_log.ts";

export interface SignalSenderOptions {
  readonly sent: SentLog;
  readonly notifier: Notifier;
  readonly say: (line: string) => void;
  /** The market's own clock, where candles come in real time. Default: a signal is new when it is found. */
  readonly marketNow?: (() => number) | undefined;
}

/** The returned function resolves to whether the signal was sent. It never rejects: an error is a printed line. */
export function createSignalSender(
  { sent, notifier, say, marketNow }: SignalSenderOptions,
): (found: FoundSignal, candles: readonly Candle[]) => Promise<boolean> {
  return async (found, candles) => {
    const ageMs = marketNow === undefined ? 0 : marketNow() - found.time.getTime();
    // When the next candle has closed, the price has moved on.
    const expiresAt = Date.now() + timeframeMs - ageMs;
    const send = (): Promise<SignalOutcome> => notifier.send(found, { candles, expiresAt });
    const { isSent, line } = await sendOnce(found, sent, send);
    say(`${formatUtc(found.time)}  ${ticketLine(found)}. ${line}`);
    return isSent;
  };
}

/** Records the signal before it sends it, so that it is never sent twice; undone if certainly nobody has got it. */
async function sendOnce(
  found: FoundSignal,
  sent: SentLog,
  send: () => Promise<SignalOutcome>,
): Promise<{ readonly isSent: boolean; readonly line: string }> {
  let record: SentRecord;
  try {
    record = await sent.record(found.time.getTime());
  } catch (error) {
    return { isSent: false, line: `Not sent: ${(error as Error).message}` };
  }
  const { kind, line } = await send();
  if (kind !== "unsent") return { isSent: kind === "sent", line };
  try {
    await record.undo();
    return { isSent: false, line };
  } catch (error) {
    return {
      isSent: false,
      line: `${line} (Remembered as sent all the same: ${(error as Error).message})`,
    };
  }
}

/** The line about a signal that a machine's sleep, or an outage of the exchange, has delayed for too long. */
export function tooOldLine(found: FoundSignal): string {
  return `${formatUtc(found.time)}  ${
    ticketLine(found)
  }. Not sent: it is too old, as the next candle has closed.`;
}

function ticketLine({ direction, symbol, entry, stop, target, size = "?" }: FoundSignal): string {
  return `${direction.toUpperCase()} ${size} ${symbol} at ${entry}, stop ${stop}, target ${target}`;
}

/** `2026-01-05 06:15 UTC` */
export function formatUtc(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** One found signal: remembered, sent, and told in a line. */
import { type Candle, timeframeMs } from "./feed.ts";
import type { FoundSignal } from "./mean_reversion.ts";
import type { Notifier, SignalOutcome } from "./notifier.ts";
import type { SentRecord, SentSignals } from "./sent_signals.ts";

export interface DeliveryOptions {
  readonly sent: SentSignals;
  readonly notifier: Notifier;
  readonly say: (line: string) => void;
  /** The market's own clock, where candles come in real time. Default: a signal is new when it is found. */
  readonly marketNow?: (() => number) | undefined;
}

/** Resolves to whether it was sent. Never rejects: a signal that could not be sent is a line like any other. */
export function createDelivery(
  { sent, notifier, say, marketNow }: DeliveryOptions,
): (found: FoundSignal, candles: readonly Candle[]) => Promise<boolean> {
  return async (found, candles) => {
    const ageMs = marketNow === undefined ? 0 : marketNow() - found.time.getTime();
    // When the next candle has closed, the price is another one.
    const expiresAt = Date.now() + timeframeMs - ageMs;
    const send = (): Promise<SignalOutcome> => notifier.send(found, { candles, expiresAt });
    const { isSent, line } = await sendOnce(found, sent, send);
    say(`${utc(found.time)}  ${ticketLine(found)}. ${line}`);
    return isSent;
  };
}

/** Remembered first: whatever happens then, it is not sent a second time, unless surely nobody has got it. */
async function sendOnce(
  found: FoundSignal,
  sent: SentSignals,
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
    await record.takeBack();
    return { isSent: false, line };
  } catch (error) {
    return {
      isSent: false,
      line: `${line} (Remembered as sent all the same: ${(error as Error).message})`,
    };
  }
}

/** What is told of a signal that a machine's sleep, or an outage of the exchange, has held back. */
export function tooOldLine(found: FoundSignal): string {
  return `${utc(found.time)}  ${ticketLine(found)}. Not sent: it is too old, as the next candle has closed.`;
}

function ticketLine({ direction, symbol, entry, stop, target, size = "?" }: FoundSignal): string {
  return `${direction.toUpperCase()} ${size} ${symbol} at ${entry}, stop ${stop}, target ${target}`;
}

/** `2026-01-05 06:15 UTC` */
export function utc(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

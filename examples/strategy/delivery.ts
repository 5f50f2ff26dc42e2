/** One found signal: remembered, sent, and told in a line. */
import type { Candle } from "./feed.ts";
import type { FoundSignal } from "./mean_reversion.ts";
import type { Notifier } from "./notifier.ts";
import type { SentSignals } from "./sent_signals.ts";

export interface DeliveryOptions {
  readonly sent: SentSignals;
  readonly notifier: Notifier;
  readonly say: (line: string) => void;
}

/** Never rejects: a signal that could not be sent is a line like any other. */
export function createDelivery(
  { sent, notifier, say }: DeliveryOptions,
): (found: FoundSignal, candles: readonly Candle[]) => Promise<void> {
  return async (found, candles) => {
    say(
      `${utc(found.time)}  ${ticketLine(found)}. ${await sendOnce(
        found,
        sent,
        () => notifier.send(found, candles),
      )}`,
    );
  };
}

/** Remembered first: whatever happens then, it is not sent a second time. */
async function sendOnce(
  found: FoundSignal,
  sent: SentSignals,
  send: () => Promise<string>,
): Promise<string> {
  try {
    await sent.record(found.time.getTime());
  } catch (error) {
    return `Not sent: ${(error as Error).message}`;
  }
  return await send();
}

function ticketLine({ direction, symbol, entry, stop, target, size = "?" }: FoundSignal): string {
  return `${direction.toUpperCase()} ${size} ${symbol} at ${entry}, stop ${stop}, target ${target}`;
}

/** `2026-01-05 06:15 UTC` */
export function utc(time: Date): string {
  return `${time.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

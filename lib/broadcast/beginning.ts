/** That a broadcast has begun, as its caller may wait for it; and the ids under which one with `uniqueForMs` may have begun. */
import { toIso } from "../util/clock.ts";

/** What is known of a broadcast once it has begun. */
export interface BroadcastBeginning {
  /** Its id in the ledger; `undefined` for one without an id. */
  readonly broadcastId: string | undefined;
  /** Whether it was begun before, by an earlier call or another process. */
  readonly isRepeated: boolean;
  /**
   * Whether it is finished even if this process dies now: the ledger has it with its message, or the spool file in an outage.
   * False without a `broadcastId`, and for what no ledger keeps, such as functions and a photo that is not uploaded.
   */
  readonly isDurable: boolean;
}

/** A name under which a broadcast may have begun, and since when that counts, in milliseconds since 1970. */
export interface RunName {
  readonly id: string;
  readonly countsFrom: number;
}

/**
 * A process that sends the same as another one, at the end of a period and at the beginning of the next, waits so long before
 * it looks for the other's run: the clocks of two machines differ, and a run takes a moment to be written.
 */
const edgeMs = 2000;

/**
 * The names of a broadcast whose id is unique for so long: its own first, which ends with the beginning of the present period
 * of this length, and those of the periods beside it. With `waitMs`, how long to wait before they are looked at.
 */
export function namesIn(
  broadcastId: string,
  uniqueForMs: number,
  now: number,
): { readonly names: readonly RunName[]; readonly waitMs: number } {
  const period = Math.floor(now / uniqueForMs);
  const nameOf = (index: number): string => `${broadcastId} ${toIso(index * uniqueForMs)}`;
  const others = [period - 1, period + 1].map((index) => ({
    id: nameOf(index),
    countsFrom: now - uniqueForMs,
  }));
  const passedMs = now - period * uniqueForMs;
  const waitMs = Math.max(0, Math.min(edgeMs, uniqueForMs / 4) - passedMs);
  return { names: [{ id: nameOf(period), countsFrom: -Infinity }, ...others], waitMs };
}

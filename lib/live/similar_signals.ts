/** Which signals are much as one before. */
import type { TradingSignal } from "../signals/signal.ts";

/** What counts as similar: of the same symbol and direction, the entry differs by this much at most, within so many hours. */
export interface Similarity {
  readonly percent: number;
  readonly hours: number;
}

interface Noted {
  readonly signal: TradingSignal;
  readonly time: number;
  /** Whether it was told that one like it is held back. */
  isTold: boolean;
}

export class SimilarSignals {
  readonly #similarity: Similarity;
  #signals: Noted[] = [];

  constructor(similarity: Similarity) {
    this.#similarity = similarity;
  }

  /**
   * Whether one much like it came before, and whether that was told already; notes it if none did.
   * @param time When its candle closed.
   * @param isTold Whether it is told now.
   */
  hold(signal: TradingSignal, time: number, isTold: boolean): "first" | "again" | undefined {
    const { percent, hours } = this.#similarity;
    this.#signals = this.#signals.filter((each) => time - each.time < hours * 3_600_000);
    const known = this.#signals.find((each) =>
      each.signal.symbol === signal.symbol && each.signal.direction === signal.direction &&
      Math.abs(Number(signal.entry) / Number(each.signal.entry) - 1) * 100 <= percent
    );
    if (known === undefined) {
      this.#signals.push({ signal, time, isTold: false });
      return undefined;
    }
    const held = known.isTold ? "again" : "first";
    known.isTold ||= isTold;
    return held;
  }
}

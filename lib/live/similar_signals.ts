/** Which signals are much as one before. */
import type { TradingSignal } from "../signals/signal.ts";

/** What counts as similar: of the same symbol and direction, the entry differs by this much at most, within so many hours. */
export interface Similarity {
  readonly percent: number;
  readonly hours: number;
}

export class SimilarSignals {
  readonly #similarity: Similarity;
  #signals: { readonly signal: TradingSignal; readonly time: number }[] = [];

  constructor(similarity: Similarity) {
    this.#similarity = similarity;
  }

  /** Whether one much like it came before; notes it if not. @param time When its candle closed. */
  has(signal: TradingSignal, time: number): boolean {
    const { percent, hours } = this.#similarity;
    this.#signals = this.#signals.filter((each) => time - each.time < hours * 3_600_000);
    const isKnown = this.#signals.some((each) =>
      each.signal.symbol === signal.symbol && each.signal.direction === signal.direction &&
      Math.abs(Number(signal.entry) / Number(each.signal.entry) - 1) * 100 <= percent
    );
    if (!isKnown) this.#signals.push({ signal, time });
    return isKnown;
  }
}

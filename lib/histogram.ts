/** Durations counted in steps of one per cent: a million of them need no more room than ten. */
export interface Percentiles {
  /** Half of them took no longer, in milliseconds. */
  readonly p50: number;
  /** 95 of a hundred took no longer. */
  readonly p95: number;
  /** 99 of a hundred took no longer. */
  readonly p99: number;
  /** None took longer. */
  readonly max: number;
}

const step = Math.log(1.01);
/** Eleven days, and whatever takes longer. */
const steps = Math.ceil(Math.log(1e9) / step);

export class Histogram {
  readonly #counts = new Uint32Array(steps + 1);
  #total = 0;
  #max = 0;

  add(ms: number): void {
    const place = Math.min(steps, Math.max(0, Math.round(Math.log(Math.max(ms, 1)) / step)));
    this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#total++;
    this.#max = Math.max(this.#max, ms);
  }

  /** Within one per cent; `undefined` where nothing was counted. */
  get percentiles(): Percentiles | undefined {
    if (this.#total === 0) return undefined;
    const max = Math.round(this.#max);
    const at = (share: number): number => Math.min(this.#at(share), max);
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max };
  }

  #at(share: number): number {
    let left = Math.ceil(this.#total * share);
    const place = this.#counts.findIndex((count) => (left -= count) <= 0);
    return Math.round(Math.exp(place * step));
  }
}

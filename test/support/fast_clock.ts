/** Real time, so many times as fast. */
import { type Clock, systemClock } from "../../lib/clock.ts";

export class FastClock implements Clock {
  readonly #factor: number;
  readonly #start: number = Date.now();

  constructor(factor: number) {
    this.#factor = factor;
  }

  now(): number {
    return this.#start + (Date.now() - this.#start) * this.#factor;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms / this.#factor, signal);
  }

  random(): number {
    return 0.5;
  }
}

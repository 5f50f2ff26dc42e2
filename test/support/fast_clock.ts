/** Real time, so many times as fast. */
import type { Clock } from "../../lib/util/clock.ts";

/** Timers that are set for longer end at once. */
const longestTimerMs = 2 ** 31 - 1;

export class FastClock implements Clock {
  #factor: number;
  #realStart: number = Date.now();
  #start: number = this.#realStart;
  /** What sets the timers of those who sleep. */
  readonly #sleepers = new Set<() => void>();

  constructor(factor: number) {
    this.#factor = factor;
  }

  now(): number {
    return this.elapsed();
  }

  elapsed(): number {
    return this.#start + (Date.now() - this.#realStart) * this.#factor;
  }

  /** Changes the pace, for those too who sleep: what a slow machine is to see in time can be seen before it goes on. */
  setFactor(factor: number): void {
    this.#start = this.elapsed();
    this.#realStart = Date.now();
    this.#factor = factor;
    for (const plan of this.#sleepers) plan();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const until = this.elapsed() + ms;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const plan = (): void => {
        clearTimeout(timer);
        timer = setTimeout(wake, Math.min((until - this.elapsed()) / this.#factor, longestTimerMs));
      };
      const end = (): void => {
        clearTimeout(timer);
        this.#sleepers.delete(plan);
        signal?.removeEventListener("abort", abort);
      };
      const wake = (): void => {
        end();
        resolve();
      };
      const abort = (): void => {
        end();
        reject(signal?.reason);
      };
      this.#sleepers.add(plan);
      signal?.addEventListener("abort", abort);
      plan();
    });
  }

  random(): number {
    return 0.5;
  }
}

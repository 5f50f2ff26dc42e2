/** Real time, so many times as fast. */
import { setMaxListeners } from "node:events";
import { type Clock, systemClock } from "../../lib/clock.ts";

export class FastClock implements Clock {
  #factor: number;
  #realStart: number = Date.now();
  #start: number = this.#realStart;
  #changed: AbortController = sharedByMany();

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
    this.#changed.abort();
    this.#changed = sharedByMany();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const changed = this.#changed.signal;
    const start = this.elapsed();
    const either = signal === undefined ? changed : AbortSignal.any([changed, signal]);
    try {
      await systemClock.sleep(ms / this.#factor, either);
    } catch (error) {
      if (!changed.aborted || signal?.aborted) throw error;
      await this.sleep(Math.max(0, ms - (this.elapsed() - start)), signal);
    }
  }

  random(): number {
    return 0.5;
  }
}

/** Everyone who sleeps listens to it. */
function sharedByMany(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

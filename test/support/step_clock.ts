/** A clock that stands still until a test moves it: from one sleeper's end to the next, everything settled in between. */
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../lib/util/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export class StepClock implements Clock {
  #now: number;
  #offset = 0;
  #sleepers: Sleeper[] = [];
  readonly #settled: () => Promise<unknown>;

  /** @param settled Resolves when nothing happens any more until time passes. */
  constructor(start: number = 1_000_000, settled: () => Promise<unknown> = () => setImmediate()) {
    this.#now = start;
    this.#settled = settled;
  }

  /** What it shows. */
  now(): number {
    return this.#now + this.#offset;
  }

  /** How much time has passed in truth. */
  get passedMs(): number {
    return this.#now;
  }

  elapsed(): number {
    return this.#now;
  }

  /** How many sleep. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  /** Sets it back or forward, or has the machine sleep; who sleeps does not notice. */
  shift(ms: number): void {
    this.#offset += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      const wake = (): void => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      const sleeper = { at: this.#now + ms, wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  random(): number {
    return 0.5;
  }

  /** Lets so much time pass. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.#settled();
    while (await this.#step(end));
    this.#now = end;
  }

  /** Lets time pass until nobody sleeps any more, or so long. */
  async drain(limitMs: number = Infinity): Promise<void> {
    const end = this.#now + limitMs;
    await this.#settled();
    while (await this.#step(end));
  }

  async #step(end: number): Promise<boolean> {
    const next = this.#sleepers.reduce((least, { at }) => Math.min(least, at), Infinity);
    if (next > end || next === Infinity) return false;
    this.#now = Math.max(this.#now, next);
    const due = this.#sleepers.filter(({ at }) => at <= next);
    this.#sleepers = this.#sleepers.filter(({ at }) => at > next);
    for (const { wake } of due) wake();
    await this.#settled();
    return true;
  }
}

/** Real time, so many times as fast, and the same for every process that is told when it began. */
import { type Clock, systemClock } from "../../lib/util/clock.ts";

/** What a process has to know to agree with the others. */
export interface ClockOrigin {
  readonly factor: number;
  /** Milliseconds since 1970, when both clocks showed the same. */
  readonly startedAt: number;
}

export class SharedClock implements Clock {
  readonly #origin: ClockOrigin;

  constructor(origin: ClockOrigin) {
    this.#origin = origin;
  }

  now(): number {
    const { factor, startedAt } = this.#origin;
    return startedAt + (Date.now() - startedAt) * factor;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms / this.#origin.factor, signal);
  }

  random(): number {
    return Math.random();
  }
}

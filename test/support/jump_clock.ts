/** A clock that somebody sets, on a machine that may sleep: then its timers stand still. */
import { FastClock } from "./fast_clock.ts";

/** As slow as if it stood still. */
const asleep = 1e-9;

export class JumpClock extends FastClock {
  readonly #factor: number;
  #aheadMs = 0;
  /** How often somebody has gone to sleep on it. */
  sleeps = 0;

  constructor(factor: number, aheadMs: number = 0) {
    super(factor);
    this.#factor = factor;
    this.#aheadMs = aheadMs;
  }

  override now(): number {
    return super.now() + this.#aheadMs;
  }

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps++;
    await super.sleep(ms, signal);
  }

  /** Sets it forward or back; timers do not notice. */
  jump(ms: number): void {
    this.#aheadMs += ms;
  }

  /** From now on the machine sleeps; what is said here wakes it up after so long. */
  suspend(): (ms: number) => void {
    this.setFactor(asleep);
    return (ms) => {
      this.jump(ms);
      this.setFactor(this.#factor);
    };
  }
}

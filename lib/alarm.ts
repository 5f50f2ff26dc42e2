/** A timer that calls back at the earliest of the times that it is set to. */
import { type Clock, napMs } from "./clock.ts";

/** At a high pace a timer for each message costs as much as the message. */
const shortestSleepMs = 20;

export interface AlarmOptions {
  readonly clock: Clock;
  /** The clock's time, which never goes back. */
  readonly now: (reached?: number) => number;
  /** Called when it is time, and now and then before. */
  readonly onTime: () => void;
}

export class Alarm {
  readonly #options: AlarmOptions;
  #timer: { readonly at: number; readonly cancel: AbortController } | undefined;

  constructor(options: AlarmOptions) {
    this.#options = options;
  }

  /** Sets it; an earlier time stays. `Infinity` clears it, so that it does not keep the program alive. */
  set(ms: number): void {
    const { clock, now, onTime } = this.#options;
    const sleepMs = Math.min(Math.max(Math.ceil(ms), shortestSleepMs), napMs);
    const at = now() + sleepMs;
    if (this.#timer !== undefined && this.#timer.at <= at && ms < Infinity) return;
    this.#timer?.cancel.abort();
    this.#timer = undefined;
    if (ms === Infinity) return;
    const timer = this.#timer = { at, cancel: new AbortController() };
    clock.sleep(sleepMs, timer.cancel.signal).then(() => {
      if (this.#timer === timer) this.#timer = undefined;
      now(at);
      onTime();
    }, () => {});
  }
}

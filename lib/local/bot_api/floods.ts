/** Telegram's answer to haste: a bucket of messages that refills with time, and a pause once it is empty. */
import { tooManyRequests } from "./errors.ts";

export class FloodGate {
  readonly #perSecond: number;
  readonly #capacity: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAtMs: number;
  #pausedUntilMs = 0;

  /** `perSecond` messages each second, of which `burst` may come at once: one second's worth, at least one message. */
  constructor(perSecond: number, now: () => number, burst: number = Math.max(1, perSecond)) {
    this.#perSecond = perSecond;
    this.#capacity = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#filledAtMs = now();
  }

  /**
   * Counts one message.
   * @throws {ApiError} 429, if there are too many; so is every further call until the pause has passed.
   */
  pass(): void {
    const now = this.#now();
    if (now < this.#pausedUntilMs) throw tooManyRequests(Math.ceil((this.#pausedUntilMs - now) / 1000));
    this.#refill(now);
    if (this.#tokens < 1) throw tooManyRequests(this.#pause(now));
    this.#tokens -= 1;
  }

  #refill(now: number): void {
    const gained = (now - this.#filledAtMs) / 1000 * this.#perSecond;
    this.#tokens = Math.min(this.#capacity, this.#tokens + gained);
    this.#filledAtMs = now;
  }

  #pause(now: number): number {
    const seconds = Math.max(1, Math.ceil((1 - this.#tokens) / this.#perSecond));
    this.#pausedUntilMs = now + seconds * 1000;
    return seconds;
  }
}

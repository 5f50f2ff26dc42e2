/** Remembers when Telegram last answered a poll; from that the bot's health says whether commands are heard. */
import { type Clock, monotonic } from "./clock.ts";
import { iso } from "./time.ts";

/** Six long polls, or three that hang until the client gives them up. */
const deafAfterMs = 180_000;

export class PollWatch {
  readonly #clock: Clock;
  /** Monotonic: a clock that is set back must not hide a silence. */
  readonly #now: () => number;
  /** Of the last answer, or of the beginning. */
  #since: number | undefined;
  #lastHeardAt: string | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = monotonic(clock);
  }

  /** Whether it polls, and the last answer came no more than three minutes ago. */
  get isHearing(): boolean {
    return this.#since !== undefined && this.silentMs <= deafAfterMs;
  }

  /** When a poll was answered last, as ISO 8601. */
  get lastHeardAt(): string | undefined {
    return this.#lastHeardAt;
  }

  /** Since the last answer, or since the beginning. */
  get silentMs(): number {
    const now = this.#now();
    return now - (this.#since ?? now);
  }

  /** Polling begins: it has three minutes for its first answer. */
  begin(): void {
    this.#since = this.#now();
  }

  /** A poll was answered. Gives how long none was before, in milliseconds. */
  answered(): number {
    const { silentMs } = this;
    this.#since = this.#now();
    this.#lastHeardAt = iso(this.#clock.now());
    return silentMs;
  }
}

/** A 409: another program takes the bot's updates, by polls with its token or by a webhook. */
import { type Clock, steady } from "./clock.ts";

/** What takes the updates. */
export type Rival = "poller" | "webhook";

/** A rolling deployment has two pollers for a while. */
const deploymentMs = 60_000;
const [againMs, longestAgainMs] = [3000, 30_000];
/** Longer than a long poll: after so long without a 409 the other poller is gone. */
const undisturbedMs = 40_000;

/** `undefined` where the error is no 409. Unknown words are taken for the more frequent cause. */
export function rivalIn(error: unknown): Rival | undefined {
  const { error_code, description } = (error ?? {}) as { error_code?: unknown; description?: unknown };
  if (error_code !== 409) return undefined;
  return /webhook is active|setWebhook/.test(String(description)) ? "webhook" : "poller";
}

/** One conflict, from its first 409 until the other is gone. */
export class PollConflict {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #startedAt: number;
  #rival: Rival = "poller";
  #slowWaits = 0;
  #undisturbedFrom = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#now = steady(clock);
    this.#startedAt = this.#now();
  }

  get rival(): Rival {
    return this.#rival;
  }

  /**
   * Notes another 409. Gives how long to wait before the next poll, in milliseconds. Each poll ends the one of the other
   * program, which then polls again, too. The waits grow, and are partly random, so that the two get out of step.
   */
  met(rival: Rival): number {
    const now = this.#now();
    this.#rival = rival;
    const waitMs = now - this.#startedAt < deploymentMs ? againMs : this.#slowWaitMs();
    this.#undisturbedFrom = now + waitMs;
    return waitMs;
  }

  /**
   * Whether an answer that comes now shows that the other program is gone. One answer does not show that of a poller, as
   * two pollers get answers in turns. Beside a webhook no poll is answered, so that one answer is enough.
   */
  get isOver(): boolean {
    return this.#rival === "webhook" || this.#now() - this.#undisturbedFrom > undisturbedMs;
  }

  #slowWaitMs(): number {
    const waitMs = Math.min(againMs * 2 ** ++this.#slowWaits, longestAgainMs);
    return waitMs * (1 - this.#clock.random() / 4);
  }
}

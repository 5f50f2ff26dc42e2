/** A 409: somebody else takes the bot's updates, by polls with its token or by a webhook. */
import type { Clock } from "./clock.ts";

/** Who takes them. */
export type Rival = "poller" | "webhook";

/** A rolling deployment has two pollers for a while. */
const deploymentMs = 60_000;
const [againMs, longestAgainMs] = [3000, 30_000];
/** Longer than a long poll: whoever was not disturbed for so long is alone. */
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
  readonly #startedAt: number;
  #rival: Rival = "poller";
  #slowWaits = 0;
  #undisturbedFrom = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.now();
  }

  get rival(): Rival {
    return this.#rival;
  }

  /**
   * Another 409. Gives how long to wait for the next poll, in milliseconds. A poll that waits ends the one of the other,
   * who comes again, too: later on the waits grow, and by chance they differ from the other's.
   */
  met(rival: Rival): number {
    const now = this.#clock.now();
    this.#rival = rival;
    const waitMs = now - this.#startedAt < deploymentMs ? againMs : this.#slowWaitMs();
    this.#undisturbedFrom = now + waitMs;
    return waitMs;
  }

  /**
   * Whether an answer that comes now shows that the other is gone. One poll alone does not: two pollers drive each other
   * out in turns, and either gets some answers. Beside a webhook there are none.
   */
  get isOver(): boolean {
    return this.#rival === "webhook" || this.#clock.now() - this.#undisturbedFrom > undisturbedMs;
  }

  #slowWaitMs(): number {
    const waitMs = Math.min(againMs * 2 ** ++this.#slowWaits, longestAgainMs);
    return waitMs * (1 - this.#clock.random() / 4);
  }
}

/**
 * Holds broadcasts back until the bot has the updates that have waited at Telegram: an earlier process may have confirmed a
 * /stop among them that it could not write.
 */
import { deadline, DeadlineError } from "../util/async.ts";
import { type Clock, systemClock } from "../util/clock.ts";

/** How long a broadcast is held back where no poll succeeds. */
const heldAtMostMs = 5000;

export class CatchUp {
  readonly #clock: Clock;
  /** Set while it is waited for. A field, so that nothing is called where nothing waits. */
  pending: Promise<void> | undefined;
  #end = (): void => {};

  /** @param clock Default: the machine's own, as the network keeps to no other. */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** To be called when the bot is about to poll. */
  begin(): void {
    this.pending ??= new Promise((resolve) => this.#end = resolve);
  }

  /** To be called when the updates are there, or polling does not begin. */
  end(): void {
    this.pending = undefined;
    this.#end();
  }

  /**
   * Resolves once the updates are there, or the signal aborts. If neither happens within five seconds, it resolves as well,
   * and nothing waits from then on.
   */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.pending === undefined) return;
    await deadline(this.pending, { ms: heldAtMostMs, clock: this.#clock, signal }).catch((error) => {
      if (error instanceof DeadlineError) this.end();
    });
  }
}

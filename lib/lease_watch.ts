/** Whether the process that runs a broadcast has died, as another one sees it. */
import { type Clock, steady } from "./clock.ts";
import { heartbeatMs, leaseMs } from "./journal.ts";
import type { RunRecord } from "./storage/ledger.ts";

/** A process that lives renews its lease within this time. */
const lifeSignMs = 1.5 * heartbeatMs;

/**
 * Looks at one run, again and again. The clocks of two machines differ, and a clock may be set: so a lease that seems to
 * have lapsed counts only if nobody renews it, and one that nobody renews does not count, however far ahead it is.
 */
export class LeaseWatch {
  readonly #clock: Clock;
  readonly #elapsed: () => number;
  #sign: string | undefined;
  #seenAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#elapsed = steady(clock);
  }

  /** To be asked at each look, with the run as it is now. */
  hasLapsed({ owner, fence, lease_until }: RunRecord): boolean {
    // It was left.
    if (lease_until === 0) return true;
    const sign = JSON.stringify([owner, fence, lease_until]);
    if (sign !== this.#sign) this.#seenAt = this.#elapsed();
    this.#sign = sign;
    const silentMs = this.#elapsed() - this.#seenAt;
    return silentMs >= (lease_until < this.#clock.now() ? lifeSignMs : leaseMs);
  }
}

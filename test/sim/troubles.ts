/** Which machines had trouble of late: with DynamoDB, or with themselves. Nothing is asked of them then. */
import type { Sending } from "./network.ts";
import type { Machine, Scheduler } from "./scheduler.ts";

/** Trouble is over after so long, in milliseconds: all that waits in lib for its end has been tried again. */
const overAfterMs = 30_000;
/** A request that takes longer is trouble. */
const slowMs = 500;

export class Troubles {
  readonly #scheduler: Scheduler;
  readonly #lastAt = new Map<Machine, number>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** A request has left. */
  sent({ machine, service, fate, isLate }: Sending): void {
    if (service === "dynamodb" && (fate !== "answered" || isLate)) this.#note(machine);
  }

  /** Its client does not wait for it any more. */
  ended({ machine, service, sentAt }: Sending): void {
    if (service === "dynamodb" && this.#scheduler.now - sentAt > slowMs) this.#note(machine);
  }

  /** Whether the machine was frozen or asleep, or DynamoDB did not serve it well, within the last half minute. */
  isTroubled(machine: Machine): boolean {
    const since = this.#scheduler.now - overAfterMs;
    return machine.frozenUntil > since || (this.#lastAt.get(machine) ?? -Infinity) > since;
  }

  #note(machine: Machine): void {
    this.#lastAt.set(machine, this.#scheduler.now);
  }
}

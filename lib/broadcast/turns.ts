/**
 * Turns of the broadcasts that are under way at the same time. Of one priority they leave one after the other, so that the
 * first is not late for the second's sake. A broadcast begins when none before it sends any more: if the process dies, only
 * chats of broadcasts that have begun are in doubt.
 */
import type { RateLimiter } from "../telegram/rate_limit/rate_limiter.ts";
import { compareTurns, type SendTurn } from "../telegram/rate_limit/send_request.ts";
import { type Clock, steady } from "../util/clock.ts";

/** A broadcast that has sent nothing for so long waits for something of its own. */
const silentMs = 2000;

export type Priority = "urgent" | "bulk";

/** What a turn depends on. */
export interface TurnOptions {
  readonly priority: Priority;
  /** Counts calls: a later one has a higher number. */
  readonly number: number;
  /** Gives how many recipients there are, as far as is known. */
  readonly recipients: () => number;
  /** Aborts when it has ended. */
  readonly ended: AbortSignal;
}

export interface TurnsOptions {
  readonly rateLimiter: RateLimiter;
  readonly clock: Clock;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #now: () => number;
  readonly #open = new Set<Turn>();
  readonly #waiting = new Set<() => void>();

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#now = steady(options.clock);
  }

  begin(options: TurnOptions): Turn {
    const turn = new Turn(options, this.#now);
    this.#open.add(turn);
    options.ended.addEventListener("abort", () => {
      this.#open.delete(turn);
      for (const look of [...this.#waiting]) look();
    });
    return turn;
  }

  /** Whether the broadcast begins at once, as it is the only one, and nothing is known that keeps messages back. */
  take(turn: Turn): boolean {
    const isFree = !this.#options.rateLimiter.isHalted && [...this.#open].every((other) => other === turn);
    if (isFree) turn.sends();
    return isFree;
  }

  /** Resolves when the broadcast may begin, has ended, or may be needed to find out whom a flood concerns. */
  async come(turn: Turn, ending: AbortSignal): Promise<void> {
    const { rateLimiter } = this.#options;
    while (await this.#slot(turn, ending)) {
      const waitMs = this.#silentAt(turn) - this.#now();
      if (waitMs <= 0 || rateLimiter.isUnclear) return turn.sends();
      await this.#change(waitMs, ending);
    }
  }

  /** Waits until a message may leave; false where that is not to be waited for. */
  async #slot(turn: Turn, ending: AbortSignal): Promise<boolean> {
    const { priority } = turn;
    const waiting = new AbortController();
    const cease = (): void => waiting.abort();
    // The rate limiter must not lose a request while it looks at it.
    const onUnclearFlood = (): void => queueMicrotask(cease);
    ending.addEventListener("abort", cease);
    if (ending.aborted) cease();
    try {
      const { signal } = waiting;
      const permit = await this.#options.rateLimiter.acquire({ priority, turn, signal, onUnclearFlood });
      permit.returned();
      return true;
    } catch {
      return false;
    } finally {
      ending.removeEventListener("abort", cease);
    }
  }

  /** When those that go before it will have been silent for long enough, if they stay so. */
  #silentAt(turn: Turn): number {
    const before = [...this.#open].filter((other) => other.isBefore(turn));
    return Math.max(...before.map(({ sendsAt }) => sendsAt + silentMs), -Infinity);
  }

  /** Resolves when another one has ended, or after so long. */
  async #change(ms: number, ending: AbortSignal): Promise<void> {
    const over = new AbortController();
    const look = (): void => over.abort();
    this.#waiting.add(look);
    ending.addEventListener("abort", look);
    if (ending.aborted) look();
    await this.#options.clock.sleep(ms, over.signal).catch(() => {});
    ending.removeEventListener("abort", look);
    this.#waiting.delete(look);
  }
}

export class Turn implements SendTurn {
  readonly #options: TurnOptions;
  readonly #now: () => number;
  #sendsAt = -Infinity;

  constructor(options: TurnOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  get priority(): Priority {
    return this.#options.priority;
  }

  get number(): number {
    return this.#options.number;
  }

  get magnitude(): number {
    return Math.round(Math.log10(Math.max(1, this.#options.recipients())));
  }

  /** When its last message has left, or its turn has come. */
  get sendsAt(): number {
    return this.#sendsAt;
  }

  /** To be called when a message leaves. */
  sends(): void {
    this.#sendsAt = this.#now();
  }

  isBefore(other: Turn): boolean {
    if (this === other) return false;
    return this.priority === other.priority ? compareTurns(this, other) < 0 : this.priority === "urgent";
  }
}

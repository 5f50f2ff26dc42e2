/** Those who have stepped aside for a while, so that others may pass. */
export interface Stepping {
  /** Who came first has the lowest. */
  readonly order: number;
  readonly isOver: boolean;
}

interface Held<T> {
  readonly item: T;
  readonly until: number;
}

export class Aside<T extends Stepping> {
  #held: Held<T>[] = [];
  #soonest = Infinity;

  /** When the next one's time comes; `Infinity` where there is none. */
  get soonest(): number {
    return this.#soonest;
  }

  add(item: T, until: number): void {
    this.#held.push({ item, until });
    this.#soonest = Math.min(this.#soonest, until);
  }

  /** Forgets who waits no longer. */
  tidy(): void {
    this.#keep(this.#held.filter(({ item }) => !item.isOver));
  }

  /** Takes out those whose time has come, the last to have come first. */
  takeDue(now: number): T[] {
    if (now < this.#soonest) return [];
    const due = this.#held.filter(({ until }) => until <= now).map(({ item }) => item);
    this.#keep(this.#held.filter(({ until }) => until > now));
    return due.sort((one, other) => other.order - one.order);
  }

  #keep(held: Held<T>[]): void {
    this.#held = held;
    this.#soonest = held.reduce((soonest, { until }) => Math.min(soonest, until), Infinity);
  }
}

/** How fast something went in the last few seconds. Pure: times are in milliseconds, and ascend. */

/** What is looked back on, and what is too little to tell. */
const [windowMs, tellingMs] = [5000, 2000];
/** Marks are so far apart. */
const stepMs = 250;

export class RecentRate {
  #marks: { readonly at: number; readonly count: number }[] = [];

  /** How many there were by then, in all. */
  note(at: number, count: number): void {
    const last = this.#marks.at(-1);
    if (last !== undefined && at - last.at < stepMs) return;
    this.#marks.push({ at, count });
    // One mark stays that is as old as the window.
    while ((this.#marks[1]?.at ?? Infinity) <= at - windowMs) this.#marks.shift();
  }

  /** How many a millisecond; `undefined` where that cannot be told, or there were none. */
  get perMs(): number | undefined {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (first === undefined || last === undefined || last.at - first.at < tellingMs) return undefined;
    return last.count > first.count ? (last.count - first.count) / (last.at - first.at) : undefined;
  }
}

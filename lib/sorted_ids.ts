/**
 * The ids of a set in ascending order. To sort a million takes 0.1 s, which no signal has to wait for: they are sorted
 * once, and what has changed since is merged in.
 */
export class SortedIds {
  #sorted: Float64Array = new Float64Array();
  #added = new Set<number>();
  #removed = new Set<number>();

  /** Begins anew with the ids of the set. */
  reset(ids: ReadonlySet<number>): void {
    this.#sorted = Float64Array.from(ids).sort();
    this.#added = new Set();
    this.#removed = new Set();
  }

  add(id: number): void {
    if (!this.#removed.delete(id)) this.#added.add(id);
  }

  remove(id: number): void {
    if (!this.#added.delete(id)) this.#removed.add(id);
  }

  /** The ids, and some more that are not among them. The list is not to be changed. */
  merged(more: readonly number[]): Float64Array {
    if (this.#added.size + this.#removed.size > 0) this.#sorted = this.#settled();
    return more.length === 0 ? this.#sorted : merge(this.#sorted, Float64Array.from(more).sort(), noIds);
  }

  #settled(): Float64Array {
    const sorted = merge(
      this.#sorted,
      Float64Array.from(this.#added).sort(),
      Float64Array.from(this.#removed).sort(),
    );
    this.#added = new Set();
    this.#removed = new Set();
    return sorted;
  }
}

const noIds: Float64Array = new Float64Array();

/** Two ascending lists as one, without the ids of a third, which are all in the first. */
function merge(one: Float64Array, other: Float64Array, without: Float64Array): Float64Array {
  const merged = new Float64Array(one.length + other.length - without.length);
  let [end, next, skipped] = [0, 0, 0];
  for (const id of one) {
    while (next < other.length && (other[next] as number) < id) merged[end++] = other[next++] as number;
    if (id === without[skipped]) skipped++;
    else merged[end++] = id;
  }
  while (next < other.length) merged[end++] = other[next++] as number;
  return merged;
}

/** Maps and sets of a bounded size, which drop their oldest entry when they are full. */

/** A map of bounded size. */
export class BoundedMap<K, V> {
  readonly #most: number;
  readonly #values = new Map<K, V>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#values.size;
  }

  has(key: K): boolean {
    return this.#values.has(key);
  }

  get(key: K): V | undefined {
    return this.#values.get(key);
  }

  /** Sets the value; the key is the youngest from then on. */
  set(key: K, value: V): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= this.#most) return;
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest);
      return;
    }
  }

  delete(key: K): boolean {
    return this.#values.delete(key);
  }
}

/** A set of bounded size. */
export class BoundedSet<T> {
  readonly #values: BoundedMap<T, true>;

  constructor(most: number) {
    this.#values = new BoundedMap(most);
  }

  get size(): number {
    return this.#values.size;
  }

  has(value: T): boolean {
    return this.#values.has(value);
  }

  /** Adds the value, or makes it the youngest; true if it is new. */
  add(value: T): boolean {
    const isNew = !this.#values.has(value);
    this.#values.set(value, true);
    return isNew;
  }

  delete(value: T): boolean {
    return this.#values.delete(value);
  }
}

/** A binary heap: its least item is at hand, and adding or removing one takes a few comparisons. */
export class Heap<T extends { readonly isOver: boolean }> {
  readonly #compare: (one: T, other: T) => number;
  #items: T[] = [];
  #over = 0;

  constructor(compare: (one: T, other: T) => number) {
    this.#compare = compare;
  }

  /** The least item that is not over. */
  get first(): T | undefined {
    while (this.#items[0]?.isOver) {
      this.#over--;
      this.#takeOut();
    }
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let index = items.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#compare(items[parent] as T, item) <= 0) break;
      items[index] = items[parent] as T;
      index = parent;
    }
    items[index] = item;
  }

  shift(): T | undefined {
    return this.first === undefined ? undefined : this.#takeOut();
  }

  /** To be called when an item is over: such items are removed before they make up half of the heap. */
  forget(): void {
    if (++this.#over * 2 <= this.#items.length) return;
    this.#over = 0;
    // A sorted list is a heap.
    this.#items = this.#items.filter(({ isOver }) => !isOver).sort(this.#compare);
  }

  #takeOut(): T | undefined {
    const [first] = this.#items;
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return first;
  }

  /** Puts the item where the first one was, or as far below as it belongs. */
  #sink(item: T): void {
    const items = this.#items;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      if (left >= items.length) break;
      const right = left + 1;
      const isRight = right < items.length && this.#compare(items[right] as T, items[left] as T) < 0;
      const child = isRight ? right : left;
      if (this.#compare(item, items[child] as T) <= 0) break;
      items[index] = items[child] as T;
      index = child;
    }
    items[index] = item;
  }
}

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

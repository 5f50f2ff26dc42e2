/** Collections: maps and sets of bounded size, a heap, and a list of ids that stays sorted. */

/** A map of bounded size, which drops the key that was set longest ago when it is full. */
export class BoundedMap<K, V> {
  readonly #sizeAtMost: number;
  readonly #values = new Map<K, V>();

  constructor(sizeAtMost: number) {
    this.#sizeAtMost = sizeAtMost;
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

  /** Sets the value, and makes the key the newest. */
  set(key: K, value: V): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= this.#sizeAtMost) return;
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest);
      return;
    }
  }

  delete(key: K): boolean {
    return this.#values.delete(key);
  }
}

/** A set of bounded size, which drops the value that was added longest ago when it is full. */
export class BoundedSet<T> {
  readonly #values: BoundedMap<T, true>;

  constructor(sizeAtMost: number) {
    this.#values = new BoundedMap(sizeAtMost);
  }

  get size(): number {
    return this.#values.size;
  }

  has(value: T): boolean {
    return this.#values.has(value);
  }

  /** Adds the value, or makes it the newest; true if it was not in the set. */
  add(value: T): boolean {
    const isNew = !this.#values.has(value);
    this.#values.set(value, true);
    return isNew;
  }

  delete(value: T): boolean {
    return this.#values.delete(value);
  }
}

/** A binary heap, which gives its least item first. An item is over when nobody waits for it any more. */
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
      this.#removeFirst();
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
    return this.first === undefined ? undefined : this.#removeFirst();
  }

  /** Counts an item that is over: such items are removed before they make up half of the heap. */
  forget(): void {
    if (++this.#over * 2 <= this.#items.length) return;
    this.#over = 0;
    // A sorted list is a heap.
    this.#items = this.#items.filter(({ isOver }) => !isOver).sort(this.#compare);
  }

  #removeFirst(): T | undefined {
    const [first] = this.#items;
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) this.#sink(last);
    return first;
  }

  /** Puts the item into the place of the first one, or below it. */
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
 * The ids of a set in ascending order. They are sorted once, and later changes are merged in: sorting a million takes 0.1 s,
 * which would delay a signal.
 */
export class SortedIds {
  #sorted: Float64Array = new Float64Array();
  #added = new Set<number>();
  #removed = new Set<number>();

  /** Replaces all ids by those of the set. */
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

  /** The ids, and further ones that are not among them. The list must not be changed. */
  merged(more: readonly number[]): Float64Array {
    if (this.#added.size + this.#removed.size > 0) this.#sorted = this.#mergeChanges();
    return more.length === 0 ? this.#sorted : merge(this.#sorted, Float64Array.from(more).sort(), noIds);
  }

  #mergeChanges(): Float64Array {
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

/** Merges two ascending lists, without the ids of a third, which are all in the first. */
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

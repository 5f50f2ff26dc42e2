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

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

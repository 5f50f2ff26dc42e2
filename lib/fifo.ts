/** First in, first out, with a way back for those who have left the row. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Puts it before the first of those whom it is to go before; looks from the front on. */
  insert(item: T, goesBefore: (other: T) => boolean): void {
    let index = this.#head;
    while (index < this.#items.length && !goesBefore(this.#items[index] as T)) index++;
    if (index === this.#head && index > 0) this.#items[--this.#head] = item;
    else this.#items.splice(index, 0, item);
  }
}

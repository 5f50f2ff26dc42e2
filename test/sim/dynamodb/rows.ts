/** Rows of a table or of an index, in the order in which DynamoDB gives them. */
import { type Item, orderOf, type Value } from "./values.ts";

/** An item, and its place. */
export interface Row {
  /** The key of the item in its table. */
  readonly key: string;
  /** The value of the partition key as text. */
  readonly partition: string;
  /** Of the partition key, 32 bits: the place of the partition among others. */
  readonly hash: number;
  /** The value of the sort key. */
  readonly sort: Value | undefined;
  /** The item as it is now. */
  item: Item;
}

/** Rows by their keys. They are sorted when they are read after a row has come, gone or moved. */
export class Rows {
  readonly #rows = new Map<string, Row>();
  #sorted: Row[] | undefined;

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  /** In the order in which they came. */
  values(): IterableIterator<Row> {
    return this.#rows.values();
  }

  set(row: Row): void {
    const before = this.#rows.get(row.key);
    if (before !== undefined && compareRows(before, row) === 0) before.item = row.item;
    else {
      this.#rows.set(row.key, row);
      this.#sorted = undefined;
    }
  }

  delete(key: string): void {
    if (this.#rows.delete(key)) this.#sorted = undefined;
  }

  /** All rows: by the hash of their partitions, then by the sort key. */
  sorted(): readonly Row[] {
    return this.#sorted ??= [...this.#rows.values()].sort(compareRows);
  }

  /** The rows whose hashes are at least the one and below the other. */
  between(from: number, to: number): readonly Row[] {
    const rows = this.sorted();
    return rows.slice(
      firstPlace(rows, ({ hash }) => hash >= from),
      firstPlace(rows, ({ hash }) => hash >= to),
    );
  }

  /** The rows of one partition, by the sort key. */
  ofPartition(partition: string): readonly Row[] {
    const hash = hashOf(partition);
    return this.between(hash, hash + 1).filter((row) => row.partition === partition);
  }
}

/** The place of the first row, in sorted ones, from which on the condition holds. */
export function firstPlace(rows: readonly Row[], holds: (row: Row) => boolean): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(rows[middle] as Row)) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function compareRows(one: Row, other: Row): number {
  return one.hash - other.hash || compareTexts(one.partition, other.partition) ||
    (orderOf(one.sort, other.sort) ?? 0) || compareTexts(one.key, other.key);
}

function compareTexts(one: string, other: string): number {
  return one === other ? 0 : one < other ? -1 : 1;
}

/** FNV-1a, mixed once more: 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

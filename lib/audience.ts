/** The recipients of a broadcast, taken in their order; the list may be read anew while they are written to. */
import {
  firstAbove,
  includesSorted,
  isBefore,
  placesIn,
  type Position,
  positionOf,
  type SendOrder,
} from "./send_order.ts";

export interface AudienceOptions {
  /** Ascending. */
  readonly ids: Float64Array;
  readonly order: SendOrder;
  /** Taken before all others, wherever they are in the order. */
  readonly first?: readonly number[];
  /** Only who comes after this position is taken: another process has dealt with those before, whoever they were. */
  readonly after?: Position | undefined;
  /** Not taken: they were sent to out of their turn. */
  readonly except?: readonly number[];
}

/** Chats that join after their place in the order was passed are taken so many at a time: each is named in the ledger. */
const lateAtOnce = 30;

export class Audience {
  readonly order: SendOrder;
  #ids: Float64Array;
  #indexOf: (place: number) => number;
  /** In the order where a function has made it; otherwise the places tell. */
  readonly #explicit: readonly number[] | undefined;
  readonly #first: number[];
  /** Chats that joined behind the position. */
  #late: number[] = [];
  /** Chats that were taken, and are on the list no more: one that comes back is not taken again. */
  readonly #taken = new Set<number>();
  /** Chats that were sent to out of their turn. */
  readonly #except: Set<number>;
  readonly #from: Position | undefined;
  #after: Position | undefined;
  /** How many places have been passed. */
  #place = 0;

  constructor({ ids, order, first = [], after, except = [] }: AudienceOptions) {
    this.order = order;
    this.#ids = ids;
    this.#first = [...first];
    this.#except = new Set(except);
    this.#from = after;
    this.#after = after;
    this.#indexOf = placesIn(ids, order.start);
    if (order.values !== undefined) {
      this.#explicit = Array.from(ids).sort((a, b) =>
        isBefore(positionOf(order, a), positionOf(order, b)) ? -1 : 1
      );
    }
    this.#place = this.#placeAfter(after);
  }

  /** How many are still to be taken. */
  get left(): number {
    let skipped = 0;
    for (const chatId of this.#except) if (this.#isAhead(chatId)) skipped++;
    return this.#first.length + this.#late.length + this.#total - this.#place - skipped;
  }

  /** How many people are on the list. */
  get people(): number {
    return this.#total - firstAbove(this.#ids, 0);
  }

  /** Whether the chat is on the list. */
  has(chatId: number): boolean {
    return includesSorted(this.#ids, chatId);
  }

  /** The next recipients, fewer where there are not so many. */
  take(count: number): number[] {
    const taken = this.#first.splice(0, count);
    while (taken.length < count && this.#place < this.#total) {
      const chatId = this.#at(this.#place++);
      this.#after = positionOf(this.order, chatId);
      if (!this.#except.delete(chatId)) taken.push(chatId);
    }
    if (taken.length === 0) taken.push(...this.#late.splice(0, Math.min(count, lateAtOnce)));
    return taken;
  }

  /** Puts chats back that were taken: they are taken next. */
  putBack(chatIds: readonly number[]): void {
    this.#first.unshift(...chatIds);
  }

  /** Draws people at random from those of the list who have not been taken yet; `random` gives numbers in [0, 1). */
  draw(count: number, random: () => number): number[] {
    const drawn = new Set<number>();
    const { people } = this;
    for (let tries = 0; tries < 20 * count && drawn.size < count; tries++) {
      const chatId = this.#ids[this.#total - people + Math.floor(random() * people)];
      if (chatId !== undefined && this.#isAhead(chatId) && !this.#except.has(chatId)) drawn.add(chatId);
    }
    return [...drawn];
  }

  /** Leaves these chats out from now on, as they are sent to out of their turn. */
  except(chatIds: readonly number[]): void {
    for (const chatId of chatIds) this.#except.add(chatId);
  }

  /**
   * Replaces the list by one that was read anew (ascending): new chats are taken, too; those that are missing are not.
   * Nobody is taken twice. An order that a function has made stays as it is.
   */
  update(ids: Float64Array): void {
    if (this.#explicit !== undefined) return;
    const before = this.#ids;
    const place = this.#place;
    this.#noteTaken(ids);
    this.#ids = ids;
    this.#indexOf = placesIn(ids, this.order.start);
    this.#place = this.#placeAfter(this.#after);
    this.#late = this.#late.filter((chatId) => includesSorted(ids, chatId));
    if (place === 0 && this.#after === undefined) return;
    for (let passed = this.#placeAfter(this.#from); passed < this.#place; passed++) {
      const chatId = this.#at(passed);
      if (!includesSorted(before, chatId) && !this.#taken.has(chatId) && !this.#except.has(chatId)) {
        this.#late.push(chatId);
      }
    }
  }

  /** Notes who was taken and is not on the next list, which would forget them. */
  #noteTaken(next: Float64Array): void {
    const late = new Set(this.#late);
    for (let passed = 0; passed < this.#place; passed++) {
      const chatId = this.#at(passed);
      if (!includesSorted(next, chatId) && !late.has(chatId)) this.#taken.add(chatId);
    }
  }

  get #total(): number {
    return this.#ids.length;
  }

  #at(place: number): number {
    return (this.#explicit?.[place] ?? this.#ids[this.#indexOf(place)]) as number;
  }

  #isAhead(chatId: number): boolean {
    if (this.#after === undefined) return this.has(chatId);
    return this.has(chatId) && isBefore(this.#after, positionOf(this.order, chatId));
  }

  /** How many places come up to a position. */
  #placeAfter(position: Position | undefined): number {
    if (position === undefined) return 0;
    let [low, high] = [0, this.#total];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(position, positionOf(this.order, this.#at(middle)))) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/**
 * The order in which a broadcast writes to its recipients, and the queue of those who are left. People come before groups
 * and channels, from a start that differs from one broadcast to the next, so that nobody is last every time. A chat's
 * position depends on its id and on the start alone: a process that resumes a run finds the same order. Pure.
 */
import { isSupergroupId } from "../telegram/chat_id.ts";

/** Where the two circles start: at a person's id, and at a group's. */
export interface OrderStart {
  readonly people: number;
  readonly groups: number;
}

/** A place in the order: the lower value comes first, among equals the lower rank. */
export interface Position {
  readonly value: number;
  readonly rank: number;
}

export interface SendOrder {
  /** `undefined`: by ascending ids, as runs of an earlier version were ordered. */
  readonly start: OrderStart | undefined;
  /** Numbers that the caller's own function gave; the lowest comes first. */
  readonly values: ReadonlyMap<number, number> | undefined;
}

/** Telegram's ids have 52 significant bits at most (Bot API, `Chat.id`). */
const circle = 2 ** 52;

/** Each in ascending order of the ids, people first. */
export const ascendingStart: OrderStart = { people: 0, groups: -circle };

/** A chat's place among all chats. `value` stands in for a chat to which the function gave no number. */
export function positionOf({ start, values }: SendOrder, chatId: number, value: number = 0): Position {
  return { value: values?.get(chatId) ?? value, rank: rankOf(start, chatId) };
}

export function isBefore(one: Position, other: Position): boolean {
  return one.value === other.value ? one.rank < other.rank : one.value < other.value;
}

/** Below 0 if the first of two chats comes before the other. */
function compareIn(order: SendOrder, one: number, other: number): number {
  return isBefore(positionOf(order, one), positionOf(order, other)) ? -1 : 1;
}

function rankOf(start: OrderStart | undefined, chatId: number): number {
  if (start === undefined) return chatId;
  return chatId > 0 ? around(chatId - start.people) : circle + around(chatId - start.groups);
}

function around(distance: number): number {
  return distance < 0 ? distance + circle : distance;
}

/**
 * A start that two numbers in [0, 1) choose among the chats of an ascending list, each chat alike.
 * @param people Chooses the person. @param groups Chooses the group or channel.
 */
export function startAmong(ids: ArrayLike<number>, people: number, groups: number): OrderStart {
  const firstPerson = firstAbove(ids, 0);
  const at = (from: number, to: number, part: number): number | undefined =>
    ids[from + Math.floor((to - from) * part)];
  return {
    people: (firstPerson < ids.length ? at(firstPerson, ids.length, people) : undefined) ??
      ascendingStart.people,
    groups: (firstPerson > 0 ? at(0, firstPerson, groups) : undefined) ?? ascendingStart.groups,
  };
}

/** The index of the first value above `value` in an ascending list; the list's length where there is none. */
export function firstAbove(list: ArrayLike<number>, value: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether an ascending list has the value. */
export function includesSorted(list: ArrayLike<number>, value: number): boolean {
  return list[firstAbove(list, value) - 1] === value;
}

/** An ascending list in the order: gives the index in the list of the chat at the nth place. */
export function placesIn(ids: ArrayLike<number>, start: OrderStart | undefined): (place: number) => number {
  if (start === undefined) return (place) => place;
  const total = ids.length;
  const firstPerson = firstAbove(ids, 0);
  const people = total - firstPerson;
  const personAt = firstAbove(ids, start.people - 1) - firstPerson;
  const groupAt = Math.min(firstAbove(ids, start.groups - 1), firstPerson);
  return (place) => {
    if (place < people) return firstPerson + (Math.max(0, personAt) + place) % people;
    return (groupAt + place - people) % firstPerson;
  };
}

export interface RecipientQueueOptions {
  /** Ascending. */
  readonly ids: Float64Array;
  readonly order: SendOrder;
  /** Whether the list was read after the broadcast was called for. Default: true. */
  readonly isRead?: boolean;
  /** Taken before all others, wherever they are in the order, and only once; those not on the list, once they are. */
  readonly first?: readonly number[];
  /** Only chats behind this position are taken: another process has sent to those before. */
  readonly after?: Position | undefined;
  /** The other process knew all chats up to this one; and of those behind it, up to `after`, the ones in `passed`. */
  readonly knownTo?: number | undefined;
  /** Those that it did not know are taken, too. Default: it knew all. */
  readonly passed?: readonly number[] | undefined;
  /** Not taken: they were sent to out of their turn. */
  readonly except?: readonly number[];
}

/** So many are named in the run's item at most, which costs a unit more to write with each hundred and twenty of them. */
const passedAtMost = 2000;

/** The recipients of a broadcast, taken in their order; the list may be read anew while they are written to. */
export class RecipientQueue {
  readonly order: SendOrder;
  /** Supergroups that were dealt with under the ids of the groups that they were. */
  readonly moved: number[] = [];
  /** Chats that were not written to in their turn, as they were unsubscribed by then; a group may have moved. */
  readonly leftOut: Set<number> = new Set();
  #ids: Float64Array;
  #indexOf: (place: number) => number;
  /** The ids in an order that a function has made; otherwise `#indexOf` gives the order. */
  readonly #explicit: readonly number[] | undefined;
  #first: number[];
  /** Chats that are to be taken first, and are not on the list. */
  readonly #missing: Set<number>;
  /** Chats that were taken, and are on the list no more: one that comes back is not taken again. */
  readonly #taken = new Set<number>();
  /** Chats that were sent to out of their turn. */
  readonly #except: Set<number>;
  /** For which recipient a supergroup is written to. */
  readonly #begun = new Map<number, number>();
  readonly #from: Position | undefined;
  /** Up to which chat, and up to which place, another process knew all; and those behind it that it knew. */
  readonly knownTo: number | undefined;
  readonly #knownAt: Position | undefined;
  readonly #passed: ReadonlySet<number>;
  #after: Position | undefined;
  /** Whether the list was read since the run began, so that later ones are not missed. */
  #isRead: boolean;
  /** How many places have been passed. */
  #place = 0;
  /** Supergroups that have joined since it began, and those that an earlier process has named. */
  readonly #late = new Set<number>();
  readonly #named: ReadonlySet<number>;

  constructor(
    { ids, order, isRead = true, first = [], after, knownTo, passed, except = [] }: RecipientQueueOptions,
  ) {
    this.order = order;
    this.#ids = ids;
    this.#isRead = isRead;
    this.#first = first.filter((chatId) => this.has(chatId));
    this.#missing = new Set(first.filter((chatId) => !this.has(chatId)));
    this.#except = new Set(except);
    this.#named = new Set(first);
    this.knownTo = knownTo;
    const isNamed = order.values === undefined && passed !== undefined;
    // In an order that a function has made, nobody joins, and a chat that has left has no place.
    this.#knownAt = isNamed ? knownTo === undefined ? undefined : positionOf(order, knownTo) : after;
    this.#passed = new Set(passed);
    this.#from = after;
    this.#after = after;
    this.#indexOf = placesIn(ids, order.start);
    if (order.values !== undefined) {
      this.#explicit = Array.from(ids).sort((a, b) => compareIn(order, a, b));
    }
    this.#place = this.#placeAfter(after);
    this.#takeNew(new Float64Array());
    // One that was drawn, and then had to wait, is ahead in the order as well.
    for (const chatId of first) if (this.#isBehindCursor(chatId)) this.#except.add(chatId);
  }

  /** How many are still to be taken. */
  get left(): number {
    let skipped = 0;
    for (const chatId of this.#except) if (this.#isAhead(chatId)) skipped++;
    return this.#first.length + this.#total - this.#place - skipped;
  }

  /** Those that are taken before all others, wherever they are in the order; also those that are not on the list now. */
  get first(): readonly number[] {
    return [...this.#first, ...this.#missing];
  }

  /**
   * The chats behind `knownTo`, up to the one at `cursor`, which comes last, that were known when their places were passed;
   * `undefined` once the list has been read since the run began, or where they are too many. A process that finds others on
   * its list knows by that who is new.
   */
  passedUpTo(cursor: number | undefined): readonly number[] | undefined {
    if (cursor === undefined || this.#isRead || this.#explicit !== undefined) return undefined;
    const end = positionOf(this.order, cursor);
    const passed = new Set(this.#passed);
    for (const chatId of this.#taken) if (!isBefore(end, positionOf(this.order, chatId))) passed.add(chatId);
    const places = this.#placeAfter(end);
    for (let place = this.#placeAfter(this.#knownAt); place < places; place++) passed.add(this.#at(place));
    passed.delete(cursor);
    return passed.size < passedAtMost ? [...passed, cursor] : undefined;
  }

  /** How many people are on the list. */
  get people(): number {
    return this.#total - firstAbove(this.#ids, 0);
  }

  /** Whether the chat is on the list. */
  has(chatId: number): boolean {
    return includesSorted(this.#ids, chatId);
  }

  /** The next recipients in the order, fewer where there are not so many. */
  take(count: number): number[] {
    const taken = this.#first.splice(0, count).sort((a, b) => compareIn(this.order, a, b));
    while (taken.length < count && this.#place < this.#total) {
      const chatId = this.#at(this.#place++);
      this.#after = positionOf(this.order, chatId);
      if (!this.#except.delete(chatId)) taken.push(chatId);
    }
    return taken;
  }

  /** Puts chats back that were taken: they are taken next. */
  putBack(chatIds: readonly number[]): void {
    this.#first.unshift(...chatIds);
  }

  /** How many people of the list have not been taken yet. */
  get peopleAhead(): number {
    let count = 0;
    for (let place = this.#place; place < this.#peopleEnd; place++) {
      if (this.#isToDraw(this.#at(place))) count++;
    }
    return count;
  }

  /** Draws people at random from those of the list who have not been taken yet; `random` gives numbers in [0, 1). */
  draw(count: number, random: () => number): number[] {
    const drawn = new Set<number>();
    const places = this.#peopleEnd - this.#place;
    for (let tries = 0; places > 0 && tries < 20 * count && drawn.size < count; tries++) {
      const chatId = this.#at(this.#place + Math.floor(random() * places));
      if (this.#isToDraw(chatId)) drawn.add(chatId);
    }
    return [...drawn];
  }

  #isToDraw(chatId: number): boolean {
    return chatId > 0 && !this.#except.has(chatId);
  }

  /** Behind this place there are no people. */
  get #peopleEnd(): number {
    const arePeopleFirst = this.#explicit === undefined && this.order.start !== undefined;
    return arePeopleFirst ? this.people : this.#total;
  }

  /** Whether the supergroup has joined the list since the run began, so that its group may have been a recipient before. */
  mayHaveMoved(chatId: number): boolean {
    return this.#late.has(chatId) && !this.#named.has(chatId);
  }

  /** Whether a chat has had its turn, which is perhaps no longer on the list; not one that was left out as unsubscribed. */
  wasTaken(chatId: number): boolean {
    if (this.leftOut.has(chatId)) return false;
    if (this.#taken.has(chatId) || this.#except.has(chatId)) return true;
    return this.has(chatId) && !this.#isBehindCursor(chatId);
  }

  /** The groups that were on the list, up to the place of a chat. */
  groupsUpTo(chatId: number | undefined): number[] {
    if (chatId === undefined || this.#explicit !== undefined) return [];
    const end = positionOf(this.order, chatId);
    const groups = [...this.#taken, ...this.#ids.subarray(0, firstAbove(this.#ids, 0))].filter((id) =>
      id < 0
    );
    return groups.filter((id) => !isBefore(end, positionOf(this.order, id)));
  }

  /** Has a supergroup be written to in the turn of the group that it was; false where it has had a turn of its own. */
  takeAs(chatId: number): boolean {
    if (this.has(chatId) && !this.#late.has(chatId) && !this.#isBehindCursor(chatId)) return false;
    this.#first = this.#first.filter((id) => id !== chatId);
    this.except([chatId]);
    return true;
  }

  /**
   * To be called right before a recipient's message leaves: false for a supergroup that is written to for another recipient,
   * as it has a turn of its own and that of the group that it was.
   */
  begin(chatId: number, recipient: number): boolean {
    if (!isSupergroupId(chatId)) return true;
    const begun = this.#begun.get(chatId) ?? recipient;
    this.#begun.set(chatId, begun);
    return begun === recipient;
  }

  /** Leaves these chats out from now on, as they are sent to out of their turn. */
  except(chatIds: readonly number[]): void {
    for (const chatId of chatIds) this.#except.add(chatId);
  }

  /**
   * Replaces the list by one that was read anew (ascending): new chats are taken, too, and those whose place was passed
   * before all others; those that are missing are not. No chat is taken twice. An order that a function has made stays as
   * it is.
   * @param isRead Whether the list was read since the run began.
   */
  update(ids: Float64Array, isRead: boolean = true): void {
    if (this.#explicit !== undefined) return;
    const before = this.#ids;
    this.#isRead ||= isRead;
    this.#noteTaken(ids);
    for (const chatId of ids) {
      if (!isSupergroupId(chatId)) break;
      if (!includesSorted(before, chatId)) this.#late.add(chatId);
    }
    this.#ids = ids;
    this.#indexOf = placesIn(ids, this.order.start);
    this.#place = this.#placeAfter(this.#after);
    this.#takeNew(before);
  }

  /** Has those taken first whose places were passed, and who were not known then. */
  #takeNew(before: Float64Array): void {
    const from = this.#placeAfter(this.#from);
    const first = new Set(this.#first);
    for (let place = this.#placeAfter(this.#knownAt); place < this.#place; place++) {
      const chatId = this.#at(place);
      const isPassed = place < from && this.#passed.has(chatId);
      const isKnown = includesSorted(before, chatId) || this.#taken.has(chatId) || this.#except.has(chatId);
      if (!isPassed && !isKnown) first.add(chatId);
    }
    for (const chatId of this.#missing) {
      if (this.has(chatId) && this.#missing.delete(chatId)) first.add(chatId);
    }
    this.#first = [...first];
  }

  /** Notes the chats that were taken and are not on the next list. */
  #noteTaken(next: Float64Array): void {
    for (let passed = 0; passed < this.#place; passed++) {
      const chatId = this.#at(passed);
      if (!includesSorted(next, chatId)) this.#taken.add(chatId);
    }
  }

  get #total(): number {
    return this.#ids.length;
  }

  #at(place: number): number {
    return (this.#explicit?.[place] ?? this.#ids[this.#indexOf(place)]) as number;
  }

  #isAhead(chatId: number): boolean {
    return this.has(chatId) && this.#isBehindCursor(chatId);
  }

  /** Whether its place has not been passed. */
  #isBehindCursor(chatId: number): boolean {
    return this.#after === undefined || isBefore(this.#after, positionOf(this.order, chatId));
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

/**
 * The order in which a broadcast writes to its recipients: people before groups and channels, and among them from a
 * start that differs from one broadcast to the next, so that nobody is last every time. A chat's position depends on
 * its id and on the start alone, not on who else is on the list: whoever resumes a run finds the same order. Pure.
 */

/** Where the two circles start: at a person's id, and at a group's. */
export interface OrderStart {
  readonly people: number;
  readonly groups: number;
}

/** A place in the order: who has the lower value comes first, among equals who has the lower rank. */
export interface Position {
  readonly value: number;
  readonly rank: number;
}

export interface SendOrder {
  /** `undefined`: plainly by the id, as runs were ordered that have no start. */
  readonly start: OrderStart | undefined;
  /** Numbers that the caller's own function gave; who has a lower one comes first. */
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

/** An ascending list as the order has it: the index in the list of whoever is at the nth place. */
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

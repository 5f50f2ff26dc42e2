/** Which recipient is next, and which chats join while a broadcast is sent. */
import { drawPeople, partToDrawFrom } from "../../lib/broadcast/refusal_sampling.ts";
import { ascendingStart, positionOf, RecipientQueue } from "../../lib/broadcast/send_order.ts";
import { assert, suite } from "../harness.ts";
import { randomOf } from "../support/histories.ts";

const test = suite("RecipientQueue");

const order = { start: ascendingStart, values: undefined } as const;
const listOf = (...ids: number[]): Float64Array => Float64Array.from(ids);

test("whoever joins behind the position is taken next, and whoever leaves is not", () => {
  const queue = new RecipientQueue({ ids: listOf(2, 4, 6), order });
  assert.equal(queue.take(2), [2, 4]);
  queue.update(listOf(1, 2, 4, 8));
  assert.is(queue.left, 2);
  assert.equal([queue.take(1), queue.take(5), queue.left], [[1], [8], 0]);
});

test("whoever leaves the list and comes back is not taken twice", () => {
  const queue = new RecipientQueue({ ids: listOf(1, 2, 3), order });
  queue.take(2);
  queue.update(listOf(1, 3));
  queue.update(listOf(1, 2, 3));
  assert.equal([queue.take(5), queue.take(5), queue.left], [[3], [], 0]);
});

test("whoever joins late, leaves and comes back is taken once", () => {
  const queue = new RecipientQueue({ ids: listOf(2, 3), order });
  queue.take(2);
  queue.update(listOf(1, 2, 3));
  queue.update(listOf(2, 3));
  queue.update(listOf(1, 2, 3));
  assert.equal(queue.take(5), [1]);
  queue.update(listOf(2, 3));
  queue.update(listOf(1, 2, 3));
  assert.is(queue.left, 0);
});

test("whoever was dealt with out of their turn is not taken when they come back", () => {
  const queue = new RecipientQueue({ ids: listOf(1, 2, 3), order });
  queue.except([2]);
  queue.update(listOf(1, 3));
  assert.equal(queue.take(5), [1, 3]);
  queue.update(listOf(1, 2, 3));
  assert.is(queue.left, 0);
});

test("whoever another process may have dealt with does not join, though the list did not have them", () => {
  const after = positionOf(order, 4);
  const queue = new RecipientQueue({ ids: listOf(4, 6, 8), order, after });
  assert.equal(queue.take(1), [6]);
  queue.update(listOf(2, 4, 5, 6, 8));
  assert.equal([queue.take(1), queue.take(5), queue.left], [[5], [8], 0]);
});

test("whoever another process did not know is taken first, though their place was passed", () => {
  const after = positionOf(order, 5);
  const queue = new RecipientQueue({ ids: listOf(1, 2, 4, 6), order, after, passed: [2, 3, 5], except: [4] });
  assert.equal([queue.left, queue.take(1)], [2, [1]]);
  queue.update(listOf(1, 2, 3, 4, 5, 6));
  assert.equal([queue.left, queue.take(9)], [1, [6]]);
});

test("until the list is read it is known whose places were passed, and then no more", () => {
  const queue = new RecipientQueue({ ids: listOf(2, 4, 6), order, isRead: false });
  queue.take(2);
  assert.equal([queue.passedUpTo(undefined), queue.passedUpTo(2), queue.passedUpTo(4)], [undefined, [2], [
    2,
    4,
  ]]);
  // One has left the list, which could not be read.
  queue.update(listOf(4, 6), false);
  assert.equal(queue.passedUpTo(4), [2, 4]);
  const other = new RecipientQueue({
    ...{ ids: listOf(1, 2, 4, 6, 8), order, isRead: false },
    ...{ after: positionOf(order, 4), passed: queue.passedUpTo(4) },
  });
  assert.equal([other.take(2), other.passedUpTo(6)], [[1, 6], [2, 4, 1, 6]]);
  other.update(listOf(1, 2, 4, 6, 8));
  assert.equal([other.passedUpTo(6), other.take(9)], [undefined, [8]]);
});

test("one that could not read the list says nothing of those whom the one before it knew", () => {
  const b = new RecipientQueue({
    ...{ ids: listOf(2, 4, 6, 8), order, isRead: false },
    ...{ after: positionOf(order, 4), knownTo: 4 },
  });
  assert.equal(b.take(1), [6]);
  const { knownTo } = b;
  const passed = b.passedUpTo(6);
  assert.equal([knownTo, passed], [4, [6]]);
  const c = new RecipientQueue({
    ids: listOf(2, 3, 4, 5, 6, 8),
    order,
    after: positionOf(order, 6),
    knownTo,
    passed,
  });
  assert.equal(c.take(9), [5, 8]);
});

test("in an order that a function has made nobody is new, though the last one has left", () => {
  const values = new Map([[1, 50], [2, 60], [4, 80]]);
  const after = { value: 70, rank: positionOf(order, 3).rank };
  for (const passed of [undefined, [1, 3]]) {
    const queue = new RecipientQueue({
      ids: listOf(1, 2, 4),
      order: { ...order, values },
      after,
      knownTo: 3,
      passed,
    });
    assert.equal([queue.left, queue.take(9), queue.groupsUpTo(3)], [1, [4], []]);
  }
});

test("whoever is to be taken first, and joins the list ahead in the order, is taken once", () => {
  const ids = listOf(2, 4, 6);
  const queue = new RecipientQueue({ ids, order, isRead: false, first: [9], after: positionOf(order, 4) });
  queue.update(listOf(2, 4, 6, 9));
  assert.equal(queue.take(9), [9, 6]);
});

test("whoever is to be taken first and is not on the list is taken when they are", () => {
  const queue = new RecipientQueue({ ids: listOf(2, 4), order, first: [1, 2], after: positionOf(order, 2) });
  assert.equal([queue.left, queue.first], [2, [2, 1]]);
  queue.update(listOf(1, 2, 4));
  assert.equal([queue.left, queue.take(9), queue.first], [3, [1, 2, 4], []]);
});

test("whoever is taken before all others is not taken in their turn as well", () => {
  const ids = listOf(1, 2, 3, 4);
  const queue = new RecipientQueue({ ids, order, first: [1, 3], after: positionOf(order, 1) });
  assert.is(queue.left, 4);
  assert.equal([queue.take(2), queue.left, queue.take(5), queue.left], [[1, 3], 2, [2, 4], 0]);
});

test("those taken at once are in the order, so that a window of them has bounds", () => {
  const queue = new RecipientQueue({ ids: listOf(2, 4, 6, 8), order });
  const taken = queue.take(3);
  queue.update(listOf(1, 2, 4, 5, 6, 8));
  queue.putBack(taken.slice(1));
  assert.equal(queue.take(5), [1, 4, 5, 6, 8]);
});

test("a supergroup is written to once: in its own turn, or in that of the group that it was", () => {
  const [group, person, one, other] = [-5, 7, -1_001_000_000_001, -1_001_000_000_002];
  const queue = new RecipientQueue({ ids: Float64Array.from([other, one, group, person]), order });
  assert.equal([queue.begin(one, one), queue.begin(one, group)], [true, false]);
  assert.equal([queue.begin(other, group), queue.begin(other, other)], [true, false]);
  assert.equal(
    [queue.begin(one, one), queue.begin(other, group)],
    [true, true],
    "further parts of a message",
  );
  assert.equal([queue.begin(group, group), queue.begin(person, person)], [true, true]);
});

test("people are drawn evenly from those who are left, however few they are", () => {
  const ids = Float64Array.from({ length: 3000 }, (_, index) => index - 1000 + (index < 1000 ? 0 : 1));
  const queue = new RecipientQueue({ ids, order });
  queue.take(1980);
  const window = queue.take(10);
  queue.except([1999]);
  assert.is(partToDrawFrom({ window, queue }), 19 / 2000);
  const random = randomOf(1);
  const times = new Map<number, number>();
  for (let count = 0; count < 1900; count++) {
    for (const chatId of drawPeople(1, { window, queue, random })) {
      times.set(chatId, (times.get(chatId) ?? 0) + 1);
    }
  }
  assert.equal([...times.keys()].sort((a, b) => a - b), [...window, ...queue.take(9)]);
  assert.ok(Math.min(...times.values()) > 60 && Math.max(...times.values()) < 150);
  assert.is(partToDrawFrom({ window: [1, -5], queue }), 0, "one person is the last");
});

test("nobody is taken twice, and whoever stays is taken, however the list changes", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomOf(seed);
    const all = Array.from({ length: 12 }, (_, index) => index - 3).filter((id) => id !== 0);
    const steady = all.filter(() => random() < 0.5);
    const draw = (): Float64Array =>
      Float64Array.from(all.filter((id) => steady.includes(id) || random() < 0.5));
    const queue = new RecipientQueue({ ids: draw(), order });
    const taken: number[] = [];
    for (let step = 0; step < 12; step++) {
      if (random() < 0.5) queue.update(draw());
      else taken.push(...queue.take(1 + Math.floor(random() * 3)));
    }
    while (queue.left > 0) taken.push(...queue.take(5));
    assert.is(new Set(taken).size, taken.length, `seed ${seed}: ${taken}`);
    assert.equal(steady.filter((id) => !taken.includes(id)), [], `seed ${seed}`);
  }
});

test.run();

/** The order of a broadcast: people first, each broadcast from another start, and the same for whoever resumes it. */
import fc from "fast-check";
import {
  ascendingStart,
  firstAbove,
  includesSorted,
  isBefore,
  placesIn,
  positionOf,
  type SendOrder,
  startAmong,
} from "../../lib/broadcast/send_order.ts";
import { assert, suite } from "../harness.ts";

const test = suite("SendOrder");

/** Ids as Telegram gives them: people above 0, groups and channels below. */
const chatId = fc.oneof(
  fc.integer({ min: 1, max: 50 }),
  fc.integer({ min: -50, max: -1 }),
  fc.integer({ min: 1, max: 2 ** 40 }),
  fc.integer({ min: -(2 ** 42), max: -1 }),
);
const list = fc.uniqueArray(chatId, { maxLength: 40 }).map((ids) => Float64Array.from(ids).sort());
const part = fc.double({ min: 0, max: 0.999, noNaN: true });

function inOrder(ids: Float64Array, order: SendOrder): number[] {
  const at = placesIn(ids, order.start);
  return Array.from(ids, (_, place) => ids[at(place)] as number);
}

test("placesIn() is a way through the whole list, people before groups, as positionOf() has it", () => {
  fc.assert(fc.property(list, part, part, (ids, people, groups) => {
    const order = { start: startAmong(ids, people, groups), values: undefined };
    const ordered = inOrder(ids, order);
    assert.equal([...ordered].sort((a, b) => a - b), [...ids]);
    const firstGroup = ordered.findIndex((id) => id < 0);
    assert.ok(firstGroup < 0 || ordered.slice(firstGroup).every((id) => id < 0));
    for (const [index, id] of ordered.slice(1).entries()) {
      assert.ok(isBefore(positionOf(order, ordered[index] as number), positionOf(order, id)));
    }
  }));
});

test("positionOf() does not depend on who else is on the list", () => {
  fc.assert(fc.property(list, list, part, part, (ids, others, people, groups) => {
    const order = { start: startAmong(ids, people, groups), values: undefined };
    const both = Float64Array.from(new Set([...ids, ...others])).sort();
    const known = new Set(ids);
    assert.equal(inOrder(both, order).filter((id) => known.has(id)), inOrder(ids, order));
  }));
});

test("startAmong() begins with every chat alike, and with nobody where there is none", () => {
  const ids = Float64Array.from([-20, -10, 1, 2, 3, 4]);
  const starts = [0, 0.26, 0.51, 0.99].map((people) => startAmong(ids, people, 0.5).people);
  assert.equal(starts, [1, 2, 3, 4]);
  assert.equal([startAmong(ids, 0, 0).groups, startAmong(ids, 0, 0.99).groups], [-20, -10]);
  assert.equal(startAmong(new Float64Array(), 0.5, 0.5), ascendingStart);
});

test("ascendingStart is people in ascending order, then groups", () => {
  const ids = Float64Array.from([-1_000_000_000_005, -7, 3, 5, 2 ** 40]);
  const order = { start: ascendingStart, values: undefined };
  assert.equal(inOrder(ids, order), [3, 5, 2 ** 40, -1_000_000_000_005, -7]);
});

test("values of a function go before everything else", () => {
  const values = new Map([[1, 5], [2, -1], [-3, 0]]);
  const order = { start: ascendingStart, values };
  const sorted = [1, 2, -3].sort((a, b) => isBefore(positionOf(order, a), positionOf(order, b)) ? -1 : 1);
  assert.equal(sorted, [2, -3, 1]);
});

test("firstAbove() and includesSorted() are what a search from the front finds", () => {
  fc.assert(fc.property(list, chatId, (ids, id) => {
    const index = [...ids].findIndex((each) => each > id);
    assert.is(firstAbove(ids, id), index < 0 ? ids.length : index);
    assert.is(includesSorted(ids, id), [...ids].includes(id));
  }));
});

test.run();

/** The heap gives what a sorted list would, at the cost of a few comparisons. */
import fc from "fast-check";
import { Heap } from "../../lib/util/collections.ts";
import { assert, suite } from "../harness.ts";

const test = suite("Heap");

interface Item {
  readonly value: number;
  isOver: boolean;
}

const item = (value: number): Item => ({ value, isOver: false });

type Act = { readonly push: number } | "shift" | { readonly end: number };

const acts: fc.Arbitrary<Act[]> = fc.array(
  fc.oneof(
    fc.record({ push: fc.nat(20) }),
    fc.record({ push: fc.nat(20) }),
    fc.constant<Act>("shift"),
    fc.record({ end: fc.nat(50) }),
  ),
  { maxLength: 200 },
);

test("for any acts: the least that is not over is first, and nothing is lost", () => {
  fc.assert(fc.property(acts, (list) => {
    const heap = new Heap<Item>((one, other) => one.value - other.value);
    let inIt: Item[] = [];
    for (const act of list) {
      if (act === "shift") {
        const shifted = heap.shift();
        assert.is(shifted?.value, inIt[0]?.value);
        inIt = inIt.filter((each) => each !== shifted);
      } else if ("push" in act) {
        const pushed = item(act.push);
        heap.push(pushed);
        inIt.push(pushed);
      } else {
        const ended = inIt[act.end];
        if (ended !== undefined) {
          ended.isOver = true;
          heap.forget();
          inIt = inIt.filter((each) => each !== ended);
        }
      }
      inIt.sort((one, other) => one.value - other.value);
      assert.is(heap.first?.value, inIt[0]?.value);
    }
    while (heap.first !== undefined) assert.is(heap.shift()?.value, inIt.shift()?.value);
    assert.is(inIt.length, 0);
  }));
});

test("with ten thousand in it, one more that comes and goes costs a few comparisons", () => {
  let comparisons = 0;
  const heap = new Heap<Item>((one, other) => {
    comparisons++;
    return one.value - other.value;
  });
  for (let value = 0; value < 10_000; value++) heap.push(item((value * 7919) % 10_007));
  comparisons = 0;
  for (let round = 0; round < 1000; round++) {
    heap.push(item((round * 104_729) % 10_007));
    heap.shift();
  }
  assert.ok(comparisons <= 1000 * 45, `${comparisons} comparisons`);
  comparisons = 0;
  for (let round = 0; round < 1000; round++) assert.ok(heap.first !== undefined);
  assert.is(comparisons, 0, "a look costs nothing");
});

test("those that are over are forgotten before they are the half, at little cost", () => {
  let comparisons = 0;
  const heap = new Heap<Item>((one, other) => {
    comparisons++;
    return one.value - other.value;
  });
  const items = Array.from({ length: 10_000 }, (_, value) => item(value));
  for (const each of items) heap.push(each);
  comparisons = 0;
  for (const each of items.slice(1)) {
    each.isOver = true;
    heap.forget();
  }
  assert.ok(comparisons <= 20 * 10_000, `${comparisons} comparisons`);
  assert.is(heap.shift(), items[0]);
  assert.is(heap.shift(), undefined);
});

test.run();

/** Memories that forget what they have held longest. */
import { BoundedMap, BoundedSet } from "../../lib/util/collections.ts";
import { assert, suite } from "../harness.ts";

const test = suite("bounded memories");

test("a BoundedMap drops the key that was set longest ago", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.set("a", 3);
  map.set("c", 4);
  assert.equal([map.size, map.get("a"), map.has("b"), map.get("c")], [2, 3, false, 4]);
  assert.equal([map.delete("a"), map.delete("a"), map.size], [true, false, 1]);
});

test("a BoundedSet tells what is new to it, and drops what was added longest ago", () => {
  const set = new BoundedSet<number>(2);
  assert.equal([set.add(1), set.add(2), set.add(1), set.add(3)], [true, true, false, true]);
  assert.equal([set.has(1), set.has(2), set.has(3), set.size], [true, false, true, 2]);
  assert.equal([set.delete(1), set.add(1)], [true, true]);
});

test.run();

/** How far a broadcast comes, for any paces and any budget. */
import fc from "fast-check";
import { messagesIn, msFor, type Paces } from "../../lib/broadcast/broadcast_run.ts";
import { assert, suite } from "../harness.ts";

const test = suite("a broadcast's forecast");

const perSecond = fc.integer({ min: 1, max: 1000 });
const anyPaces: fc.Arbitrary<Paces> = fc.record({
  free: perSecond,
  paid: perSecond,
  paidLeft: fc.oneof(fc.constant(0), fc.constant(Infinity), fc.nat(5000)),
});

test("messagesIn() and msFor() are each other's inverse", () => {
  fc.assert(fc.property(anyPaces, fc.nat(100_000), (paces, messages) => {
    const ms = msFor(messages, paces);
    assert.ok(
      Math.abs(messagesIn(ms, paces) - messages) < 1e-6 * (1 + messages),
      `${messages} take ${ms} ms`,
    );
  }));
});

test("what is paid for leaves at its own pace, and what is beyond the budget at the free one", () => {
  assert.is(msFor(60, { free: 30, paid: 1000, paidLeft: 0 }), 2000);
  assert.is(msFor(2000, { free: 30, paid: 1000, paidLeft: Infinity }), 2000);
  assert.is(msFor(1060, { free: 30, paid: 1000, paidLeft: 1000 }), 3000);
  assert.is(messagesIn(3000, { free: 30, paid: 1000, paidLeft: 1000 }), 1060);
});

test.run();

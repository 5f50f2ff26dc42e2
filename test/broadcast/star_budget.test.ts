/** The Stars of a paid broadcast: never more than there are, to the tenth. */
import fc from "fast-check";
import { createStarBudget } from "../../lib/broadcast/outgoing_message.ts";
import { assert, suite } from "../harness.ts";

const test = suite("createStarBudget()");

test("a budget in tenths of Stars buys exactly so many messages", () => {
  fc.assert(fc.property(fc.nat(3000), (tenths) => {
    const counters = { paid: 0 };
    const budget = createStarBudget(true, tenths / 10, counters);
    let bought = 0;
    while (bought <= tenths && budget.reserve()) bought++;
    assert.is(bought, tenths);
    assert.is(counters.paid, tenths);
  }));
});

test("for any takes and returns: never more than the budget is out, and what came back is spent again", () => {
  const moves = fc.array(fc.boolean(), { maxLength: 200 });
  fc.assert(
    fc.property(fc.double({ min: 0, max: 10, noNaN: true }), fc.nat(50), moves, (stars, kept, list) => {
      const counters = { paid: kept };
      const budget = createStarBudget(true, stars, counters);
      let out = 0;
      for (const isTake of list) {
        if (isTake) {
          const mayTake = kept + out + 1 <= stars * 10;
          assert.is(budget.reserve(), mayTake);
          if (mayTake) out++;
        } else {
          budget.refund(out > 0);
          if (out > 0) out--;
        }
        assert.is(counters.paid, kept + out);
      }
    }),
  );
});

test("without a budget all is paid for, and what is not paid for nothing", () => {
  const counters = { paid: 0 };
  assert.ok(createStarBudget(true, Infinity, counters).reserve());
  assert.not.ok(createStarBudget(true, 0, counters).reserve());
  assert.not.ok(createStarBudget(false, Infinity, counters).reserve());
  assert.is(counters.paid, 1);
});

test.run();

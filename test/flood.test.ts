/** Whom a flood answer concerns, as far as what was taken and refused shows. */
import fc from "fast-check";
import { createFlood } from "../lib/flood.ts";
import { assert, suite } from "./harness.ts";

const test = suite("createFlood()");

test("refuse() is news once a pause, and the longest pause counts", () => {
  const flood = createFlood();
  assert.ok(flood.until <= 0);
  assert.is(flood.refuse(1, 10, 5000, 0), true);
  assert.is(flood.refuse(2, 20, 3000, 100), false);
  assert.is(flood.until, 5000);
  assert.is(flood.refuse(3, 30, 9000, 4999), false);
  assert.is(flood.until, 9000);
  assert.is(flood.refuse(4, 40, 12_000, 9000), true);
});

test("take() ends a pause only by what has left after the refusal", () => {
  const flood = createFlood();
  flood.refuse(5, 10, 30_000, 0);
  assert.is(flood.take(4, 100), false);
  assert.is(flood.until, 30_000);
  assert.is(flood.take(6, 200), true);
  assert.is(flood.until, 200);
  assert.is(flood.take(7, 300), false, "there is none any more");
});

test("a flood of no chat's, and one of three chats, is probed by nobody", () => {
  const calls = createFlood();
  calls.refuse(1, undefined, 30_000, 0);
  assert.ok(calls.probeAt >= calls.until);
  const three = createFlood();
  three.refuse(1, 10, 30_000, 0);
  assert.is(three.probeAt, 0);
  three.refuse(2, 10, 30_000, 100);
  assert.is(three.probeAt, 100, "it is the same one");
  three.refuse(3, 20, 30_000, 200);
  assert.is(three.probeAt, 1200);
  three.refuse(4, 30, 30_000, 300);
  assert.ok(three.probeAt >= three.until);
});

test("many chats that are refused close together are the bot, whatever slips through", () => {
  const flood = createFlood();
  for (let number = 1; number <= 20; number++) flood.refuse(number, number, 30_000, number);
  assert.is(flood.take(21, 50), false);
  assert.is(flood.until, 30_000);
});

test("chats that are refused now and then are refused for their own sake, for ever", () => {
  const flood = createFlood();
  let now = 0;
  for (let number = 1; number <= 10_000; number++) {
    now += 33;
    if (number % 100 !== 0) flood.take(number, now);
    else {
      flood.refuse(number, number, now + 30_000, now);
      assert.is(flood.take(number + 1, now + 10), true, `message ${number}`);
    }
  }
});

test("after a flood of everything one chat's own is found out again", () => {
  const flood = createFlood();
  for (let number = 1; number <= 500; number++) flood.refuse(number, number, 2000, number);
  let number = 1000;
  for (let now = 2000; now < 20_000; now += 33) flood.take(number++, now);
  flood.refuse(number, 7, 60_000, 20_000);
  assert.is(flood.take(number + 1, 20_100), true);
});

test("for any answers: it ends when the last refusal says so, or by something taken that left after all refused", () => {
  const answers = fc.array(
    fc.record({
      afterMs: fc.nat(3000),
      isTaken: fc.boolean(),
      chatId: fc.constantFrom(1, 2, 3, 4, 5, undefined),
      number: fc.nat(100),
      seconds: fc.integer({ min: 1, max: 600 }),
    }),
    { maxLength: 100 },
  );
  fc.assert(fc.property(answers, (list) => {
    const flood = createFlood();
    let [now, latest] = [0, -Infinity];
    for (const { afterMs, isTaken, chatId, number, seconds } of list) {
      now += afterMs;
      const before = flood.until;
      if (isTaken) {
        const hasEnded = flood.take(number, now);
        assert.is(flood.until, hasEnded ? now : before);
        if (hasEnded) assert.ok(number > latest && before > now);
      } else {
        assert.is(flood.refuse(number, chatId, now + seconds * 1000, now), before <= now);
        latest = Math.max(latest, number);
        assert.is(flood.until, Math.max(before, now + seconds * 1000));
      }
    }
  }));
});

test.run();

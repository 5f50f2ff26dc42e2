/** The pace of messages, for any demand and any pause. */
import fc from "fast-check";
import { createPace } from "../lib/pace.ts";
import { assert, suite } from "./harness.ts";

const test = suite("createPace()");

/** What is made up for after a late timer: a tenth of a second's worth. */
const catchUpSeconds = 0.1;
const aBit = 1e-6;

/** How long after one another, in milliseconds, slots are asked for. */
const demand = fc.array(fc.oneof(fc.constant(0), fc.nat(50), fc.nat(5000)), { minLength: 1, maxLength: 200 });
const rate = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0.1, max: 1000, noNaN: true }));

function slotsOf(messagesPerSecond: number, gaps: readonly number[]): { asked: number; leaves: number }[] {
  const pace = createPace(messagesPerSecond);
  let now = 1_000_000;
  return gaps.map((gap) => {
    now += gap;
    return { asked: now, leaves: Math.max(now, now + pace.take(now)) };
  });
}

test("take() lets no more leave in any stretch of time than the rate allows, and a moment's catching up", () => {
  fc.assert(fc.property(rate, demand, (messagesPerSecond, gaps) => {
    const times = slotsOf(messagesPerSecond, gaps).map(({ leaves }) => leaves);
    for (let from = 0; from < times.length; from++) {
      for (let to = from; to < times.length; to++) {
        const seconds = ((times[to] ?? 0) - (times[from] ?? 0)) / 1000;
        const most = (seconds + catchUpSeconds) * messagesPerSecond + 1;
        assert.ok(to - from + 1 <= most + 1 + aBit, `${to - from + 1} in ${seconds} s`);
      }
    }
  }));
});

test("take() never lets a later one leave before an earlier one", () => {
  fc.assert(fc.property(rate, demand, (messagesPerSecond, gaps) => {
    const times = slotsOf(messagesPerSecond, gaps).map(({ leaves }) => leaves);
    assert.equal(times, [...times].sort((a, b) => a - b));
  }));
});

test("take() keeps up the rate under full demand", () => {
  fc.assert(fc.property(rate, fc.integer({ min: 2, max: 300 }), (messagesPerSecond, count) => {
    const times = slotsOf(messagesPerSecond, Array(count).fill(0)).map(({ leaves }) => leaves);
    const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000;
    assert.ok(seconds <= (count - 1) / messagesPerSecond + aBit, "not slower");
    assert.ok(seconds >= (count - 1) / messagesPerSecond - catchUpSeconds - aBit, "not faster");
  }));
});

test("take() lets one leave at once after a rest", () => {
  fc.assert(fc.property(rate, demand, (messagesPerSecond, gaps) => {
    const pace = createPace(messagesPerSecond);
    let now = 0;
    let last = 0;
    for (const gap of gaps) {
      now += gap;
      last = now + pace.take(now);
    }
    const rested = Math.max(last, now) + 1000 / messagesPerSecond + aBit;
    assert.ok(pace.take(rested) <= 0);
  }));
});

test("pause() holds everything that is asked for before it is over, in order and at the rate", () => {
  fc.assert(
    fc.property(rate, demand, fc.nat(60_000), fc.nat(100), (messagesPerSecond, gaps, pauseMs, count) => {
      const pace = createPace(messagesPerSecond);
      let now = 0;
      for (const gap of gaps) pace.take(now += gap);
      pace.pause(pauseMs, now);
      assert.is(pace.pausedUntil, now + pauseMs);
      const times = Array.from({ length: count }, () => now + pace.take(now));
      for (const [index, time] of times.entries()) {
        assert.ok(time >= now + pauseMs - aBit, "not in the pause");
        const before = times[index - 1];
        if (before !== undefined) {
          assert.ok(time - before >= 1000 / messagesPerSecond - aBit, "not in a burst");
        }
      }
    }),
  );
});

test("pause() is never shortened by another", () => {
  fc.assert(fc.property(fc.array(fc.nat(100_000), { minLength: 1 }), (untils) => {
    const pace = createPace(30);
    for (const until of untils) pace.pause(until, 0);
    assert.is(pace.pausedUntil, Math.max(...untils));
  }));
});

test("pausedUntil lies in the past where there was no pause", () => {
  assert.ok(createPace(30).pausedUntil < 0);
});

test.run();

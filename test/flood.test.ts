/** Whom a flood answer concerns, as far as what was taken and refused shows. */
import fc from "fast-check";
import { Flood } from "../lib/flood.ts";
import { assert, suite } from "./harness.ts";

const test = suite("Flood");

/** Messages leave, each to a chat of its own number, and are refused in their order. */
function refused(flood: Flood, count: number, seconds: number, now: number, from = 1): void {
  const numbers = Array.from({ length: count }, () => flood.leave(now));
  for (const [index, number] of numbers.entries()) {
    flood.refuse(number, from + index, now + seconds * 1000, now + index);
  }
}

test("a refusal asks a question, and is no rest; three chats' are, for as long as Telegram says", () => {
  const flood = new Flood();
  assert.not.ok(flood.isOpen(0));
  const numbers = [1, 2, 3, 4].map(() => flood.leave(0)) as [number, number, number, number];
  assert.is(flood.refuse(numbers[0], 10, 7_200_000, 0), false);
  assert.ok(flood.isOpen(1) && flood.restsUntil < 0);
  assert.is(flood.refuse(numbers[1], 20, 7_200_500, 100), false);
  assert.is(flood.refuse(numbers[2], 30, 7_201_000, 200), true);
  assert.is(flood.refuse(numbers[3], 40, 7_201_000, 300), false, "it is no news");
  assert.is(flood.restsUntil, 7_201_000);
  assert.is(flood.readyAt(1_000_000), 7_201_000, "nobody probes what is proved");
  assert.is(flood.rests, 1);
  assert.not.ok(flood.isOpen(7_201_000));
});

test("a rest that only replies have proved is doubted by a broadcast's message, and ends where that is taken", () => {
  const flood = new Flood();
  const numbers = [1, 2, 3, 4].map(() => flood.leave(0));
  for (const [index, number] of numbers.entries()) flood.refuse(number, index, 3_600_000, index, true);
  assert.is(flood.restsUntil, 3_600_000, "replies and other calls rest");
  assert.is(flood.readyAt(5000), 3_600_000);
  assert.ok(flood.readyAt(5000, true) <= 5000);
  const probe = flood.leave(5000);
  assert.is(flood.readyAt(5100, true), 6000, "one at a time");
  assert.is(flood.take(probe, 5200), true);
  assert.not.ok(flood.isOpen(5200));
});

test("a broadcast's message that is refused, too, proves the rest", () => {
  const flood = new Flood();
  const numbers = [1, 2, 3].map(() => flood.leave(0));
  for (const [index, number] of numbers.entries()) flood.refuse(number, index, 3_600_000, index, true);
  flood.refuse(flood.leave(5000), 10, 3_600_000, 5100);
  assert.is(flood.readyAt(10_000, true), 3_600_000);
});

test("one chat's own flood of hours does not make a rest of seconds longer", () => {
  for (const place of [0, 1, 2]) {
    const flood = new Flood();
    const numbers = [1, 2, 3].map(() => flood.leave(0));
    for (const [index, number] of numbers.entries()) {
      flood.refuse(number, index, index === place ? 7_200_000 : 5000, 0);
    }
    assert.is(flood.restsUntil, 7000, "with a moment for what was refused later");
  }
});

test("the same chat again is no further proof", () => {
  const flood = new Flood();
  for (let time = 0; time < 50; time++) flood.refuse(flood.leave(time), 10, 30_000, time);
  for (let time = 50; time < 100; time++) flood.refuse(flood.leave(time), 20, 30_000, time);
  assert.is(flood.rests, 0);
});

test("take() closes a question only by what has left after the refusal", () => {
  const flood = new Flood();
  const [before, own, after] = [flood.leave(0), flood.leave(0), flood.leave(0)];
  flood.refuse(own, 10, 30_000, 0);
  assert.is(flood.take(before, 100), false);
  assert.ok(flood.isOpen(100));
  assert.is(flood.take(after, 200), true);
  assert.not.ok(flood.isOpen(200));
  assert.is(flood.take(flood.leave(200), 300), false, "there is none any more");
});

test("probes leave one at a time: the first at once, the next after its answer or a second", () => {
  const flood = new Flood();
  flood.refuse(flood.leave(0), 10, 30_000, 50);
  assert.is(flood.readyAt(50), 50);
  const first = flood.leave(60);
  assert.is(flood.readyAt(70), 1060, "it is under way");
  assert.is(flood.end(first, 200), true);
  assert.ok(flood.readyAt(200) <= 200, "it has told nothing");
  const second = flood.leave(210);
  flood.refuse(second, 20, 30_000, 300);
  assert.is(flood.readyAt(300), 1300);
  const third = flood.leave(1300);
  flood.refuseChat(third, 1400);
  assert.is(flood.readyAt(1400), 2400, "a group's refusal tells nothing, and is one all the same");
});

test("what was under way already is a probe, too", () => {
  const flood = new Flood();
  const [own, other] = [flood.leave(0), flood.leave(0)];
  flood.refuse(own, 10, 30_000, 100);
  assert.is(flood.readyAt(100), 1100);
  assert.is(flood.end(other, 150), true);
  assert.ok(flood.readyAt(150) <= 150);
});

test("a question that nobody asks any more says nothing of a chat's long flood", () => {
  const flood = new Flood();
  flood.refuse(flood.leave(0), 10, 7_200_000, 0);
  assert.ok(flood.mayBeBots(9000));
  assert.not.ok(flood.mayBeBots(11_000));
  assert.ok(flood.isOpen(11_000), "the next message asks it");
  flood.leave(11_000);
  assert.ok(flood.mayBeBots(12_000));
});

test("many chats that are refused close together are the bot, whatever slips through", () => {
  const flood = new Flood();
  refused(flood, 20, 30, 0);
  assert.is(flood.take(flood.leave(40), 50), false);
  assert.is(flood.restsUntil, 30_000);
});

test("chats that are refused now and then are refused for their own sake, for ever", () => {
  const flood = new Flood();
  let now = 0;
  for (let count = 1; count <= 10_000; count++) {
    now += 33;
    const number = flood.leave(now);
    if (count % 100 !== 0) flood.take(number, now);
    else {
      flood.refuse(number, number, now + 30_000, now);
      assert.is(flood.take(flood.leave(now), now + 10), true, `message ${number}`);
    }
  }
  assert.is(flood.rests, 0);
});

test("after a flood of the bot one chat's own is found out again", () => {
  const flood = new Flood();
  refused(flood, 500, 2, 0);
  for (let now = 2600; now < 20_000; now += 33) flood.take(flood.leave(now), now);
  flood.refuse(flood.leave(20_000), 7, 80_000, 20_000);
  assert.is(flood.take(flood.leave(20_000), 20_100), true);
  assert.is(flood.rests, 1);
});

interface Answer {
  readonly afterMs: number;
  readonly kind: "taken" | "refused" | "refusedForChat" | "ended";
  readonly chatId: number;
  /** How many of those under way have left later. */
  readonly back: number;
  readonly seconds: number;
}

const answers: fc.Arbitrary<Answer[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.nat(100), fc.nat(3000)),
    kind: fc.constantFrom("taken", "taken", "refused", "refused", "refusedForChat", "ended"),
    chatId: fc.integer({ min: 1, max: 6 }),
    back: fc.nat(5),
    seconds: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 80_000 })),
  }),
  { maxLength: 120 },
);

test("for any answers: it rests on two chats' word, never longer; what closes a question left after all refusals", () => {
  fc.assert(fc.property(answers, (list) => {
    const flood = new Flood();
    const underWay = Array.from({ length: 6 }, () => flood.leave(0));
    const ends = new Map<number, number>();
    let [now, latest] = [0, -Infinity];
    for (const { afterMs, kind, chatId, back, seconds } of list) {
      now += afterMs;
      if (!flood.isOpen(now)) ends.clear();
      const { restsUntil: before, rests } = flood;
      const [number = 0] = underWay.splice(-1 - back, 1);
      underWay.push(flood.leave(now));
      if (kind === "refused") {
        const isProved = flood.refuse(number, chatId, now + seconds * 1000, now);
        ends.set(chatId, Math.max(ends.get(chatId) ?? 0, now + seconds * 1000));
        latest = Math.max(latest, number);
        assert.is(flood.rests, rests + (isProved ? 1 : 0));
        if (isProved) assert.ok(ends.size >= 2);
        const [longest = 0, second = 0] = [...ends.values()].sort((one, other) => other - one);
        if (flood.restsUntil > now) assert.is(flood.restsUntil, Math.min(longest, second + 2000));
      } else if (kind === "taken") {
        const isClosed = flood.take(number, now);
        if (isClosed) assert.ok(number > latest && !flood.isOpen(now) && flood.restsUntil <= now);
        else assert.is(flood.restsUntil, before);
      } else if (kind === "ended") flood.end(number, now);
      else {
        flood.refuseChat(number, now);
        assert.equal([flood.restsUntil, flood.rests], [before, rests]);
      }
      assert.ok(flood.readyAt(now) <= Math.max(now + 1000, flood.restsUntil), "sending never ends");
    }
  }));
});

test.run();

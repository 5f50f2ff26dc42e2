/** Whom a flood answer concerns, as far as what was taken and refused shows. */
import fc from "fast-check";
import { type ChosenBy, FloodWait } from "../../../lib/telegram/rate_limit/flood_wait.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("FloodWait");

/** Messages leave, each to a chat of its own number, and are refused in their order. */
function refused(flood: FloodWait, count: number, seconds: number, now: number, from = 1): void {
  const numbers = Array.from({ length: count }, () => flood.onSent(now, "draw"));
  for (const [index, number] of numbers.entries()) {
    refuse(flood, number, from + index, now + seconds * 1000, now + index);
  }
}

/** The chat was drawn, unless told otherwise. Gives what was found out. */
function refuse(
  flood: FloodWait,
  number: number,
  chatId: number,
  until: number,
  now: number,
  chosenBy: ChosenBy = "draw",
): "bot" | "replies" | undefined {
  return flood.onRateLimited(number, { chatId, until, chosenBy }, now);
}

test("a refusal asks a question, and is no rest; three chats' are, for as long as Telegram says", () => {
  const flood = new FloodWait();
  assert.not.ok(flood.isOpen(0));
  const numbers = [1, 2, 3, 4].map(() => flood.onSent(0, "draw")) as [number, number, number, number];
  assert.is(refuse(flood, numbers[0], 10, 7_200_000, 0), undefined);
  assert.ok(flood.isOpen(1) && flood.restsUntil < 0);
  assert.is(refuse(flood, numbers[1], 20, 7_200_500, 100), undefined);
  assert.is(refuse(flood, numbers[2], 30, 7_201_000, 200), "bot");
  assert.is(refuse(flood, numbers[3], 40, 7_201_000, 300), undefined, "it is no news");
  assert.is(flood.restsUntil, 7_201_000);
  assert.is(flood.rests, 1);
  assert.not.ok(flood.isOpen(7_201_000));
});

test("three chats that ask for replies prove that replies rest, and nothing else does", () => {
  const flood = new FloodWait();
  const numbers = [1, 2, 3, 4].map(() => flood.onSent(0, "draw"));
  const found = numbers.map((number, index) => refuse(flood, number, index, 3_600_000, index, "itself"));
  assert.equal(found, [undefined, undefined, "replies", undefined]);
  assert.equal([flood.restsUntil, flood.rests], [-Infinity, 0]);
  assert.ok(flood.readyAt(5000, "draw") <= 5000 && flood.readyAt(5000, "order") <= 5000);
  const probe = flood.onSent(5000, "draw");
  assert.is(flood.readyAt(5100, "draw"), 6000, "one at a time");
  assert.is(flood.onSuccess(probe, 5200), true);
  assert.not.ok(flood.isOpen(5200));
});

test("replies that rest are tried now and then, more and more seldom", () => {
  const flood = new FloodWait();
  const numbers = [1, 2, 3].map(() => flood.onSent(0, "draw"));
  for (const [index, number] of numbers.entries()) refuse(flood, number, index, 3_600_000, 0, "itself");
  const rests: number[] = [];
  for (let [now, chatId] = [0, 10]; now < 3_600_000; chatId++) {
    const at = flood.readyAt(now, "itself");
    rests.push(at - now);
    now = at;
    if (flood.isOpen(now)) refuse(flood, flood.onSent(now, "itself"), chatId, 3_600_000, now, "itself");
  }
  assert.equal(rests.slice(0, 7), [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  assert.ok(rests.length < 70);
});

test("chats next to each other in the order prove nothing, however many: a stranger may have registered them", () => {
  const flood = new FloodWait();
  const numbers = Array.from({ length: 20 }, () => flood.onSent(0, "draw"));
  for (const [index, number] of numbers.entries()) {
    assert.is(refuse(flood, number, index, 3_600_000, index, "order"), undefined);
  }
  assert.ok(flood.isUnclear(100) && flood.restsUntil === -Infinity);
  assert.is(flood.readyAt(100, "order"), 1019, "the next in the order waits");
  assert.ok(flood.readyAt(100, "draw") <= 100);
  assert.is(flood.onSuccess(flood.onSent(1019, "draw"), 1100), true);
  assert.equal([flood.isOpen(1100), flood.rests, flood.isRateTooHigh], [false, 0, false]);
});

test("the next in the order waits for one who is drawn, and leaves after a second where nobody is", () => {
  const flood = new FloodWait();
  refuse(flood, flood.onSent(0, "order"), 1, 30_000, 0, "order");
  assert.equal([flood.readyAt(0, "draw"), flood.readyAt(0, "order"), flood.readyAt(0, "itself")], [
    0,
    1000,
    0,
  ]);
});

test("two who are drawn prove it after one in the order", () => {
  const flood = new FloodWait();
  assert.is(refuse(flood, flood.onSent(0, "order"), 1, 9_000_000, 0, "order"), undefined);
  assert.is(refuse(flood, flood.onSent(10, "draw"), 10, 3_600_000, 20, "draw"), undefined);
  assert.is(refuse(flood, flood.onSent(1020, "draw"), 20, 3_600_500, 1030, "draw"), "bot");
  assert.is(flood.restsUntil, 3_600_500, "as those were told who were drawn");
});

/** Chats are drawn, and refused, until a rest is proved; gives how many were drawn. */
function drawnUntilRest(flood: FloodWait, drawnFrom: number, seconds: number, now: number): number {
  const until = now + seconds * 1000;
  refuse(flood, flood.onSent(now, "order"), 1, until, now, "order");
  for (let drawn = 1; drawn < 100; drawn++) {
    const refusal = { chatId: 1 + drawn, until, chosenBy: "draw", drawnFrom } as const;
    if (flood.onRateLimited(flood.onSent(now, "draw"), refusal, now) === "bot") return drawn;
  }
  return NaN;
}

test("the fewer people chats are drawn from, the more have to be refused alike before a long rest is proved", () => {
  const parts = [1, 0.5, 0.25, 0.2, 0.01];
  assert.equal(parts.map((part) => drawnUntilRest(new FloodWait(), part, 61, 0)), [2, 4, 9, 17, 17]);
  assert.equal(parts.map((part) => drawnUntilRest(new FloodWait(), part, 60, 0)), [2, 2, 2, 2, 2]);
});

test("where the last person is drawn, and refused, a long rest is proved, as nobody can prove more", () => {
  const flood = new FloodWait();
  const draw = (chatId: number, drawnFrom: number): ReturnType<typeof refuse> =>
    flood.onRateLimited(flood.onSent(0, "draw"), { chatId, until: 600_000, chosenBy: "draw", drawnFrom }, 0);
  refuse(flood, flood.onSent(0, "order"), 1, 600_000, 0, "order");
  assert.is(draw(2, 0.01), undefined);
  assert.is(draw(3, 0), "bot");
});

test("while a chat's own flood lasts, more chats have to be refused, whomever they are drawn from", () => {
  const flood = new FloodWait();
  refuse(flood, flood.onSent(0, "order"), 1, 500_000, 0, "order");
  assert.is(flood.onSuccess(flood.onSent(0, "draw"), 0), true);
  assert.is(drawnUntilRest(flood, 1, 400, 1000), 20);
  assert.is(drawnUntilRest(flood, 1, 400, 600_000), 2);
});

/** A flood of the bot that is proved at once. */
function resting(seconds: number): FloodWait {
  const flood = new FloodWait();
  refused(flood, 4, seconds, 0);
  assert.is(flood.rests, 1);
  return flood;
}

test("a rest of a minute is tested by nobody; a longer one at first after ten seconds, then half as often each time", () => {
  const minute = resting(60);
  assert.not.ok(minute.isUnclear(1000));
  assert.is(minute.readyAt(1000, "draw"), minute.restsUntil);
  const flood = resting(7200);
  const tests: number[] = [];
  for (let [now, chatId] = [10, 10];; chatId++) {
    assert.ok(flood.isUnclear(now), "a broadcast is to draw somebody");
    now = flood.readyAt(now, "draw");
    if (!flood.isOpen(now)) break;
    tests.push(Math.floor(now / 1000));
    refuse(flood, flood.onSent(now, "draw"), chatId, 7_200_000, now);
  }
  assert.equal(tests, [10, 30, 70, 150, 310, 630, 1270, 2550, 5110]);
  assert.is(flood.rests, 1);
});

test("a message that tests a long rest, and succeeds, ends it: the floods were the chats' own", () => {
  const flood = resting(600);
  assert.is(flood.onSuccess(flood.onSent(9000, "draw"), 9100), false, "one that slips through is no test");
  assert.is(flood.onSuccess(flood.onSent(10_100, "draw"), 10_200), true);
  assert.not.ok(flood.isOpen(10_200));
  assert.is(drawnUntilRest(flood, 1, 500, 11_000), 20);
});

test("each question that was a chat's own makes the next want one chat more, up to six, until there is a rest", () => {
  const flood = new FloodWait();
  const needed = (now: number): number => {
    for (let chats = 1; chats < 20; chats++) {
      if (refuse(flood, flood.onSent(now, "draw"), chats, now + 5000, now) === "bot") return chats;
    }
    return NaN;
  };
  for (let count = 0; count < 8; count++) {
    const now = count * 100_000;
    refuse(flood, flood.onSent(now, "order"), 1, now + 30_000, now, "order");
    assert.is(flood.onSuccess(flood.onSent(now, "draw"), now), true);
  }
  assert.is(needed(1_000_000), 6);
  assert.is(needed(2_000_000), 3);
});

test("one chat's own flood of hours does not make a rest of seconds longer", () => {
  for (const place of [0, 1, 2]) {
    const flood = new FloodWait();
    const numbers = [1, 2, 3].map(() => flood.onSent(0, "draw"));
    for (const [index, number] of numbers.entries()) {
      refuse(flood, number, index, index === place ? 7_200_000 : 5000, 0);
    }
    assert.is(flood.restsUntil, 7000, "with a moment for what was refused later");
  }
});

test("the same chat again is no further proof", () => {
  const flood = new FloodWait();
  for (let time = 0; time < 50; time++) refuse(flood, flood.onSent(time, "draw"), 10, 30_000, time);
  for (let time = 50; time < 100; time++) refuse(flood, flood.onSent(time, "draw"), 20, 30_000, time);
  assert.is(flood.rests, 0);
});

test("take() closes a question only by what has left after the refusal", () => {
  const flood = new FloodWait();
  const [before, own, after] = [flood.onSent(0, "draw"), flood.onSent(0, "draw"), flood.onSent(0, "draw")];
  refuse(flood, own, 10, 30_000, 0);
  assert.is(flood.onSuccess(before, 100), false);
  assert.ok(flood.isOpen(100));
  assert.is(flood.onSuccess(after, 200), true);
  assert.not.ok(flood.isOpen(200));
  assert.is(flood.onSuccess(flood.onSent(200, "draw"), 300), false, "there is none any more");
});

test("probes leave one at a time: the first at once, the next after its answer or a second", () => {
  const flood = new FloodWait();
  refuse(flood, flood.onSent(0, "draw"), 10, 30_000, 50);
  assert.is(flood.readyAt(50, "draw"), 50);
  const first = flood.onSent(60, "draw");
  assert.is(flood.readyAt(70, "draw"), 1060, "it is under way");
  assert.is(flood.onReleased(first, 200), true);
  assert.ok(flood.readyAt(200, "draw") <= 200, "it has told nothing");
  const second = flood.onSent(210, "draw");
  refuse(flood, second, 20, 30_000, 300);
  assert.is(flood.readyAt(300, "draw"), 1300);
  const third = flood.onSent(1300, "draw");
  flood.onChatRateLimited(third, 1400);
  assert.is(flood.readyAt(1400, "draw"), 2400, "a group's refusal tells nothing, and is one all the same");
});

test("what was under way already is a probe, too", () => {
  const flood = new FloodWait();
  const [own, other] = [flood.onSent(0, "draw"), flood.onSent(0, "draw")];
  refuse(flood, own, 10, 30_000, 100);
  assert.is(flood.readyAt(100, "draw"), 1100);
  assert.is(flood.onReleased(other, 150), true);
  assert.ok(flood.readyAt(150, "draw") <= 150);
});

test("a question that nobody asks any more says nothing of a chat's long flood", () => {
  const flood = new FloodWait();
  refuse(flood, flood.onSent(0, "draw"), 10, 7_200_000, 0);
  assert.ok(flood.mayBeBots(9000));
  assert.not.ok(flood.mayBeBots(11_000));
  assert.ok(flood.isOpen(11_000), "the next message asks it");
  flood.onSent(11_000, "draw");
  assert.ok(flood.mayBeBots(12_000));
});

test("many chats that are refused close together are the bot, whatever slips through", () => {
  const flood = new FloodWait();
  refused(flood, 20, 30, 0);
  assert.is(flood.onSuccess(flood.onSent(40, "draw"), 50), false);
  assert.is(flood.restsUntil, 30_000);
});

test("many in the order that are refused for seconds, among others, show that the rate is too high; hours do not", () => {
  for (const [seconds, isOften] of [[5, true], [60, true], [61, false], [3600, false]] as const) {
    const flood = new FloodWait();
    for (let chatId = 1; chatId <= 4; chatId++) {
      refuse(flood, flood.onSent(0, "order"), chatId, seconds * 1000, 0, "order");
      assert.is(flood.onSuccess(flood.onSent(10, "order"), 10), true, "it is no rest");
    }
    assert.is(flood.isRateTooHigh, isOften, `${seconds} s`);
  }
});

test("ten in the order that are refused one after another show nothing of the rate, while those who are drawn are not", () => {
  const flood = new FloodWait();
  for (let chatId = 1; chatId <= 10; chatId++) {
    refuse(flood, flood.onSent(chatId, "order"), chatId, 5000, chatId, "order");
    assert.is(flood.onSuccess(flood.onSent(chatId, "draw"), chatId), true);
  }
  assert.not.ok(flood.isRateTooHigh);
});

test("chats that are refused now and then are refused for their own sake, for ever", () => {
  const flood = new FloodWait();
  let now = 0;
  for (let count = 1; count <= 10_000; count++) {
    now += 33;
    const number = flood.onSent(now, "draw");
    if (count % 100 !== 0) flood.onSuccess(number, now);
    else {
      refuse(flood, number, number, now + 30_000, now);
      assert.is(flood.onSuccess(flood.onSent(now, "draw"), now + 10), true, `message ${number}`);
    }
  }
  assert.is(flood.rests, 0);
});

test("after a flood of the bot one chat's own is found out again", () => {
  const flood = new FloodWait();
  refused(flood, 500, 2, 0);
  for (let now = 2600; now < 20_000; now += 33) flood.onSuccess(flood.onSent(now, "draw"), now);
  refuse(flood, flood.onSent(20_000, "draw"), 7, 80_000, 20_000);
  assert.is(flood.onSuccess(flood.onSent(20_000, "draw"), 20_100), true);
  assert.is(flood.rests, 1);
});

interface Answer {
  readonly afterMs: number;
  readonly kind: "taken" | "refused" | "refusedForChat" | "ended";
  readonly chatId: number;
  /** How many of those under way have left later. */
  readonly back: number;
  readonly seconds: number;
  readonly chosenBy: ChosenBy;
}

const answers: fc.Arbitrary<Answer[]> = fc.array(
  fc.record({
    afterMs: fc.oneof(fc.nat(100), fc.nat(3000)),
    kind: fc.constantFrom("taken", "taken", "refused", "refused", "refusedForChat", "ended"),
    chatId: fc.integer({ min: 1, max: 6 }),
    back: fc.nat(5),
    seconds: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 80_000 })),
    chosenBy: fc.constantFrom<ChosenBy>("draw", "draw", "order", "itself"),
  }),
  { maxLength: 120 },
);

test("for any answers: it rests on the word of two who were drawn, never longer; what closes a question left after all refusals", () => {
  fc.assert(fc.property(answers, (list) => {
    const flood = new FloodWait();
    const underWay = Array.from({ length: 6 }, () => flood.onSent(0, "draw"));
    const ends = new Map<number, number>();
    const all = new Set<number>();
    let [now, latest] = [0, -Infinity];
    for (const { afterMs, kind, chatId, back, seconds, chosenBy } of list) {
      now += afterMs;
      if (!flood.isOpen(now)) [ends, all].forEach((each) => each.clear());
      const { restsUntil: before, rests } = flood;
      const [number = 0] = underWay.splice(-1 - back, 1);
      underWay.push(flood.onSent(now, "draw"));
      if (kind === "refused") {
        const found = refuse(flood, number, chatId, now + seconds * 1000, now, chosenBy);
        all.add(chatId);
        if (chosenBy === "draw") ends.set(chatId, Math.max(ends.get(chatId) ?? 0, now + seconds * 1000));
        latest = Math.max(latest, number);
        assert.is(flood.rests, rests + (found === "bot" ? 1 : 0));
        if (found === "bot") assert.ok(ends.size >= 2 && all.size >= 3);
        if (found === "replies") assert.ok(all.size >= 3 && flood.restsUntil <= now);
        const [longest = 0, second = 0] = [...ends.values()].sort((one, other) => other - one);
        if (flood.restsUntil > now) assert.is(flood.restsUntil, Math.min(longest, second + 2000));
      } else if (kind === "taken") {
        const isClosed = flood.onSuccess(number, now);
        if (isClosed) assert.ok(number > latest && !flood.isOpen(now) && flood.restsUntil <= now);
        else assert.is(flood.restsUntil, before);
      } else if (kind === "ended") flood.onReleased(number, now);
      else {
        flood.onChatRateLimited(number, now);
        assert.equal([flood.restsUntil, flood.rests], [before, rests]);
      }
      for (const [who, ms] of [["draw", 1000], ["order", 1000], ["itself", 60_000]] as const) {
        assert.ok(flood.readyAt(now, who) <= Math.max(now + ms, flood.restsUntil), "sending never ends");
      }
    }
  }));
});

test.run();

/** The bot's rate, for any demand and against limits that it does not know; and how often one chat may be written to. */
import fc from "fast-check";
import { TokenBucket429 } from "../../../lib/local/telegram/rate_limit.ts";
import type { ChatId } from "../../../lib/telegram/rate_limit/flood_wait.ts";
import { AdaptiveRate, createChatRateLimits, type RateSlot } from "../../../lib/telegram/rate_limit/rates.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("AdaptiveRate");

/** What is made up for after a late timer: a tenth of a second's worth. */
const catchUpSeconds = 0.1;
const aBit = 1e-6;

/** How long after one another, in milliseconds, slots are asked for. */
const demand = fc.array(fc.oneof(fc.constant(0), fc.nat(50), fc.nat(5000)), { minLength: 1, maxLength: 200 });
const rate = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.double({ min: 0.1, max: 1000, noNaN: true }));

/** When messages leave that are asked for after these gaps; each waits for its slot. */
function timesOf(messagesPerSecond: number, gaps: readonly number[]): number[] {
  const pace = new AdaptiveRate(messagesPerSecond);
  let now = 1_000_000;
  return gaps.map((gap) => {
    now += gap;
    now += Math.max(0, pace.waitMs(now));
    pace.take(now);
    return now;
  });
}

test("take() lets no more leave in any stretch of time than the rate allows, and a moment's catching up", () => {
  fc.assert(fc.property(rate, demand, (messagesPerSecond, gaps) => {
    const times = timesOf(messagesPerSecond, gaps);
    for (let from = 0; from < times.length; from++) {
      for (let to = from; to < times.length; to++) {
        const seconds = ((times[to] ?? 0) - (times[from] ?? 0)) / 1000;
        const most = (seconds + catchUpSeconds) * messagesPerSecond + 1;
        assert.ok(to - from + 1 <= most + 1 + aBit, `${to - from + 1} in ${seconds} s`);
      }
    }
  }));
});

test("take() keeps up the rate under full demand", () => {
  fc.assert(fc.property(rate, fc.integer({ min: 2, max: 300 }), (messagesPerSecond, count) => {
    const times = timesOf(messagesPerSecond, Array(count).fill(0));
    const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000;
    assert.ok(Math.abs(seconds - (count - 1) / messagesPerSecond) <= aBit * count, `${seconds}`);
  }));
});

test("take() lets one leave at once after a rest, and no burst", () => {
  fc.assert(fc.property(rate, demand, (messagesPerSecond, gaps) => {
    const pace = new AdaptiveRate(messagesPerSecond);
    let now = 0;
    for (const gap of gaps) {
      now += gap + Math.max(0, pace.waitMs(now + gap));
      pace.take(now);
    }
    const rested = now + 1000 / messagesPerSecond + 1001;
    assert.ok(pace.waitMs(rested) <= 0);
    pace.take(rested);
    assert.ok(pace.waitMs(rested) >= 1000 / messagesPerSecond - aBit);
  }));
});

interface Course {
  readonly seconds: number;
  readonly sent: number;
  readonly refused: number;
  readonly pace: number;
}

/** Sends as the pace has it to a server that takes `limit` a second, and answers after the latency. */
function course(messagesPerSecond: number, limit: number, latencyMs: number, count: number): Course {
  const pace = new AdaptiveRate(messagesPerSecond);
  let now = 0;
  const server = new TokenBucket429(limit, () => now);
  const answers: { at: number; act: () => void }[] = [];
  let [sent, refused, until, left] = [0, 0, 0, count];
  while (sent < count) {
    const leavesAt = left > 0 ? Math.max(now, until, now + pace.waitMs(now)) : Infinity;
    const answer = answers[0];
    if (answer !== undefined && answer.at <= leavesAt) {
      now = answer.at;
      answers.shift();
      answer.act();
      continue;
    }
    now = leavesAt;
    left--;
    const slot = pace.take(now);
    try {
      server.take();
      answers.push({ at: now + latencyMs, act: () => sent++ });
    } catch (error) {
      const { retry_after = 1 } = (error as { parameters?: { retry_after?: number } }).parameters ?? {};
      answers.push({
        at: now + latencyMs,
        act: () => {
          refused++;
          left++;
          until = Math.max(until, now + retry_after * 1000);
          pace.backOff(slot);
          pace.confirm(slot);
        },
      });
    }
  }
  return { seconds: now / 1000, sent, refused, pace: pace.messagesPerSecond };
}

test("at a limit that is the rate's own nothing is refused, and no time is lost", () => {
  for (const limit of [1, 30, 1000]) {
    const { seconds, refused } = course(limit, limit, 80, limit * 100);
    assert.is(refused, 0);
    assert.ok(seconds <= 100 * 1.01, `${limit}: ${seconds} s`);
  }
});

test("backOff() finds a limit that nobody has told, at the first flood", () => {
  for (const [most, limit] of [[30, 15], [1000, 500], [1000, 30], [30, 25], [100, 10]] as const) {
    const { seconds, refused, sent } = course(most, limit, 80, limit * 200);
    assert.ok(seconds <= 200 * 1.12, `${limit} of ${most}: ${seconds} s`);
    assert.ok(refused <= sent * 0.015 + most * 0.08, `${limit} of ${most}: ${refused} of ${sent} refused`);
  }
});

test("backOff() follows any limit, at any latency", () => {
  const limits = fc.integer({ min: 5, max: 500 });
  fc.assert(
    fc.property(
      limits,
      fc.double({ min: 1, max: 8, noNaN: true }),
      fc.nat(1000),
      (limit, times, latencyMs) => {
        const most = Math.min(1000, limit * times);
        const { seconds, sent, refused } = course(most, limit, latencyMs, limit * 120);
        assert.ok(seconds <= 120 * 1.4 + 2 * latencyMs / 1000, `${seconds} s`);
        // Whatever is under way when a flood begins is refused, too.
        assert.ok(
          refused <= sent * 0.03 + most * (latencyMs / 1000 + 0.1) * 3,
          `${refused} of ${sent} refused`,
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("after a flood that has passed the full rate is back within three minutes of work", () => {
  const pace = new AdaptiveRate(30);
  let now = 0;
  let slot = pace.take(now);
  for (let count = 0; count < 60; count++) slot = pace.take(now += Math.max(0, pace.waitMs(now)));
  pace.backOff(slot);
  assert.ok(pace.messagesPerSecond < 25);
  const start = now;
  while (pace.messagesPerSecond < 30 && now - start < 180_000) {
    pace.take(now += Math.max(0, pace.waitMs(now)));
  }
  assert.is(pace.messagesPerSecond, 30);
});

test("backOff() is done once for all that left before the first of them was refused", () => {
  const pace = new AdaptiveRate(30);
  let now = 0;
  const slots = Array.from({ length: 50 }, () => pace.take(now += Math.max(0, pace.waitMs(now))));
  for (const slot of slots.slice(40)) pace.backOff(slot);
  const after = pace.messagesPerSecond;
  assert.ok(after > 10 && after < 28, `${after}`);
});

test("undoBackOff() takes it back where the flood was one chat's own", () => {
  const pace = new AdaptiveRate(30);
  const slot = pace.take(0);
  pace.backOff(slot);
  assert.is(pace.messagesPerSecond, 15);
  pace.undoBackOff(slot);
  assert.is(pace.messagesPerSecond, 30);
});

test("undoBackOff() takes it back after a rest, too, and what confirm() has lowered", () => {
  for (const restMs of [0, 60_000]) {
    const pace = new AdaptiveRate(40);
    pace.backOff(pace.take(0));
    const slot = pace.take(1000 + restMs);
    const before = pace.messagesPerSecond;
    pace.backOff(slot);
    pace.confirm(slot);
    assert.ok(pace.messagesPerSecond < 12, `${pace.messagesPerSecond}`);
    pace.undoBackOff(slot);
    assert.is(pace.messagesPerSecond, before);
  }
});

test("undoBackOff() lets those teach that had left before", () => {
  const pace = new AdaptiveRate(30);
  let now = 0;
  const slots = Array.from({ length: 60 }, () => pace.take(now += Math.max(0, pace.waitMs(now))));
  const [first, last] = [slots[58], slots[59]] as [RateSlot, RateSlot];
  pace.backOff(first);
  pace.undoBackOff(first);
  pace.backOff(last);
  assert.ok(pace.messagesPerSecond < 20, `${pace.messagesPerSecond}`);
});

test("limit() holds for good", () => {
  const pace = new AdaptiveRate(1000);
  pace.limit(30);
  const slot = pace.take(0);
  pace.backOff(slot);
  pace.undoBackOff(slot);
  pace.limit(100);
  assert.is(pace.messagesPerSecond, 30);
});

test("backOff() goes no lower than half the rate until confirm() says that the limit was the bot's", () => {
  for (const [isConfirmed, least] of [[false, 15], [true, 1]] as const) {
    const pace = new AdaptiveRate(30);
    for (let count = 0; count < 20; count++) {
      const slot = pace.take(count * 1100);
      pace.backOff(slot);
      if (isConfirmed) pace.confirm(slot);
    }
    assert.ok(Math.abs(pace.messagesPerSecond - least) < 0.1, `${pace.messagesPerSecond}`);
  }
});

test("what nobody waited for tells nothing of a limit: a trickle before a flood costs half the rate at most", () => {
  for (const gapMs of [150, 400, 800, 990]) {
    const pace = new AdaptiveRate(30);
    let now = 0;
    let slot = pace.take(now);
    for (let count = 0; count < 200; count++) slot = pace.take(now += gapMs);
    pace.backOff(slot);
    pace.confirm(slot);
    assert.is(pace.messagesPerSecond, 15);
  }
});

test("confirm() counts for the slot that was lowered for last", () => {
  const pace = new AdaptiveRate(30);
  const early = pace.take(0);
  pace.backOff(early);
  const late = pace.take(2000);
  pace.backOff(late);
  pace.confirm(early);
  assert.is(pace.messagesPerSecond, 15);
  pace.undoBackOff(early);
  assert.is(pace.messagesPerSecond, 15);
  pace.confirm(late);
  assert.ok(pace.messagesPerSecond < 8);
});

test("idle time gives the rate back, too: all of it in twenty minutes, next to nothing in one", () => {
  for (const [idleMs, least, most] of [[60_000, 15, 16], [20 * 60_000, 30, 30]] as const) {
    const pace = new AdaptiveRate(30);
    pace.backOff(pace.take(0));
    pace.take(idleMs);
    const { messagesPerSecond } = pace;
    assert.ok(messagesPerSecond >= least && messagesPerSecond <= most, `${messagesPerSecond}`);
  }
});

const chats = suite("createChatRateLimits()");

interface Wish {
  readonly chatId: ChatId;
  readonly afterMs: number;
}

const chatIds = fc.constantFrom<ChatId>(1, 2, 3, -1, -100_200, "@news");
const wishes: fc.Arbitrary<Wish[]> = fc.array(
  fc.record({ chatId: chatIds, afterMs: fc.oneof(fc.constant(0), fc.nat(500), fc.nat(8000)) }),
  { minLength: 1, maxLength: 300 },
);

/** How many of the ascending times lie in the last stretch of that length before `now`. */
function within(times: readonly number[], now: number, ms: number): number {
  return times.filter((time) => time > now - ms).length;
}

chats(
  "for any demand: a chat is ready exactly while it has had fewer than 3 in 3 s, and a group fewer than 20 in a minute",
  () => {
    fc.assert(fc.property(wishes, (list) => {
      const limits = createChatRateLimits();
      const sent = new Map<ChatId, number[]>();
      let now = 0;
      for (const { chatId, afterMs } of list) {
        now += afterMs;
        const times = sent.get(chatId) ?? [];
        const isFull = within(times, now, 3000) >= 3 ||
          (chatId !== 1 && chatId !== 2 && chatId !== 3 && within(times, now, 60_000) >= 20);
        assert.is(limits.readyAt(chatId, now) > now, isFull, `${chatId} at ${now}`);
        if (isFull) continue;
        limits.record(chatId, now);
        sent.set(chatId, [...times, now]);
      }
    }));
  },
);

chats("for any demand: whoever waits until it is ready waits no longer than needed", () => {
  fc.assert(
    fc.property(wishes, (list) => {
      const limits = createChatRateLimits();
      const sent = new Map<ChatId, number[]>();
      let now = 0;
      for (const { chatId, afterMs } of list) {
        now += afterMs;
        const times = sent.get(chatId) ?? [];
        const readyAt = Math.max(now, limits.readyAt(chatId, now));
        if (readyAt > now) {
          const isGroup = typeof chatId === "string" || chatId < 0;
          const wouldBeTooMany = within(times, readyAt - 1, 3000) >= 3 ||
            (isGroup && within(times, readyAt - 1, 60_000) >= 20);
          assert.ok(wouldBeTooMany, `${chatId} could go before ${readyAt}`);
        }
        now = readyAt;
        assert.ok(limits.readyAt(chatId, now) <= now);
        limits.record(chatId, now);
        sent.set(chatId, [...times, now]);
      }
    }),
    { numRuns: 50 },
  );
});

chats("blockUntil() blocks a chat for as long as Telegram says, and no other", () => {
  const limits = createChatRateLimits();
  limits.blockUntil(1, 30_000, 0);
  limits.blockUntil(1, 20_000, 10);
  assert.is(limits.readyAt(1, 29_999), 30_000);
  assert.ok(limits.readyAt(2, 0) <= 0);
  assert.ok(limits.readyAt(1, 30_000) <= 30_000);
  limits.blockUntil(2, 50_000, 40_000);
  assert.ok(limits.readyAt(1, 40_000) <= 40_000);
  assert.is(limits.readyAt(2, 40_000), 50_000);
});

test.run();
chats.run();

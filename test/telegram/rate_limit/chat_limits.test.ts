/** How often one chat may be written to, exactly, for any demand. */
import fc from "fast-check";
import { createChatRateLimits } from "../../../lib/telegram/rate_limit/chat_limits.ts";
import type { ChatId } from "../../../lib/telegram/rate_limit/flood_wait.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("createChatPace()");

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

test("for any demand: a chat is ready exactly while it has had fewer than 3 in 3 s, and a group fewer than 20 in a minute", () => {
  fc.assert(fc.property(wishes, (list) => {
    const pace = createChatRateLimits();
    const sent = new Map<ChatId, number[]>();
    let now = 0;
    for (const { chatId, afterMs } of list) {
      now += afterMs;
      const times = sent.get(chatId) ?? [];
      const isFull = within(times, now, 3000) >= 3 ||
        (chatId !== 1 && chatId !== 2 && chatId !== 3 && within(times, now, 60_000) >= 20);
      assert.is(pace.readyAt(chatId, now) > now, isFull, `${chatId} at ${now}`);
      if (isFull) continue;
      pace.record(chatId, now);
      sent.set(chatId, [...times, now]);
    }
  }));
});

test("for any demand: whoever waits until it is ready waits no longer than needed", () => {
  fc.assert(
    fc.property(wishes, (list) => {
      const pace = createChatRateLimits();
      const sent = new Map<ChatId, number[]>();
      let now = 0;
      for (const { chatId, afterMs } of list) {
        now += afterMs;
        const times = sent.get(chatId) ?? [];
        const readyAt = Math.max(now, pace.readyAt(chatId, now));
        if (readyAt > now) {
          const isGroup = typeof chatId === "string" || chatId < 0;
          const wouldBeTooMany = within(times, readyAt - 1, 3000) >= 3 ||
            (isGroup && within(times, readyAt - 1, 60_000) >= 20);
          assert.ok(wouldBeTooMany, `${chatId} could go before ${readyAt}`);
        }
        now = readyAt;
        assert.ok(pace.readyAt(chatId, now) <= now);
        pace.record(chatId, now);
        sent.set(chatId, [...times, now]);
      }
    }),
    { numRuns: 50 },
  );
});

test("hold() keeps a chat for as long as Telegram says, and no other", () => {
  const pace = createChatRateLimits();
  pace.blockUntil(1, 30_000, 0);
  pace.blockUntil(1, 20_000, 10);
  assert.is(pace.readyAt(1, 29_999), 30_000);
  assert.ok(pace.readyAt(2, 0) <= 0);
  assert.ok(pace.readyAt(1, 30_000) <= 30_000);
  pace.blockUntil(2, 50_000, 40_000);
  assert.ok(pace.readyAt(1, 40_000) <= 40_000);
  assert.is(pace.readyAt(2, 40_000), 50_000);
});

test.run();

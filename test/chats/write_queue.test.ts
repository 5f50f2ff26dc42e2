/** The keeper by itself: order, exactness, bounds, whatever its storage does. */
import fc from "fast-check";
import type { ChatEvent } from "../../lib/chats/events.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { StorageError } from "../../lib/chats/storage.ts";
import { WriteQueue } from "../../lib/chats/write_queue.ts";
import { type ChatWrite, NotWrittenError, type WriteTarget } from "../../lib/chats/writer.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, Logs, pause, soon, until } from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";

const noon = Date.UTC(2026, 10, 20, 12);
const down = new StorageError("unreachable", "DynamoDB cannot be reached.");

function said(chatId: number, updateId: number, kind: "start" | "stop" | "message" = "message"): ChatWrite {
  const event: ChatEvent = { kind, at: noon + 1000 * updateId, updateId, registers: true };
  return { kind: "event", chatId, event };
}

/** A storage of chats that does what it is told to before, or after, each write. */
class Moody implements WriteTarget {
  readonly chats = new InMemoryChatStorage();
  readonly writes: number[] = [];
  before: () => void = () => {};
  after: () => void = () => {};

  async apply(...[chatId, events]: Parameters<WriteTarget["apply"]>): ReturnType<WriteTarget["apply"]> {
    await pause(0);
    this.before();
    const applied = await this.chats.apply(chatId, events);
    this.writes.push(events.length);
    this.after();
    return applied;
  }

  migrate(): Promise<void> {
    return Promise.resolve();
  }
}

interface Scene {
  readonly storing: Moody;
  readonly keeper: WriteQueue;
  readonly logs: Logs;
}

async function withKeeper(body: (scene: Scene) => Promise<void>, factor: number = 100): Promise<void> {
  const storing = new Moody();
  const logs = new Logs();
  const keeper = new WriteQueue({
    storing,
    clock: new FastClock(factor),
    logger: logs,
    spool: undefined,
    onlyCounts: (entry) => entry.kind === "event" && entry.event.kind === "message",
  });
  try {
    await body({ storing, keeper, logs });
  } finally {
    storing.before = storing.after = (): void => {};
    await keeper.close();
  }
}

const test = suite("keeper");

test("what comes at once for one chat is one write, and each entry hears what it did", () =>
  withKeeper(async ({ storing, keeper }) => {
    const kept = [1, 2, 3].map((id) => keeper.enqueue(said(7, id)).written);
    const steps = await Promise.all(kept);
    assert.equal(storing.writes, [3]);
    assert.equal(steps.map(({ before, after }) => [before?.message_count, after?.message_count]), [
      [undefined, 1],
      [1, 2],
      [2, 3],
    ]);
  }));

test("what is told again is kept once, and says so", () =>
  withKeeper(async ({ keeper }) => {
    assert.is((await keeper.enqueue(said(7, 1)).written).isRepeated, false);
    assert.is((await keeper.enqueue(said(7, 1)).written).isRepeated, true);
    assert.is((await keeper.enqueue(said(7, 2)).written).isRepeated, false);
  }));

test("one entry that is at fault rejects, and those around it are kept", () =>
  withKeeper(async ({ storing, keeper }) => {
    const bad: ChatWrite = {
      kind: "event",
      chatId: 7,
      event: { kind: "message", at: NaN, updateId: 2, registers: true },
    };
    const [first, second, third] = [said(7, 1), bad, said(7, 3)].map((entry) => keeper.enqueue(entry));
    await first?.written;
    assert.instance(await failureOf(second?.written ?? Promise.resolve()), RangeError);
    await third?.written;
    assert.is((await storing.chats.getChat(7))?.message_count, 2);
  }));

test("any entries, written through any failures, are kept once, in each chat's order", async () => {
  const entry = fc.record({
    chat: fc.integer({ min: 1, max: 3 }),
    kind: fc.constantFrom("start", "stop", "message"),
  });
  const failures = fc.array(fc.constantFrom("none", "before", "after"), { minLength: 1, maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 25 }), failures, async (all, moods) => {
      await withKeeper(async ({ storing, keeper }) => {
        const next = (mood: string) => (): void => {
          if (moods[0] !== mood) return void (moods[0] === "none" && moods.shift());
          moods.shift();
          throw down;
        };
        storing.before = next("before");
        storing.after = next("after");
        const entries = all.map(({ chat, kind }, index) => said(chat, index + 1, kind as "start"));
        await Promise.all(entries.map((each) => keeper.enqueue(each).written));
        const plain = new InMemoryChatStorage();
        for (const each of entries) if (each.kind === "event") await plain.apply(each.chatId, [each.event]);
        for (const chat of [1, 2, 3]) {
          assert.equal(await storing.chats.getChat(chat), await plain.getChat(chat));
        }
      }, 2000);
    }),
    { numRuns: 60 },
  );
});

test("a queue that is full gives up counts, says how many, and keeps the rest", () =>
  withKeeper(async ({ storing, keeper, logs }) => {
    storing.before = () => {
      throw down;
    };
    await keeper.enqueue(said(7, 1, "start")).acknowledged;
    for (let id = 2; id <= 50_000; id++) keeper.enqueue(said(7, id));
    await until(() => keeper.queued === 50_000, "it does not fill");
    await keeper.enqueue(said(7, 50_001)).acknowledged;
    assert.is(await keeper.enqueue(said(7, 50_002, "stop")).acknowledged, "queued");
    assert.is(keeper.queued, 50_001);
    storing.before = (): void => {};
    await until(() => !keeper.isDegraded, "it does not recover");
    const chat = await storing.chats.getChat(7);
    assert.equal([chat?.message_count, chat?.removed_reason], [50_001, "stopped"]);
    assert.match(logs.of("info")[0] ?? "", "1 message found no room in the queue, and was not counted.");
    assert.is(logs.of("error").length, 1);
  }));

test("a queue with no room left acknowledges nothing more, until there is", () =>
  withKeeper(async ({ storing, keeper }) => {
    storing.before = () => {
      throw down;
    };
    for (let id = 1; id <= 100_000; id++) keeper.enqueue(said(7, id, "start"));
    await until(() => keeper.queued === 100_000, "it does not fill");
    const { acknowledged } = keeper.enqueue(said(7, 100_001, "stop"));
    assert.not.ok(await soon(acknowledged, 200), "there is no room for it");
    storing.before = (): void => {};
    await acknowledged;
  }));

test("close() keeps what it can, and rejects what it cannot", () =>
  withKeeper(async ({ storing, keeper, logs }) => {
    let failures = 1;
    storing.before = () => {
      if (failures-- > 0) throw down;
    };
    const { written: kept } = keeper.enqueue(said(7, 1));
    await pause(5);
    await keeper.close();
    await kept;
    assert.instance(await failureOf(keeper.enqueue(said(7, 2)).written), NotWrittenError);
    assert.equal(logs.lines, []);
  }, 2));

test.run();
